//! The loop of JavaScript: it takes the reports of the engine, one after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Program;
use super::host::{Incoming, Request, key};
use crate::history::{Control, End, Event, Value};

impl Program {
    pub(super) async fn run_events(self: Arc<Self>) {
        loop {
            self.host.bell.notified().await;
            self.host.turn().await;
            if self.host.is_dead.load(Ordering::SeqCst) {
                return;
            }
            loop {
                let next = self.host.queue.lock().unwrap().pop_front();
                let Some(next) = next else { break };
                self.take(next);
            }
        }
    }

    fn take(self: &Arc<Self>, incoming: Incoming) {
        let history = &self.host.board.history;
        match incoming {
            Incoming::Note(event) => history.note(event),
            Incoming::Carried(consumer, token, value) => {
                self.host.state().carried.insert((consumer, key(token)), value);
            }
            Incoming::Prefetched(consumer, token, value) => {
                self.host.state().prefetched.insert((consumer, key(token)), value);
            }
            Incoming::Job(consumer, token, job, handed) => self.begin((consumer, token), job, handed),
            Incoming::Deadline(consumer, token) => {
                let run = self.host.state().runs.remove(&(consumer, key(token)));
                if let Some(run) = run {
                    history.note(Event::End { run, how: End::Expired });
                }
            }
            Incoming::Value(request, value) => {
                if let Some(Request::Pull(_, seen)) = self.host.state().requests.get_mut(&request) {
                    *seen = value;
                }
            }
            Incoming::Failed(request, error) => {
                let known = self.host.state().requests.remove(&request);
                self.end_request(known, Some(error));
            }
            Incoming::Done(request) => {
                let known = self.host.state().requests.remove(&request);
                self.end_request(known, None);
            }
        }
    }

    fn end_request(&self, request: Option<Request>, error: Option<String>) {
        let history = &self.host.board.history;
        match request {
            None => {}
            Some(Request::Send(jobs)) => {
                jobs.into_iter().for_each(|job| history.note(Event::Sent { job, error: error.clone() }));
            }
            Some(Request::Settle(run)) => history.note(Event::Settled { run, error }),
            Some(Request::Pull(sender, seen)) => {
                let _ = sender.send(if error.is_some() { Value::None } else { seen });
            }
            Some(Request::Control(what, of)) => {
                if what == Control::Stop {
                    self.abandon();
                    self.host.state().starts_until = None;
                }
                history.note(Event::Returned { what, of, error });
            }
        }
    }

    /// Ends all runs, as the facade does after a stop.
    fn abandon(&self) {
        let runs = std::mem::take(&mut self.host.state().runs);
        for run in runs.into_values() {
            self.host.board.history.note(Event::End { run, how: End::Abandoned });
        }
    }
}
