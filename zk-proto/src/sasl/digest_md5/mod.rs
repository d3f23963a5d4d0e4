//! DIGEST-MD5 (RFC 2831): user and password, without the password on the wire, and with proof that the server knows it too.
//!
//! ```
//! use std::sync::Arc;
//! use zk_proto::{Config, ConnectString, sasl::DigestMd5};
//!
//! # fn main() -> Result<(), zk_proto::ConnectStringError> {
//! let mut config = Config::from("zk1:2181,zk2:2181".parse::<ConnectString>()?);
//! config.sasl = Some(Arc::new(DigestMd5::new("bob", "secret")));
//! # Ok(())
//! # }
//! ```
//!
//! Two rounds: the server's challenge and our response; the server's proof, which is verified. The connection then has the id
//! `sasl:bob`, for which ACLs are written with [`Acl::sasl`](crate::record::Acl::sasl).
//!
//! What a server makes of it: ZooKeeper offers one realm, `zk-sasl-md5`, whatever the host is called, and so do we call it.
//! Quality of protection is `auth`: nothing is signed or encrypted afterwards, and MD5 is what it is. Use it with TLS.
//! In FIPS mode, servers from 3.10 on do not offer it.

mod directives;
mod proof;

use alloc::{borrow::Cow, boxed::Box, format, string::String, vec::Vec};
use core::fmt;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{Factory, Mechanism, SaslFailure, Step};
use crate::Server;

pub use directives::{Directives, Malformed, quote};
pub use proof::{Proof, encode, hex};

/// What goes into every hash next to our nonce: how often the server's nonce was used.
const NONCE_COUNT: &[u8] = b"00000001";

/// Authentication by user and password. `Debug` does not show the password, and it is wiped from memory with the last clone.
#[derive(Clone)]
pub struct DigestMd5 {
    user: String,
    password: Zeroizing<String>,
    realm: Option<String>,
    service: String,
    host: String,
}

impl DigestMd5 {
    /// Authenticates as `user`.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.into(),
            password: Zeroizing::new(password.into()),
            realm: None,
            service: "zookeeper".into(),
            host: "zk-sasl-md5".into(),
        }
    }

    /// Sets the realm, which the server must offer. Default: the first that it offers.
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Sets the service's name. Default `zookeeper`, which is what ZooKeeper insists on.
    pub fn service(mut self, service: &str) -> Self {
        self.service = service.into();
        self
    }

    /// Sets the host's name. Default `zk-sasl-md5`, which is what ZooKeeper insists on, whatever its real name is.
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }
}

impl fmt::Debug for DigestMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestMd5").field("user", &self.user).field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl Factory for DigestMd5 {
    fn start(&self, _: &Server, nonce: [u8; 16]) -> Box<dyn Mechanism> {
        Box::new(Exchange { login: self.clone(), nonce, due: Due::Beginning })
    }
}

/// One exchange.
struct Exchange {
    login: DigestMd5,
    nonce: [u8; 16],
    due: Due,
}

/// What comes next.
enum Due {
    /// Nothing was sent yet.
    Beginning,
    Challenge,
    /// The server's proof, which must be this.
    Rspauth([u8; 32]),
    Nothing,
}

impl Mechanism for Exchange {
    fn step(&mut self, token: Option<Bytes>) -> Step {
        let outcome = match (core::mem::replace(&mut self.due, Due::Nothing), token) {
            (Due::Beginning, None) => Ok((Step::Send(Bytes::new()), Due::Challenge)),
            (Due::Challenge, Some(challenge)) => self.respond(&challenge),
            (Due::Rspauth(expected), Some(proof)) => verify(&expected, &proof).map(|()| (Step::Done, Due::Nothing)),
            (Due::Beginning, Some(_)) | (Due::Challenge | Due::Rspauth(_), None) | (Due::Nothing, _) => {
                Err("a token that is not due".into())
            }
        };
        match outcome {
            Ok((step, due)) => {
                self.due = due;
                step
            }
            Err(what) => Step::Fail(SaslFailure(format!("DIGEST-MD5: {what}"))),
        }
    }
}

impl Exchange {
    /// Answers the server's challenge.
    fn respond(&self, token: &[u8]) -> Result<(Step, Due), Cow<'static, str>> {
        let challenge = Challenge::parse(token)?;
        let login = &self.login;
        let realm = match &login.realm {
            None => challenge.realms.first().map(|realm| realm.as_slice()),
            // It is compared as the server wrote it.
            Some(wanted) => {
                let wanted = encode_wire(wanted, challenge.is_utf8)?;
                let offered = challenge.realms.iter().find(|realm| ***realm == *wanted);
                // A server that names no realm leaves it to us.
                match (offered, challenge.realms.is_empty()) {
                    (Some(realm), _) => Some(realm.as_slice()),
                    (None, true) => return self.finish(&challenge, Some(&wanted)),
                    (None, false) => return Err("the server does not offer the realm that was asked for".into()),
                }
            }
        };
        self.finish(&challenge, realm)
    }

    fn finish(&self, challenge: &Challenge, realm: Option<&[u8]>) -> Result<(Step, Due), Cow<'static, str>> {
        let login = &self.login;
        let cnonce = hex(&self.nonce);
        let uri = format!("{}/{}", login.service, login.host);
        let proof = Proof {
            user: &encode(&login.user, challenge.is_utf8).ok_or(NOT_LATIN)?,
            realm: &recode(realm.unwrap_or_default(), challenge.is_utf8),
            password: &Zeroizing::new(encode(&login.password, challenge.is_utf8).ok_or(NOT_LATIN)?),
            nonce: &challenge.nonce,
            cnonce: &cnonce,
            nonce_count: NONCE_COUNT,
            uri: uri.as_bytes(),
        };
        let mut response = Vec::with_capacity(320);
        if challenge.is_utf8 {
            response.extend_from_slice(b"charset=utf-8,");
        }
        quote(&mut response, "username", &encode_wire(&login.user, challenge.is_utf8)?);
        if let Some(realm) = realm {
            quote(&mut response, "realm", realm);
        }
        quote(&mut response, "nonce", &challenge.nonce);
        response.extend_from_slice(b"nc=00000001,");
        quote(&mut response, "cnonce", &cnonce);
        quote(&mut response, "digest-uri", uri.as_bytes());
        response.extend_from_slice(b"maxbuf=65536,response=");
        response.extend_from_slice(&proof.response());
        response.extend_from_slice(b",qop=auth");
        Ok((Step::Send(response.into()), Due::Rspauth(proof.rspauth())))
    }
}

const NOT_LATIN: &str = "user or password is outside of Latin-1, and the server does not do UTF-8";

/// Writes text as it goes over the wire.
fn encode_wire(text: &str, is_utf8: bool) -> Result<Vec<u8>, Cow<'static, str>> {
    if is_utf8 { Ok(text.into()) } else { encode(text, false).ok_or_else(|| NOT_LATIN.into()) }
}

/// Writes what came over the wire as it goes into a hash.
fn recode(text: &[u8], is_utf8: bool) -> Vec<u8> {
    match core::str::from_utf8(text) {
        Ok(text) if is_utf8 => encode(text, true).unwrap_or_else(|| text.into()),
        Ok(_) | Err(_) => text.into(),
    }
}

/// The server's challenge, as far as it matters.
struct Challenge {
    realms: Vec<Vec<u8>>,
    nonce: Vec<u8>,
    is_utf8: bool,
}

impl Challenge {
    fn parse(token: &[u8]) -> Result<Self, Cow<'static, str>> {
        let directives = Directives::parse(token).map_err(|error| format!("the challenge is malformed: {error}"))?;
        let once = |name| match directives.once(name) {
            Ok(value) => Ok(value),
            Err(Malformed) => Err(format!("the challenge has more than one {name}")),
        };
        let nonce = once("nonce")?.filter(|nonce| !nonce.is_empty()).ok_or("the challenge has no nonce")?;
        match once("algorithm")? {
            Some(b"md5-sess") => {}
            Some(_) => return Err("the server wants another algorithm than md5-sess".into()),
            None => return Err("the challenge names no algorithm".into()),
        }
        let is_utf8 = match once("charset")? {
            Some(charset) if charset.eq_ignore_ascii_case(b"utf-8") => true,
            Some(_) => return Err("the server wants another charset than utf-8".into()),
            None => false,
        };
        let qop = once("qop")?.unwrap_or(b"auth");
        if !qop.split(|byte| *byte == b',').any(|offer| offer.trim_ascii() == b"auth") {
            return Err(
                "the server insists on signing or encryption, which ZooKeeper's protocol has no place for".into()
            );
        }
        let realms = directives.all("realm").map(<[u8]>::to_vec).collect();
        Ok(Self { realms, nonce: nonce.to_vec(), is_utf8 })
    }
}

/// Checks the server's proof that it knows the password.
fn verify(expected: &[u8; 32], token: &[u8]) -> Result<(), Cow<'static, str>> {
    let directives = Directives::parse(token).map_err(|error| format!("the server's proof is malformed: {error}"))?;
    match directives.once("rspauth") {
        Ok(Some(proof)) if proof.eq_ignore_ascii_case(expected) => Ok(()),
        Ok(Some(_)) => Err("the server does not know the password: its proof (rspauth) is wrong".into()),
        Ok(None) | Err(Malformed) => Err("the server does not prove that it knows the password (no rspauth)".into()),
    }
}

#[cfg(test)]
mod tests;
