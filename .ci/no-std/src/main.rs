//! A program without the standard library that begins a ZooKeeper session: it exits with 0 when the session has handed out
//! its first message.
#![no_std]
#![no_main]

extern crate alloc;

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ffi::c_int,
    panic::PanicInfo,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Buf;
use zk_proto::{Config, ConnectString, Instant, Machine, Session, Wants, request::GetData, session::SubmitOptions};

const HEAP_BYTES: usize = 1 << 20;

/// Hands out memory and never takes any back.
struct Bump {
    heap: UnsafeCell<[u8; HEAP_BYTES]>,
    used: AtomicUsize,
}

// The counter hands each byte out once.
unsafe impl Sync for Bump {}

unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let room = layout.size() + layout.align();
        let start = self.used.fetch_add(room, Ordering::Relaxed);
        if start + room > HEAP_BYTES {
            return ptr::null_mut();
        }
        let base = unsafe { self.heap.get().cast::<u8>().add(start) };
        unsafe { base.add(base.align_offset(layout.align())) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { heap: UnsafeCell::new([0; HEAP_BYTES]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// The length of the first message, or 0 where there was none.
fn first_message() -> usize {
    let Ok(connect) = "localhost:2181/app".parse::<ConnectString>() else { return 0 };
    let mut session: Session<u32> = Session::new(Config::from(connect), [1; 32]);
    if session.submit(&GetData::new("/a"), 1, SubmitOptions::default()).is_err() {
        return 0;
    }
    session.handle_timeout(Instant::ORIGIN);
    let Wants::Link { id, .. } = session.wants() else { return 0 };
    session.handle_connected(id, Instant::ORIGIN);
    session.poll_transmit(id, Instant::ORIGIN).map_or(0, |message| message.remaining())
}

// What memcpy and the start of the program come from: the C library, not Rust's.
#[link(name = "c")]
unsafe extern "C" {}

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    if first_message() == 49 { 0 } else { 1 }
}
