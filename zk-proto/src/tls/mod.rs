//! TLS, as one more machine without IO.
//!
//! rustls is a machine of bytes itself, so TLS needs nothing of a transport: [`Secured`] wraps a [`Machine`](crate::Machine) and
//! is one, with ciphertext on the outside. A client's [`Driver`](crate::client::Driver) has it built in, so adapters and loops of
//! one's own speak TLS without a line of code; who drives a bare [`Session`](crate::Session) wraps that.
//!
//! ```no_run
//! # #[cfg(feature = "client")]
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use zk_proto::{client::Builder, tls::Tls};
//!
//! let tls = Tls::builder()
//!     .roots_file("/etc/zookeeper/ca.pem")
//!     .identity_files("/etc/zookeeper/client.pem", "/etc/zookeeper/client.key")
//!     .build()?;
//! let builder = Builder::new("zk1:2281,zk2:2281/app")?.tls(tls);
//! # _ = builder;
//! # Ok(())
//! # }
//! ```
//!
//! # Which servers
//!
//! A client that was given a [`Tls`] speaks it with every server, but for those that say `tcp://` in the connect string: for an
//! ensemble on its way to TLS. `tls://` says the opposite, and is never plain text: without a [`Tls`] there is no link, and the
//! failure says why. Nothing is negotiated in the clear, so nobody can talk a client out of TLS.
//!
//! # What is verified
//!
//! The server's certificate, against the given roots (or those of the platform, with the feature `tls-platform`), its validity,
//! revocation lists where they are given, and its name: that of the connect string, which is also the name sent to the server
//! (SNI), unless [another](Tls::server_name) is given. An address is matched against the certificate's IP addresses. ZooKeeper
//! asks for a client certificate by default (`ssl.clientAuth=need`), and gives who shows one the id `x509:<subject>`.
//!
//! # Cryptography
//!
//! The application chooses the provider: by [`TlsBuilder::provider`], by a [`ClientConfig`] of its own, or for
//! the process by [`install_default`](rustls::crypto::CryptoProvider::install_default). So it may be `aws-lc-rs`, FIPS build
//! included: that is a feature of [`rustls`] itself. Where none was chosen, the feature `tls-ring` gives one.
//!
//! # When a link ends
//!
//! A connection that ends without TLS's own farewell is a lost link like any other: frames tell their lengths, so nothing that was cut
//! short is taken for whole. What [`Machine::handle_input`](crate::Machine::handle_input) promises of time limits and silence
//! holds for the handshake too, because the session is told of a connection only when it is over.

mod channel;
mod options;
mod secured;
mod verify;

use core::fmt;
use std::sync::Arc;

pub use options::{TlsBuilder, TlsError};
pub use rustls;
#[cfg(feature = "client")]
pub(crate) use secured::NOT_CONFIGURED;
pub use secured::Secured;

use rustls::{ClientConfig, pki_types::ServerName};

use crate::Server;

/// How to speak TLS. Cheap to clone.
///
/// Comes from a [builder](Self::builder), or from a [`ClientConfig`] of the application's own, or from a [`Source`].
#[derive(Clone)]
pub struct Tls {
    source: Arc<dyn Source>,
    server_name: Option<ServerName<'static>>,
}

/// Where the configuration of a link comes from: asked anew for each link, so certificates may change under way.
pub trait Source: Send + Sync {
    /// Returns how the next link is to be.
    ///
    /// # Errors
    ///
    /// When there is no telling: then the link fails, and the next one asks again.
    fn config(&self) -> Result<Arc<ClientConfig>, TlsError>;
}

impl Source for Arc<ClientConfig> {
    fn config(&self) -> Result<Self, TlsError> {
        Ok(self.clone())
    }
}

impl Tls {
    /// Begins with nothing trusted and nothing shown.
    pub fn builder() -> TlsBuilder {
        TlsBuilder::default()
    }

    /// Takes the configuration from somewhere else.
    pub fn from_source(source: impl Source + 'static) -> Self {
        Self { source: Arc::new(source), server_name: None }
    }

    /// Expects this name in every server's certificate, whatever the server is called in the connect string.
    ///
    /// # Errors
    ///
    /// [`TlsError::BadName`] when it can be no name.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsError> {
        self.server_name = Some(name_of(name)?);
        Ok(self)
    }

    fn name_of(&self, server: &Server) -> Result<ServerName<'static>, TlsError> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => name_of(&server.host),
        }
    }
}

fn name_of(host: &str) -> Result<ServerName<'static>, TlsError> {
    // Certificates know nothing of the zone of a link-local address, nor of the dot behind an absolute name.
    let name = host.split('%').next().unwrap_or(host).trim_end_matches('.');
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::BadName { name: host.to_owned() })
}

impl From<Arc<ClientConfig>> for Tls {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self::from_source(config)
    }
}

impl From<ClientConfig> for Tls {
    fn from(config: ClientConfig) -> Self {
        Self::from(Arc::new(config))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}
