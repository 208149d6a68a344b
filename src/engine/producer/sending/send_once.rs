//! Sends with an idempotency id, and delayed sends. A script adds the entry, unless the id was sent before, within the time that it is kept.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;

use crate::engine::host::Event;
use crate::engine::nodes::schedule_watches::ScheduleUser;
use crate::engine::producer::Producer;
use crate::engine::producer::sending::send_payload::{PayloadValue, SendPayload};
use crate::engine::producer::sending::send_plan::QueuedSend;
use crate::engine::producer::state::ProducerState;
use crate::engine::protocol::idempotency::{ADD_ONCE, FirstSend, SendOnce};
use crate::engine::protocol::schedule::SCHEDULE;

/// Number of keys of either script in front of the payload keys.
const FIXED_KEYS: usize = 3;

impl ScheduleUser for Producer {
    fn is_active(&self) -> bool {
        false
    }

    fn report(&self, error: &RedisError) {
        let host = &self.node_set.context().host;
        host.event(Event::ProducerFailed { producer: self.number, error });
        host.wake();
    }
}

impl Producer {
    /// Packs the send of a job with an idempotency id, whose payload keys and entry take effect together or not at all.
    pub(crate) fn pack_once(
        &self,
        state: &mut ProducerState,
        commands: &mut Commands,
        (node, queued, record): (usize, &QueuedSend, u64),
        once: &SendOnce,
        to: Destination,
    ) {
        let keys = self.node_set.nodes()[node].keys();
        let stream = &queued.plan.stream;
        let number = self.sent_once.fetch_add(1, Ordering::Relaxed);
        let send = format!("{}:{number}", self.id);
        if let Some(wait) = queued.wait {
            state.completions.note_once(wait, &once.id, &send);
        }
        let values =
            || queued.payload.iter().flat_map(|payload| payload.values.iter().filter(|value| value.is_key));
        let count = queued.payload.as_deref().map_or(0, SendPayload::keys);
        let fields = self.fields(queued, record);
        let (script, arguments) = if once.delay.is_some() { (SCHEDULE, 5) } else { (ADD_ONCE, 4) };
        let words = 3 + FIXED_KEYS + arguments + 3 * count + queued.plan.words(&fields, queued.capped);
        commands.begin("EVAL", words).arg(script.as_bytes()).arg_number((FIXED_KEYS + count) as u64);
        let id = if once.is_of_job { send.as_str() } else { &once.id };
        let (first_send, sends) = (keys.once(stream, id), keys.delayed_sends(stream));
        match once.delay {
            Some(_) => {
                commands.key(keys.delayed_times(stream).as_bytes());
                commands.key(sends.as_bytes()).key(first_send.as_bytes());
            }
            None => {
                commands.key(queued.plan.key(node).as_bytes());
                commands.key(first_send.as_bytes()).key(sends.as_bytes());
            }
        }
        for PayloadValue { key, .. } in values() {
            commands.key_parts(&keys.payload(&queued.job, key));
        }
        commands.arg(send.as_bytes()).arg(queued.job.as_bytes()).arg(once.id.as_bytes());
        if let Some(delay) = once.delay {
            match once.due {
                Some(due) => commands.arg(format!("@{due}").as_bytes()),
                None => commands.arg_number(if planted("delay is forgotten") { 0 } else { delay }),
            };
        }
        commands.arg_number(once.ttl);
        for PayloadValue { value, expiry, .. } in values() {
            commands.arg(value).arg_number(*expiry);
        }
        queued.plan.pack_words(commands, fields, queued.capped);
        commands.end(to);
        if let Some(delay) = once.delay {
            commands.mark_fenced();
            let sender: Weak<dyn ScheduleUser> = self.this.clone();
            self.node_set.expect_delayed((node, stream), Duration::from_millis(delay), &sender);
        }
    }

    /// Removes a delayed send. Resolves with 1 if its entry was not added yet.
    pub async fn cancel(&self, route: &str, stream: &str, id: &str) -> Result<Value, RedisError> {
        let node = self.node_set.route(route);
        if planted("cancelled send is added") {
            return Ok(Value::Integer(1));
        }
        // A send that waits for its subscription leaves first. If both are sent again, the send must not come last.
        self.until_none_held(stream).await;
        let (keys, shared) =
            (self.node_set.schedule_keys(node, stream), self.node_set.nodes()[node].shared());
        loop {
            let found = shared.call(|commands, to| keys.pack_find_payload(commands, id, to)).await?;
            let payload = match &found {
                Value::Array(payload) => payload.as_slice(),
                _ => &[],
            };
            let reply = shared.call(|commands, to| keys.pack_cancel(commands, id, payload, to)).await?;
            // A send that took the place of the first one has other payload keys.
            if reply != Value::Integer(-1) {
                return Ok(reply);
            }
        }
    }

    /// Takes the reply to a send with an id. A duplicate waits for the completions of the first send. Those go to the producer
    /// of the first send, so Redis is asked for them. The entry of a delayed send is not known yet.
    pub(crate) fn on_duplicate(&self, wait: u32, reply: &[u8]) {
        let Some(producer) = self.this.upgrade() else { return };
        match FirstSend::read(reply) {
            Some(first) => {
                let mut state = producer.lock();
                state.completions.follow(wait, &first);
                producer.keep_checking(&mut state);
            }
            None => match EntryId::parse(reply) {
                Some(entry) => producer.sent(wait, entry),
                None => producer.lock().completions.expect_entry(wait),
            },
        }
    }
}
