//! Things at the other end of a connection that are not servers.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    thread,
    time::Duration,
};

use rustix::net;

/// A port at which nobody listens, as long as this is kept.
pub(super) struct ClosedPort(OwnedFd);

impl ClosedPort {
    pub(super) fn new() -> Self {
        let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None).unwrap();
        net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self(socket)
    }

    pub(super) fn address(&self) -> SocketAddr {
        net::getsockname(&self.0).unwrap().try_into().unwrap()
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Starts something that closes every connection at once.
pub(super) fn hang_up() -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || listener.incoming().for_each(drop));
    address
}

/// Something that takes connections and never says or reads a word.
pub(super) struct Silent(TcpListener);

impl Silent {
    pub(super) fn new() -> Self {
        // The system completes connections that nobody accepts.
        Self(listen().0)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

/// An address that takes no packet, so that only time tells that nobody is there: a listener whose queue is full. The system
/// drops what would go there.
pub(super) struct BlackHole {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    const MOST_QUEUED: usize = 64;
    const PATIENCE: Duration = Duration::from_millis(100);

    pub(super) fn new() -> Self {
        let (listener, address) = listen();
        net::listen(&listener, 0).unwrap();
        let mut queued = Vec::new();
        loop {
            assert!(queued.len() < Self::MOST_QUEUED, "the system queues more connections than it was told to");
            match TcpStream::connect_timeout(&address, Self::PATIENCE) {
                Ok(stream) => queued.push(stream),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                Err(error) => panic!("no black hole can be had here: {error}"),
            }
        }
        Self { listener, _queued: queued }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// Listens at the IPv6 loopback address and passes everything on to a server.
///
/// Where a machine has no IPv6, this fails unless the environment says that it may be so, by `ZK_TESTING_NO_IPV6`; then it
/// listens at the IPv4 loopback address, and says so.
pub(super) fn ipv6(server: SocketAddr) -> SocketAddr {
    let listener = match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(listener) => listener,
        Err(_) if std::env::var_os("ZK_TESTING_NO_IPV6").is_some() => {
            eprintln!("there is no IPv6 here, as ZK_TESTING_NO_IPV6 says: this is IPv4");
            listen().0
        }
        Err(error) => panic!("[::1] cannot be bound ({error}); where that is as it should be, set ZK_TESTING_NO_IPV6"),
    };
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(server) else { continue };
            forward(client.try_clone().unwrap(), server.try_clone().unwrap());
            forward(server, client);
        }
    });
    address
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    _ = to.set_nodelay(true);
    thread::spawn(move || {
        // Either end may go at any time; the other is told.
        _ = io::copy(&mut from, &mut to);
        _ = to.shutdown(Shutdown::Write);
    });
}
