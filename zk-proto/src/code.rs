//! The protocol's numbered things: operations, errors, modes, event types, states.
//!
//! Every one of these enums can hold a number that it has no name for, because a newer server may send it: an unknown code
//! is a value, not an error.

use core::fmt;

use crate::wire::{DecodeError, Decoder, Encoder, Jute};

macro_rules! codes {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $code:literal => $text:literal, )* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )*
            /// A number that this version has no name for. Converting from a number never gives this where there is a name.
            Unknown(i32),
        }

        impl $name {
            /// Every value that has a name, in the protocol's order.
            pub const NAMED: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the number on the wire.
            pub const fn code(self) -> i32 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Unknown(code) => code,
                }
            }
        }

        impl From<i32> for $name {
            fn from(code: i32) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    _ => Self::Unknown(code),
                }
            }
        }

        impl From<$name> for i32 {
            fn from(value: $name) -> Self {
                value.code()
            }
        }

        /// The value with the number 0.
        impl Default for $name {
            fn default() -> Self {
                Self::from(0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Unknown(code) => write!(f, "unknown ({code})"),
                }
            }
        }

        impl Jute for $name {
            const MIN_BYTES: usize = 4;

            fn encode(&self, out: &mut Encoder<'_>) {
                out.int(self.code());
            }

            fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
                input.int().map(Self::from)
            }

            const IS_NUMBERS: bool = true;

            #[inline]
            fn take_numbers(bytes: &mut &[u8]) -> Option<Self> {
                i32::take_numbers(bytes).map(Self::from)
            }
        }

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                // Mostly codes that mean something; a plain i32 would hardly ever be one.
                if u.ratio(7, 8)? { u.choose(Self::NAMED).copied() } else { i32::arbitrary(u).map(Self::from) }
            }
        }
    )*};
}

codes! {
    /// What a request asks for: the `type` of its header.
    pub enum OpCode {
        /// A watch event. Servers send it, clients never do.
        Notification = 0 => "notification",
        /// Creates a node, answered by its path.
        Create = 1 => "create",
        /// Deletes a node.
        Delete = 2 => "delete",
        /// Asks for a node's [`Stat`](crate::record::Stat).
        Exists = 3 => "exists",
        /// Reads a node's data.
        GetData = 4 => "getData",
        /// Replaces a node's data.
        SetData = 5 => "setData",
        /// Reads a node's access control list.
        GetAcl = 6 => "getACL",
        /// Replaces a node's access control list.
        SetAcl = 7 => "setACL",
        /// Lists a node's children.
        GetChildren = 8 => "getChildren",
        /// Waits until the server has caught up with the leader.
        Sync = 9 => "sync",
        /// Heartbeat.
        Ping = 11 => "ping",
        /// Lists a node's children, with the node's `Stat`. Since 3.3.0.
        GetChildren2 = 12 => "getChildren2",
        /// Checks a node's version, inside of a multi only. Since 3.4.0.
        Check = 13 => "check",
        /// Several writes and checks as one. Since 3.4.0.
        Multi = 14 => "multi",
        /// Creates a node, answered by its path and `Stat`. Since 3.5.0.
        Create2 = 15 => "create2",
        /// Changes the members of the ensemble. Since 3.5.0.
        Reconfig = 16 => "reconfig",
        /// Asks whether this connection has a watch. Since 3.5.0.
        CheckWatches = 17 => "checkWatches",
        /// Removes watches of this connection. Since 3.5.0.
        RemoveWatches = 18 => "removeWatches",
        /// Creates a container node. Since 3.5.1.
        CreateContainer = 19 => "createContainer",
        /// Internal to the server. A client must not send it.
        DeleteContainer = 20 => "deleteContainer",
        /// Creates a node that is deleted some time after its last change. Since 3.5.3.
        CreateTtl = 21 => "createTTL",
        /// Several reads at one moment. Since 3.6.0.
        MultiRead = 22 => "multiRead",
        /// Adds credentials to the connection.
        Auth = 100 => "auth",
        /// Sets watches again after a reconnect.
        SetWatches = 101 => "setWatches",
        /// A step of a SASL exchange. Since 3.4.0.
        Sasl = 102 => "sasl",
        /// Lists this session's ephemeral nodes. Since 3.6.0.
        GetEphemerals = 103 => "getEphemerals",
        /// Counts a node's descendants. Since 3.6.0.
        GetAllChildrenNumber = 104 => "getAllChildrenNumber",
        /// As `SetWatches`, with persistent watches. Since 3.6.0.
        SetWatches2 = 105 => "setWatches2",
        /// Sets a persistent watch. Since 3.6.0.
        AddWatch = 106 => "addWatch",
        /// Asks for the credentials of the connection. Since 3.7.0.
        WhoAmI = 107 => "whoAmI",
        /// Marks an error and the end inside of a multi.
        Error = -1 => "error",
        /// Internal to the server. A client must not send it.
        CreateSession = -10 => "createSession",
        /// Ends the session.
        CloseSession = -11 => "closeSession",
    }

    /// The outcome of a request as the server puts it, in the header of a reply or in a result of a multi.
    ///
    /// Codes that only clients use (connection loss, for instance) have names too, so that a log of another client reads
    /// the same; here those situations have types of their own.
    pub enum ErrorCode {
        /// No error.
        Ok = 0 => "ok",
        /// Marks the range of system errors.
        SystemError = -1 => "system error",
        /// In a multi: not attempted, because an earlier operation failed.
        RuntimeInconsistency = -2 => "not attempted, an earlier operation of the multi failed",
        /// Never seen.
        DataInconsistency = -3 => "data inconsistency",
        /// Clients only: the connection was lost.
        ConnectionLoss = -4 => "connection loss",
        /// The server could not decode or process the request.
        MarshallingError = -5 => "the server could not decode the request",
        /// An operation that the server does not know, or a feature that it has turned off.
        Unimplemented = -6 => "not implemented or turned off on this server",
        /// Clients only: the operation timed out.
        OperationTimeout = -7 => "operation timeout",
        /// A bad path, mode, TTL or configuration.
        BadArguments = -8 => "bad arguments",
        /// Clients only: the handle is closed.
        InvalidState = -9 => "invalid state",
        /// Internal to the server.
        UnknownSession = -12 => "unknown session",
        /// Reconfiguration: no quorum of the proposed members is in sync. Since 3.5.0.
        NewConfigNoQuorum = -13 => "no quorum of the new configuration is in sync",
        /// Reconfiguration: one is in progress. Since 3.5.0.
        ReconfigInProgress = -14 => "a reconfiguration is in progress",
        /// Clients only.
        SslConnectionError = -15 => "TLS connection error",
        /// Marks the range of API errors.
        ApiError = -100 => "API error",
        /// The node, or the parent of the node to create, does not exist.
        NoNode = -101 => "no such node",
        /// The credentials of this connection lack a permission.
        NoAuth = -102 => "permission missing",
        /// The version given is not the node's.
        BadVersion = -103 => "version does not match",
        /// Ephemeral nodes cannot have children.
        NoChildrenForEphemerals = -108 => "ephemeral nodes cannot have children",
        /// The node exists.
        NodeExists = -110 => "node exists",
        /// The node has children.
        NotEmpty = -111 => "node has children",
        /// The session is over.
        SessionExpired = -112 => "session expired",
        /// Clients only.
        InvalidCallback = -113 => "invalid callback",
        /// The access control list is empty or has an entry that the server does not accept.
        InvalidAcl = -114 => "invalid ACL",
        /// Credentials were refused; the server closes the connection.
        AuthFailed = -115 => "authentication failed",
        /// Clients only: closing.
        Closing = -116 => "closing",
        /// Clients only: nothing to process.
        Nothing = -117 => "nothing to process",
        /// The session has moved to another server.
        SessionMoved = -118 => "session moved to another server",
        /// A write, or a sync, on a server that is cut off from the quorum. Since 3.4.0.
        NotReadOnly = -119 => "this server is read-only",
        /// Ephemeral node on a session that only one server knows. Since 3.5.0.
        EphemeralOnLocalSession = -120 => "ephemeral node on a local session",
        /// There is no such watch. Since 3.5.0.
        NoWatcher = -121 => "no such watch",
        /// Clients only: request timeout.
        RequestTimeout = -122 => "request timeout",
        /// Reconfiguration is turned off. Since 3.5.3.
        ReconfigDisabled = -123 => "reconfiguration is disabled",
        /// This server serves authenticated clients only; it closes the connection. Since 3.5.9 and 3.6.0.
        SessionClosedRequireSaslAuth = -124 => "the server requires authentication",
        /// A hard quota would be exceeded. Since 3.7.0.
        QuotaExceeded = -125 => "quota exceeded",
        /// The request waited too long in the server and was not executed. Since 3.7.0.
        ThrottledOp = -127 => "throttled, not executed",
    }

    /// How a node is created: the `flags` of a create. Not a bit mask.
    pub enum CreateMode {
        /// Stays until it is deleted.
        Persistent = 0 => "persistent",
        /// Is deleted when its session ends. Cannot have children.
        Ephemeral = 1 => "ephemeral",
        /// Persistent; the server appends a number to the name.
        PersistentSequential = 2 => "persistent sequential",
        /// Ephemeral; the server appends a number to the name.
        EphemeralSequential = 3 => "ephemeral sequential",
        /// Is deleted by the server, some time after its last child was. Since 3.5.1.
        Container = 4 => "container",
        /// Is deleted by the server when it has no children and was not changed for some time. Since 3.5.3, on servers with
        /// extended types enabled.
        PersistentWithTtl = 5 => "persistent with TTL",
        /// As `PersistentWithTtl`; the server appends a number to the name.
        PersistentSequentialWithTtl = 6 => "persistent sequential with TTL",
    }

    /// What a persistent watch hears.
    pub enum AddWatchMode {
        /// The changes of a node and of its list of children.
        Persistent = 0 => "persistent",
        /// The changes of a node and of all of its descendants.
        PersistentRecursive = 1 => "persistent recursive",
    }

    /// Which watches of a path are asked for or removed.
    pub enum WatcherType {
        /// One-shot watches on the list of children.
        Children = 1 => "children",
        /// One-shot watches on data or existence.
        Data = 2 => "data",
        /// All watches.
        Any = 3 => "any",
        /// Persistent watches. Since 3.9.0.
        Persistent = 4 => "persistent",
        /// Persistent recursive watches. Since 3.9.0.
        PersistentRecursive = 5 => "persistent recursive",
    }

    /// What a watch event tells.
    pub enum EventType {
        /// Clients only: a session event.
        None = -1 => "none",
        /// The node was created.
        NodeCreated = 1 => "node created",
        /// The node was deleted.
        NodeDeleted = 2 => "node deleted",
        /// The node's data was set.
        NodeDataChanged = 3 => "node data changed",
        /// A child of the node was created or deleted.
        NodeChildrenChanged = 4 => "node children changed",
        /// Clients only.
        DataWatchRemoved = 5 => "data watch removed",
        /// Clients only.
        ChildWatchRemoved = 6 => "child watch removed",
        /// Clients only.
        PersistentWatchRemoved = 7 => "persistent watch removed",
    }

    /// The state that a watch event carries: `SyncConnected` from every server, the others are used by clients only.
    pub enum KeeperState {
        /// Not connected.
        Disconnected = 0 => "disconnected",
        /// Unused.
        NoSyncConnected = 1 => "no sync connected",
        /// Connected.
        SyncConnected = 3 => "connected",
        /// Credentials were refused.
        AuthFailed = 4 => "auth failed",
        /// Connected to a read-only server.
        ConnectedReadOnly = 5 => "connected read-only",
        /// Authenticated by SASL.
        SaslAuthenticated = 6 => "SASL authenticated",
        /// Closed.
        Closed = 7 => "closed",
        /// The session has expired.
        Expired = -112 => "expired",
    }
}

impl CreateMode {
    /// Returns whether the server appends a number to the name.
    pub const fn is_sequential(self) -> bool {
        matches!(self, Self::PersistentSequential | Self::EphemeralSequential | Self::PersistentSequentialWithTtl)
    }

    /// Returns whether the node ends with its session.
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    /// Returns whether the node needs a TTL.
    pub const fn has_ttl(self) -> bool {
        matches!(self, Self::PersistentWithTtl | Self::PersistentSequentialWithTtl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survives<T: From<i32> + Into<i32> + Copy + PartialEq + fmt::Debug>(named: &[T]) {
        for &value in named {
            assert_eq!(T::from(value.into()), value);
        }
        for code in (-200..200).chain([i32::MIN, i32::MAX]) {
            assert_eq!(T::from(code).into(), code);
        }
    }

    #[test]
    fn every_number_survives_with_or_without_a_name() {
        survives(OpCode::NAMED);
        survives(ErrorCode::NAMED);
        survives(CreateMode::NAMED);
        survives(AddWatchMode::NAMED);
        survives(WatcherType::NAMED);
        survives(EventType::NAMED);
        survives(KeeperState::NAMED);
    }
}
