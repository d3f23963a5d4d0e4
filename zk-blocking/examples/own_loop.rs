//! A program with a mio loop of its own, which serves something else and a ZooKeeper client in one thread.
//!
//! It answers every line that a visitor sends with the data of `/greeting`, which it watches: when somebody changes the node, the
//! next answer is another one. The client's futures are polled in the loop too, by hand; nothing ever waits but the poll.
//!
//! ```text
//! cargo run -q -p zk-blocking --example own_loop                              # on a server in memory
//! ZK_SERVERS=localhost:2181 cargo run -q -p zk-blocking --example own_loop    # on yours
//! ```

use std::{
    env,
    error::Error,
    future::Future,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    thread,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use zk_blocking::{Blocking, Client, End, Link, Runtime, Wait, mio_waker};
use zk_testing::TestServer;

const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);
const VISITORS: usize = 2;
/// The client's tokens are beyond those of any visitor.
const CLIENT: std::ops::Range<usize> = usize::MAX - 17..usize::MAX - 1;

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(servers) = env::var("ZK_SERVERS") {
        return run(&servers);
    }
    run(&TestServer::start()?.connect_string())
}

pub(crate) fn run(servers: &str) -> Result<(), Box<dyn Error>> {
    let (service, address, client) = Service::new(servers)?;
    let serving = thread::spawn(move || service.run());

    let visited = visit(address, &client);
    client.close().wait();
    println!("ended     {:?}", serving.join().expect("the loop does not panic")?);
    visited
}

/// Visits the service from another thread, where waiting is no harm, and changes what it says.
fn visit(address: SocketAddr, client: &Client) -> Result<(), Box<dyn Error>> {
    let mut stream = std::net::TcpStream::connect(address)?;
    let mut answers = BufReader::new(stream.try_clone()?).lines();
    let mut ask = || -> io::Result<String> {
        stream.write_all(b"what do you say?\n")?;
        answers.next().unwrap_or_else(|| Err(ErrorKind::UnexpectedEof.into()))
    };
    let (path, _) = client.create("/greeting", b"good morning").ephemeral().wait()?;
    for greeting in ["good morning", "good evening"] {
        client.set_data(&path, greeting.as_bytes()).wait()?;
        // The loop hears of the change in its own time.
        while ask()? != greeting {}
        println!("answered  {greeting:?}");
    }
    Ok(())
}

/// The loop, and all that it serves.
struct Service {
    poll: Poll,
    waker: Waker,
    link: Link,
    /// Follows the node. It is no more when there is nothing to follow.
    following: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    greeting: Greeting,
    listener: TcpListener,
    visitors: Vec<Option<TcpStream>>,
}

/// What is answered, which the future changes and the visitors read.
type Greeting = Arc<Mutex<String>>;

impl Service {
    fn new(servers: &str) -> Result<(Self, SocketAddr, Client), Box<dyn Error>> {
        let poll = Poll::new()?;
        let waker = mio_waker(Arc::new(mio::Waker::new(poll.registry(), WAKER)?));
        let (client, driver) = zk_blocking::builder(servers)?.build(Blocking.seed());
        let link = Link::new(driver, poll.registry(), CLIENT, waker.clone())?;

        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;

        let greeting = Greeting::default();
        let following: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin({
            let (client, greeting) = (client.clone(), greeting.clone());
            async move {
                if let Err(error) = follow(client, greeting).await {
                    println!("followed  until {error}");
                }
            }
        });
        let following = Some(following);
        Ok((Self { poll, waker, link, following, greeting, listener, visitors: Vec::new() }, address, client))
    }

    /// Serves until the client has ended.
    fn run(mut self) -> io::Result<End> {
        let mut events = Events::with_capacity(64);
        loop {
            // The future first, so that what it asks for goes out in the turn behind it.
            let mut cx = Context::from_waker(&self.waker);
            if self.following.as_mut().is_some_and(|following| following.as_mut().poll(&mut cx).is_ready()) {
                self.following = None;
            }
            if let Some(end) = self.link.turn() {
                return Ok(end);
            }
            match self.poll.poll(&mut events, self.link.timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                match event.token() {
                    _ if self.link.handle(event) => {}
                    WAKER => {}
                    LISTENER => self.accept()?,
                    Token(token) => serve(&mut self.visitors[token - VISITORS], &self.greeting),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    let token = Token(VISITORS + self.visitors.len());
                    self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    self.visitors.push(Some(stream));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Answers every line of a visitor, until he goes.
fn serve(visitor: &mut Option<TcpStream>, greeting: &Greeting) {
    let mut buffer = [0; 1024];
    while let Some(stream) = visitor {
        match stream.read(&mut buffer) {
            Ok(0) => *visitor = None,
            Ok(count) => {
                let lines = buffer[..count].iter().filter(|byte| **byte == b'\n').count();
                let answer = format!("{}\n", greeting.lock().expect("nobody panics under it")).repeat(lines);
                // A visitor who does not listen has gone as well.
                if stream.write_all(answer.as_bytes()).is_err() {
                    *visitor = None;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => *visitor = None,
        }
    }
}

/// Keeps the greeting what the node says it is, until the node is deleted.
async fn follow(client: Client, greeting: Greeting) -> Result<(), zk_blocking::Error> {
    let (found, mut appeared) = client.exists("/greeting").watch().await?;
    if found.is_none() {
        _ = appeared.changed().await;
    }
    loop {
        let (data, _, mut changed) = client.get_data("/greeting").watch().await?;
        *greeting.lock().expect("nobody panics under it") = String::from_utf8_lossy(&data).into_owned();
        if changed.changed().await.is_err() {
            return Ok(());
        }
    }
}
