//! Completions that reach a producer: the choice among several subscriptions, and the waits that end.

use crate::redis_io::world::clock::wall_clock;
use std::sync::atomic::Ordering;

use crate::engine::host::{Event, GroupCompletion};
use crate::engine::nodes::message_router::{CompletionListener, MessageSource};
use crate::engine::producer::Producer;
use crate::engine::producer::state::{Channel, ProducerState};
use crate::engine::protocol::completion_message::CompletionMessage;

impl Producer {
    /// Returns true if this subscription counts. Redis delivers a message once per matching subscription, and
    /// exactly one must count. The own channel precedes patterns, and patterns count in the order of their
    /// subscription.
    fn is_first(
        &self,
        state: &ProducerState,
        source: MessageSource<'_>,
        channel: &[u8],
        stream: &str,
    ) -> bool {
        let MessageSource::Pattern(pattern) = source else { return true };
        let subscribed = matches!(state.channels.get(stream), Some(Channel::Subscribed));
        if subscribed && self.node_set.keys().channel(stream, &self.id).as_bytes() == channel {
            return false;
        }
        let mut confirmed = state.listened.iter().filter(|listened| listened.confirmed);
        confirmed
            .find(|listened| listened.matches(stream))
            .is_some_and(|listened| listened.pattern.as_bytes() == pattern)
    }

    /// Returns true if this subscription reports messages without a stream. Of several patterns the first one does.
    fn reports_unreadable(&self, source: MessageSource<'_>) -> bool {
        match source {
            MessageSource::Own => true,
            MessageSource::Pattern(pattern) => {
                let state = self.lock();
                state.listened.first().is_some_and(|listened| listened.pattern.as_bytes() == pattern)
            }
        }
    }
}

/// Time of a completion for the user, in ms since the epoch. It is never compared.
pub(crate) fn now() -> f64 {
    wall_clock().as_millis() as f64
}

impl CompletionListener for Producer {
    fn number(&self) -> u32 {
        self.number
    }

    fn on_message(&self, source: MessageSource<'_>, channel: &[u8], message: &[u8]) {
        let host = &self.node_set.context().host;
        let Some(completion) = CompletionMessage::parse(message) else {
            if self.reports_unreadable(source) {
                host.event(Event::Unreadable { producer: self.number, channel, message });
            }
            return;
        };
        let stream = completion.stream.as_ref();
        let error = completion.error.map(|error| error.get());
        let outcomes = {
            let mut state = self.lock();
            if !self.is_first(&state, source, channel, stream) {
                return;
            }
            state.received += 1;
            if state.completions.has_unknown_groups() {
                state.known_groups.add(stream, [completion.group.as_ref()]);
            }
            if state.completions.is_empty() {
                Vec::new()
            } else {
                let group = completion.group.clone().into_owned();
                let (error, answer) = (error.map(str::to_owned), Some(completion.answer()));
                let arrival = GroupCompletion { group, at: now(), error, answer };
                state.completions.on_completion(&completion.job, stream, &arrival)
            }
        };
        // This event goes first, since listeners of the producer run before `finished()` resolves.
        if self.watched.load(Ordering::Relaxed) {
            let (job, group) = (completion.job.as_ref(), completion.group.as_ref());
            host.event(Event::CompletionReceived { producer: self.number, stream, job, group, error });
        }
        for outcome in outcomes {
            host.event(Event::Outcome { wait: outcome.wait, arrivals: &outcome.arrivals });
        }
    }

    fn on_gap(&self, node: u32) {
        if let Some(producer) = self.this.upgrade() {
            producer.mark_uncertain(node);
        }
    }
}
