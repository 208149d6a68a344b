//! Calls of all per-job traffic: `submit` for requests, `collect` for events.

use std::time::Duration;

use napi::bindgen_prelude::{BufferSlice, Env, Float64ArraySlice, Uint8Array};
use napi::{JsString, Result};
use napi_derive::napi;

use crate::engine::protocol::job_id;

#[cfg(target_os = "linux")]
use super::environment;
use super::error::invalid;
use super::execution;
use super::native_facade::NativeFacade;
use super::request_reader::RequestReader;

/// Length of the header that `collect` writes before the numbers: their count, and 1 if `collect_rest` has more.
const HEADER: usize = 2;

/// Rest of a packet that `collect` could not return. Most packets have none, which saves an object.
#[napi(object)]
pub struct PacketRest<'env> {
    /// The numbers, if they did not fit.
    pub numbers: Option<Float64ArraySlice<'env>>,
    /// Small payloads, joined.
    pub bytes: Option<BufferSlice<'env>>,
    /// Other payloads.
    pub blobs: Option<Vec<BufferSlice<'env>>>,
}

#[napi]
impl NativeFacade {
    /// Executes the requests that the facade collected in one tick, and returns the number of open connections.
    #[napi]
    pub fn submit(
        &self,
        numbers: Float64ArraySlice<'_>,
        count: u32,
        text: String,
        bytes: BufferSlice<'_>,
        byte_count: u32,
        blobs: Vec<Uint8Array>,
    ) -> Result<u32> {
        let numbers =
            numbers.get(..count as usize).ok_or_else(|| invalid("The packet has no such length."))?;
        let bytes =
            bytes.get(..byte_count as usize).ok_or_else(|| invalid("The packet has no such bytes."))?;
        let mut packet = RequestReader::new(numbers, &text, bytes, &blobs);
        self.facade.with(|state| {
            execution::run(state, &mut packet)?;
            Ok(state.context.open_links() as u32)
        })
    }

    /// Returns the events since the last call: their strings as one text. Writes to `into` the count of numbers, 1 if
    /// `collect_rest` has more, and the numbers.
    #[napi]
    pub fn collect<'env>(&self, env: &'env Env, mut into: Float64ArraySlice<'env>) -> Result<JsString<'env>> {
        let mut packet = self.facade.with(|state| {
            let mut spare = std::mem::take(&mut state.spare);
            if !spare.is_empty() {
                // Its rest was never asked for.
                spare.reuse();
            }
            Ok(state.events.take(spare))
        })?;
        let fits = HEADER + packet.numbers.len() <= into.len();
        let is_all = fits && packet.bytes.is_empty() && packet.blobs.is_empty();
        copy_into(&mut into, 0, &[packet.numbers.len() as f64, f64::from(u8::from(!is_all))]);
        if fits {
            copy_into(&mut into, HEADER, &packet.numbers);
        }
        // Outside of `with`, since a garbage collection meanwhile looks for the state.
        let text = match packet.text.is_ascii() {
            true => env.create_string_latin1(packet.text.as_bytes())?,
            false => env.create_string(&packet.text)?,
        };
        if is_all {
            packet.reuse();
        }
        #[cfg(target_os = "linux")]
        environment::try_with(|environment| {
            if let Some(borrower) = &mut environment.borrower {
                borrower.borrow_if_lent();
            }
        });
        self.facade.with(|state| {
            state.spare = packet;
            Ok(text)
        })
    }

    /// Returns the rest of the packet that was just collected.
    #[napi]
    pub fn collect_rest<'env>(&self, env: &'env Env, room: u32) -> Result<PacketRest<'env>> {
        let mut packet = self.facade.with(|state| Ok(std::mem::take(&mut state.spare)))?;
        let fits = HEADER + packet.numbers.len() <= room as usize;
        // Each is freed as soon as it is copied, so that they are not there twice.
        let blobs = packet.blobs.drain(..).map(|blob| BufferSlice::copy_from(env, blob));
        let rest = PacketRest {
            blobs: Some(blobs.collect::<Result<Vec<_>>>()?).filter(|blobs| !blobs.is_empty()),
            numbers: if fits { None } else { Some(Float64ArraySlice::copy_from(env, &packet.numbers)?) },
            bytes: if packet.bytes.is_empty() {
                None
            } else {
                Some(BufferSlice::copy_from(env, &packet.bytes)?)
            },
        };
        packet.reuse();
        self.facade.with(|state| {
            state.spare = packet;
            Ok(rest)
        })
    }

    /// Number of connections of this copy that are open or opening, of all buses.
    #[napi]
    pub fn open_links(&self) -> Result<u32> {
        self.facade.with(|state| Ok(state.context.open_links() as u32))
    }
}

/// Random ids, joined.
#[napi]
pub fn make_ids(count: u32) -> String {
    let mut text = String::with_capacity(count as usize * job_id::ID_SIZE);
    for _ in 0..count {
        job_id::push_id(&mut text);
    }
    text
}

#[expect(unsafe_code, reason = "napi offers no other way to write into an array that JavaScript keeps")]
fn copy_into(into: &mut Float64ArraySlice<'_>, at: usize, numbers: &[f64]) {
    // SAFETY: the array is a constant of the facade that no other thread has and that is never resized. JavaScript does not
    // run until this reference has ended, so nothing else reads or writes the array meanwhile.
    let target = unsafe { into.as_mut() };
    target[at..at + numbers.len()].copy_from_slice(numbers);
}

/// Stands for "no limit": about 300 years, small enough to add to any `Instant`.
pub const LONGEST: Duration = Duration::from_secs(10_000_000_000);

/// Converts a time in ms from the facade. Negative is `None`.
pub fn duration(ms: f64) -> Option<Duration> {
    (ms >= 0.0).then(|| Duration::try_from_secs_f64(ms / 1_000.0).map_or(LONGEST, |time| time.min(LONGEST)))
}
