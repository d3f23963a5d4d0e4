//! Something between a client and its server that passes everything on, and at one point says something of its own.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What is said, and in place of what.
#[derive(Clone, Debug)]
pub(super) enum Lie {
    /// This instead of the server's frame, and not a word more.
    Instead(Vec<u8>),
    /// This, and then what the server has said.
    Before(Vec<u8>),
    /// The beginning of a frame, and then a byte now and then, for ever.
    Drip,
}

/// How long a drip waits between two bytes.
const PAUSE: Duration = Duration::from_millis(100);

/// Lies on its first connections, and then never again.
pub(super) struct Liar {
    address: SocketAddr,
    told: Arc<AtomicUsize>,
}

impl Liar {
    /// Lies `times` times about the server's frame of that number, of which 0 is the greeting.
    pub(super) fn new(server: SocketAddr, frame: usize, lie: Lie, times: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (mut up, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    _ = io::copy(&mut up, &mut to_server);
                    _ = to_server.shutdown(Shutdown::Both);
                });
                let (lie, count) = (lie.clone(), Arc::clone(&count));
                thread::spawn(move || {
                    // Either end may go at any time; the other is told.
                    _ = pass_on(server, &client, frame, &lie, &count, times);
                    _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, told }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how often a lie was told.
    pub(super) fn told(&self) -> usize {
        self.told.load(Ordering::Relaxed)
    }
}

fn pass_on(
    mut server: TcpStream,
    mut client: &TcpStream,
    at: usize,
    lie: &Lie,
    told: &AtomicUsize,
    times: usize,
) -> io::Result<()> {
    for number in 0.. {
        let mut frame = vec![0; 4];
        server.read_exact(&mut frame)?;
        let len = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
        io::copy(&mut (&mut server).take(len.into()), &mut frame)?;
        if number == at && told.load(Ordering::Relaxed) < times {
            told.fetch_add(1, Ordering::Relaxed);
            match lie {
                Lie::Before(words) => client.write_all(words)?,
                Lie::Instead(words) => {
                    client.write_all(words)?;
                    io::copy(&mut server, &mut io::sink())?;
                    return Ok(());
                }
                Lie::Drip => {
                    client.write_all(&[0, 0, 1, 0])?;
                    loop {
                        client.write_all(&[0])?;
                        thread::sleep(PAUSE);
                    }
                }
            }
        }
        client.write_all(&frame)?;
    }
    Ok(())
}
