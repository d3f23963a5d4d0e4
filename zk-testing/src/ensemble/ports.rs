//! Ports that stay ours while a server is down.
//!
//! Asking the system for a free port gives one from the range that outgoing connections take their own end from. Such a
//! port may be gone when a killed server wants it back; worse, a client that keeps dialing the dead port can be given
//! that very port as its own end and connect to itself. So the range below that one is used, 15000 to 31999, at
//! random: a system left at its defaults never hands these out.
//!
//! Among test processes, each port is reserved with a UDP socket of the same number, which nobody else can bind until
//! this process ends. Otherwise a server that finds its port taken could be mistaken for up, as the server of another
//! test answers there. A program that knows nothing of this can still come first; the start is then tried on other ports.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

const FIRST: u16 = 15_000;
const COUNT: u16 = 17_000;

/// What reserves the ports this process was given. None is given back, for its server may start again.
static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// Returns a port of the loopback address that nobody listens on.
pub(super) fn free_port() -> io::Result<u16> {
    for _ in 0..COUNT {
        let random = RandomState::new().build_hasher().finish() % u64::from(COUNT);
        let port = FIRST + u16::try_from(random).expect("the remainder is below COUNT");
        if let (Ok(reservation), Ok(_)) = (UdpSocket::bind(loopback(port)), TcpListener::bind(loopback(port))) {
            RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(reservation);
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("no free port found from {FIRST} to {}", FIRST + COUNT - 1),
    ))
}

/// Returns the address that everything here listens on.
pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
