//! Certificates for tests of TLS.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};

/// An authority of a test's own, which certifies whatever it is asked to.
///
/// ```
/// use zk_testing::Authority;
///
/// let authority = Authority::new("test");
/// let server = authority.issue(["localhost", "127.0.0.1"]);
/// assert!(server.certificates.starts_with("-----BEGIN CERTIFICATE-----"));
/// ```
pub struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificates: String,
    /// Its private key.
    pub key: String,
    serial: SerialNumber,
}

impl Authority {
    /// Makes one of this name.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.self_signed(&key).expect("an authority may sign for itself");
        Self { certificate, key }
    }

    /// Returns its certificate, as PEM: what others are to trust.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Certifies a server of these names and addresses, or a client: its subject is `CN=` and the first of them.
    pub fn issue<const N: usize>(&self, names: [&str; N]) -> Identity {
        self.issue_until(names, 4_000)
    }

    /// As [`issue`](Self::issue), with a certificate that has expired long ago.
    pub fn issue_expired<const N: usize>(&self, names: [&str; N]) -> Identity {
        self.issue_until(names, 2_000)
    }

    fn issue_until<const N: usize>(&self, names: [&str; N], year: i32) -> Identity {
        let mut params =
            CertificateParams::new(names.map(str::to_owned)).expect("what is to be certified is a name or an address");
        params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("nobody"));
        params.not_before = date_time_ymd(1990, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("there is randomness");
        // From the key, as rcgen does by itself: positive, and different for each.
        let mut serial = key.public_key_raw().iter().rev().take(16).copied().collect::<Vec<u8>>();
        serial[0] = serial[0] & 0x7F | 0x40;
        let serial = SerialNumber::from(serial);
        params.serial_number = Some(serial.clone());
        let certificate = params.signed_by(&key, &self.certificate, &self.key).expect("the authority may sign");
        Identity { certificates: certificate.pem(), key: key.serialize_pem(), serial }
    }

    /// Publishes a list of revoked certificates, as PEM.
    pub fn revoke<'a>(&self, revoked: impl IntoIterator<Item = &'a Identity>) -> String {
        let revoked_certs = revoked.into_iter().map(|identity| RevokedCertParams {
            serial_number: identity.serial.clone(),
            revocation_time: date_time_ymd(2_000, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2_000, 1, 1),
            next_update: date_time_ymd(4_000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.certificate, &self.key).expect("the authority may sign");
        list.pem().expect("a list can be written")
    }
}

impl Identity {
    /// Writes certificate and key to files of a directory, and returns them.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn write(&self, directory: &Path, name: &str) -> io::Result<(PathBuf, PathBuf)> {
        let (certificates, key) = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
        fs::write(&certificates, &self.certificates)?;
        fs::write(&key, &self.key)?;
        Ok((certificates, key))
    }

    /// Returns certificate and key in one text, as ZooKeeper wants its key stores.
    pub fn key_store(&self) -> String {
        format!("{}{}", self.key, self.certificates)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("serial", &self.serial).finish_non_exhaustive()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}
