//! How a test server is to be.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::TestServer;
#[cfg(feature = "tls")]
use super::secure::Authorities;
use crate::server::{Options, Order, ReadOnly, Server, Version};

/// Settings for a [`TestServer`].
///
/// ```
/// use std::time::Duration;
/// use zk_testing::TestServer;
/// use zk_testing::server::Version;
///
/// # fn main() -> std::io::Result<()> {
/// let server = TestServer::builder()
///     .version(Version::V3_8)
///     .tick_time(Duration::from_millis(100))
///     .super_digest("super:D/InIHSb7yEEbrWz8b9l71RjZJU=")
///     .start()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    address: SocketAddr,
    options: Options,
    seed: u64,
    #[cfg(feature = "tls")]
    tls: Option<(crate::Identity, Option<Authorities>)>,
}

impl Builder {
    /// Makes the default settings: those of [`Options`], on a free port of the loopback interface.
    pub fn new() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            options: Options::default(),
            seed: 0,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Sets the port; 0 for a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// Sets address and port. The server has no secrets and no limits, so it does not belong on an open network.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Sets the release that is imitated where releases differ.
    pub fn version(mut self, version: Version) -> Self {
        self.options.version = version;
        self
    }

    /// Sets the server's unit of time. Sessions expire at multiples of it.
    pub fn tick_time(mut self, tick: Duration) -> Self {
        self.options.tick_time = tick;
        self
    }

    /// Sets the shortest session timeout that is granted; two ticks if not called.
    pub fn min_session_timeout(mut self, timeout: Duration) -> Self {
        self.options.min_session_timeout = Some(timeout);
        self
    }

    /// Sets the longest session timeout that is granted; a minute if not called.
    pub fn max_session_timeout(mut self, timeout: Duration) -> Self {
        self.options.max_session_timeout = Some(timeout);
        self
    }

    /// Sets the longest request, in bytes behind its length field.
    pub fn jute_max_buffer(mut self, bytes: usize) -> Self {
        self.options.jute_max_buffer = bytes;
        self
    }

    /// Sets who may do everything, as `user:` and the Base64 of the SHA-1 of `user:password`.
    ///
    /// `super:D/InIHSb7yEEbrWz8b9l71RjZJU=` is for the password `test`.
    pub fn super_digest(mut self, digest: &str) -> Self {
        self.options.super_digest = Some(digest.to_owned());
        self
    }

    /// Adds a user who may authenticate by SASL, with DIGEST-MD5. Without any, the server does not do SASL.
    pub fn sasl_user(mut self, user: &str, password: &str) -> Self {
        self.options.sasl_users.add(user, password);
        self
    }

    /// Serves only connections that have authenticated by SASL, as with `sessionRequireClientSASLAuth`.
    pub fn required_sasl(self) -> Self {
        self.required_auth(["sasl"])
    }

    /// Serves only connections that have authenticated by one of these schemes, as with `enforce.auth.enabled`.
    pub fn required_auth<'a>(mut self, schemes: impl IntoIterator<Item = &'a str>) -> Self {
        self.options.required_auth = schemes.into_iter().map(str::to_owned).collect();
        self
    }

    /// Cuts the server off from an ensemble that it does not have, so that it serves read-only clients.
    pub fn read_only(mut self, read_only: ReadOnly) -> Self {
        self.options.read_only = Some(read_only);
        self
    }

    /// Lists children, and whatever else has no order, in another one each time, which the seed decides.
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.options.order = Order::Shuffled;
        self.seed = seed;
        self
    }

    /// Speaks TLS, and nothing else, and shows this certificate.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, identity: &crate::Identity) -> Self {
        self.tls = Some((identity.clone(), None));
        self
    }

    /// Speaks TLS, and demands a certificate of its clients too, as with `ssl.clientAuth=need`: of one of the authorities in this PEM
    /// text. Its subject is an id of the client's in the scheme `x509`.
    #[cfg(feature = "tls")]
    pub fn mutual_tls(self, identity: &crate::Identity, clients: &str) -> Self {
        self.verified_tls(identity, Authorities { pem: clients.to_owned(), is_required: true })
    }

    /// Speaks TLS, and asks its clients for a certificate that they need not have, as with `ssl.clientAuth=want`. Whoever shows one is
    /// as with [`mutual_tls`](Self::mutual_tls); one that is not of these authorities is refused.
    #[cfg(feature = "tls")]
    pub fn tls_with_certificates(self, identity: &crate::Identity, clients: &str) -> Self {
        self.verified_tls(identity, Authorities { pem: clients.to_owned(), is_required: false })
    }

    #[cfg(feature = "tls")]
    fn verified_tls(mut self, identity: &crate::Identity, clients: Authorities) -> Self {
        self.options.certificates = true;
        self.tls = Some((identity.clone(), Some(clients)));
        self
    }

    /// Changes any of the [`Options`]. The wall clock and the port that `conf` tells are set at the start.
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// When the address is taken, or the operating system has no port or no thread to give.
    pub fn start(mut self) -> io::Result<TestServer> {
        self.options.wall_clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        #[cfg(feature = "tls")]
        if let Some((identity, clients)) = self.tls {
            let secure = super::secure::Secure::new(&identity, clients.as_ref())?;
            let server = TestServer::serve(Server::new(self.options, self.seed), self.address)?;
            // Nobody can know of it yet.
            server.meddle(|world| world.secure = Some(secure));
            return Ok(server);
        }
        TestServer::serve(Server::new(self.options, self.seed), self.address)
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}
