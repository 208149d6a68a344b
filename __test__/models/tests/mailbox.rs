//! Models of the mailbox: an event is collected, or a wake of the host is on its way.

use hfxbus_models::engine::runtime::handoff::{DriveOutcome, RuntimeHandoff};
use hfxbus_models::engine::runtime::mailbox::{Burst, Mailbox};
use hfxbus_models::redis_io::sync::{Arc, let_waits_time_out};
use loom::model::Builder;
use loom::sync::atomic::{AtomicUsize, Ordering};

/// Number of waiting events.
#[derive(Default)]
struct Events(usize);

impl Burst for Events {
    fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn size(&self) -> usize {
        self.0
    }
}

/// A host with its mailbox.
struct Host {
    mailbox: Mailbox<Events>,
    /// Number of wakes that the host has not answered.
    wakes: AtomicUsize,
}

impl Host {
    fn new(handoff: Option<&RuntimeHandoff>) -> Arc<Self> {
        let loan = handoff.map(|handoff| handoff.state().clone());
        Arc::new(Self { mailbox: Mailbox::new(loan), wakes: AtomicUsize::new(0) })
    }

    fn post(&self) {
        self.mailbox.lock().0 += 1;
        self.mailbox.wake(|| {
            self.wakes.fetch_add(1, Ordering::AcqRel);
        });
    }

    fn collect(&self) -> usize {
        self.mailbox.collect(|events| std::mem::take(&mut events.0))
    }

    /// Answers one wake, as the event loop does.
    fn answer(&self) -> usize {
        let wakes = self.wakes.load(Ordering::Acquire);
        if wakes == 0
            || self.wakes.compare_exchange(wakes, wakes - 1, Ordering::AcqRel, Ordering::Acquire).is_err()
        {
            return 0;
        }
        if self.mailbox.lock().is_empty() { 0 } else { self.collect() }
    }

    /// Drives the runtime and collects, as the event loop does.
    fn drive(&self, handoff: &RuntimeHandoff) -> usize {
        handoff.drive();
        if self.mailbox.lock().is_empty() { 0 } else { self.collect() }
    }

    /// Answers all wakes, after which no event can be left.
    fn answer_all(&self) -> usize {
        let mut collected = 0;
        while self.wakes.load(Ordering::Acquire) > 0 {
            collected += self.answer();
        }
        assert!(self.mailbox.lock().is_empty(), "no event is left without a wake");
        collected
    }
}

fn check(is_late: bool, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        let_waits_time_out(is_late);
        model();
    });
}

#[test]
fn events_of_two_threads_wake_a_host_that_does_not_drive() {
    check(false, 4, || {
        let host = Host::new(None);
        let posting = [host.clone(), host.clone()].map(|host| loom::thread::spawn(move || host.post()));
        let mut collected = host.answer();
        posting.into_iter().for_each(|thread| thread.join().unwrap());
        collected += host.answer_all();
        assert_eq!(collected, 2);
    });
}

#[test]
fn an_event_of_another_thread_during_a_drive_is_collected() {
    check(false, 3, || {
        let (handoff, thread) = RuntimeHandoff::start().unwrap();
        let host = Host::new(Some(&handoff));
        handoff.state().offer();
        let posting = {
            let host = host.clone();
            loom::thread::spawn(move || host.post())
        };
        let mut collected = host.drive(&handoff);
        posting.join().unwrap();
        collected += host.answer_all();
        assert_eq!(collected, 1);
        handoff.end(thread);
    });
}

fn check_task(is_late: bool) {
    check(is_late, 3, || {
        let (handoff, thread) = RuntimeHandoff::start().unwrap();
        let host = Host::new(Some(&handoff));
        let posting = host.clone();
        // Runs on the engine's thread or during a drive. Its first event offers the runtime.
        handoff.tasks().spawn(async move { posting.post() });
        let mut collected = host.answer();
        for _ in 0..2 {
            collected += host.drive(&handoff);
        }
        if handoff.state().is_lent() && handoff.drive() == DriveOutcome::Quiet {
            handoff.give_back();
        }
        handoff.end(thread);
        collected += host.answer_all();
        // The end can come before the task has run.
        assert!(collected <= 1);
    });
}

#[test]
fn an_event_of_a_task_is_collected_after_a_drive_or_a_wake() {
    check_task(false);
}

#[test]
fn an_event_of_a_task_is_collected_while_the_runtime_is_taken_back() {
    check_task(true);
}
