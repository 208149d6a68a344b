//! Several futures that run at a time.

use std::future::poll_fn;
use std::task::Poll;

/// Runs all of `parts` in the task of the caller, and returns their results in the order of the parts.
pub async fn join_all<F: Future>(parts: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut parts: Vec<_> = parts.map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = parts.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (part, result) in parts.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(value) = part.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[test]
    fn a_slow_part_delays_no_other_one() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let began = Instant::now();
        let ends = runtime.block_on(join_all([40, 0].into_iter().map(|ms| async move {
            sleep(Duration::from_millis(ms)).await;
            Instant::now()
        })));
        assert!(ends[1] < ends[0]);
        assert!(ends[0] - began >= Duration::from_millis(40));
    }

    #[test]
    fn no_parts_end_at_once() {
        let runtime = Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(join_all(std::iter::empty::<std::future::Ready<()>>())).is_empty());
    }
}
