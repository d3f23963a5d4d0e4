//! Which servers there are, and which one to dial next.
//!
//! A server is a name and a port, not an address: who dials also resolves, anew each time, because addresses change
//! while names stay. All servers of an ensemble serve all clients, so which one is dialled is a matter of spreading
//! the load: evenly at first, evenly after a failure, and still evenly after the list has changed.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

mod backoff;
mod connect_string;
mod migration;
mod rotation;

pub use backoff::Backoff;
pub use connect_string::{ConnectString, ConnectStringError, ConnectStringErrorReason};
pub(crate) use rotation::Rotation;

/// A server to dial.
///
/// Equality takes in the attempt; [`same_place`](Self::same_place) does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Server {
    /// The name or the address; an IPv6 address stands without brackets.
    pub host: Arc<str>,
    /// The port for clients.
    pub port: u16,
    /// How often this server was dialled before. Whoever dials may begin with another one of its addresses each time.
    pub attempt: u32,
    /// Whether to speak TLS with it.
    pub security: Security,
}

/// Whether to speak TLS with a server. In an ensemble that is on its way to TLS, some servers do and some do not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Security {
    /// TLS, if the client was configured for it; plain text otherwise. What a server without a scheme gets.
    #[default]
    AsConfigured,
    /// Plain text, `tcp://` in a connect string.
    Plain,
    /// TLS, `tls://` in a connect string. Never plain text: where there is no TLS, there is no link.
    Tls,
}

impl Server {
    /// Names a server that was not dialled yet. Whether the name can be one is checked by [`Servers::new`].
    pub fn new(host: impl Into<Arc<str>>, port: u16) -> Self {
        Self { host: host.into(), port, attempt: 0, security: Security::AsConfigured }
    }

    /// Says whether to speak TLS with it.
    pub fn with_security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Returns whether both have the same name and port. The case of ASCII letters does not matter, nor do attempt and security.
    pub fn same_place(&self, other: &Self) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }
}

/// Prints `host:port`, with an IPv6 address in brackets, behind its scheme where it has one.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, attempt: _, security } = self;
        match security {
            Security::AsConfigured => {}
            Security::Plain => f.write_str("tcp://")?,
            Security::Tls => f.write_str("tls://")?,
        }
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The servers of an ensemble: at least one, each of them once, and at most [`Servers::LIMIT`].
///
/// Cloning is cheap. A list can be parsed from text, by the rules of [`ConnectString`] but without a chroot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Servers(Arc<[Server]>);

impl Servers {
    /// How many servers a list may be made of.
    pub const LIMIT: usize = 1024;

    /// Makes a list. Of servers at the [same place](Server::same_place) only the first is taken, and no attempts are
    /// counted yet.
    ///
    /// # Errors
    ///
    /// [`ConnectStringError`] when there is no server, more than [`Servers::LIMIT`], a port 0, or what cannot be the
    /// name of a host.
    pub fn new(servers: impl IntoIterator<Item = Server>) -> Result<Self, ConnectStringError> {
        let mut list = Vec::<Server>::new();
        for (index, server) in servers.into_iter().enumerate() {
            if index == Self::LIMIT {
                let reason = ConnectStringErrorReason::TooManyServers { limit: Self::LIMIT };
                return Err(ConnectStringError::new(&server.to_string(), reason));
            }
            connect_string::check(&server).map_err(|reason| ConnectStringError::new(&server.to_string(), reason))?;
            if !list.iter().any(|known| known.same_place(&server)) {
                list.push(Server { attempt: 0, ..server });
            }
        }
        if list.is_empty() {
            return Err(ConnectStringError::new("", ConnectStringErrorReason::NoServer));
        }
        Ok(Self(list.into()))
    }

    /// Returns the servers in the order in which they were given.
    pub fn iter(&self) -> core::slice::Iter<'_, Server> {
        self.0.iter()
    }

    /// Returns how many servers there are, which is never 0.
    #[expect(clippy::len_without_is_empty, reason = "a list of servers is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> IntoIterator for &'a Servers {
    type Item = &'a Server;
    type IntoIter = core::slice::Iter<'a, Server>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Prints `host:port,host:port`.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{server}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use core::ops::Range;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_server_is_printed_as_it_is_dialled() {
        assert_eq!(Server::new("zk1.example.com", 2181).to_string(), "zk1.example.com:2181");
        assert_eq!(Server::new("10.0.0.1", 1).to_string(), "10.0.0.1:1");
        assert_eq!(Server::new("::1", 65535).to_string(), "[::1]:65535");
        assert_eq!(Server::new("::1", 1).with_security(Security::Tls).to_string(), "tls://[::1]:1");
        assert_eq!(Server::new("a", 1).with_security(Security::Plain).to_string(), "tcp://a:1");
    }

    #[test]
    fn the_place_of_a_server_is_its_name_and_port() {
        let server = Server::new("zk1", 2181);

        assert!(server.same_place(&Server { attempt: 7, ..server.clone() }));
        assert!(server.same_place(&Server::new("ZK1", 2181).with_security(Security::Tls)));
        assert!(!server.same_place(&Server::new("zk1", 2182)));
        assert!(!server.same_place(&Server::new("zk2", 2181)));
    }

    #[test]
    fn a_list_keeps_the_order_and_the_first_of_equals() {
        let again = Server { attempt: 3, ..Server::new("A", 1) };
        let servers = Servers::new([Server::new("b", 1), again, Server::new("a", 1), Server::new("b", 2)]).unwrap();

        assert_eq!(servers.len(), 3);
        assert_eq!(servers.to_string(), "b:1,A:1,b:2");
        assert!(servers.iter().all(|server| server.attempt == 0));
    }

    #[test]
    fn a_list_is_bounded_and_never_empty() {
        let many = |count: usize| Servers::new((0..count).map(|n| Server::new(format!("h{n}"), 1)));

        assert_eq!(many(1024).unwrap().len(), 1024);
        assert_eq!(many(1025).unwrap_err().reason(), &ConnectStringErrorReason::TooManyServers { limit: 1024 });
        assert_eq!(many(0).unwrap_err().reason(), &ConnectStringErrorReason::NoServer);
        assert!(Servers::new(core::iter::repeat(Server::new("same", 1))).is_err());
    }

    #[test]
    fn a_list_refuses_what_cannot_be_dialled() {
        use ConnectStringErrorReason::*;
        let table = [
            (Server::new("", 1), NoHost),
            (Server::new("a", 0), BadPort),
            (Server::new("a,b", 1), BadHost { character: ',' }),
            (Server::new("a/b", 1), BadHost { character: '/' }),
            (Server::new("[a]", 1), BadHost { character: '[' }),
            (Server::new("[::1]", 1), BadIpv6),
            (Server::new("a:1", 1), BadIpv6),
        ];

        for (server, reason) in table {
            assert_eq!(Servers::new([server]).unwrap_err().reason(), &reason);
        }
    }

    /// Servers named h0, h1 and so on.
    pub(super) fn hosts(range: Range<u32>) -> Servers {
        Servers::new(range.map(|n| Server::new(format!("h{n}"), 2181))).unwrap()
    }

    pub(super) fn rng(seed: u64) -> Rng {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Rng::new(bytes)
    }
}
