//! Replies that are swallowed, one in each run.
//!
//! A write whose reply is lost was carried out, and nobody has heard of it. Whatever makes several writes must get over that at each
//! of them. So a scenario runs again and again through a proxy that swallows the reply of the first write, then of the second,
//! and so on, and cuts the link.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use zk_proto::{client::Client, code::OpCode};

use super::{Ground, soon};

/// How many writes a scenario may make.
const MOST: usize = 100;

/// What is known of a run.
#[derive(Default)]
struct Run {
    /// How many writes were passed on.
    writes: AtomicUsize,
    /// The number of the request whose reply is to be swallowed, once it is known.
    marked: AtomicI32,
    is_over: AtomicBool,
    swallowed: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
}

/// A proxy that swallows one reply. Dropping it cuts everything off.
struct Swallower {
    address: SocketAddr,
    run: Arc<Run>,
}

/// Runs a scenario with each of its writes' replies lost in turn, until it makes no more writes than were tried. It is given a
/// client of its own behind the proxy, the path of an existing node that no other run uses, and the number of the run.
///
/// # Panics
///
/// When the scenario makes no write, or no end of them.
pub async fn losing_replies(ground: &Ground, mut scenario: impl AsyncFnMut(Client, String, usize)) {
    for number in 0..MOST {
        let path = format!("/lost-reply-{number}");
        let direct = ground.connect(&ground.below(&ground.address().to_string())).await;
        direct.create(&path, b"").await.unwrap();
        soon(direct.close()).await;

        let swallower = Swallower::start(ground.address(), number).unwrap();
        let client = ground.connect(&ground.below(&swallower.address.to_string())).await;
        scenario(client, path, number).await;

        // The last ones may be made behind the scenario's back, whose end does not wait for their replies.
        let was_made = swallower.run.writes.load(Ordering::Acquire) > number;
        if !swallower.run.swallowed.load(Ordering::Acquire) && !was_made {
            assert!(number > 0, "there was no write whose reply could be lost");
            return;
        }
    }
    panic!("{MOST} writes, and no end of them");
}

impl Swallower {
    /// Starts one that lets the replies of so many writes through before it swallows one.
    fn start(server: SocketAddr, lets_through: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, run) = (listener.local_addr()?, Arc::new(Run::default()));
        let shared = run.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.is_over.load(Ordering::Acquire) {
                    return;
                }
                // A link that fails is what the client is there for.
                _ = client.and_then(|client| shared.join(client, server, lets_through));
            }
        });
        Ok(Self { address, run })
    }
}

impl Drop for Swallower {
    fn drop(&mut self) {
        self.run.is_over.store(true, Ordering::Release);
        self.run.cut();
        // The listener is to see that it is over.
        _ = TcpStream::connect(self.address);
    }
}

impl Run {
    fn cut(&self) {
        for socket in self.sockets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Passes on what a client and a server say, in threads that end with the link.
    fn join(self: &Arc<Self>, client: TcpStream, server: SocketAddr, lets_through: usize) -> io::Result<()> {
        let server = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let both = [client.try_clone()?, server.try_clone()?];
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).extend(both);
        let (requests, replies) = ((client.try_clone()?, server.try_clone()?), (server, client));
        let (asking, answering) = (self.clone(), self.clone());
        thread::spawn(move || {
            asking.pass_on_requests(requests.0, &requests.1, lets_through);
            _ = requests.1.shutdown(Shutdown::Both);
        });
        thread::spawn(move || {
            answering.pass_on_replies(replies.0, &replies.1);
            _ = replies.1.shutdown(Shutdown::Both);
        });
        Ok(())
    }

    fn pass_on_requests(&self, from: TcpStream, mut to: &TcpStream, lets_through: usize) {
        // The first frame greets, and is no request.
        let (mut reader, mut is_greeting) = (io::BufReader::new(from), true);
        while let Ok(frame) = read_frame(&mut reader) {
            if !std::mem::take(&mut is_greeting) && is_write(&frame) {
                let earlier = self.writes.fetch_add(1, Ordering::AcqRel);
                if earlier == lets_through {
                    self.marked.store(number(&frame), Ordering::Release);
                }
            }
            if to.write_all(&frame).is_err() {
                return;
            }
        }
    }

    fn pass_on_replies(&self, from: TcpStream, mut to: &TcpStream) {
        let (mut reader, mut is_greeting) = (io::BufReader::new(from), true);
        while let Ok(frame) = read_frame(&mut reader) {
            let marked = self.marked.load(Ordering::Acquire);
            if !std::mem::take(&mut is_greeting) && marked > 0 && number(&frame) == marked {
                self.marked.store(0, Ordering::Release);
                self.swallowed.store(true, Ordering::Release);
                self.cut();
                return;
            }
            if to.write_all(&frame).is_err() {
                return;
            }
        }
    }
}

/// Reads a frame, with its length in front.
fn read_frame(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    from.read_exact(&mut frame)?;
    let length = usize::try_from(field(&frame, 0)).map_err(io::Error::other)?;
    frame.resize(4 + length, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn field(frame: &[u8], at: usize) -> i32 {
    frame.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_be_bytes)
}

/// Returns the xid of a request or a reply.
fn number(frame: &[u8]) -> i32 {
    field(frame, 4)
}

fn is_write(request: &[u8]) -> bool {
    const WRITES: [OpCode; 8] = [
        OpCode::Create,
        OpCode::Create2,
        OpCode::CreateContainer,
        OpCode::CreateTtl,
        OpCode::Delete,
        OpCode::Multi,
        OpCode::SetAcl,
        OpCode::SetData,
    ];
    number(request) > 0 && WRITES.contains(&OpCode::from(field(request, 8)))
}
