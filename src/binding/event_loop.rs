//! Waits for a descriptor on Node's event loop, with functions of libuv that Node exports to addons.
#![expect(unsafe_code, reason = "libuv is C")]

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::OnceLock;

use libloading::os::unix::Library;
use napi::Env;
use napi::sys::uv_loop_s;

/// UV_POLL and UV_TIMER of uv_handle_type, which are part of libuv's binary interface.
const POLL: c_int = 8;
const TIMER: c_int = 13;
/// UV_READABLE.
const READABLE: c_int = 1;

type Handle = *mut c_void;
type OnPoll = unsafe extern "C" fn(Handle, c_int, c_int);
type OnHandle = unsafe extern "C" fn(Handle);

/// Functions of libuv that the addon calls.
#[derive(Clone, Copy)]
struct Libuv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    set_data: unsafe extern "C" fn(Handle, *mut c_void),
    get_data: unsafe extern "C" fn(Handle) -> *mut c_void,
    unref: unsafe extern "C" fn(Handle),
    close: unsafe extern "C" fn(Handle, OnHandle),
    poll_init: unsafe extern "C" fn(*mut uv_loop_s, Handle, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Handle, c_int, OnPoll) -> c_int,
    poll_stop: unsafe extern "C" fn(Handle) -> c_int,
    timer_init: unsafe extern "C" fn(*mut uv_loop_s, Handle) -> c_int,
    timer_start: unsafe extern "C" fn(Handle, OnHandle, u64, u64) -> c_int,
    timer_stop: unsafe extern "C" fn(Handle) -> c_int,
}

impl Libuv {
    /// `None` in a host that exports no libuv.
    fn get() -> Option<Self> {
        *LIBUV.get_or_init(Self::load)
    }

    fn load() -> Option<Self> {
        let program = Library::this();
        macro_rules! find {
            // SAFETY: the fields above have the types that uv.h declares for these names.
            ($name:literal) => {
                *unsafe { program.get($name) }.ok()?
            };
        }
        Some(Self {
            handle_size: find!(c"uv_handle_size"),
            set_data: find!(c"uv_handle_set_data"),
            get_data: find!(c"uv_handle_get_data"),
            unref: find!(c"uv_unref"),
            close: find!(c"uv_close"),
            poll_init: find!(c"uv_poll_init"),
            poll_start: find!(c"uv_poll_start"),
            poll_stop: find!(c"uv_poll_stop"),
            timer_init: find!(c"uv_timer_init"),
            timer_start: find!(c"uv_timer_start"),
            timer_stop: find!(c"uv_timer_stop"),
        })
    }
}

static LIBUV: OnceLock<Option<Libuv>> = OnceLock::new();

/// State that libuv refers to until both handles are closed.
struct Handles {
    libuv: Libuv,
    poll: Box<[u64]>,
    timer: Box<[u64]>,
    /// Number of handles that are not closed.
    open: u32,
    on_event: fn(),
    on_tick: fn(),
    on_closed: Option<Box<dyn FnOnce()>>,
}

/// A descriptor and a clock on the event loop of this thread, either watched or not. They keep no process alive.
pub struct Watch {
    /// Freed when libuv has closed both handles, which this value being dropped begins.
    handles: *mut Handles,
    is_on: bool,
}

impl Watch {
    /// A watch that is not started. `on_event` is called while `descriptor` is readable, `on_tick` at ticks. Returns
    /// `None` if the platform lacks support.
    pub fn new(env: Env, descriptor: RawFd, on_event: fn(), on_tick: fn()) -> Option<Self> {
        let libuv = Libuv::get()?;
        let event_loop = env.get_uv_event_loop().ok()?;
        // SAFETY: both handles have the size that libuv asks for and stay where they are until they are closed; a poll
        // handle that could not be made is none, a timer can always be made.
        unsafe {
            let memory = |kind| vec![0_u64; (libuv.handle_size)(kind).div_ceil(8)].into_boxed_slice();
            let (poll, timer) = (memory(POLL), memory(TIMER));
            let handles = Handles { libuv, poll, timer, open: 2, on_event, on_tick, on_closed: None };
            let handles = Box::into_raw(Box::new(handles));
            let (poll, timer) = ((*handles).poll.as_mut_ptr().cast(), (*handles).timer.as_mut_ptr().cast());
            if (libuv.poll_init)(event_loop, poll, descriptor) != 0 {
                drop(Box::from_raw(handles));
                return None;
            }
            (libuv.timer_init)(event_loop, timer);
            for handle in [poll, timer] {
                (libuv.set_data)(handle, handles.cast());
                (libuv.unref)(handle);
            }
            Some(Self { handles, is_on: false })
        }
    }

    /// Returns true if it watches.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Watches: a tick runs at once, and then at each interval in ms.
    pub fn start(&mut self, every: u64) {
        if self.is_on {
            return;
        }
        self.is_on = true;
        let (libuv, poll, timer) = self.parts();
        // SAFETY: both handles are open as long as this value is there. Neither call can fail then.
        unsafe {
            (libuv.poll_start)(poll, READABLE, polled);
            (libuv.timer_start)(timer, ticked, 0, every);
        }
    }

    /// Schedules the next tick at once.
    pub fn tick_soon(&mut self, every: u64) {
        let (libuv, _, timer) = self.parts();
        // SAFETY: as in `start`.
        unsafe { (libuv.timer_start)(timer, ticked, 0, every) };
    }

    /// Stops the watch.
    pub fn stop(&mut self) {
        if !std::mem::take(&mut self.is_on) {
            return;
        }
        let (libuv, poll, timer) = self.parts();
        // SAFETY: as in `start`.
        unsafe {
            (libuv.poll_stop)(poll);
            (libuv.timer_stop)(timer);
        }
    }

    /// Ends the watch. `then` is called once libuv has closed both handles.
    pub fn close(self, then: impl FnOnce() + 'static) {
        // SAFETY: the handles are freed by `closed` alone, which dropping this value leads to.
        unsafe { (*self.handles).on_closed = Some(Box::new(then)) };
    }

    fn parts(&self) -> (Libuv, Handle, Handle) {
        // SAFETY: the handles live as long as this value, and no other code uses them meanwhile.
        let handles = unsafe { &mut *self.handles };
        (handles.libuv, handles.poll.as_mut_ptr().cast(), handles.timer.as_mut_ptr().cast())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (libuv, poll, timer) = self.parts();
        // SAFETY: both are open, and closed once.
        unsafe {
            (libuv.close)(poll, closed);
            (libuv.close)(timer, closed);
        }
    }
}

/// State of one of our handles.
fn handles_of(handle: Handle) -> *mut Handles {
    match LIBUV.get() {
        // SAFETY: what is called back has one of the handles that `Watch::new` has given this data.
        Some(Some(libuv)) => unsafe { (libuv.get_data)(handle) }.cast(),
        _ => ptr::null_mut(),
    }
}

unsafe extern "C" fn polled(handle: Handle, _status: c_int, _events: c_int) {
    // SAFETY: libuv calls back for open handles, and those are not freed.
    let on_event = unsafe { (*handles_of(handle)).on_event };
    on_event();
}

unsafe extern "C" fn ticked(handle: Handle) {
    // SAFETY: as in `polled`.
    let on_tick = unsafe { (*handles_of(handle)).on_tick };
    on_tick();
}

unsafe extern "C" fn closed(handle: Handle) {
    let handles = handles_of(handle);
    // SAFETY: each of the two handles is closed once, and the second close finds no other owner.
    let on_closed = unsafe {
        (*handles).open -= 1;
        if (*handles).open > 0 {
            return;
        }
        Box::from_raw(handles).on_closed
    };
    if let Some(then) = on_closed {
        then();
    }
}
