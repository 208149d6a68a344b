//! Forward steps of a server's clock. Pure.
//!
//! Redis measures the idle time of entries by a wall clock. A clock that is set forward, or a failover to a server
//! with another clock, makes running jobs look idle. The advance of the server's clock between two readings is
//! compared with our monotonic clock; the excess is no idle time.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::resp::Value;

/// Readings of the clock of one server.
#[derive(Debug, Default)]
pub struct ServerClock {
    epochs: Option<Epochs>,
}

/// Lowest leads of the current epoch and of the one before. Each epoch begins with a reading. So the two epochs
/// together always reach back at least one period.
#[derive(Debug)]
struct Epochs {
    /// Time of the first reading, the origin of our own time.
    origin: Instant,
    began: Instant,
    current: Lead,
    previous: Lead,
}

/// Bounds of the lead of the server's clock over ours, in µs. The bounds come from the times of query and reply.
#[derive(Clone, Copy, Debug)]
struct Lead {
    least: i128,
    most: i128,
}

impl Lead {
    fn new(reading: Duration, asked: Duration, answered: Duration) -> Self {
        let micros = |time: Duration| time.as_micros() as i128;
        Self { least: micros(reading) - micros(answered), most: micros(reading) - micros(asked) }
    }

    fn lower(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.min(other.most) }
    }
}

impl ServerClock {
    /// Notes a reading `reading` of the server's clock, and returns its minimum gain within the last `period`. A
    /// difference that the round trip alone explains is no gain; a gain includes the round trip.
    pub fn observe(
        &mut self,
        reading: Duration,
        asked: Instant,
        answered: Instant,
        period: Duration,
    ) -> Duration {
        let origin = self.epochs.as_ref().map_or(asked, |epochs| epochs.origin);
        let since = |at: Instant| at.saturating_duration_since(origin);
        let lead = Lead::new(reading, since(asked), since(answered));
        let epochs =
            self.epochs.get_or_insert(Epochs { origin, began: answered, current: lead, previous: lead });
        if answered.saturating_duration_since(epochs.began) >= period {
            (epochs.began, epochs.previous, epochs.current) = (answered, epochs.current, lead);
        }
        epochs.current = epochs.current.lower(lead);
        let lowest = epochs.current.lower(epochs.previous);
        if lead.least <= lowest.most {
            return Duration::ZERO;
        }
        Duration::from_micros(u64::try_from(lead.most - lowest.least).unwrap_or(u64::MAX))
    }
}

/// Reads the reply of TIME: seconds and microseconds.
pub fn read_time(reply: &Value) -> Option<Duration> {
    let Value::Array(parts) = reply else { return None };
    let [Value::Bulk(seconds), Value::Bulk(micros)] = parts.as_slice() else { return None };
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
    Some(Duration::from_secs(number(seconds)?).saturating_add(Duration::from_micros(number(micros)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(30);
    const HOUR: i64 = 3_600_000;

    /// Reads a clock several times, each with the time of the query, the round trip and the error of the clock in ms.
    /// Returns the gain at each reading.
    fn gains(looks: &[(u64, u64, i64)]) -> Vec<u128> {
        let (mut clock, start) = (ServerClock::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let observe = |&(asked, took, wrong): &(u64, u64, i64)| {
            // Redis reads its clock between query and reply.
            let reading = 1_700_000_000_000 + asked as i64 + took as i64 / 2 + wrong;
            let reading = Duration::from_millis(reading as u64);
            clock.observe(reading, at(asked), at(asked + took), PERIOD).as_millis()
        };
        looks.iter().map(observe).collect()
    }

    #[test]
    fn a_clock_that_goes_as_ours_does_gains_nothing_however_long_answers_take() {
        let looks = [(0, 0, 0), (100, 1, 0), (5_000, 9_000, 0), (20_000, 2, 0), (100_000, 60_000, 0)];
        assert_eq!(gains(&looks), [0; 5]);
    }

    #[test]
    fn a_gain_counts_for_two_periods_at_most() {
        let looks = [(0, 0, 0), (29_000, 0, HOUR), (58_999, 0, HOUR), (59_000, 0, HOUR), (89_001, 0, HOUR)];
        assert_eq!(gains(&looks), [0, 3_600_000, 3_600_000, 3_600_000, 0]);
    }

    #[test]
    fn many_small_gains_are_as_bad_as_a_large_one() {
        let looks: Vec<_> = (0..5).map(|at| (at * 1_000, 0, at as i64 * 4_000)).collect();
        assert_eq!(gains(&looks), [0, 4_000, 8_000, 12_000, 16_000]);
    }

    #[test]
    fn the_time_that_answers_take_is_added_to_a_gain() {
        assert_eq!(gains(&[(0, 200, 0), (1_000, 100, HOUR)]), [0, 3_600_150]);
    }

    #[test]
    fn a_clock_that_is_set_back_gains_nothing_and_its_return_does() {
        let looks =
            [(0, 0, 0), (1_000, 0, -HOUR), (2_000, 0, -HOUR), (3_000, 0, 0), (70_000, 0, 0), (100_001, 0, 0)];
        assert_eq!(gains(&looks), [0, 0, 0, 3_600_000, 3_600_000, 0]);
    }

    #[test]
    fn a_gain_between_distant_readings_is_detected() {
        assert_eq!(gains(&[(0, 0, 0), (500_000, 0, HOUR), (1_000_000, 0, HOUR)]), [0, 3_600_000, 0]);
    }

    #[test]
    fn the_reply_of_time_is_read() {
        let text = |text: &str| Value::Bulk(text.into());
        let reply = Value::Array(vec![text("12"), text("34")]);
        assert_eq!(read_time(&reply), Some(Duration::new(12, 34_000)));
        assert_eq!(read_time(&Value::Array(vec![text("12"), text("-")])), None);
        assert_eq!(read_time(&Value::Simple("OK".to_owned())), None);
    }
}
