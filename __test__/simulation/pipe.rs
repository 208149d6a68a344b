//! Sockets of the simulated network: bytes arrive after a delay, and a fault loses or delays them.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hfxbus::redis_io::world::pipe::{Pipe, PipeEnd};
use tokio::io::Interest;
use tokio::time::Instant;

use crate::breaks::Moment;
use crate::history::Event;
use crate::random::Random;
use crate::trace;
use crate::world;

/// Way that the client reads.
const CLIENT: usize = 1;

/// Delays of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Minimum in ms.
    pub base: u64,
    /// Random addition in ms.
    pub spread: u64,
}

/// One connection between a process and a server.
#[derive(Debug)]
pub struct Link {
    pub number: u32,
    pub process: u32,
    pub port: u16,
    latency: Latency,
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    /// To the server, and to the client.
    ways: [Way; 2],
    /// True while a partition holds back everything.
    is_held: bool,
    /// True once the connection was reset: both ends see an error.
    is_reset: bool,
    /// True for an end that is gone.
    gone: [bool; 2],
}

#[derive(Debug, Default)]
struct Way {
    segments: VecDeque<(Instant, Vec<u8>)>,
    in_flight: usize,
    last: Option<Instant>,
    /// Arrival of the end, if the writer is gone.
    end: Option<Instant>,
    /// Bytes that still pass before the connection breaks.
    cut_after: Option<usize>,
    /// True if bytes vanish.
    is_deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// End of the client or of the server.
#[derive(Debug)]
struct End {
    link: Arc<Link>,
    /// Way that it reads: 1 for the client, 0 for the server.
    reads: usize,
}

impl Link {
    /// Makes a connection with its two ends: of the client, and of the server.
    pub fn open(
        (number, process, port): (u32, u32, u16),
        latency: Latency,
        capacity: usize,
        random: Random,
    ) -> (Arc<Self>, PipeEnd, PipeEnd) {
        let state =
            State { random, ways: Default::default(), is_held: false, is_reset: false, gone: [false; 2] };
        let link = Arc::new(Self { number, process, port, latency, capacity, state: Mutex::new(state) });
        let end = |reads| PipeEnd(Arc::new(End { link: link.clone(), reads }));
        (link.clone(), end(1), end(0))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Returns true if one of the ends is there.
    pub fn is_open(&self) -> bool {
        let state = self.lock();
        !state.is_reset && state.gone != [true; 2]
    }

    /// Holds everything back, or lets it pass again.
    pub fn hold(&self, is_held: bool) {
        let mut state = self.lock();
        state.is_held = is_held;
        state.wake();
    }

    /// Breaks the connection: both ends see an error, and bytes under way are lost. A client that has left it does not notice.
    pub fn reset(&self) {
        let mut state = self.lock();
        state.is_reset = true;
        state.ways.iter_mut().for_each(|way| way.segments.clear());
        state.wake();
        let is_noticed = !state.gone[CLIENT];
        drop(state);
        if is_noticed {
            world::note(Event::Broken { process: self.process, port: self.port });
        }
    }

    /// Breaks the connection after some more bytes to the server (0) or to the client (1).
    pub fn cut_after(&self, way: usize, bytes: usize) {
        self.lock().ways[way].cut_after = Some(bytes);
    }

    /// Loses all further bytes of a way. The other one goes on.
    pub fn deafen(&self, way: usize) {
        self.lock().ways[way].is_deaf = true;
    }

    /// Ends the way to the client or to the server after the bytes that are under way.
    pub fn end(self: &Arc<Self>, way: usize) {
        let mut state = self.lock();
        let at = state.arrival(way, self.latency);
        state.ways[way].end.get_or_insert(at);
        drop(state);
        self.wake_at(at);
    }

    /// The client's process is gone. The server sees the end after the bytes under way.
    pub fn kill(self: &Arc<Self>) {
        self.end(0);
        self.lock().ways[1].is_deaf = true;
    }

    /// Sends bytes on a way, later than usual by a time. Returns their arrival.
    fn send(self: &Arc<Self>, state: &mut State, way: usize, bytes: &[u8], later: Duration) -> Instant {
        let at = state.arrival(way, self.latency) + later;
        let way = &mut state.ways[way];
        way.segments.push_back((at, bytes.to_vec()));
        (way.in_flight, way.last) = (way.in_flight + bytes.len(), Some(at));
        self.wake_at(at);
        at
    }

    /// Breaks the connections of the process to this server around a write that has `bytes`.
    fn break_at(self: &Arc<Self>, state: &mut State, bytes: &[u8], moment: Moment) {
        let mut at = Instant::now();
        match moment {
            Moment::Before => state.ways[0].is_deaf = true,
            Moment::After => {
                at = self.send(state, 0, bytes, Duration::ZERO) + Duration::from_millis(1);
                state.ways[1].is_deaf = true;
            }
            Moment::Late(ms) => {
                self.send(state, 0, bytes, Duration::from_millis(ms));
                state.ways[1].is_deaf = true;
            }
        }
        let (this, is_late) = (self.clone(), matches!(moment, Moment::Late(_)));
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            let mut links = Vec::new();
            world::with(|world| links = world.links(Some(this.process), Some(this.port)));
            for link in links {
                if is_late && link.number == this.number { link.lose_client() } else { link.reset() }
            }
        });
    }

    /// Ends the connection for its client only. The server still gets what is under way.
    fn lose_client(&self) {
        let mut state = self.lock();
        state.ways[1].segments.clear();
        state.ways[1].end = Some(Instant::now());
        state.wake();
        drop(state);
        world::note(Event::Broken { process: self.process, port: self.port });
    }

    fn wake_at(self: &Arc<Self>, at: Instant) {
        let link = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            link.lock().wake();
        });
    }
}

impl State {
    /// Arrival of a segment that leaves now.
    fn arrival(&mut self, way: usize, latency: Latency) -> Instant {
        let delay = latency.base + self.random.below(latency.spread + 1);
        // A round trip takes time, or a retry without a delay would never end.
        let delay = if way == 1 { delay.max(1) } else { delay };
        let at = Instant::now() + Duration::from_millis(delay);
        let at = self.ways[way].last.map_or(at, |last| last.max(at));
        self.ways[way].last = Some(at);
        at
    }

    fn wake(&mut self) {
        for way in &mut self.ways {
            way.reader.take().into_iter().chain(way.writer.take()).for_each(Waker::wake);
        }
    }

    /// Returns true if a read would not block.
    fn is_readable(&self, way: usize) -> bool {
        let now = Instant::now();
        let way = &self.ways[way];
        let arrives = way.segments.front().is_some_and(|(at, _)| *at <= now);
        self.is_reset
            || !self.is_held && (arrives || way.segments.is_empty() && way.end.is_some_and(|end| end <= now))
    }

    fn is_writable(&self, way: usize, capacity: usize) -> bool {
        self.is_reset || self.ways[way].in_flight < capacity
    }
}

impl Pipe for End {
    fn try_read(&self, buffer: &mut Vec<u8>, most: usize) -> Result<usize> {
        let mut state = self.link.lock();
        if state.is_reset {
            return Err(Error::from(ErrorKind::ConnectionReset));
        }
        if !state.is_readable(self.reads) {
            return Err(Error::from(ErrorKind::WouldBlock));
        }
        let way = &mut state.ways[self.reads];
        let Some((at, mut bytes)) = way.segments.pop_front() else { return Ok(0) };
        let rest = bytes.split_off(bytes.len().min(most));
        buffer.extend_from_slice(&bytes);
        way.in_flight -= bytes.len();
        let left = rest.len();
        if !rest.is_empty() {
            way.segments.push_front((at, rest));
        }
        if let Some(writer) = way.writer.take() {
            writer.wake();
        }
        trace::note(|| {
            format!("link {} way {} read {} of {most}, {}", self.link.number, self.reads, bytes.len(), left)
        });
        Ok(bytes.len())
    }

    fn try_write(&self, bytes: &[u8]) -> Result<usize> {
        let to = 1 - self.reads;
        let mut state = self.link.lock();
        if state.is_reset || state.gone[self.reads] {
            return Err(Error::from(ErrorKind::BrokenPipe));
        }
        let room = self.link.capacity.saturating_sub(state.ways[to].in_flight);
        if room == 0 {
            return Err(Error::from(ErrorKind::WouldBlock));
        }
        // A socket can take a part only.
        let most = if state.random.happens(3) { state.random.within(1, 40) as usize } else { usize::MAX };
        let count = bytes.len().min(room).min(most);
        if state.ways[to].is_deaf || state.ways[to].end.is_some() {
            return Ok(count);
        }
        let whole = &bytes[..bytes.len().min(room)];
        if to == 0
            && let Some(moment) = world::take_break(self.link.process, whole)
        {
            self.link.break_at(&mut state, whole, moment);
            return Ok(whole.len());
        }
        let passing = state.ways[to].cut_after.map_or(count, |left| left.min(count));
        trace::note(|| {
            format!("link {} way {to} write {} {:x}", self.link.number, count, trace::digest(&bytes[..count]))
        });
        if passing > 0 {
            // A segment can arrive in two parts.
            let first = if state.random.happens(20) {
                state.random.within(1, passing as u64) as usize
            } else {
                passing
            };
            for part in [&bytes[..first], &bytes[first..passing]].into_iter().filter(|part| !part.is_empty())
            {
                self.link.send(&mut state, to, part, Duration::ZERO);
            }
        }
        if let Some(left) = &mut state.ways[to].cut_after {
            *left -= passing;
            if *left == 0 {
                let at = state.arrival(to, self.link.latency);
                let link = self.link.clone();
                tokio::spawn(async move {
                    tokio::time::sleep_until(at + Duration::from_millis(1)).await;
                    link.reset();
                });
                state.ways[to].is_deaf = true;
            }
        }
        Ok(count)
    }

    fn poll_ready(&self, context: &mut Context<'_>, interest: Interest) -> Poll<()> {
        let (from, to) = (self.reads, 1 - self.reads);
        let mut state = self.link.lock();
        let is_ready = interest.is_readable() && state.is_readable(from)
            || interest.is_writable() && state.is_writable(to, self.link.capacity);
        if is_ready {
            return Poll::Ready(());
        }
        if interest.is_readable() {
            state.ways[from].reader = Some(context.waker().clone());
        }
        if interest.is_writable() {
            state.ways[to].writer = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.link.lock().gone[self.reads] = true;
        // Unread bytes are lost, and the other end sees the end.
        self.link.lock().ways[self.reads].is_deaf = true;
        if tokio::runtime::Handle::try_current().is_ok() {
            self.link.end(1 - self.reads);
        }
    }
}
