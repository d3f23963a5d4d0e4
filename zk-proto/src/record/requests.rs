//! Records that clients send.

use alloc::vec::Vec;

use bytes::Bytes;

use super::stat::AclList;
use crate::{
    code::{AddWatchMode, CreateMode, OpCode, WatcherType},
    ids::Zxid,
    wire::{Secret, Text},
};

/// Paths, null included.
type Paths = Option<Vec<Option<Text>>>;

records! {
    /// Stands before every request but the first.
    pub struct RequestHeader = "RequestHeader" {
        /// Comes back in the reply. Negative ones are the protocol's own.
        xid = "xid": i32,
        /// What is asked for.
        op = "type": OpCode,
    }

    /// create, create2 and createContainer.
    pub struct CreateRequest = "CreateRequest" {
        /// The path, without the number of a sequential node.
        path = "path": Option<Text>,
        /// The data.
        data = "data": Option<Bytes>,
        /// The access control list, which may not be empty.
        acl = "acl": AclList,
        /// The create mode.
        mode = "flags": CreateMode,
    }

    /// createTTL.
    ///
    /// A mode without TTL together with a negative `ttl` crashes real servers for good: never send one that was not
    /// checked.
    pub struct CreateTtlRequest = "CreateTTLRequest" {
        /// The path, without the number of a sequential node.
        path = "path": Option<Text>,
        /// The data.
        data = "data": Option<Bytes>,
        /// The access control list, which may not be empty.
        acl = "acl": AclList,
        /// The create mode.
        mode = "flags": CreateMode,
        /// Milliseconds, 1 to 2⁴⁰ − 1.
        ttl = "ttl": i64,
    }

    /// delete.
    pub struct DeleteRequest = "DeleteRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// The version that the node must have; −1 for any.
        version = "version": i32,
    }

    /// deleteContainer. Internal to the server, decoded for proxies and servers that want to refuse it by name.
    pub struct DeleteContainerRequest = "DeleteContainerRequest" {
        /// The path.
        path = "path": Option<Text>,
    }

    /// exists.
    pub struct ExistsRequest = "ExistsRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// Whether to leave a watch.
        watch = "watch": bool,
    }

    /// getData.
    pub struct GetDataRequest = "GetDataRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// Whether to leave a watch.
        watch = "watch": bool,
    }

    /// getChildren.
    pub struct GetChildrenRequest = "GetChildrenRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// Whether to leave a watch.
        watch = "watch": bool,
    }

    /// getChildren2.
    pub struct GetChildren2Request = "GetChildren2Request" {
        /// The path.
        path = "path": Option<Text>,
        /// Whether to leave a watch.
        watch = "watch": bool,
    }

    /// setData.
    pub struct SetDataRequest = "SetDataRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// The data.
        data = "data": Option<Bytes>,
        /// The version that the node must have; −1 for any.
        version = "version": i32,
    }

    /// getACL.
    pub struct GetAclRequest = "GetACLRequest" {
        /// The path.
        path = "path": Option<Text>,
    }

    /// setACL.
    pub struct SetAclRequest = "SetACLRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// The access control list, which may not be empty.
        acl = "acl": AclList,
        /// The ACL version that the node must have; −1 for any.
        version = "version": i32,
    }

    /// sync.
    pub struct SyncRequest = "SyncRequest" {
        /// Comes back in the reply, and means nothing else.
        path = "path": Option<Text>,
    }

    /// check. Inside of a multi only: alone, old servers never answer it.
    pub struct CheckVersionRequest = "CheckVersionRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// The version that the node must have; −1 for any.
        version = "version": i32,
    }

    /// reconfig.
    pub struct ReconfigRequest = "ReconfigRequest" {
        /// Servers to add or change, `server.N=…` entries separated by commas; null in a non-incremental change.
        joining_servers = "joiningServers": Option<Text>,
        /// Numbers of servers to take out, separated by commas; null in a non-incremental change.
        leaving_servers = "leavingServers": Option<Text>,
        /// The whole new list; null in an incremental change.
        new_members = "newMembers": Option<Text>,
        /// The version that the configuration must have; −1 for any.
        cur_config_id = "curConfigId": i64,
    }

    /// checkWatches.
    pub struct CheckWatchesRequest = "CheckWatchesRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// Which watches.
        watcher_type = "type": WatcherType,
    }

    /// removeWatches.
    pub struct RemoveWatchesRequest = "RemoveWatchesRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// Which watches.
        watcher_type = "type": WatcherType,
    }

    /// addWatch.
    pub struct AddWatchRequest = "AddWatchRequest" {
        /// The path.
        path = "path": Option<Text>,
        /// What to watch.
        mode = "mode": AddWatchMode,
    }

    /// setWatches: what a client without persistent watches sends after a reconnect.
    pub struct SetWatches = "SetWatches" {
        /// The last transaction that the client knows of: later changes fire at once.
        relative_zxid = "relativeZxid": Zxid,
        /// Paths of data watches.
        data_watches = "dataWatches": Paths,
        /// Paths of exists watches on nodes that were not there.
        exist_watches = "existWatches": Paths,
        /// Paths of child watches.
        child_watches = "childWatches": Paths,
    }

    /// setWatches2: what a client with persistent watches sends after a reconnect.
    pub struct SetWatches2 = "SetWatches2" {
        /// The last transaction that the client knows of: later changes fire one-shot watches at once.
        relative_zxid = "relativeZxid": Zxid,
        /// Paths of data watches.
        data_watches = "dataWatches": Paths,
        /// Paths of exists watches on nodes that were not there.
        exist_watches = "existWatches": Paths,
        /// Paths of child watches.
        child_watches = "childWatches": Paths,
        /// Paths of persistent watches, which get no catch-up.
        persistent_watches = "persistentWatches": Paths,
        /// Paths of persistent recursive watches, which get no catch-up.
        persistent_recursive_watches = "persistentRecursiveWatches": Paths,
    }

    /// getEphemerals.
    pub struct GetEphemeralsRequest = "GetEphemeralsRequest" {
        /// What the paths must begin with, as a string: `/a` matches `/ab/c`.
        prefix_path = "prefixPath": Option<Text>,
    }

    /// getAllChildrenNumber.
    pub struct GetAllChildrenNumberRequest = "GetAllChildrenNumberRequest" {
        /// The path.
        path = "path": Option<Text>,
    }

    /// sasl, the client's step.
    pub struct GetSaslRequest = "GetSASLRequest" {
        /// The mechanism's token.
        token = "token": Secret,
    }

    /// auth.
    pub struct AuthPacket = "AuthPacket" {
        /// Always 0.
        auth_type = "type": i32,
        /// `digest`, for instance.
        scheme = "scheme": Option<Text>,
        /// The secret.
        auth = "auth": Secret,
    }
}
