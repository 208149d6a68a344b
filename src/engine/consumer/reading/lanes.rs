//! Streams of a consumer, and the lanes that read them.

use std::sync::Arc;

use crate::redis_io::locked::RwLocked;

use crate::engine::consumer::reading::reader::ReaderSink;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::lane::LaneState;
use crate::engine::consumer::state::stream::{StreamPlace, StreamState};
use crate::engine::consumer::{Consumer, Lane};
use crate::engine::options::consumer::StreamOptions;
use crate::engine::protocol::completion_message;

impl Consumer {
    /// Adds a stream, read from the next `play()` on, and returns its number. A known stream only gets its new
    /// options.
    pub fn add_stream(&self, options: StreamOptions) -> u32 {
        let mut state = self.lock();
        let mut known =
            state.streams.iter_mut().filter(|stream| stream.options.name == options.name).peekable();
        if let Some(number) = known.peek().map(|stream| stream.number) {
            known.for_each(|stream| stream.change_options(options.clone()));
            state.is_ordered |= options.order.is_some();
            state.unpark_unordered();
            state.arrange_fair(number, self.options.concurrency);
            let is_of = |at: &usize| state.streams[*at].number == number;
            for at in (0..state.streams.len()).filter(is_of).collect::<Vec<_>>() {
                state.limit_stream(at);
            }
            return number;
        }
        state.is_ordered |= options.order.is_some();
        let number = state.streams.last().map_or(0, |last| last.number + 1);
        let nodes = match options.is_partition {
            true => self.node_set.route(&options.name)..self.node_set.route(&options.name) + 1,
            false => self.nodes.clone(),
        };
        for node in nodes {
            let key = self.node_set.nodes()[node].keys().stream(&options.name);
            let lane = self.lane_for(&mut state, node, &key);
            state.streams.push(self.stream_on(node, lane, key, number, &options));
            let at = state.streams.len() - 1;
            state.limit_stream(at);
        }
        state.arrange_fair(number, self.options.concurrency);
        number
    }

    /// Returns the index of the lane for a stream on a node, and creates the lane if it is new.
    fn lane_for(&self, state: &mut ConsumerState, node: usize, key: &str) -> usize {
        let slot = self.node_set.nodes()[node].slot(key);
        let mut lanes = self.lanes.write_locked();
        let known = lanes.iter().position(|lane| lane.node == node && lane.slot == slot);
        known.unwrap_or_else(|| {
            let sink = ReaderSink::new(self.this.clone(), lanes.len(), self.node_set.context().host.clone());
            let longest = self.options.longest_read();
            let blocking = self.node_set.nodes()[node].blocking_client(Arc::new(sink), slot, longest);
            lanes.push(Arc::new(Lane { node, slot, blocking }));
            state.lanes.push(LaneState::default());
            lanes.len() - 1
        })
    }

    fn stream_on(
        &self,
        node: usize,
        lane: usize,
        key: String,
        number: u32,
        options: &StreamOptions,
    ) -> StreamState {
        let owner = &self.node_set.nodes()[node];
        let sharded_head = owner.topology().map(|_| owner.keys().sharded_channels_of(&options.name));
        let place = StreamPlace {
            number,
            lane,
            node,
            completions: self.node_set.route(&options.name),
            key,
            completion_head: completion_message::head(&options.name, &self.options.group),
            channel_head: self.node_set.keys().channels_of(&options.name),
            sharded_head: sharded_head.flatten(),
        };
        StreamState::new(place, options.clone())
    }
}
