//! A session driven by hand: blocking sockets of the standard library, one thread, nothing else. `docs/embedding/one-thread.md`
//! explains it.
//!
//! ```text
//! cargo run -q -p zk-proto --example one_thread                      # on a server in memory
//! cargo run -q -p zk-proto --example one_thread -- localhost:2181    # on yours, or with ZK_SERVERS set
//! ```

use std::{
    array, env,
    error::Error,
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind, Read},
    net::TcpStream,
    thread,
    time::Duration,
};

use bytes::{Buf, BytesMut};
use zk_proto::{
    Config, ConnectString, Instant, LinkId, Machine, Server, Session, Wants,
    code::CreateMode,
    request::{Create2, Delete, GetData, SetData, Version},
    session::{End, Event, SubmitOptions, WatchedEventKind},
};
use zk_testing::TestServer;

/// What was asked for; comes back with the reply.
#[derive(Clone, Copy, Debug)]
enum Step {
    Create,
    Read,
    Write,
    Delete,
}

fn main() -> Result<(), Box<dyn Error>> {
    let end = match env::args().nth(1).or(env::var("ZK_SERVERS").ok()) {
        Some(servers) => run(&servers)?,
        None => run(&TestServer::start()?.connect_string())?,
    };
    println!("session {end}");
    Ok(())
}

/// Drives a session until it is over; returns how it ended.
pub(crate) fn run(servers: &str) -> Result<End, Box<dyn Error>> {
    let config = Config::from(servers.parse::<ConnectString>()?);
    let mut session: Session<Step, ()> = Session::new(config, seed());
    let origin = std::time::Instant::now();
    let now = || Instant::ORIGIN + origin.elapsed();
    let mut link: Option<(LinkId, TcpStream)> = None;
    let mut input = BytesMut::new();
    let mut path = String::new();

    let create = Create2::new("/one-thread-", b"hello").mode(CreateMode::EphemeralSequential);
    session.submit(&create, Step::Create, SubmitOptions::default())?;
    loop {
        // The transport is what the session wants: none, or just this one.
        match session.wants() {
            Wants::Nothing(end) => return Ok(end),
            Wants::Offline => {
                link = None;
                thread::sleep(session.poll_timeout().map_or(Duration::ZERO, |due| due.saturating_since(now())));
            }
            Wants::Link { id, server } if link.as_ref().is_none_or(|(open, _)| *open != id) => {
                (link, input) = (None, BytesMut::new());
                match dial(&server) {
                    Ok(stream) => {
                        link = Some((id, stream));
                        session.handle_connected(id, now());
                    }
                    Err(error) => session.handle_failure(id, &error, now()),
                }
            }
            Wants::Link { .. } => {}
        }

        // Bytes first, out and in. Reading waits until there are some, or the session has something to do.
        if let Some((id, stream)) = &mut link {
            let outcome = write(&mut session, *id, stream, now()).and_then(|()| {
                let wait = session.poll_timeout().map(|due| due.saturating_since(now()).max(Duration::from_millis(1)));
                read(stream, wait, &mut input)
            });
            match outcome {
                Ok(()) => session.handle_input(*id, &mut input, now()),
                Err(error) => session.handle_failure(*id, &error, now()),
            }
        }

        // Then work. Whatever is submitted here goes out in the next turn.
        while let Some(event) = session.poll_event() {
            handle(event, &mut session, &mut path)?;
        }

        // Then time.
        session.handle_timeout(now());
    }
}

fn dial(server: &Server) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((&*server.host, server.port))?;
    stream.set_nodelay(true)?;
    // A server that takes nothing for so long is as good as gone.
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// Writes all that the session has for this link.
fn write(session: &mut Session<Step, ()>, link: LinkId, stream: &mut TcpStream, now: Instant) -> io::Result<()> {
    while let Some(transmit) = session.poll_transmit(link, now) {
        io::copy(&mut transmit.reader(), stream)?;
    }
    Ok(())
}

/// Reads what there is, and waits for it no longer than that.
fn read(stream: &mut TcpStream, wait: Option<Duration>, input: &mut BytesMut) -> io::Result<()> {
    stream.set_read_timeout(wait)?;
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => {
            input.extend_from_slice(&buffer[..count]);
            Ok(())
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// What this program does with a session: makes a node, reads and watches it, changes it, hears of that, deletes it.
fn handle(event: Event<Step, ()>, session: &mut Session<Step, ()>, path: &mut String) -> Result<(), Box<dyn Error>> {
    let options = SubmitOptions::default();
    match event {
        Event::State(state) => println!("state     {state:?}"),
        Event::Reply { tag: Step::Create, result } => {
            *path = result?.decode::<Create2>()?.path;
            println!("created   {path}");
            session.submit_watched(&GetData::new(path), Step::Read, (), options)?;
        }
        Event::Reply { tag: Step::Read, result } => {
            let read = result?.decode::<GetData>()?;
            println!("read      {:?}", read.data);
            assert_eq!(read.data.as_deref(), Some(&b"hello"[..]));
            let changed = SetData { path, data: b"hello again".into(), version: read.stat.version.into() };
            session.submit(&changed, Step::Write, options)?;
        }
        Event::Watch { event, .. } => {
            println!("heard     {:?} {}", event.kind, event.path);
            assert_eq!((event.kind, &*event.path), (WatchedEventKind::NodeDataChanged, path.as_str()));
        }
        Event::Reply { tag: Step::Write, result } => {
            assert_eq!(result?.decode::<SetData>()?.version, 1);
            session.submit(&Delete { path, version: Version::Exactly(1) }, Step::Delete, options)?;
        }
        Event::Reply { tag: Step::Delete, result } => {
            result?.decode::<Delete>()?;
            println!("deleted   {path}");
            session.close();
        }
        Event::LinkFailed { server, cause } => println!("failed    {server}: {cause}"),
        // SASL, which was not asked for, and what later versions tell.
        _ => {}
    }
    Ok(())
}

/// From the standard library's random hash keys, which come from the system.
fn seed() -> [u8; 32] {
    array::from_fn(|index| RandomState::new().hash_one(index).to_ne_bytes()[0])
}
