//! Many threads on one connection, each of which waits for its own replies: what the system takes to let them wait and to wake them.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::TcpStream,
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
};

use bench_harness::{Measure, Order, TASKS};

use crate::{
    requests,
    wire::{Frames, open},
};

/// What the threads share.
struct Crowd<'a> {
    stream: &'a TcpStream,
    request: &'a [u8],
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// In the order of their requests.
    waiting: VecDeque<Arc<Member>>,
    /// How many requests are to be written.
    unwritten: usize,
    /// Somebody writes, and will see what is added meanwhile.
    has_writer: bool,
}

/// One who waits.
struct Member {
    thread: Thread,
    is_answered: AtomicBool,
}

/// Has each of many threads make its share of requests one by one, while this one hands out the replies.
pub(crate) fn run(order: &Order, request: &[u8]) -> io::Result<()> {
    let stream = open(&order.server)?;
    (&stream).write_all(&requests::greeting())?;
    let mut head = [0; 4];
    (&stream).read_exact(&mut head)?;
    (&stream).read_exact(&mut vec![0; u32::from_be_bytes(head) as usize])?;

    let crowd = Crowd { stream: &stream, request, queue: Mutex::default() };
    crowd.make(order.warm_up() / TASKS);
    let measure = Measure::begin();
    crowd.make(order.operations / TASKS);
    measure.tell_per_operation(order.operations);
    Ok(())
}

impl Crowd<'_> {
    /// Has each thread make so many requests.
    fn make(&self, each: usize) {
        thread::scope(|scope| {
            for _ in 0..TASKS {
                scope.spawn(|| {
                    let member = Arc::new(Member { thread: thread::current(), is_answered: AtomicBool::new(false) });
                    (0..each).for_each(|_| or_end(self.ask(&member)));
                });
            }
            or_end(self.answer(each * TASKS));
        });
    }

    /// Makes a request and waits for the reply.
    fn ask(&self, member: &Arc<Member>) -> io::Result<()> {
        let mut queue = self.queue();
        queue.waiting.push_back(member.clone());
        queue.unwritten += 1;
        if !queue.has_writer {
            queue.has_writer = true;
            while queue.unwritten > 0 {
                let requests = self.request.repeat(std::mem::take(&mut queue.unwritten));
                drop(queue);
                (&mut &*self.stream).write_all(&requests)?;
                queue = self.queue();
            }
            queue.has_writer = false;
        }
        drop(queue);
        while !member.is_answered.swap(false, Ordering::AcqRel) {
            thread::park();
        }
        Ok(())
    }

    /// Hands out so many replies.
    fn answer(&self, mut missing: usize) -> io::Result<()> {
        let (mut frames, mut buffer) = (Frames::default(), vec![0; 1 << 18]);
        while missing > 0 {
            let count = (&mut &*self.stream).read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let answered = frames.count(&buffer[..count]);
            missing -= answered;
            let members: Vec<_> = self.queue().waiting.drain(..answered).collect();
            for member in members {
                member.is_answered.store(true, Ordering::Release);
                member.thread.unpark();
            }
        }
        Ok(())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the program where something fails: others would wait for ever.
fn or_end(result: io::Result<()>) {
    if let Err(error) = result {
        eprintln!("floor: {error}");
        process::exit(1);
    }
}
