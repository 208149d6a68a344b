//! Filter of state changes of a node's shared connection: reconnecting, connected and ready pass once, whatever the
//! number of attempts. Pure.

use crate::redis_io::error::RedisError;
use crate::redis_io::link::LinkState;

/// Changes that one connection has reported.
#[derive(Debug, Default)]
pub struct StateChangeFilter {
    is_lost: bool,
    is_connected: bool,
    cause: Option<RedisError>,
}

impl StateChangeFilter {
    /// Returns true if the connection was lost or could not be made, and is not ready since then.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Records a state. Returns the cause to report with it, or `None` if the state is not reported.
    pub fn note(&mut self, state: LinkState, error: Option<&RedisError>) -> Option<Option<RedisError>> {
        match state {
            LinkState::Close => {
                self.cause = error.cloned();
                None
            }
            LinkState::Reconnecting if !self.is_lost => {
                (self.is_lost, self.is_connected) = (true, false);
                // A Cluster reports the cause here. Other connections reported it when they closed.
                Some(error.cloned().or(self.cause.take()))
            }
            LinkState::Connect if !self.is_connected => {
                self.is_connected = true;
                Some(None)
            }
            LinkState::Ready => {
                *self = Self::default();
                Some(None)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::redis_io::error::RedisErrorKind;

    use super::*;

    fn reported_states(filter: &mut StateChangeFilter, states: &[LinkState]) -> Vec<LinkState> {
        let reported = states.iter().filter(|state| filter.note(**state, None).is_some());
        reported.copied().collect()
    }

    #[test]
    fn attempts_that_fail_are_said_once() {
        use LinkState::{Close, Connect, Connecting, Ready, Reconnecting};
        let mut filter = StateChangeFilter::default();
        assert_eq!(reported_states(&mut filter, &[Connecting, Connect, Ready]), [Connect, Ready]);
        let refused = [Close, Reconnecting, Connecting, Close, Reconnecting, Connecting];
        assert_eq!(reported_states(&mut filter, &refused), [Reconnecting]);
        let refused_late = [Connect, Close, Reconnecting, Connecting, Connect, Close, Reconnecting];
        assert_eq!(reported_states(&mut filter, &refused_late), [Connect]);
        assert_eq!(reported_states(&mut filter, &[Connecting, Connect, Ready]), [Ready]);
        assert_eq!(reported_states(&mut filter, &[Close, Reconnecting]), [Reconnecting]);
    }

    #[test]
    fn a_reconnection_has_the_cause() {
        let error = RedisError::local(RedisErrorKind::Connect, "read ECONNRESET", &Arc::from("node"));
        let mut filter = StateChangeFilter::default();
        filter.note(LinkState::Close, Some(&error));
        assert_eq!(filter.note(LinkState::Reconnecting, None), Some(Some(error)));
    }
}
