//! Execution of the requests of a packet.

use std::sync::Arc;

use napi::Result;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::settlement::Settlement;
use crate::engine::consumer::state::payload_changes::{PayloadChanges, PayloadWrite};
use crate::engine::host::RequestId;
use crate::engine::host::job_token::JobToken;
use crate::engine::producer::sending::send_payload::{PayloadValue, SendPayload};
use crate::engine::producer::sending::send_plan::QueuedSend;
use crate::engine::producer::transaction::SendTransaction;
use crate::engine::protocol::completion_message::pack_answer;
use crate::engine::protocol::idempotency::SendOnce;
use crate::engine::submission::{CallOrder, Submission};
use crate::redis_io::error::RedisError;

use super::error::invalid;
use super::facade::{FacadeState, NamedProducer};
use super::operation::{CallFlag, Operation, PayloadUse, SendFlag};
use super::request_reader::RequestReader;

/// Executes all requests. Commands for one connection leave in one write, and the settlements of a consumer together.
pub(super) fn run(state: &mut FacadeState, packet: &mut RequestReader<'_>) -> Result<()> {
    let mut submission = Submission::default();
    let mut settlements = SettlementsByConsumer::default();
    while !packet.is_empty() {
        execute(state, &mut submission, &mut settlements, packet)?;
    }
    submission.flush();
    settlements.settle();
    Ok(())
}

/// Rejects a request whose connection or producer is gone. The other operations of the packet go on.
fn refuse(state: &FacadeState, request: RequestId) {
    state.context.done(request, Err(RedisError::closed()));
}

/// Settlements of one packet. Those of one consumer leave together, whatever is between them.
#[derive(Default)]
struct SettlementsByConsumer<'a>(Vec<(Arc<Consumer>, Vec<Settlement<'a>>)>);

impl<'a> SettlementsByConsumer<'a> {
    /// Returns the settlements of a consumer.
    fn of(&mut self, consumer: &Arc<Consumer>) -> &mut Vec<Settlement<'a>> {
        let known = self.0.iter().position(|(known, _)| Arc::ptr_eq(known, consumer));
        let at = known.unwrap_or_else(|| {
            self.0.push((consumer.clone(), Vec::new()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    fn settle(self) {
        for (consumer, settlements) in self.0 {
            consumer.settle(settlements.into_iter());
        }
    }
}

fn execute<'a>(
    state: &mut FacadeState,
    submission: &mut Submission,
    settlements: &mut SettlementsByConsumer<'a>,
    packet: &mut RequestReader<'a>,
) -> Result<()> {
    match packet.index()? {
        operation if operation == Operation::Push as u32 => push(state, submission, packet),
        operation if operation == Operation::Pull as u32 => pull(state, submission, packet),
        operation if operation == Operation::Send as u32 => send(state, submission, packet),
        operation if operation == Operation::Resolve as u32 => resolve(state, settlements, packet),
        operation if operation == Operation::ResolveWith as u32 => resolve_with(state, settlements, packet),
        operation if operation == Operation::Reject as u32 => reject(state, settlements, packet),
        operation if operation == Operation::Release as u32 => release(state, packet),
        operation if operation == Operation::ForgetWait as u32 => forget_wait(state, packet),
        operation if operation == Operation::Call as u32 => call(state, submission, packet),
        operation if operation == Operation::SendTogether as u32 => send_together(state, submission, packet),
        operation if operation == Operation::Diagnose as u32 => diagnose(state, packet),
        _ => Err(invalid("The packet holds no such operation.")),
    }
}

fn push(state: &FacadeState, submission: &mut Submission, packet: &mut RequestReader<'_>) -> Result<()> {
    let link = packet.index()?;
    let (request, count, job) = (packet.index()?, packet.index()?, packet.text()?);
    let Some(mut packer) = submission.payload(link, || state.links.get(link), job, request) else {
        for _ in 0..count {
            let _ = (packet.text()?, packet.number()?, packet.word()?);
        }
        refuse(state, request);
        return Ok(());
    };
    for nth in 1..=count {
        let (key, timeout) = (packet.text()?, packet.number()? as u64);
        packer.set(key, packet.word()?, timeout, nth == count);
    }
    Ok(())
}

fn pull(state: &FacadeState, submission: &mut Submission, packet: &mut RequestReader<'_>) -> Result<()> {
    let (link, request) = (packet.index()?, packet.index()?);
    let (gets, dels, job) = (packet.index()?, packet.index()?, packet.text()?);
    let Some(mut packer) = submission.payload(link, || state.links.get(link), job, request) else {
        for _ in 0..gets {
            let _ = (packet.text()?, packet.flag()?);
        }
        for _ in 0..dels {
            packet.text()?;
        }
        refuse(state, request);
        return Ok(());
    };
    for index in 0..gets {
        let key = packet.text()?;
        packer.get(key, packet.flag()?, index, dels == 0 && index + 1 == gets);
    }
    for nth in 1..=dels {
        packer.del(packet.text()?, nth == dels);
    }
    Ok(())
}

fn send(state: &FacadeState, submission: &mut Submission, packet: &mut RequestReader<'_>) -> Result<()> {
    let named = state.producers.get(packet.index()?);
    let request = packet.index()?;
    let sending = read_send(named, request, packet)?;
    let is_packed = named.zip(sending).is_some_and(|(named, sending)| {
        submission.send(named.link, || state.links.get(named.link), &named.producer, sending)
    });
    if !is_packed {
        refuse(state, request);
    }
    Ok(())
}

fn send_together(
    state: &FacadeState,
    submission: &mut Submission,
    packet: &mut RequestReader<'_>,
) -> Result<()> {
    let named = state.producers.get(packet.index()?);
    let (request, count) = (packet.index()?, packet.index()?);
    let read = (0..count).map(|_| read_send(named, request, packet)).collect::<Result<Vec<_>>>()?;
    let sends = read.into_iter().collect::<Option<Vec<_>>>();
    let is_packed = named.zip(sends).is_some_and(|(named, sends)| {
        let (link, find) = (named.link, || state.links.get(named.link));
        submission.send_together(link, find, &named.producer, SendTransaction { request, sends })
    });
    if !is_packed {
        refuse(state, request);
    }
    Ok(())
}

/// Reads one job to send. Returns `None` if its producer or plan is unknown.
fn read_send(
    named: Option<&NamedProducer>,
    request: RequestId,
    packet: &mut RequestReader<'_>,
) -> Result<Option<QueuedSend>> {
    let plan = packet.index()?;
    let capped = packet.number()? as u64;
    let wait = packet.index()?;
    let flags = packet.index()?;
    let has = |flag: SendFlag| flags & flag as u32 != 0;
    let record = packet.number()? as u64;
    let job = packet.text()?.to_owned();
    let headers = if has(SendFlag::Headers) { Some(packet.text()?.into()) } else { None };
    let key = if has(SendFlag::Key) { Some(packet.text()?) } else { None };
    let payload = read_payload(packet, has)?;
    let once = if has(SendFlag::Once) { Some(read_once(packet, has)?) } else { None };
    let ends_at_error = has(SendFlag::EndsAtError);
    let wait = (wait != 0).then_some(wait);
    // Sends with one id go to one partition, since each partition knows its own ids only.
    let leading = key.or_else(|| once.as_deref().filter(|once| !once.is_of_job).map(|once| &*once.id));
    let plan = named.and_then(|named| named.plans.get(plan as usize)).map(|plans| plans.choose(leading));
    Ok(plan.map(|plan| QueuedSend {
        plan,
        job,
        capped,
        record,
        headers,
        key: key.map(Box::from),
        payload,
        once,
        request,
        wait,
        ends_at_error,
    }))
}

fn read_once(packet: &mut RequestReader<'_>, has: impl Fn(SendFlag) -> bool) -> Result<Box<SendOnce>> {
    let (id, ttl) = (packet.text()?.into(), packet.number()? as u64);
    let mut number =
        |flag| if has(flag) { packet.number().map(|number| Some(number as u64)) } else { Ok(None) };
    let (delay, due) = (number(SendFlag::Delayed)?, number(SendFlag::Due)?);
    Ok(Box::new(SendOnce { id, ttl, delay, due, is_of_job: has(SendFlag::OfJob) }))
}

fn read_payload(
    packet: &mut RequestReader<'_>,
    has: impl Fn(SendFlag) -> bool,
) -> Result<Option<Box<SendPayload>>> {
    let count = if has(SendFlag::Payload) { packet.index()? } else { 0 };
    let is_only_copy = has(SendFlag::OnlyCopy);
    if count == 0 && !is_only_copy && !has(SendFlag::Returns) {
        return Ok(None);
    }
    let mut values = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (key, usage, expiry) = (packet.text()?.into(), packet.index()?, packet.number()? as u64);
        let (is_key, is_carried) = (usage != PayloadUse::Carry as u32, usage != PayloadUse::Key as u32);
        values.push(PayloadValue { key, value: packet.word()?.into(), expiry, is_key, is_carried });
    }
    let returns = if has(SendFlag::Returns) { Some(packet.text()?.into()) } else { None };
    Ok(Some(Box::new(SendPayload { values, returns, is_only_copy })))
}

fn forget_wait(state: &FacadeState, packet: &mut RequestReader<'_>) -> Result<()> {
    let named = state.producers.get(packet.index()?);
    let wait = packet.index()?;
    if let Some(named) = named {
        named.producer.forget_wait(wait);
    }
    Ok(())
}

fn diagnose(state: &FacadeState, packet: &mut RequestReader<'_>) -> Result<()> {
    let named = state.producers.get(packet.index()?);
    let (wait, request) = (packet.index()?, packet.index()?);
    match named {
        Some(named) => named.producer.diagnose(wait, request),
        None => state.context.done(request, Ok(())),
    }
    Ok(())
}

fn resolve<'a>(
    state: &FacadeState,
    settlements: &mut SettlementsByConsumer<'a>,
    packet: &mut RequestReader<'a>,
) -> Result<()> {
    let consumer = state.consumers.get(packet.index()?);
    let count = packet.index()?;
    let mut of_consumer = consumer.map(|consumer| settlements.of(consumer));
    if let Some(of_consumer) = &mut of_consumer {
        of_consumer.reserve(count as usize);
    }
    for _ in 0..count {
        let token = JobToken::from_number(packet.number()?);
        let settlement = Settlement { request: packet.index()?, ..Settlement::of(token, None) };
        if let Some(of_consumer) = &mut of_consumer {
            of_consumer.push(settlement);
        }
    }
    Ok(())
}

fn resolve_with<'a>(
    state: &FacadeState,
    settlements: &mut SettlementsByConsumer<'a>,
    packet: &mut RequestReader<'a>,
) -> Result<()> {
    let consumer = state.consumers.get(packet.index()?);
    let token = JobToken::from_number(packet.number()?);
    let request: RequestId = packet.index()?;
    let (removals, writes, answers) = (packet.index()?, packet.index()?, packet.index()?);
    let mut changes = PayloadChanges::default();
    for _ in 0..removals {
        changes.removals.push(packet.text()?.into());
    }
    for _ in 0..writes {
        let (key, expiry) = (packet.text()?.into(), packet.number()? as u64);
        changes.writes.push(PayloadWrite { key, value: packet.word()?.into(), expiry });
    }
    let mut answer = Vec::with_capacity(answers as usize);
    for _ in 0..answers {
        answer.push((packet.text()?, packet.word()?));
    }
    if let Some(consumer) = consumer {
        let (answer, changes) = (pack_answer(answer.into_iter()).into(), Some(Box::new(changes)));
        let settlement = Settlement { request, answer, changes, ..Settlement::of(token, None) };
        settlements.of(consumer).push(settlement);
    }
    Ok(())
}

fn reject<'a>(
    state: &FacadeState,
    settlements: &mut SettlementsByConsumer<'a>,
    packet: &mut RequestReader<'a>,
) -> Result<()> {
    let consumer = state.consumers.get(packet.index()?);
    let token = JobToken::from_number(packet.number()?);
    let request: RequestId = packet.index()?;
    let (unrecoverable, error) = (packet.flag()?, packet.text()?);
    if let Some(consumer) = consumer {
        let settlement = Settlement { request, unrecoverable, ..Settlement::of(token, Some(error)) };
        settlements.of(consumer).push(settlement);
    }
    Ok(())
}

fn release(state: &FacadeState, packet: &mut RequestReader<'_>) -> Result<()> {
    let consumer = state.consumers.get(packet.index()?);
    let token = JobToken::from_number(packet.number()?);
    if let Some(consumer) = consumer {
        consumer.release(token);
    }
    Ok(())
}

fn call(state: &FacadeState, submission: &mut Submission, packet: &mut RequestReader<'_>) -> Result<()> {
    let link = packet.index()?;
    let (request, index) = (packet.index()?, packet.index()?);
    let flags = packet.index()?;
    let has = |flag: CallFlag| flags & flag as u32 != 0;
    let first_key = packet.number()?;
    let count = packet.index()?;
    let is_last = has(CallFlag::Last);
    let Some(mut packer) = submission.call(link, || state.links.get(link), count as usize) else {
        for _ in 0..count + u32::from(has(CallFlag::Beside)) {
            packet.word()?;
        }
        if is_last {
            refuse(state, request);
        }
        return Ok(());
    };
    for nth in 0..count {
        match f64::from(nth) == first_key {
            true => packer.key(packet.word()?),
            false => packer.arg(packet.word()?),
        }
    }
    if has(CallFlag::Beside) {
        packer.route_with(packet.word()?);
    }
    let order = match (has(CallFlag::Follows), has(CallFlag::Once)) {
        (true, _) => CallOrder::Follows,
        (_, true) => CallOrder::Once,
        _ => CallOrder::Single,
    };
    packer.end(request, index, is_last, order);
    Ok(())
}
