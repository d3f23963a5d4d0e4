//! Measures a server in memory: what sessions and nodes cost, and how fast it answers.
//!
//! ```text
//! cargo run --release -p zk-testing --example measure
//! ```
//!
//! The server is a process of its own, so that its memory is its own. On Linux only, where `/proc` tells of memory.

use std::{
    env,
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use zk_proto::{
    code::{CreateMode, ErrorCode, OpCode},
    record::{Acl, ConnectRequest, CreateRequest, GetDataRequest, ReplyHeader, RequestHeader},
    wire::{Decoder, Encoder, Text, split_frame},
};
use zk_testing::TestServer;

const SESSIONS: usize = 10_000;
const NODES: usize = 1_000_000;
/// So many nodes have one parent.
const SIBLINGS: usize = 1000;
const DATA: [u8; 10] = *b"0123456789";
/// So many requests are in flight.
const PIPELINE: usize = 1000;
const READS: usize = 5_000_000;
const FRAME_LIMIT: usize = 1 << 20;
const KIB: u64 = 1024;
const TIMEOUT_MS: i32 = 60_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    if env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    raise_file_limit()?;
    let mut server = Serving::start()?;
    let mut client = Client::connect(&server.address)?;
    client.create(["/n".to_owned()].into_iter())?;

    let before = server.memory_bytes()?;
    let began = Instant::now();
    let sessions = (0..SESSIONS).map(|_| Client::connect(&server.address)).collect::<Outcome<Vec<_>>>()?;
    tell(&format!("{SESSIONS} idle sessions"), began.elapsed(), server.memory_bytes()? - before, SESSIONS);

    let parents = (0..NODES / SIBLINGS).map(|parent| format!("/n/{parent:04}"));
    client.create(parents)?;
    let before = server.memory_bytes()?;
    let began = Instant::now();
    client.create((0..NODES).map(path))?;
    tell(&format!("{NODES} nodes of {} bytes", DATA.len()), began.elapsed(), server.memory_bytes()? - before, NODES);

    let (began, busy) = (Instant::now(), server.processor_time()?);
    client.read(READS)?;
    let (elapsed, busy) = (began.elapsed(), server.processor_time()? - busy);
    let rate = |time: Duration| READS as f64 / time.as_secs_f64();
    println!(
        "{READS} pipelined reads: {elapsed:.2?}, {:.0} a second; {:.0} a second of the server's processor time",
        rate(elapsed),
        rate(busy)
    );
    drop(sessions);
    server.stop()
}

fn tell(what: &str, time: Duration, bytes: u64, count: usize) {
    let each = bytes as f64 / count as f64;
    println!("{what}: {time:.2?}, {} MiB, {each:.0} bytes each", bytes / KIB / KIB);
}

/// Returns the path of a node, in an order in which neighbours have different parents.
fn path(number: usize) -> String {
    let parents = NODES / SIBLINGS;
    format!("/n/{:04}/{:04}", number % parents, number / parents)
}

/// Serves until the input ends.
fn serve() -> Outcome<()> {
    raise_file_limit()?;
    let server = TestServer::start()?;
    println!("{}", server.connect_string());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Sets the limit of open files to what it may be at most.
fn raise_file_limit() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// The process of the server.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start() -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("the output is piped")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }

    fn memory_bytes(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no memory")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * KIB)
    }

    fn processor_time(&self) -> Outcome<Duration> {
        let mut nanos: u64 = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += stat.split(' ').next().ok_or("no time")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    fn stop(&mut self) -> Outcome<()> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A session that sends many requests at a time.
struct Client {
    stream: TcpStream,
    input: BytesMut,
}

impl Client {
    fn connect(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream, input: BytesMut::new() };
        let mut greeting = BytesMut::new();
        let request = ConnectRequest { timeout_ms: TIMEOUT_MS, read_only: Some(false), ..ConnectRequest::default() };
        frame(&mut greeting, |out| out.put(&request));
        client.stream.write_all(&greeting)?;
        client.receive()?;
        Ok(client)
    }

    fn create(&mut self, paths: impl Iterator<Item = String>) -> Outcome<()> {
        let requests = paths.map(|path| CreateRequest {
            path: Some(Text::from(path)),
            data: Some(Bytes::from_static(&DATA)),
            acl: Some(Acl::open()),
            mode: CreateMode::Persistent,
        });
        self.pipeline(OpCode::Create, requests, |out, request| out.put(request))
    }

    fn read(&mut self, count: usize) -> Outcome<()> {
        // Encoded before, so that it is the server that is measured.
        let paths: Vec<_> = (0..PIPELINE).map(|number| Text::from(path(number * 997 % NODES))).collect();
        let requests = paths.iter().cycle().take(count);
        let request = |path: &Text| GetDataRequest { path: Some(path.clone()), watch: false };
        self.pipeline(OpCode::GetData, requests, |out, path| out.put(&request(path)))
    }

    /// Sends requests, a whole pipeline before the answers to the one before it are read.
    fn pipeline<T>(
        &mut self,
        op: OpCode,
        requests: impl Iterator<Item = T>,
        write: impl Fn(&mut Encoder<'_>, &T),
    ) -> Outcome<()> {
        let mut requests = requests.peekable();
        let mut unanswered = 0;
        while requests.peek().is_some() {
            let mut output = BytesMut::new();
            let mut count = 0;
            for request in requests.by_ref().take(PIPELINE) {
                count += 1;
                frame(&mut output, |out| {
                    out.put(&RequestHeader { xid: 1, op });
                    write(out, &request);
                });
            }
            self.stream.write_all(&output)?;
            self.answers(std::mem::replace(&mut unanswered, count))?;
        }
        self.answers(unanswered)
    }

    fn answers(&mut self, count: usize) -> Outcome<()> {
        for _ in 0..count {
            let header: ReplyHeader = Decoder::new(self.receive()?).get()?;
            if header.err != ErrorCode::Ok {
                return Err(header.err.to_string().into());
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Outcome<Bytes> {
        loop {
            if let Some(frame) = split_frame(&mut self.input, FRAME_LIMIT)? {
                return Ok(frame);
            }
            let mut piece = [0; 1 << 16];
            match self.stream.read(&mut piece)? {
                0 => return Err("the server hung up".into()),
                count => self.input.extend_from_slice(&piece[..count]),
            }
        }
    }
}

/// Appends a frame.
fn frame(output: &mut BytesMut, write: impl FnOnce(&mut Encoder<'_>)) {
    let start = output.len();
    output.extend_from_slice(&[0; 4]);
    write(&mut Encoder::new(output));
    let len = u32::try_from(output.len() - start - 4).expect("the frames here are small");
    output[start..start + 4].copy_from_slice(&len.to_be_bytes());
}
