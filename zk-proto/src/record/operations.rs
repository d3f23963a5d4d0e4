//! Which record belongs to which operation, by name: the table of the module's documentation for programs.

use crate::code::OpCode;

impl OpCode {
    /// Returns the name of the record that follows the request's header, or `None` where nothing does or the operation has no
    /// name here. [`record_type`](super::record_type) takes the name.
    pub const fn request_record(self) -> Option<&'static str> {
        match self {
            Self::Create | Self::Create2 | Self::CreateContainer => Some("CreateRequest"),
            Self::CreateTtl => Some("CreateTTLRequest"),
            Self::Delete => Some("DeleteRequest"),
            Self::DeleteContainer => Some("DeleteContainerRequest"),
            Self::Exists => Some("ExistsRequest"),
            Self::GetData => Some("GetDataRequest"),
            Self::SetData => Some("SetDataRequest"),
            Self::GetAcl => Some("GetACLRequest"),
            Self::SetAcl => Some("SetACLRequest"),
            Self::GetChildren => Some("GetChildrenRequest"),
            Self::GetChildren2 => Some("GetChildren2Request"),
            Self::Sync => Some("SyncRequest"),
            Self::Check => Some("CheckVersionRequest"),
            Self::Multi | Self::MultiRead => Some("MultiRequest"),
            Self::Reconfig => Some("ReconfigRequest"),
            Self::CheckWatches => Some("CheckWatchesRequest"),
            Self::RemoveWatches => Some("RemoveWatchesRequest"),
            Self::AddWatch => Some("AddWatchRequest"),
            Self::SetWatches => Some("SetWatches"),
            Self::SetWatches2 => Some("SetWatches2"),
            Self::GetEphemerals => Some("GetEphemeralsRequest"),
            Self::GetAllChildrenNumber => Some("GetAllChildrenNumberRequest"),
            Self::Auth => Some("AuthPacket"),
            Self::Sasl => Some("GetSASLRequest"),
            Self::Ping | Self::WhoAmI | Self::CloseSession => None,
            Self::Notification | Self::Error | Self::CreateSession | Self::Unknown(_) => None,
        }
    }

    /// Returns the name of the record that follows the header of a reply without error, or `None` where nothing does or the
    /// operation has no name here. For a notification it is the event's.
    pub const fn response_record(self) -> Option<&'static str> {
        match self {
            Self::Notification => Some("WatcherEvent"),
            Self::Create => Some("CreateResponse"),
            Self::Create2 | Self::CreateContainer | Self::CreateTtl => Some("Create2Response"),
            Self::Exists => Some("ExistsResponse"),
            Self::GetData | Self::Reconfig => Some("GetDataResponse"),
            Self::SetData => Some("SetDataResponse"),
            Self::GetAcl => Some("GetACLResponse"),
            Self::SetAcl => Some("SetACLResponse"),
            Self::GetChildren => Some("GetChildrenResponse"),
            Self::GetChildren2 => Some("GetChildren2Response"),
            Self::Sync => Some("SyncResponse"),
            Self::Multi | Self::MultiRead => Some("MultiResponse"),
            Self::AddWatch => Some("ErrorResponse"),
            Self::GetEphemerals => Some("GetEphemeralsResponse"),
            Self::GetAllChildrenNumber => Some("GetAllChildrenNumberResponse"),
            Self::WhoAmI => Some("WhoAmIResponse"),
            Self::Sasl => Some("SetSASLResponse"),
            Self::Delete | Self::DeleteContainer | Self::Check | Self::CheckWatches | Self::RemoveWatches => None,
            Self::SetWatches | Self::SetWatches2 | Self::Auth | Self::Ping | Self::CloseSession => None,
            Self::Error | Self::CreateSession | Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::record::{RECORDS, record_type};

    /// Records that stand inside of others or in front of them, or come before any operation.
    const NO_OPERATION: &[&str] = &[
        "Id",
        "ACL",
        "Stat",
        "ClientInfo",
        "ConnectRequest",
        "ConnectRequestPre34",
        "ConnectResponse",
        "ConnectResponsePre34",
        "RequestHeader",
        "ReplyHeader",
        "MultiHeader",
    ];

    fn named() -> Vec<&'static str> {
        OpCode::NAMED.iter().flat_map(|op| [op.request_record(), op.response_record()]).flatten().collect()
    }

    #[test]
    fn every_record_of_an_operation_is_in_the_table() {
        for name in named() {
            assert!(record_type(name).is_some(), "{name} is not in RECORDS");
        }
    }

    #[test]
    fn every_record_belongs_to_an_operation_or_to_none() {
        let named = named();
        for record in RECORDS {
            let (operation, none) = (named.contains(&record.name), NO_OPERATION.contains(&record.name));
            assert!(operation != none, "{} has {operation} and {none}", record.name);
        }
    }
}
