//! TLS in front of the machine.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use bytes::BytesMut;
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::socket::Gone;
use crate::Identity;

/// How a server speaks TLS.
#[derive(Clone, Debug)]
pub(super) struct Secure(Arc<ServerConfig>);

impl Secure {
    /// Shows an identity, and demands one of its clients that these authorities have certified, if there are any.
    ///
    /// # Errors
    ///
    /// When that cannot be.
    pub(super) fn new(identity: &Identity, clients: Option<&str>) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    roots.add(root.map_err(io::Error::other)?).map_err(io::Error::other)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
            }
        };
        let chain = CertificateDer::pem_slice_iter(identity.certificates.as_bytes()).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(io::Error::other)?;
        let config = config.with_single_cert(chain.map_err(io::Error::other)?, key).map_err(io::Error::other)?;
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn accept(&self) -> io::Result<Channel> {
        let mut connection = ServerConnection::new(self.0.clone()).map_err(io::Error::other)?;
        connection.set_buffer_limit(None);
        Ok(Channel(Box::new(connection)))
    }
}

/// TLS on one connection.
pub(super) struct Channel(Box<ServerConnection>);

impl Channel {
    /// Decrypts what has come in. What TLS itself has to say to it is to be [written](Self::write).
    pub(super) fn decrypt(&mut self, mut secret: &[u8], plain: &mut BytesMut) -> Result<(), Gone> {
        let mut piece = [0; 16 * 1024];
        while !secret.is_empty() {
            self.0.read_tls(&mut secret).map_err(|_| Gone)?;
            self.0.process_new_packets().map_err(|_| Gone)?;
            while let Ok(count @ 1..) = self.0.reader().read(&mut piece) {
                plain.extend_from_slice(&piece[..count]);
            }
        }
        Ok(())
    }

    /// Encrypts, to be written.
    pub(super) fn encrypt(&mut self, plain: &[u8]) -> Result<(), Gone> {
        self.0.writer().write_all(plain).map_err(|_| Gone)
    }

    pub(super) fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    /// Writes what is encrypted.
    pub(super) fn write(&mut self, stream: &mut impl Write) -> io::Result<usize> {
        self.0.write_tls(stream)
    }
}
