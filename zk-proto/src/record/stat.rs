//! Records that stand inside of others.

use alloc::vec::Vec;

use crate::{
    acl::Perms,
    ids::{SessionId, Zxid},
    wire::Text,
};

records! {
    /// What the server knows of a node besides its data. 68 bytes on the wire.
    #[derive(Copy)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct Stat = "Stat" {
        /// The transaction that created the node: with the path, its identity.
        czxid = "czxid": Zxid,
        /// The transaction that last set its data.
        mzxid = "mzxid": Zxid,
        /// When it was created, by the server's clock: milliseconds since 1970.
        ctime = "ctime": i64,
        /// When its data was last set, likewise.
        mtime = "mtime": i64,
        /// How often its data was set, in 32-bit arithmetic that wraps.
        version = "version": i32,
        /// How often children were created and deleted.
        cversion = "cversion": i32,
        /// How often its ACL was set.
        aversion = "aversion": i32,
        /// The session that an ephemeral node belongs to; zero for every other node, containers and TTL nodes included.
        ephemeral_owner = "ephemeralOwner": SessionId,
        /// How many bytes of data it has.
        data_length = "dataLength": i32,
        /// How many children it has.
        num_children = "numChildren": i32,
        /// The transaction that last created or deleted a child.
        pzxid = "pzxid": Zxid,
    }

    /// Somebody, in the terms of an authentication scheme.
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct Id = "Id" {
        /// `world`, `auth`, `digest`, `ip`, `x509` or `sasl`.
        scheme = "scheme": Option<Text>,
        /// Whose form depends on the scheme.
        id = "id": Option<Text>,
    }

    /// An entry of an access control list.
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct Acl = "ACL" {
        /// What is allowed.
        perms = "perms": Perms,
        /// To whom.
        id = "id": Id,
    }

    /// A credential of a connection.
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct ClientInfo = "ClientInfo" {
        /// Its scheme.
        auth_scheme = "authScheme": Option<Text>,
        /// Its user, without secrets.
        user = "user": Option<Text>,
    }
}

/// The access control lists of requests and replies, null included.
pub(super) type AclList = Option<Vec<Acl>>;
