//! Who a connection is: the authentication schemes, and how an entry of an ACL is matched against an identity.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};
use std::net::IpAddr;
use zk_proto::record::{AuthPacket, ClientInfo};

use super::java;

/// One of the identities of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) scheme: &'static str,
    pub(super) id: String,
}

impl Identity {
    /// Returns the identity that every connection has from the start.
    pub(super) fn of_address(address: IpAddr) -> Self {
        Self { scheme: "ip", id: address.to_string() }
    }

    /// Returns whether `auth` in an ACL stands for it.
    pub(super) fn is_authenticated(&self) -> bool {
        matches!(self.scheme, "digest" | "sasl" | "x509")
    }

    pub(super) fn is_super(&self) -> bool {
        self.scheme == "super"
    }

    /// Returns what `whoAmI` tells: the scheme, and the user without secrets.
    pub(super) fn info(&self) -> ClientInfo {
        let user = match self.scheme {
            "digest" => java::split_colons(&self.id).next().unwrap_or_default(),
            "super" => "",
            _ => &self.id,
        };
        ClientInfo { auth_scheme: Some(self.scheme.into()), user: Some(java::write(user)) }
    }
}

/// Returns the identities that an auth packet gives, or `None` where it is refused.
///
/// There is no checking of passwords: another one simply gives another identity. Equal to the server's super digest, it
/// gives the super user's too.
pub(super) fn authenticate(
    packet: &AuthPacket,
    known: &[Identity],
    peer: IpAddr,
    super_digest: Option<&str>,
) -> Option<Vec<Identity>> {
    match packet.scheme.as_deref()? {
        "ip" => Some(vec![Identity::of_address(peer)]),
        "digest" => {
            let digest = digest(packet.auth.0.as_ref()?);
            let is_super = super_digest == Some(digest.as_str());
            let super_user = is_super.then(|| Identity { scheme: "super", id: String::new() });
            Some(super_user.into_iter().chain([Identity { scheme: "digest", id: digest }]).collect())
        }
        // Of the certificate that was shown already.
        "x509" => known.iter().find(|identity| identity.scheme == "x509").map(|identity| vec![identity.clone()]),
        _ => None,
    }
}

/// Returns the id for `user:password`: the user, and the hash of the whole.
pub(super) fn digest(secret: &[u8]) -> String {
    let secret = java::read_lossy(secret);
    let user = secret.split(':').next().unwrap_or_default();
    format!("{user}:{}", STANDARD.encode(Sha1::digest(secret.as_bytes())))
}

/// Returns whether an entry of an ACL is for this identity.
pub(super) fn matches(identity: &Identity, scheme: &str, id: &str) -> bool {
    identity.scheme == scheme
        && match scheme {
            "ip" => Network::parse(id).is_some_and(|network| network.contains(&identity.id)),
            _ => identity.id == id,
        }
}

/// Returns whether an id can stand in an ACL. `None` where there is no such scheme.
pub(super) fn is_valid(scheme: &str, id: &str) -> Option<bool> {
    match scheme {
        "digest" => Some(java::split_colons(id).count() == 2),
        "ip" => Some(Network::parse(id).is_some()),
        "sasl" => Some(is_kerberos_name(id)),
        "x509" => Some(is_distinguished_name(id)),
        _ => None,
    }
}

/// Returns whether an id reads as `primary`, `primary/instance`, or one of these with `@realm`.
fn is_kerberos_name(id: &str) -> bool {
    let (name, realm) = id.split_once('@').map_or((id, None), |(name, realm)| (name, Some(realm)));
    let (primary, instance) = name.split_once('/').map_or((name, None), |(name, instance)| (name, Some(instance)));
    let is_part = |part: &str| !part.is_empty() && !part.contains(['/', '@']);
    is_part(primary) && instance.is_none_or(is_part) && realm.is_none_or(is_part)
}

/// Returns whether an id reads as a distinguished name: `type=value`, and others after commas. Values with commas of their own have them
/// escaped.
fn is_distinguished_name(id: &str) -> bool {
    let mut is_escaped = false;
    let parts = id.split(|char| {
        let ends = char == ',' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        ends
    });
    let is_part = |part: &str| {
        let kind = part.split_once('=').map(|(kind, _)| kind.trim());
        kind.is_some_and(|kind| {
            !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        })
    };
    parts.into_iter().all(is_part)
}

/// An IPv4 address, or all that share its first bits.
struct Network {
    address: u32,
    mask: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            None => (text, 32),
            Some((address, bits)) => (address, bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?),
        };
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        Some(Self { address: v4(address)?, mask })
    }

    fn contains(&self, address: &str) -> bool {
        v4(address).is_some_and(|address| address & self.mask == self.address & self.mask)
    }
}

/// Reads four numbers as Java does, to which `+1` and `001` are numbers too.
fn v4(text: &str) -> Option<u32> {
    let mut address = 0;
    let mut parts = text.split('.');
    for _ in 0..4 {
        address = address << 8 | u32::from(parts.next()?.parse::<u8>().ok()?);
    }
    parts.next().is_none().then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_real_servers() {
        assert_eq!(digest(b"u:p"), "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=");
        assert_eq!(digest(b"super:test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
        assert_eq!(digest(b""), ":2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    }

    #[test]
    fn a_digest_in_an_acl_has_a_user_and_a_hash() {
        let table =
            [("a:b", true), (":b", true), ("a:", false), ("a", false), ("", false), (":", false), ("a:b:c", false)];
        for (id, expected) in table {
            assert_eq!(is_valid("digest", id), Some(expected), "{id}");
        }
    }

    #[test]
    fn an_x509_id_in_an_acl_is_a_distinguished_name() {
        let table = [
            ("CN=alice", true),
            ("CN=alice,O=Lab,C=US", true),
            ("CN=alice\\, the first,O=Lab", true),
            ("2.5.4.3=alice", true),
            ("alice", false),
            ("CN=alice,the first", false),
            ("=alice", false),
            ("", false),
        ];
        for (id, expected) in table {
            assert_eq!(is_valid("x509", id), Some(expected), "{id}");
        }
    }

    #[test]
    fn a_sasl_id_in_an_acl_is_a_name_as_kerberos_has_them() {
        let table = [
            ("bob", true),
            ("bob/host", true),
            ("bob@REALM", true),
            ("bob/host@REALM", true),
            ("", false),
            ("@REALM", false),
            ("bob/", false),
            ("bob/a/b", false),
            ("bob@", false),
            ("bob@A@B", false),
        ];
        for (id, expected) in table {
            assert_eq!(is_valid("sasl", id), Some(expected), "{id}");
        }
    }

    #[test]
    fn networks_match_by_their_first_bits() {
        let table = [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("127.0.0.2/30", true),
            ("127.0.0.4/30", false),
            ("10.0.0.0/0", true),
            ("127.0.0.1/32", true),
        ];
        let local = Identity::of_address([127, 0, 0, 1].into());
        for (id, expected) in table {
            assert_eq!(is_valid("ip", id), Some(true), "{id}");
            assert_eq!(matches(&local, "ip", id), expected, "{id}");
        }
    }

    #[test]
    fn what_is_no_network_is_not_valid() {
        for id in ["", "127.0.0", "127.0.0.1.1", "256.0.0.1", "127.0.0.1/33", "127.0.0.1/", "::1", "127.0.0.x"] {
            assert_eq!(is_valid("ip", id), Some(false), "{id}");
        }
        assert_eq!(is_valid("world", "anyone"), None);
    }
}
