//! Waits for a descriptor on Node's event loop, with functions of libuv that Node exports to addons.
#![expect(unsafe_code, reason = "libuv is C")]

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
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
            // SAFETY: the field that takes the copy has the type that uv.h declares for this name. The program is never
            // unloaded, so the copy outlives `program`.
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

/// Memory of one handle, on the heap since libuv keeps its address. It is aligned to 8 bytes, as the structures of libuv
/// need. Rust has no reference to it, since libuv writes to it in between.
struct HandleMemory(*mut [u64]);

impl HandleMemory {
    fn new(size: usize) -> Self {
        Self(Box::into_raw(vec![0_u64; size.div_ceil(8)].into_boxed_slice()))
    }

    fn handle(&self) -> Handle {
        self.0.cast()
    }
}

impl Drop for HandleMemory {
    fn drop(&mut self) {
        // SAFETY: `new` made this pointer from a box, and only this value frees it.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// State that libuv refers to until both handles are closed.
struct Handles {
    libuv: Libuv,
    poll: HandleMemory,
    timer: HandleMemory,
    /// Number of handles that are not closed.
    open: u32,
    on_event: fn(),
    on_tick: fn(),
    on_closed: Option<Box<dyn FnOnce()>>,
}

/// A descriptor and a clock on the event loop of this thread, either watched or not. They keep no process alive. The raw
/// pointer keeps this value on its thread.
pub struct Watch {
    /// Freed when libuv has closed both handles, which the drop of this value begins.
    handles: *mut Handles,
    is_on: bool,
}

impl Watch {
    /// A watch that is not started. `on_event` is called while `descriptor` is readable, `on_tick` at ticks. Returns
    /// `None` if the platform lacks support. The descriptor must stay open until the watch is dropped.
    pub fn new(env: Env, descriptor: RawFd, on_event: fn(), on_tick: fn()) -> Option<Self> {
        let libuv = Libuv::get()?;
        let event_loop = env.get_uv_event_loop().ok()?;
        // SAFETY: POLL and TIMER are types of handles.
        let [poll, timer] = [POLL, TIMER].map(|kind| HandleMemory::new(unsafe { (libuv.handle_size)(kind) }));
        // SAFETY: this is the thread of the event loop, and the memory has the size of a poll handle. A poll handle that
        // could not be made is not known to libuv, so its memory can be freed.
        if unsafe { (libuv.poll_init)(event_loop, poll.handle(), descriptor) } != 0 {
            return None;
        }
        let pair = [poll.handle(), timer.handle()];
        let handles = Handles { libuv, poll, timer, open: 2, on_event, on_tick, on_closed: None };
        let handles = Box::into_raw(Box::new(handles));
        // SAFETY: as above; a timer can always be made. The handles and their data are freed by `closed` alone, after libuv
        // has let go of both.
        unsafe {
            (libuv.timer_init)(event_loop, pair[1]);
            for handle in pair {
                (libuv.set_data)(handle, handles.cast());
                (libuv.unref)(handle);
            }
        }
        Some(Self { handles, is_on: false })
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
        // SAFETY: both handles are open as long as this value is there, and this is the thread of the event loop. Neither
        // call can fail then.
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
        // SAFETY: `closed` alone frees the state, after the drop of this value, and no other reference to it exists.
        unsafe { (*self.handles).on_closed = Some(Box::new(then)) };
    }

    fn parts(&self) -> (Libuv, Handle, Handle) {
        // SAFETY: the state lives at least as long as this value. Callbacks read and change it on this thread alone, and
        // none of them runs while this reference exists.
        let handles = unsafe { &*self.handles };
        (handles.libuv, handles.poll.handle(), handles.timer.handle())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (libuv, poll, timer) = self.parts();
        // SAFETY: both handles are open, and this closes each of them once, on the thread of their event loop.
        unsafe {
            (libuv.close)(poll, closed);
            (libuv.close)(timer, closed);
        }
    }
}

/// State of a handle that libuv calls back with.
///
/// # Safety
///
/// The handle must be one of a [`Watch`] that is not closed.
unsafe fn handles_of(handle: Handle) -> *mut Handles {
    let Some(Some(libuv)) = LIBUV.get() else { unreachable!("a handle was made without libuv") };
    // SAFETY: the handle is open, and `Watch::new` gave it this data.
    unsafe { (libuv.get_data)(handle) }.cast()
}

// A panic below ends the process, since it cannot leave a function that C calls.

unsafe extern "C" fn polled(handle: Handle, _status: c_int, _events: c_int) {
    // SAFETY: libuv calls back for handles that are not closed. The function is copied, since it can drop the watch.
    let on_event = unsafe { (*handles_of(handle)).on_event };
    on_event();
}

unsafe extern "C" fn ticked(handle: Handle) {
    // SAFETY: as in `polled`.
    let on_tick = unsafe { (*handles_of(handle)).on_tick };
    on_tick();
}

unsafe extern "C" fn closed(handle: Handle) {
    // SAFETY: libuv calls back once for each of the two handles. The state and the memory of both handles are freed at the
    // second call: the watch is gone, and libuv uses neither handle after this function.
    let on_closed = unsafe {
        let handles = handles_of(handle);
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
