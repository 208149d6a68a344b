//! Models of the hand-off: every order in which two threads can run its code.

use hfxbus_models::engine::runtime::handoff::{DriveOutcome, RuntimeHandoff};
use hfxbus_models::redis_io::sync::{Arc, Notify, let_waits_time_out, take_end};
use loom::model::Builder;
use loom::sync::Mutex;
use loom::thread::JoinHandle;

fn check(is_late: bool, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let_waits_time_out(is_late);
        model();
    });
}

fn start() -> (Arc<RuntimeHandoff>, JoinHandle<()>) {
    RuntimeHandoff::start().unwrap()
}

/// Drives until the runtime waits or is kept.
fn drive(handoff: &RuntimeHandoff) -> DriveOutcome {
    loop {
        match handoff.drive() {
            DriveOutcome::Busy => loom::thread::yield_now(),
            outcome => return outcome,
        }
    }
}

#[test]
fn a_runtime_ends_on_its_own_thread() {
    check(false, || {
        let (handoff, thread) = start();
        let engine = thread.thread().id();
        handoff.end(thread);
        assert_eq!(take_end(), Some(engine));
    });
}

#[test]
fn a_lent_runtime_ends_on_its_own_thread() {
    check(false, || {
        let (handoff, thread) = start();
        let engine = thread.thread().id();
        handoff.state().offer();
        handoff.drive();
        handoff.end(thread);
        assert_eq!(take_end(), Some(engine));
    });
}

#[test]
fn one_thread_at_a_time_drives_a_runtime_that_is_given_back() {
    check(false, || {
        let (handoff, thread) = start();
        handoff.state().offer();
        assert_eq!(drive(&handoff), DriveOutcome::Quiet);
        handoff.give_back();
        assert_eq!(handoff.drive(), DriveOutcome::Kept);
        handoff.end(thread);
    });
}

#[test]
fn a_runtime_can_be_given_back_while_it_is_taken_back() {
    check(true, || {
        let (handoff, thread) = start();
        handoff.state().offer();
        if handoff.drive() == DriveOutcome::Quiet {
            handoff.give_back();
        }
        handoff.end(thread);
    });
}

#[test]
fn one_thread_at_a_time_drives_a_runtime_that_is_taken_back() {
    check(true, || {
        let (handoff, thread) = start();
        handoff.state().offer();
        handoff.drive();
        handoff.drive();
        handoff.end(thread);
    });
}

/// A task that ends when another thread notifies it, and then notifies a thread that waits.
fn spawn_echo(handoff: &RuntimeHandoff) -> (Arc<Notify>, Arc<(Mutex<bool>, loom::sync::Condvar)>) {
    let (bell, done) =
        (Arc::new(Notify::default()), Arc::new((Mutex::new(false), loom::sync::Condvar::new())));
    let (heard, told) = (bell.clone(), done.clone());
    handoff.tasks().spawn(async move {
        heard.notified().await;
        *told.0.lock().unwrap() = true;
        told.1.notify_one();
    });
    (bell, done)
}

fn wait(done: &(Mutex<bool>, loom::sync::Condvar)) {
    let mut is_done = done.0.lock().unwrap();
    while !*is_done {
        is_done = done.1.wait(is_done).unwrap();
    }
}

#[test]
fn a_task_of_a_runtime_that_was_given_back_runs() {
    check(false, || {
        let (handoff, thread) = start();
        let (bell, done) = spawn_echo(&handoff);
        handoff.state().offer();
        if drive(&handoff) == DriveOutcome::Quiet {
            handoff.give_back();
        }
        bell.notify_one();
        wait(&done);
        handoff.end(thread);
    });
}

#[test]
fn a_task_of_a_runtime_that_the_host_forgets_runs() {
    check(true, || {
        let (handoff, thread) = start();
        let (bell, done) = spawn_echo(&handoff);
        handoff.state().offer();
        handoff.drive();
        bell.notify_one();
        // No drive any more: the engine's thread takes the runtime back.
        wait(&done);
        handoff.end(thread);
    });
}
