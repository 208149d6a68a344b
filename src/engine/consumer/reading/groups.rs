//! Groups of a consumer: created before the first read, and again if they were removed.

use tokio::sync::oneshot;

use crate::redis_io::command::Destination;
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{pack_entry, pack_group_create, pack_group_set_id, pack_stream};
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::last_entry::LastSeen;
use crate::engine::consumer::state::stream::StreamState;
use crate::engine::options::consumer::StreamOptions;

impl Consumer {
    /// Sets a group that exists to another id, if the options say so. Returns true if the group begins anew, `created` or set.
    pub(crate) async fn begin_group(
        &self,
        lane: usize,
        key: &str,
        options: &StreamOptions,
        created: Result<Value, RedisError>,
    ) -> Result<bool, RedisError> {
        if was_made(created)? {
            return Ok(true);
        }
        if options.set_id {
            let id = options.from_id.as_str();
            self.ask(lane, |commands, to| pack_group_set_id(commands, key, &self.group, id, to)).await?;
        }
        Ok(options.set_id)
    }

    /// Creates removed groups again, each behind the last known entry of its stream. Returns true if one was created.
    pub(crate) async fn remake_groups(&self, lane: usize) -> Result<bool, RedisError> {
        let (mut any, mut outcome) = (false, Ok(()));
        let streams: Vec<usize> = {
            let state = self.lock();
            let of_lane = |stream: &StreamState| stream.active && stream.lane == lane;
            (0..state.streams.len()).filter(|&at| of_lane(&state.streams[at])).collect()
        };
        for stream in streams {
            match self.remake_group(stream, lane).await {
                Ok(made) => any |= made,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        if any {
            let mut state = self.lock();
            let of_lane = state.streams.iter_mut().filter(|stream| stream.lane == lane);
            of_lane.for_each(StreamState::change_group);
        }
        outcome.map(|()| any)
    }

    /// Creates a group again, unless it exists.
    async fn remake_group(&self, stream: usize, lane: usize) -> Result<bool, RedisError> {
        let (key, last, seen, known) = {
            let stream = &self.lock().streams[stream];
            (stream.key.clone(), last_known(stream), stream.last_seen.clone(), last_known_id(stream))
        };
        let create = |id, makes_stream| {
            let key = &key;
            self.ask(lane, move |commands, to| {
                pack_group_create(commands, key, &self.group, id, makes_stream, to);
            })
        };
        let info = self.ask(lane, |commands, to| pack_stream(commands, &key, to)).await;
        let mut is_new = match (&info, &last) {
            (Ok(info), Some(last)) => last.is_of_before(info),
            (Err(error), _) if error.message.contains("no such key") => true,
            // Another attempt follows. Without an answer a new stream would be read from the last known entry of the old one.
            (Err(error), _) if !is_refusal(error) => return Err(error.clone()),
            _ => false,
        };
        // A clock that was set back and then forward again gives a new stream ids on both sides of the last known one.
        if let (false, Ok(info), Some(seen)) = (is_new, &info, &seen) {
            let found = self.ask(lane, |commands, to| pack_entry(commands, &key, seen.id, to)).await;
            is_new = match found {
                Ok(found) => seen.is_foreign_to(info, &found),
                Err(error) if is_refusal(&error) => false,
                Err(error) => return Err(error),
            };
        }
        if !is_new {
            let id = if planted("group resumes at the end") { "$" } else { known.as_str() };
            let (sender, info) = oneshot::channel();
            let created = self.ask(lane, |commands, to| {
                pack_group_create(commands, &key, &self.group, id, false, to);
                pack_stream(commands, &key, Destination::Task(sender));
            });
            match created.await {
                Err(error) if is_gone(&error) => {}
                made => {
                    let made = was_made(made)?;
                    if let (true, Some(last)) = (made, &last) {
                        let info = info.await.unwrap_or_else(|_| Err(RedisError::closed()));
                        self.follow_lost_stream(stream, lane, last, info).await?;
                    }
                    return Ok(made);
                }
            }
        }
        // The stream was removed with its group, so every entry in it is new.
        let id = if planted("new stream is read from its end") { "$" } else { "0" };
        let made = was_made(create(id, true).await)?;
        if made {
            self.lock().streams[stream].forget_last_entry();
        }
        Ok(made)
    }

    /// Sets a group that was just created behind the last known entry to the beginning, if the stream was lost between the query
    /// and the creation. A new stream can have smaller ids, and the group would get none of its entries. `info` describes the
    /// stream behind the creation.
    async fn follow_lost_stream(
        &self,
        stream: usize,
        lane: usize,
        last: &LastSeen,
        info: Result<Value, RedisError>,
    ) -> Result<(), RedisError> {
        let is_lost = match &info {
            Ok(info) => last.is_of_before(info),
            Err(error) if is_refusal(error) => false,
            Err(error) => return Err(error.clone()),
        };
        if is_lost {
            let key = self.lock().streams[stream].key.clone();
            self.ask(lane, |commands, to| pack_group_set_id(commands, &key, &self.group, "0", to)).await?;
            self.lock().streams[stream].forget_last_entry();
        }
        Ok(())
    }
}

/// Returns true if Redis never answers such a query: the user has no right to it, or the server does not know it.
fn is_refusal(error: &RedisError) -> bool {
    matches!(error.reply_code(), Some("NOPERM" | "ERR"))
}

/// Returns true if the key of the stream does not exist.
fn is_gone(error: &RedisError) -> bool {
    error.reply_code() == Some("ERR")
}

/// Returns true if a group was created, and false if it existed.
fn was_made(outcome: Result<Value, RedisError>) -> Result<bool, RedisError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.reply_code() == Some("BUSYGROUP") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the last known entry of a stream: the one that this consumer has read, or else the last one of others that it knows.
fn last_known(stream: &StreamState) -> Option<LastSeen> {
    stream.last_seen.clone().or_else(|| stream.delivered.max(stream.tail).map(LastSeen::from))
}

/// Returns the id behind which a group is created again: the last entry that this consumer has read, or else the position
/// of the group when it began to play.
fn last_known_id(stream: &StreamState) -> String {
    let read = stream.last_seen.as_ref().map(|last| last.id);
    match read.or(stream.delivered).or(stream.tail) {
        Some(id) => id.to_string(),
        None if stream.options.from_id == "$" => "0".to_owned(),
        None => stream.options.from_id.clone(),
    }
}
