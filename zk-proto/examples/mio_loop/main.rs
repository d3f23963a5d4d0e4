//! A service with a mio loop of its own, in which a ZooKeeper client lives beside its visitors: one thread, no runtime.
//! `docs/embedding/mio.md` explains it.
//!
//! The service greets each visitor with the data of a node, tells everybody when that changes, and echoes what it is told.
//!
//! ```text
//! cargo run -q -p zk-proto --example mio_loop                              # on a server in memory
//! ZK_SERVERS=localhost:2181 cargo run -q -p zk-proto --example mio_loop    # on yours
//! ```

mod greeter;
mod zookeeper;

use std::{
    array,
    cell::RefCell,
    env,
    error::Error,
    future::Future,
    hash::{BuildHasher, RandomState},
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    pin::pin,
    sync::Arc,
    task::{self, Context, Wake},
    thread,
    time::Duration,
};

use bytes::Bytes;
use mio::{Events, Poll, Token, Waker};
use zk_proto::{
    client::{Builder, Client, Driver, Error as ClientError},
    code::ErrorCode,
    session::End,
};
use zk_testing::TestServer;

use greeter::Greeter;
use zookeeper::ZooKeeper;

const WAKER: Token = Token(0);
const ZOOKEEPER: Token = Token(1);
const LISTENER: Token = Token(2);
/// Visitors have this token and those after it.
const VISITORS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(servers) = env::var("ZK_SERVERS") {
        return run(&servers);
    }
    run(&TestServer::start()?.connect_string())
}

fn run(servers: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let (client, driver) = Builder::new(servers)?.build(seed());

    let visitor = thread::spawn({
        let client = client.clone();
        move || visit(address, &client).expect("the service keeps its word")
    });
    let end = serve(client, driver, listener)?;
    visitor.join().expect("the visitor is content");
    println!("session   {end}");
    Ok(())
}

/// Serves visitors, and drives the client, until its session is over; returns how it ended.
pub(crate) fn serve(client: Client, driver: Driver, listener: TcpListener) -> Result<End, Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(64);
    let mut greeter = Greeter::new(poll.registry(), listener)?;

    // Whoever wants this loop's attention, from this thread or another one, makes it return from its wait.
    let waker = Arc::new(LoopWaker(Waker::new(poll.registry(), WAKER)?));
    let mut zookeeper = ZooKeeper::new(driver, poll.registry().try_clone()?, waker.clone());
    let waker = waker.into();
    let mut cx = Context::from_waker(&waker);

    let greeting = RefCell::new(Bytes::new());
    let mut following = pin!(follow(client, &greeting));
    let mut is_following = true;
    loop {
        for event in &events {
            match event.token() {
                WAKER => {}
                ZOOKEEPER => zookeeper.note_ready(event),
                LISTENER => greeter.accept(poll.registry())?,
                Token(_) => greeter.note_ready(event),
            }
        }

        // Bytes first, then the work that they have brought, then what comes of it and time.
        zookeeper.receive();
        if is_following {
            if let task::Poll::Ready(outcome) = following.as_mut().poll(&mut cx) {
                outcome?;
                is_following = false;
            }
        }
        let mut is_busy = greeter.serve(&greeting.borrow());
        if let Some(end) = zookeeper.ended() {
            return Ok(end);
        }
        is_busy |= zookeeper.send_and_work(&mut cx);

        let timeout = if is_busy { Some(Duration::ZERO) } else { zookeeper.timeout() };
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
}

struct LoopWaker(Waker);

impl Wake for LoopWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A wake that is lost would only be noticed when something else happens, and there is nothing else to do about it.
        _ = self.0.wake();
    }
}

/// Keeps the greeting what the node holds, over lost links and expired sessions, until the client is closed.
async fn follow(client: Client, greeting: &RefCell<Bytes>) -> Result<(), ClientError> {
    loop {
        match client.get_data("/greeting").watch().resend().await {
            Ok((data, _, mut watcher)) => {
                *greeting.borrow_mut() = data;
                // Whether the node has changed or the watch is over with its session: read again.
                _ = watcher.changed().await;
            }
            Err(error) if error.code() == Some(ErrorCode::NoNode) => {
                match client.create("/greeting", b"hello").ephemeral().await {
                    Err(error) if error.code() != Some(ErrorCode::NodeExists) => return Err(error),
                    Ok(_) | Err(_) => {}
                }
            }
            Err(ClientError::Ended { end: End::Closed, .. }) => return Ok(()),
            Err(ClientError::Ended { end: End::Expired, .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Visits the service from another thread, with blocking calls, and changes what it says. Closes the client in the end.
fn visit(address: SocketAddr, client: &Client) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut heard = || lines.next().expect("the service goes on");
    println!("greeted   {:?}", heard()?);

    stream.write_all(b"an echo\n")?;
    assert_eq!(heard()?, "an echo");
    println!("echoed    \"an echo\"");

    // The request is in the queue when the call returns, and the loop in the other thread is awake.
    let written = client.set_data("/greeting", b"good evening").send();
    assert_eq!(heard()?, "good evening");
    println!("told      \"good evening\"");
    drop(written);

    // Closing begins with the call, and the loop sees it through. The node goes with the session.
    drop(client.close());
    Ok(())
}

/// From the standard library's random hash keys, which come from the system.
fn seed() -> [u8; 32] {
    array::from_fn(|index| RandomState::new().hash_one(index).to_ne_bytes()[0])
}
