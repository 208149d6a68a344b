//! The bus: producers, consumers, jobs in flight and completions. Plain async Rust, no policy of Redis' bytes
//! below it and nothing of JavaScript above it.
//!
//! Who calls in: [`bus::Bus`] and the [`producer::Producer`] and [`consumer::Consumer`] it makes, from any thread.
//! What goes out: jobs and events through the two traits of [`host`].
#![forbid(unsafe_code)]

pub mod announcement;
pub mod backoff;
pub mod bus;
pub mod checking;
pub mod claim;
pub mod client;
pub mod completions;
pub mod consumer;
pub mod consumer_state;
pub mod context;
pub mod dead_letter;
pub mod deadline;
pub mod draining;
pub mod ejection;
pub mod evidence;
pub mod exhaustion;
pub mod failover_watch;
pub mod follower;
pub mod gather;
pub mod groups;
pub mod health;
pub mod host;
pub mod id;
pub mod inquiry;
pub mod inspection;
pub mod lane_state;
pub mod last_word;
pub mod lease;
pub mod listening;
pub mod locating;
pub mod losses;
pub mod node;
pub mod notification;
pub mod options;
pub mod payload;
pub mod pending;
pub mod placing;
pub mod plan;
pub mod prefetch;
pub mod probe;
pub mod producer;
pub mod question;
pub mod reader;
pub mod record;
pub mod recovery;
pub mod replies;
pub mod resolver;
pub mod retelling;
pub mod retry_policy;
pub mod returns;
pub mod ring;
pub mod router;
pub mod sending;
pub mod sentinels;
pub mod server_clock;
pub mod settled;
pub mod settlement;
pub mod shutdown;
pub mod slots;
pub mod stats;
pub mod stream_state;
pub mod subscriptions;
pub mod surplus;
pub mod survey;
pub mod telling;
pub mod unsettled;
pub mod wait;
pub mod watch;
pub mod watched;
