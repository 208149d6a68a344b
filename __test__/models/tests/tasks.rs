//! Models of the count of runnable tasks: a drive rests only if no task can run.

use hfxbus_models::redis_io::sync::{Arc, Notify, runtime};
use hfxbus_models::redis_io::tasks::{RestOutcome, Tasks};
use loom::model::Builder;
use loom::sync::atomic::{AtomicUsize, Ordering};

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A task that counts its notifications.
fn spawn_counter(tasks: &Tasks, times: usize) -> (Arc<Notify>, Arc<AtomicUsize>) {
    let (bell, count) = (Arc::new(Notify::default()), Arc::new(AtomicUsize::new(0)));
    let (heard, counted) = (bell.clone(), count.clone());
    tasks.spawn(async move {
        for _ in 0..times {
            heard.notified().await;
            counted.fetch_add(1, Ordering::AcqRel);
        }
    });
    (bell, count)
}

#[test]
fn a_drive_after_a_wake_by_another_thread_runs_the_task() {
    check(|| {
        let runtime = runtime().unwrap();
        let tasks = Tasks::from(runtime.handle().clone());
        let (bell, count) = spawn_counter(&tasks, 2);
        let waking = loom::thread::spawn(move || bell.notify_one());
        // The task is polled while the other thread wakes it.
        runtime.block_on(tasks.rest());
        waking.join().unwrap();
        while runtime.block_on(tasks.rest()) == RestOutcome::Busy {
            loom::thread::yield_now();
        }
        assert_eq!(count.load(Ordering::Acquire), 1);
        assert!(!runtime.has_events(), "a rest leaves nothing that can run");
        assert_eq!(runtime.block_on(tasks.rest()), RestOutcome::Quiet, "the count is back at zero");
    });
}

#[test]
fn wakes_by_two_threads_count_once() {
    check(|| {
        let runtime = runtime().unwrap();
        let tasks = Tasks::from(runtime.handle().clone());
        let (bell, count) = spawn_counter(&tasks, 1);
        runtime.block_on(tasks.rest());
        let waking = [bell.clone(), bell].map(|bell| loom::thread::spawn(move || bell.notify_one()));
        runtime.block_on(tasks.rest());
        waking.into_iter().for_each(|thread| thread.join().unwrap());
        // The task has ended by now or ends here. A late wake has no effect.
        while runtime.block_on(tasks.rest()) == RestOutcome::Busy {
            loom::thread::yield_now();
        }
        assert_eq!(count.load(Ordering::Acquire), 1);
        assert_eq!(runtime.block_on(tasks.rest()), RestOutcome::Quiet);
    });
}
