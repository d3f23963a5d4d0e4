//! Records that servers send.

use alloc::vec::Vec;

use bytes::Bytes;

use super::stat::{AclList, ClientInfo, Stat};
use crate::{
    code::{ErrorCode, EventType, KeeperState},
    ids::Zxid,
    wire::{Secret, Text},
};

records! {
    /// Stands before every reply and every watch event but the first message.
    ///
    /// Whatever follows an `err` that is not 0 is to be ignored: some errors carry half a body.
    pub struct ReplyHeader = "ReplyHeader" {
        /// The request's, or −1 for a watch event, −2 for a ping, −4 for auth.
        xid = "xid": i32,
        /// The transaction of a write, successful or not; the server's last one otherwise.
        zxid = "zxid": Zxid,
        /// The outcome.
        err = "err": ErrorCode,
    }

    /// A watch has fired.
    pub struct WatcherEvent = "WatcherEvent" {
        /// What happened.
        event_type = "type": EventType,
        /// `SyncConnected` from every server.
        state = "state": KeeperState,
        /// To which node, as the server names it.
        path = "path": Option<Text>,
    }

    /// create, and a result of type 1 in a multi.
    pub struct CreateResponse = "CreateResponse" {
        /// The path of the new node, with the number of a sequential one.
        path = "path": Option<Text>,
    }

    /// create2, createContainer and createTTL, and a result of type 15 in a multi.
    pub struct Create2Response = "Create2Response" {
        /// The path of the new node, with the number of a sequential one.
        path = "path": Option<Text>,
        /// The new node.
        stat = "stat": Stat,
    }

    /// exists.
    pub struct ExistsResponse = "ExistsResponse" {
        /// The node.
        stat = "stat": Stat,
    }

    /// getData and reconfig, and a result of type 4 in a multiRead.
    pub struct GetDataResponse = "GetDataResponse" {
        /// The data; null and empty as they were stored.
        data = "data": Option<Bytes>,
        /// The node.
        stat = "stat": Stat,
    }

    /// setData, and a result of type 5 in a multi.
    pub struct SetDataResponse = "SetDataResponse" {
        /// The node after the change.
        stat = "stat": Stat,
    }

    /// getACL.
    pub struct GetAclResponse = "GetACLResponse" {
        /// The list. Without ADMIN permission, digests are sent as `user:x`.
        acl = "acl": AclList,
        /// The node.
        stat = "stat": Stat,
    }

    /// setACL.
    pub struct SetAclResponse = "SetACLResponse" {
        /// The node after the change.
        stat = "stat": Stat,
    }

    /// getChildren, and a result of type 8 in a multiRead.
    pub struct GetChildrenResponse = "GetChildrenResponse" {
        /// Names without path, in no order.
        children = "children": Option<Vec<Option<Text>>>,
    }

    /// getChildren2.
    pub struct GetChildren2Response = "GetChildren2Response" {
        /// Names without path, in no order.
        children = "children": Option<Vec<Option<Text>>>,
        /// The node.
        stat = "stat": Stat,
    }

    /// sync.
    pub struct SyncResponse = "SyncResponse" {
        /// The request's path.
        path = "path": Option<Text>,
    }

    /// addWatch, and a result of type −1 in a multi.
    pub struct ErrorResponse = "ErrorResponse" {
        /// The error.
        err = "err": ErrorCode,
    }

    /// getEphemerals.
    pub struct GetEphemeralsResponse = "GetEphemeralsResponse" {
        /// Paths of this session's ephemeral nodes.
        ephemerals = "ephemerals": Option<Vec<Option<Text>>>,
    }

    /// getAllChildrenNumber.
    pub struct GetAllChildrenNumberResponse = "GetAllChildrenNumberResponse" {
        /// The number of descendants, the node itself not counted.
        total_number = "totalNumber": i32,
    }

    /// whoAmI.
    pub struct WhoAmIResponse = "WhoAmIResponse" {
        /// The credentials of the connection.
        client_info = "clientInfo": Option<Vec<ClientInfo>>,
    }

    /// sasl, the server's step.
    pub struct SetSaslResponse = "SetSASLResponse" {
        /// The mechanism's token; null at the end, or where the server does not do SASL.
        token = "token": Secret,
    }
}
