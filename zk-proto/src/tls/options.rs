//! From files to a configuration.

use core::{fmt, mem};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ClientConfig, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem, pem::PemObject},
};

use super::{Source, Tls, verify::AnyName};

/// Chooses whom to trust and what to show. Made by [`Tls::builder`].
///
/// Texts are PEM. Files are read when it is built, so that what is wrong with them is told there, and looked at again before each
/// link: one that has changed is taken from then on. Where the new one cannot be used, because only half of it is written yet, for
/// instance, the last good configuration stays in force.
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct TlsBuilder {
    provider: Option<Arc<CryptoProvider>>,
    roots: Vec<Text>,
    identity: Option<(Text, Text)>,
    crls: Vec<Text>,
    trusts_platform: bool,
    takes_any_name: bool,
}

/// Where a PEM text is.
#[derive(Clone)]
enum Text {
    File(PathBuf),
    Given(&'static str, Arc<[u8]>),
}

/// Why TLS cannot be spoken as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A text is not the PEM that it should be.
    #[error("{place}: {reason}")]
    BadPem {
        /// The file, or what was given.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody is trusted.
    #[error("no roots to trust: give the certificate of the authority, or enable the feature `tls-platform`")]
    NoRoots,
    /// There is no cryptography.
    #[error("no cryptography provider: enable the feature `tls-ring`, or give one of your own")]
    NoProvider,
    /// Options that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
    /// A server is called what no certificate can be for.
    #[error("{name:?} is neither a DNS name nor an address, so no certificate can be for it")]
    BadName {
        /// What it is called.
        name: String,
    },
    /// rustls does not take it.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// Another source says so.
    #[error(transparent)]
    Other(Box<dyn core::error::Error + Send + Sync>),
}

impl TlsBuilder {
    /// Trusts the authorities in a file.
    pub fn roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(Text::File(path.into()));
        self
    }

    /// Trusts the authorities in a text.
    pub fn roots(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.roots.push(Text::Given("roots", pem.as_ref().into()));
        self
    }

    /// Trusts whom the platform trusts. That is the default where no roots are given.
    #[cfg(feature = "tls-platform")]
    pub fn platform_roots(mut self) -> Self {
        self.trusts_platform = true;
        self
    }

    /// Shows a certificate (with those between it and its authority behind it) to servers that ask for one, from files.
    pub fn identity_files(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((Text::File(certificates.into()), Text::File(key.into())));
        self
    }

    /// Shows a certificate (with those between it and its authority behind it) to servers that ask for one.
    pub fn identity(mut self, certificates: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        let certificates = Text::Given("certificates", certificates.as_ref().into());
        self.identity = Some((certificates, Text::Given("key", key.as_ref().into())));
        self
    }

    /// Refuses certificates that are revoked by the lists in a file. Once there are lists, a certificate whose authority has
    /// published none of them is refused too.
    pub fn revocations_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.crls.push(Text::File(path.into()));
        self
    }

    /// Refuses certificates that are revoked by the lists in a text, as [`revocations_file`](Self::revocations_file) does.
    pub fn revocations(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.crls.push(Text::Given("revocations", pem.as_ref().into()));
        self
    }

    /// Does cryptography with this provider. Default: the process's, or else `ring` with the feature `tls-ring`.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Takes a trusted certificate whatever name it is for. **Dangerous**: whoever has any certificate of a trusted authority
    /// can play the server. Everything else is still verified.
    pub fn dangerous_without_name_check(mut self) -> Self {
        self.takes_any_name = true;
        self
    }

    /// Reads what there is to read.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn build(self) -> Result<Tls, TlsError> {
        let kept = Files { last: Mutex::new(None), options: self };
        kept.renew()?;
        Ok(Tls::from_source(kept))
    }

    fn provider_in_force(&self) -> Result<Arc<CryptoProvider>, TlsError> {
        match self.provider.as_ref().or_else(|| CryptoProvider::get_default()) {
            Some(provider) => Ok(provider.clone()),
            #[cfg(feature = "tls-ring")]
            None => Ok(Arc::new(rustls::crypto::ring::default_provider())),
            #[cfg(not(feature = "tls-ring"))]
            None => Err(TlsError::NoProvider),
        }
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        let identity = self.identity.iter().flat_map(|(certificates, key)| [certificates, key]);
        self.roots.iter().chain(identity).chain(&self.crls)
    }

    /// Makes a configuration of what the texts say, which were read in the order of [`texts`](Self::texts).
    fn config(&self, read: &[Arc<[u8]>]) -> Result<ClientConfig, TlsError> {
        let mut texts = self.texts().zip(read);
        let mut next = |count| texts.by_ref().take(count).collect::<Vec<_>>();
        let (roots, identity) = (next(self.roots.len()), next(if self.identity.is_some() { 2 } else { 0 }));
        let crls = next(self.crls.len());

        let provider = self.provider_in_force()?;
        let verifier = self.verifier(&roots, &crls, &provider)?;
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.dangerous().with_custom_certificate_verifier(verifier);
        let [(certificates, chain), (key, secret)] = identity[..] else { return Ok(config.with_no_client_auth()) };
        let chain: Vec<CertificateDer<'static>> = certificates.all(chain)?;
        let secret = PrivateKeyDer::from_pem_slice(secret).map_err(|error| key.bad(&error))?;
        config.with_client_auth_cert(chain, secret).map_err(|error| certificates.bad(&error))
    }

    fn verifier(
        &self,
        roots: &[(&Text, &Arc<[u8]>)],
        crls: &[(&Text, &Arc<[u8]>)],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        if roots.is_empty() || self.trusts_platform {
            return self.platform_verifier(provider);
        }
        let mut store = RootCertStore::empty();
        for (text, pem) in roots {
            for root in text.all::<CertificateDer<'static>>(pem)? {
                store.add(root).map_err(|error| text.bad(&error))?;
            }
        }
        let mut lists = Vec::new();
        for (text, pem) in crls {
            lists.extend(text.all::<CertificateRevocationListDer<'static>>(pem)?);
        }
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
        let verifier = builder.with_crls(lists).build().map_err(|error| TlsError::Other(error.into()))?;
        Ok(if self.takes_any_name { Arc::new(AnyName(verifier)) } else { verifier })
    }

    #[cfg(feature = "tls-platform")]
    fn platform_verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        if !self.roots.is_empty() {
            return Err(TlsError::Contradiction("give roots, or trust those of the platform, not both"));
        }
        if self.takes_any_name || !self.crls.is_empty() {
            return Err(TlsError::Contradiction(
                "revocation lists, and doing without the check of names, need roots of your own",
            ));
        }
        Ok(Arc::new(rustls_platform_verifier::Verifier::new(provider.clone())?))
    }

    #[cfg(not(feature = "tls-platform"))]
    #[expect(clippy::unused_self, reason = "with the feature, it is used")]
    fn platform_verifier(&self, _: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        Err(TlsError::NoRoots)
    }
}

impl fmt::Debug for TlsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsBuilder")
            .field("texts", &self.texts().map(Text::place).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Text {
    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Given(what, _) => format!("the {what} given"),
        }
    }

    fn read(&self) -> Result<Arc<[u8]>, TlsError> {
        match self {
            Self::File(path) => match fs::read(path) {
                Ok(pem) => Ok(pem.into()),
                Err(error) => Err(TlsError::Unreadable { path: path.clone(), error }),
            },
            Self::Given(_, pem) => Ok(pem.clone()),
        }
    }

    fn bad(&self, reason: &dyn fmt::Display) -> TlsError {
        TlsError::BadPem { place: self.place(), reason: reason.to_string() }
    }

    /// Reads all objects of a kind, at least one.
    fn all<T: PemObject>(&self, pem: &[u8]) -> Result<Vec<T>, TlsError> {
        let all = T::pem_slice_iter(pem).collect::<Result<Vec<_>, pem::Error>>().map_err(|error| self.bad(&error))?;
        if all.is_empty() { Err(self.bad(&"there is nothing of the kind in this PEM text")) } else { Ok(all) }
    }
}

/// A configuration made of texts that may change.
struct Files {
    options: TlsBuilder,
    last: Mutex<Option<(u64, Arc<ClientConfig>)>>,
}

impl Files {
    /// Reads again, and makes a new configuration if anything has changed: with it go the tickets to resume sessions with.
    fn renew(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let read = self.options.texts().map(Text::read).collect::<Result<Vec<_>, _>>()?;
        let mut hasher = DefaultHasher::new();
        read.hash(&mut hasher);
        let mark = hasher.finish();
        let known = self.last();
        if let Some((_, config)) = known.filter(|(known, _)| *known == mark) {
            return Ok(config);
        }
        let config = Arc::new(self.options.config(&read)?);
        let news = Some((mark, config.clone()));
        drop(mem::replace(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner), news));
        Ok(config)
    }

    fn last(&self) -> Option<(u64, Arc<ClientConfig>)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Source for Files {
    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.renew().or_else(|error| self.last().map(|(_, config)| config).ok_or(error))
    }
}
