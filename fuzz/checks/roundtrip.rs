//! Any record survives being encoded and decoded.
//!
//! The first byte of the input chooses the record, the others become its fields.

use std::fmt::Debug;

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::{Bytes, BytesMut};
use zk_proto::{
    record::*,
    wire::{Decoder, Encoder, Jute},
};

macro_rules! records {
    ($($type:ident = $name:literal,)*) => {
        /// Every record with its check. Seeds choose by position: append.
        pub const RECORDS: &[(&str, fn(&mut Unstructured<'_>) -> Result<()>)] = &[
            $(($name, |fields| Ok(survives::<$type>($name, &$type::arbitrary(fields)?, fields.arbitrary()?)))),*
        ];
    };
}

records! {
    Id = "Id",
    Acl = "ACL",
    Stat = "Stat",
    ClientInfo = "ClientInfo",
    ConnectRequest = "ConnectRequest",
    ConnectResponse = "ConnectResponse",
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

/// Checks one input.
pub fn check(data: &[u8]) {
    let Some((&choice, fields)) = data.split_first() else { return };
    let (_, check) = RECORDS[usize::from(choice) % RECORDS.len()];
    // An input that is too short for a record is no finding.
    let _ = check(&mut Unstructured::new(fields));
}

/// Checks that a record gives bytes that give the record, with its type and by its name, and that no less than all of them
/// will do.
fn survives<T: Jute + PartialEq + Debug>(name: &str, record: &T, cut: u16) {
    let bytes = encode(record);
    let mut input = Decoder::new(bytes.clone());
    let decoded = input.get::<T>().unwrap_or_else(|error| panic!("{error} in {record:?}"));
    assert_eq!(&decoded, record);
    assert_eq!(input.remaining(), 0, "{record:?}");
    assert_eq!(encode(&decoded), bytes, "{record:?}");
    assert!(bytes.len() >= T::MIN_BYTES, "{record:?}");

    let by_name = record_type(name).expect("every name is in the table");
    let value = by_name.decode(&mut Decoder::new(bytes.clone())).expect("decoded a moment ago");
    let mut out = BytesMut::new();
    by_name.encode(&value, &mut Encoder::new(&mut out)).expect("a decoded record fits its type");
    assert_eq!(out, bytes, "{record:?}");

    let cut = usize::from(cut) % bytes.len().max(1);
    let shorter = Decoder::new(bytes.slice(..cut)).get::<T>();
    // The one field that may be absent is the last byte of a greeting.
    let may_lack_its_end = name.starts_with("Connect") && cut + 1 == bytes.len();
    assert!(shorter.is_err() || may_lack_its_end, "{record:?} of {} bytes cut at {cut}", bytes.len());
}

fn encode<T: Jute>(record: &T) -> Bytes {
    let mut out = BytesMut::new();
    Encoder::new(&mut out).put(record);
    out.freeze()
}
