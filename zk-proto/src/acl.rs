//! Permissions and access control lists.
//!
//! A list grants; nothing forbids. A node's list says nothing about its children, and creating and deleting a child are
//! permissions on the parent.
//!
//! ```
//! use zk_proto::{acl::Perms, record::Acl};
//!
//! let acl = [
//!     Acl::creator(Perms::ALL),
//!     Acl::sasl(Perms::READ | Perms::WRITE, "bob"),
//!     Acl::x509(Perms::READ, "CN=monitor,O=Lab,C=US"),
//!     Acl::ip(Perms::READ, "10.0.0.0/8"),
//! ];
//! ```
//!
//! The usual lists are [`Acl::open`], [`Acl::read_only`], [`Acl::creator_all`] and [`Acl::creator_all_others_read`].

use core::{
    fmt,
    ops::{BitAnd, BitOr},
    str::FromStr,
};

#[cfg(feature = "digest-id")]
use alloc::string::String;
use alloc::{vec, vec::Vec};

use crate::{
    record::{Acl, Id},
    wire::{DecodeError, Decoder, Encoder, Jute},
};

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Perms(pub i32);

impl Perms {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Reading data, children and ACL, and hearing of changes.
    pub const READ: Self = Self(1);
    /// Setting data.
    pub const WRITE: Self = Self(2);
    /// Creating children.
    pub const CREATE: Self = Self(4);
    /// Deleting children.
    pub const DELETE: Self = Self(8);
    /// Setting the ACL.
    pub const ADMIN: Self = Self(16);
    /// All of the above.
    pub const ALL: Self = Self(31);

    /// Returns whether all of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Perms {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Perms {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Perms {
    /// Prints the permissions as ZooKeeper's shell does: `cdrwa`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters =
            [(Self::CREATE, "c"), (Self::DELETE, "d"), (Self::READ, "r"), (Self::WRITE, "w"), (Self::ADMIN, "a")];
        for (perm, letter) in letters {
            if self.contains(perm) {
                f.write_str(letter)?;
            }
        }
        let unknown = self.0 & !Self::ALL.0;
        if unknown != 0 { write!(f, "+0x{unknown:x}") } else { Ok(()) }
    }
}

/// What stands in a text that is no set of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no permission: they are c, d, r, w and a")]
#[non_exhaustive]
pub struct PermsError {
    /// The first character that names none.
    pub found: char,
}

/// Reads the letters of [`Display`](fmt::Display), in any order; none is [`NONE`](Perms::NONE).
impl FromStr for Perms {
    type Err = PermsError;

    fn from_str(text: &str) -> Result<Self, PermsError> {
        let (letters, unknown) = match text.split_once("+0x") {
            Some((letters, hex)) => {
                (letters, u32::from_str_radix(hex, 16).map_err(|_| PermsError { found: '+' })? as i32)
            }
            None => (text, 0),
        };
        letters.chars().try_fold(Self(unknown), |perms, letter| match letter {
            'c' => Ok(perms | Self::CREATE),
            'd' => Ok(perms | Self::DELETE),
            'r' => Ok(perms | Self::READ),
            'w' => Ok(perms | Self::WRITE),
            'a' => Ok(perms | Self::ADMIN),
            found => Err(PermsError { found }),
        })
    }
}

impl fmt::Debug for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Perms({self})")
    }
}

impl Jute for Perms {
    const MIN_BYTES: usize = 4;

    fn encode(&self, out: &mut Encoder<'_>) {
        out.int(self.0);
    }

    fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
        input.int().map(Self)
    }
}

impl Acl {
    /// Grants `perms` to `id` of `scheme`.
    pub fn new(perms: Perms, scheme: &str, id: &str) -> Self {
        Self { perms, id: Id { scheme: Some(scheme.into()), id: Some(id.into()) } }
    }

    /// Grants `perms` to everybody.
    pub fn anyone(perms: Perms) -> Self {
        Self::new(perms, "world", "anyone")
    }

    /// Grants `perms` to whoever creates the node or sets the ACL: to each id by which that connection has authenticated. The
    /// server writes them in; where there are none, it refuses the ACL.
    pub fn creator(perms: Perms) -> Self {
        Self::new(perms, "auth", "")
    }

    /// Grants `perms` to a user of the scheme `digest`, whose credentials are
    /// [`AuthInfo::digest`](crate::AuthInfo::digest). The id is the user and a hash, `user:…`, as `digest_id` (with the feature
    /// `digest-id`) makes it.
    pub fn digest(perms: Perms, id: &str) -> Self {
        Self::new(perms, "digest", id)
    }

    /// Grants `perms` to the connections from an address, `10.0.0.7`, or from a network, `10.0.0.0/8`. Servers before 3.9.4
    /// know IPv4 only.
    pub fn ip(perms: Perms, network: &str) -> Self {
        Self::new(perms, "ip", network)
    }

    /// Grants `perms` to whoever has authenticated by SASL as `user`: `bob` for DIGEST-MD5, and for Kerberos whatever the
    /// server makes of the principal, by default `bob@EXAMPLE.COM`. A server without SASL refuses such an ACL.
    pub fn sasl(perms: Perms, user: &str) -> Self {
        Self::new(perms, "sasl", user)
    }

    /// Grants `perms` to whoever has shown the client certificate of that name, written as in RFC 2253: `CN=bob,O=Lab,C=US`. A
    /// server without TLS refuses such an ACL.
    pub fn x509(perms: Perms, subject: &str) -> Self {
        Self::new(perms, "x509", subject)
    }

    /// Returns the list that lets everybody do everything: ZooKeeper's `OPEN_ACL_UNSAFE`.
    pub fn open() -> Vec<Self> {
        vec![Self::anyone(Perms::ALL)]
    }

    /// Returns the list that lets everybody read: ZooKeeper's `READ_ACL_UNSAFE`.
    pub fn read_only() -> Vec<Self> {
        vec![Self::anyone(Perms::READ)]
    }

    /// Returns the list that lets the creator do everything and everybody read.
    pub fn creator_all_others_read() -> Vec<Self> {
        vec![Self::creator(Perms::ALL), Self::anyone(Perms::READ)]
    }

    /// Returns the list that lets the creator do everything: ZooKeeper's `CREATOR_ALL_ACL`. The server replaces it by the
    /// credentials of the connection, and refuses it where there are none.
    pub fn creator_all() -> Vec<Self> {
        vec![Self::creator(Perms::ALL)]
    }
}

/// Returns the id of the scheme `digest` for a user and a password, `user:` and the Base64 of the SHA-1 of `user:password`: for
/// ACLs, and for the server's `superDigest`.
///
/// A server may be [configured](https://zookeeper.apache.org/doc/current/zookeeperAdmin.html) with another algorithm
/// (`digestAlg`), and then has other ids.
///
/// ```
/// assert_eq!(zk_proto::acl::digest_id("super", "test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
/// ```
#[cfg(feature = "digest-id")]
pub fn digest_id(user: &str, password: &str) -> String {
    use sha1::Digest;

    let hash = sha1::Sha1::new_with_prefix(user).chain_update(":").chain_update(password).finalize();
    // Of a user with a colon in it, the server takes what comes before.
    let user = user.split(':').next().unwrap_or_default();
    let mut id = alloc::format!("{user}:");
    base64(&hash, &mut id);
    id
}

/// Appends bytes as Base64 with padding.
#[cfg(feature = "digest-id")]
fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * index) & 63) as usize];
            out.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn permissions_print_as_the_shell_prints_them() {
        assert_eq!(Perms::ALL.to_string(), "cdrwa");
        assert_eq!((Perms::READ | Perms::WRITE).to_string(), "rw");
        assert_eq!(Perms(0x41).to_string(), "r+0x40");
    }

    #[test]
    fn permissions_are_read_as_they_are_printed_and_nothing_else_is() {
        for perms in (0..64).chain([i32::MIN, i32::MAX, -1]).map(Perms) {
            assert_eq!(perms.to_string().parse(), Ok(perms));
        }
        assert_eq!("awr".parse(), Ok(Perms::ADMIN | Perms::WRITE | Perms::READ));
        for (text, found) in [("rx", 'x'), ("r w", ' '), ("R", 'R'), ("r+0xg", '+'), ("+0x", '+'), ("+0x-1", '+')] {
            assert_eq!(text.parse::<Perms>(), Err(PermsError { found }), "{text}");
        }
    }

    #[test]
    fn presets_are_those_of_zookeeper() {
        let text = |list: Vec<Acl>| {
            let entry = |acl: &Acl| {
                let Id { scheme, id } = &acl.id;
                alloc::format!("{}:{}:{}", scheme.as_deref().unwrap(), id.as_deref().unwrap(), acl.perms)
            };
            list.iter().map(entry).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(text(Acl::open()), "world:anyone:cdrwa");
        assert_eq!(text(Acl::read_only()), "world:anyone:r");
        assert_eq!(text(Acl::creator_all()), "auth::cdrwa");
        assert_eq!(text(Acl::creator_all_others_read()), "auth::cdrwa world:anyone:r");
    }

    #[cfg(feature = "digest-id")]
    #[test]
    fn digest_ids_are_those_of_real_servers() {
        let table = [
            ("u", "p", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ="),
            ("super", "test", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="),
            // The same credentials, cut elsewhere.
            ("u:p", "q", "u:VIgTKUjc2iscZoJn2UUrdGNNgW4="),
            ("u", "p:q", "u:VIgTKUjc2iscZoJn2UUrdGNNgW4="),
        ];
        for (user, password, id) in table {
            assert_eq!(digest_id(user, password), id);
        }
    }

    #[cfg(feature = "digest-id")]
    #[test]
    fn base64_is_padded() {
        for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            let mut text = String::new();
            base64(bytes.as_bytes(), &mut text);
            assert_eq!(text, expected);
        }
    }
}
