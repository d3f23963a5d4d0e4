//! TLS in front of the machine.

use std::{
    io::{self, Read, Write},
    mem,
    sync::Arc,
};

use bytes::BytesMut;
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use x509_cert::{Certificate, der::Decode};

use super::socket::Gone;
use crate::Identity;

/// Who certifies clients.
#[derive(Clone, Debug)]
pub(super) struct Authorities {
    pub(super) pem: String,
    /// Whether a client without a certificate is refused.
    pub(super) is_required: bool,
}

/// How a server speaks TLS.
#[derive(Clone, Debug)]
pub(super) struct Secure(Arc<ServerConfig>);

impl Secure {
    /// Shows an identity, and asks its clients for one that these authorities have certified, if there are any.
    ///
    /// # Errors
    ///
    /// When that cannot be.
    pub(super) fn new(identity: &Identity, clients: Option<&Authorities>) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(Authorities { pem, is_required }) => {
                let mut roots = RootCertStore::empty();
                for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    roots.add(root.map_err(io::Error::other)?).map_err(io::Error::other)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if *is_required { verifier } else { verifier.allow_unauthenticated() };
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
        Ok(Channel { connection: Box::new(connection), is_certificate_told: false })
    }
}

/// TLS on one connection.
pub(super) struct Channel {
    connection: Box<ServerConnection>,
    is_certificate_told: bool,
}

impl Channel {
    /// Decrypts what has come in. What TLS itself has to say to it is to be [written](Self::write).
    pub(super) fn decrypt(&mut self, mut secret: &[u8], plain: &mut BytesMut) -> Result<(), Gone> {
        let mut piece = [0; 16 * 1024];
        while !secret.is_empty() {
            self.connection.read_tls(&mut secret).map_err(|_| Gone)?;
            self.connection.process_new_packets().map_err(|_| Gone)?;
            while let Ok(count @ 1..) = self.connection.reader().read(&mut piece) {
                plain.extend_from_slice(&piece[..count]);
            }
        }
        Ok(())
    }

    /// Returns the subject of the client's certificate, once, when it was verified.
    pub(super) fn take_subject(&mut self) -> Option<String> {
        let certificates = self.connection.peer_certificates().filter(|_| !self.connection.is_handshaking())?;
        if mem::replace(&mut self.is_certificate_told, true) {
            return None;
        }
        // It is the client's own, before those of who certified it.
        let certificate = Certificate::from_der(certificates.first()?).ok()?;
        Some(certificate.tbs_certificate().subject().to_string())
    }

    /// Encrypts, to be written.
    pub(super) fn encrypt(&mut self, plain: &[u8]) -> Result<(), Gone> {
        self.connection.writer().write_all(plain).map_err(|_| Gone)
    }

    pub(super) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Writes what is encrypted.
    pub(super) fn write(&mut self, stream: &mut impl Write) -> io::Result<usize> {
        self.connection.write_tls(stream)
    }
}
