//! Permissions and access control lists.

use core::{
    fmt,
    ops::{BitAnd, BitOr},
};

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

    /// Returns the list that lets everybody do everything: ZooKeeper's `OPEN_ACL_UNSAFE`.
    pub fn open() -> Vec<Self> {
        vec![Self::new(Perms::ALL, "world", "anyone")]
    }

    /// Returns the list that lets everybody read: ZooKeeper's `READ_ACL_UNSAFE`.
    pub fn read_only() -> Vec<Self> {
        vec![Self::new(Perms::READ, "world", "anyone")]
    }

    /// Returns the list that lets the creator do everything: ZooKeeper's `CREATOR_ALL_ACL`. The server replaces it by the
    /// credentials of the connection, and refuses it where there are none.
    pub fn creator_all() -> Vec<Self> {
        vec![Self::new(Perms::ALL, "auth", "")]
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
}
