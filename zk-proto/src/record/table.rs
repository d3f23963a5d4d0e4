//! All records by name.

use core::fmt;

use super::{
    value::{AsValue, FromValueError, Value},
    *,
};
use crate::wire::{DecodeError, Decoder, Encoder, Jute};

/// A record that is known by name only: what a dump or a test vector has.
#[derive(Clone, Copy)]
pub struct RecordType {
    /// The protocol's name.
    pub name: &'static str,
    decode: fn(&mut Decoder) -> Result<Value, DecodeError>,
    encode: fn(&Value, &mut Encoder<'_>) -> Result<(), FromValueError>,
}

impl RecordType {
    const fn new<T: Jute + AsValue>(name: &'static str) -> Self {
        Self {
            name,
            decode: |input| T::decode(input).map(|record| record.to_value()),
            encode: |value, out| T::from_value(value).map(|record| record.encode(out)),
        }
    }

    /// Decodes a record, by way of its type.
    ///
    /// # Errors
    ///
    /// When the bytes are not such a record.
    pub fn decode(&self, input: &mut Decoder) -> Result<Value, DecodeError> {
        (self.decode)(input)
    }

    /// Encodes a record, by way of its type.
    ///
    /// # Errors
    ///
    /// When a field is missing or of the wrong kind. Nothing is written then.
    pub fn encode(&self, value: &Value, out: &mut Encoder<'_>) -> Result<(), FromValueError> {
        (self.encode)(value, out)
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordType").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Returns the record of that name.
pub fn record_type(name: &str) -> Option<&'static RecordType> {
    RECORDS.iter().find(|record| record.name == name)
}

macro_rules! table {
    ($($type:ident = $name:literal,)*) => {
        /// Every record of the protocol. `ConnectRequestPre34` and `ConnectResponsePre34` are the forms without `readOnly`.
        pub const RECORDS: &[RecordType] = &[$(RecordType::new::<$type>($name)),*];
    };
}

table! {
    Id = "Id",
    Acl = "ACL",
    Stat = "Stat",
    ClientInfo = "ClientInfo",
    ConnectRequest = "ConnectRequest",
    ConnectRequest = "ConnectRequestPre34",
    ConnectResponse = "ConnectResponse",
    ConnectResponse = "ConnectResponsePre34",
    RequestHeader = "RequestHeader",
    ReplyHeader = "ReplyHeader",
    MultiHeader = "MultiHeader",
    AuthPacket = "AuthPacket",
    SetWatches = "SetWatches",
    SetWatches2 = "SetWatches2",
    GetDataRequest = "GetDataRequest",
    ExistsRequest = "ExistsRequest",
    GetChildrenRequest = "GetChildrenRequest",
    GetChildren2Request = "GetChildren2Request",
    SetDataRequest = "SetDataRequest",
    ReconfigRequest = "ReconfigRequest",
    SetDataResponse = "SetDataResponse",
    SetAclResponse = "SetACLResponse",
    ExistsResponse = "ExistsResponse",
    GetSaslRequest = "GetSASLRequest",
    SetSaslResponse = "SetSASLResponse",
    CreateRequest = "CreateRequest",
    CreateTtlRequest = "CreateTTLRequest",
    DeleteRequest = "DeleteRequest",
    DeleteContainerRequest = "DeleteContainerRequest",
    CheckVersionRequest = "CheckVersionRequest",
    SyncRequest = "SyncRequest",
    SyncResponse = "SyncResponse",
    GetAclRequest = "GetACLRequest",
    GetAclResponse = "GetACLResponse",
    SetAclRequest = "SetACLRequest",
    AddWatchRequest = "AddWatchRequest",
    WatcherEvent = "WatcherEvent",
    ErrorResponse = "ErrorResponse",
    CreateResponse = "CreateResponse",
    Create2Response = "Create2Response",
    GetDataResponse = "GetDataResponse",
    GetChildrenResponse = "GetChildrenResponse",
    GetChildren2Response = "GetChildren2Response",
    GetAllChildrenNumberRequest = "GetAllChildrenNumberRequest",
    GetAllChildrenNumberResponse = "GetAllChildrenNumberResponse",
    CheckWatchesRequest = "CheckWatchesRequest",
    RemoveWatchesRequest = "RemoveWatchesRequest",
    GetEphemeralsRequest = "GetEphemeralsRequest",
    GetEphemeralsResponse = "GetEphemeralsResponse",
    WhoAmIResponse = "WhoAmIResponse",
    MultiRequest = "MultiRequest",
    MultiResponse = "MultiResponse",
}
