//! Servers that speak TLS.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use zk_proto::tls::{Tls, TlsBuilder};

use super::{Ground, ground::Kind};
use crate::{Authority, Identity, TestServer, ensemble};

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// They need not.
    Anybody,
    /// They are asked for one of the server's authority, and need not have it.
    Invited,
    /// One of the server's authority.
    Certified,
}

/// A server that speaks TLS, with an authority that has certified it. It goes, with its files, when this is dropped.
pub struct SecureServer {
    /// Whom to trust.
    pub authority: Authority,
    /// What the server shows.
    pub identity: Identity,
    kind: SecureKind,
    directory: PathBuf,
}

enum SecureKind {
    Memory(TestServer),
    Real(Box<ensemble::Server>),
}

impl SecureServer {
    pub(super) fn start(ground: &Ground, clients: Clients, certify: impl FnOnce(&Authority) -> Identity) -> Self {
        static DIRECTORIES: AtomicUsize = AtomicUsize::new(0);
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("zk-secure-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let authority = Authority::new("the test's authority");
        let identity = certify(&authority);
        let kind = match ground.kind() {
            Kind::Memory(version) => {
                let builder = TestServer::builder().version(version);
                let builder = match clients {
                    Clients::Anybody => builder.tls(&identity),
                    Clients::Invited => builder.tls_with_certificates(&identity, &authority.pem()),
                    Clients::Certified => builder.mutual_tls(&identity, &authority.pem()),
                };
                SecureKind::Memory(builder.start().unwrap())
            }
            Kind::Real => {
                let (keys, trusted) = (directory.join("keys.pem"), directory.join("trusted.pem"));
                fs::write(&keys, identity.key_store()).unwrap();
                fs::write(&trusted, authority.pem()).unwrap();
                let demand = match clients {
                    Clients::Anybody => "none",
                    Clients::Invited => "want",
                    Clients::Certified => "need",
                };
                let builder = ensemble::Builder::new().tls(keys, trusted).property("ssl.clientAuth", demand);
                SecureKind::Real(Box::new(builder.start().unwrap()))
            }
        };
        Self { authority, identity, kind, directory }
    }

    /// Returns where clients connect to by TLS.
    pub fn address(&self) -> SocketAddr {
        match &self.kind {
            SecureKind::Memory(server) => server.address(),
            SecureKind::Real(server) => server.secure_address().expect("it was started with TLS"),
        }
    }

    /// Begins what trusts this server.
    pub fn trusting(&self) -> TlsBuilder {
        Tls::builder().roots(self.authority.pem())
    }

    /// Returns what trusts this server, and shows it a certificate for this name.
    pub fn trusting_as(&self, name: &str) -> Tls {
        let own = self.authority.issue([name]);
        self.trusting().identity(&own.certificates, &own.key).build().unwrap()
    }

    /// Returns whether it is a real one.
    pub fn is_real(&self) -> bool {
        matches!(self.kind, SecureKind::Real(_))
    }
}

impl Drop for SecureServer {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.directory);
    }
}
