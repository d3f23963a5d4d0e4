//! TLS, as the command line and the environment want it.

use std::path::PathBuf;

use clap::Args;
use zk_blocking::tls::{Tls, TlsError};

use crate::failure::{Exit, Failure};

/// How to speak TLS, if at all. Each may be given by the environment too.
#[derive(Args, Debug)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Secure {
    /// Speak TLS with every server that does not say tcp://, and trust whom the platform trusts
    #[arg(long, global = true)]
    tls: bool,

    /// Speak TLS, and trust the authorities in this file (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "ZK_TLS_CA")]
    tls_ca: Option<PathBuf>,

    /// Show the certificate in this file (PEM, with those between it and its authority behind it)
    #[arg(long, global = true, value_name = "FILE", env = "ZK_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of that certificate (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "ZK_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Refuse certificates that are revoked by the lists in this file (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "ZK_TLS_CRL", requires = "tls_ca")]
    tls_crl: Option<PathBuf>,

    /// Expect this name in the certificates of all servers, whatever they are called
    #[arg(long, global = true, value_name = "NAME", env = "ZK_TLS_NAME")]
    tls_name: Option<String>,
}

impl Secure {
    /// Returns how to speak TLS; nothing where it is not asked for.
    pub(crate) fn tls(&self) -> Result<Option<Tls>, Failure> {
        let Self { tls, tls_ca, tls_cert, tls_key, tls_crl, tls_name } = self;
        if !tls && tls_ca.is_none() && tls_cert.is_none() && tls_name.is_none() {
            return Ok(None);
        }
        let mut builder = Tls::builder();
        if let Some(path) = tls_ca {
            builder = builder.roots_file(path);
        }
        if let (Some(certificate), Some(key)) = (tls_cert, tls_key) {
            builder = builder.identity_files(certificate, key);
        }
        if let Some(path) = tls_crl {
            builder = builder.revocations_file(path);
        }
        let tls = builder.build().map_err(unusable)?;
        match tls_name {
            Some(name) => tls.server_name(name).map_err(unusable).map(Some),
            None => Ok(Some(tls)),
        }
    }
}

fn unusable(error: TlsError) -> Failure {
    Failure::new(Exit::Usage, error).about("TLS")
}
