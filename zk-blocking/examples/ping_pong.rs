//! Reads one node again and again, one request at a time, and tells how long that takes: by the client, or by a blocking socket that
//! sends the same bytes and knows nothing of what they mean, which is as fast as it gets.
//!
//! ```text
//! cargo run --release -p zk-blocking --example ping_pong -- localhost:2181 20000
//! cargo run --release -p zk-blocking --example ping_pong -- localhost:2181 20000 --raw
//! cargo run --release -p zk-blocking --example ping_pong -- localhost:2181 20000 --threads 256
//! ```

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use zk_blocking::Wait;

/// Until the background thread trusts that it is not needed.
const WARM_UP: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(servers), count) = (arguments.next(), arguments.next()) else {
        return Err("usage: ping_pong SERVERS [COUNT [--raw | --threads THREADS]]".into());
    };
    let count: u32 = count.as_deref().unwrap_or("10000").parse()?;
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => ping_pong(&servers, count),
        (Some("--raw"), _) => ping_pong_raw(&servers, count),
        (Some("--threads"), Some(threads)) => crowd(&servers, count, threads.parse()?),
        (Some(other), _) => Err(format!("what is {other}?").into()),
    }
}

pub(crate) fn ping_pong(servers: &str, count: u32) -> Result<(), Box<dyn Error>> {
    let client = zk_blocking::connect(servers)?;
    measure(count, || {
        client.exists("/").wait()?;
        Ok(())
    })
}

fn ping_pong_raw(server: &str, count: u32) -> Result<(), Box<dyn Error>> {
    let mut socket = RawSocket::connect(server)?;
    measure(count, || Ok(socket.exists()?))
}

fn measure(count: u32, mut request: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    for _ in 0..WARM_UP {
        request()?;
    }

    let mut times: Vec<Duration> = Vec::with_capacity(count as usize);
    println!("begin");
    for _ in 0..count {
        let begin = Instant::now();
        request()?;
        times.push(begin.elapsed());
    }
    println!("end");

    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    println!("{count} requests: {:?} median, {:?} at 99 %", at(50), at(99));
    Ok(())
}

/// Many threads, each with one request at a time, on one client. What the process costs is for others to measure: `time`, for instance.
fn crowd(servers: &str, count: u32, threads: u32) -> Result<(), Box<dyn Error>> {
    let client = zk_blocking::connect(servers)?;
    let begin = Instant::now();
    println!("begin");
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| (0..count / threads).try_for_each(|_| client.exists("/").wait().map(|_| ()))))
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    println!("end");
    println!("{count} requests by {threads} threads: {:?} each", begin.elapsed() / count);
    Ok(())
}

/// A session by hand.
struct RawSocket {
    stream: TcpStream,
    xid: i32,
}

impl RawSocket {
    fn connect(server: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let mut socket = Self { stream, xid: 0 };
        // Version 0, no transaction seen, 30 s, no session yet, a password of zeros, not read-only.
        let mut greeting = vec![0; 45];
        greeting[12..16].copy_from_slice(&30_000_i32.to_be_bytes());
        greeting[24..28].copy_from_slice(&16_i32.to_be_bytes());
        socket.exchange(&greeting)?;
        Ok(socket)
    }

    fn exists(&mut self) -> io::Result<()> {
        self.xid += 1;
        let mut request = [0; 14];
        request[0..4].copy_from_slice(&self.xid.to_be_bytes());
        // The operation, the path's length and the path; and no watch.
        request[4..8].copy_from_slice(&3_i32.to_be_bytes());
        request[8..12].copy_from_slice(&1_i32.to_be_bytes());
        request[12] = b'/';
        self.exchange(&request)
    }

    /// Sends a frame and receives one.
    fn exchange(&mut self, body: &[u8]) -> io::Result<()> {
        let mut frame = [0; 64];
        let len = 4 + body.len();
        frame[0..4].copy_from_slice(&(body.len() as i32).to_be_bytes());
        frame[4..len].copy_from_slice(body);
        self.stream.write_all(&frame[..len])?;
        let mut reply = [0; 1024];
        let mut received = 0;
        loop {
            match self.stream.read(&mut reply[received..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => received += count,
            }
            let frame_len = reply.first_chunk().map_or(0, |len| u32::from_be_bytes(*len) as usize);
            if received >= 4 + frame_len {
                return Ok(());
            }
        }
    }
}
