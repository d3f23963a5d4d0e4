//! Any bytes decode as a record or do not; what they decode to encodes to the same bytes.
//!
//! The first byte of the input chooses the record, the others are it.

use bytes::{Bytes, BytesMut};
use zk_proto::{
    record::{RecordType, Value, record_type},
    wire::{Decoder, Encoder},
};

/// What clients send. Seeds choose by position: append.
pub const CLIENT: &[&str] = &[
    "ConnectRequest",
    "ConnectRequestPre34",
    "RequestHeader",
    "CreateRequest",
    "CreateTTLRequest",
    "DeleteRequest",
    "DeleteContainerRequest",
    "ExistsRequest",
    "GetDataRequest",
    "SetDataRequest",
    "GetACLRequest",
    "SetACLRequest",
    "GetChildrenRequest",
    "GetChildren2Request",
    "SyncRequest",
    "CheckVersionRequest",
    "MultiHeader",
    "MultiRequest",
    "ReconfigRequest",
    "CheckWatchesRequest",
    "RemoveWatchesRequest",
    "AddWatchRequest",
    "SetWatches",
    "SetWatches2",
    "GetEphemeralsRequest",
    "GetAllChildrenNumberRequest",
    "AuthPacket",
    "GetSASLRequest",
    "ACL",
    "Id",
];

/// What servers send. Seeds choose by position: append.
pub const SERVER: &[&str] = &[
    "ConnectResponse",
    "ConnectResponsePre34",
    "ReplyHeader",
    "WatcherEvent",
    "CreateResponse",
    "Create2Response",
    "ExistsResponse",
    "GetDataResponse",
    "SetDataResponse",
    "GetACLResponse",
    "SetACLResponse",
    "GetChildrenResponse",
    "GetChildren2Response",
    "SyncResponse",
    "MultiHeader",
    "MultiResponse",
    "ErrorResponse",
    "GetEphemeralsResponse",
    "GetAllChildrenNumberResponse",
    "WhoAmIResponse",
    "SetSASLResponse",
    "ACL",
    "Id",
    "Stat",
    "ClientInfo",
];

/// Checks one input against the records of one side.
pub fn check(records: &[&str], data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let name = records[usize::from(choice) % records.len()];
    let record = record_type(name).expect("every name is in the table");

    let bytes = Bytes::copy_from_slice(bytes);
    let mut input = Decoder::new(bytes.clone());
    let value = match record.decode(&mut input) {
        Ok(value) => value,
        Err(error) => {
            assert!(error.at <= bytes.len() && !error.record.is_empty(), "{name}: {error:?}");
            return;
        }
    };
    let taken = &bytes[..bytes.len() - input.remaining()];

    let encoded = encode(record, &value);
    assert!(encoded.len() == taken.len() && same_but_for_booleans(&encoded, taken), "{name}: {taken:x?} {encoded:x?}");
    let mut again = Decoder::new(encoded.clone());
    assert_eq!(record.decode(&mut again).as_ref(), Ok(&value), "{name}");
    assert_eq!(again.remaining(), 0, "{name}");
    assert_eq!(encode(record, &value), encoded, "{name}");
}

fn encode(record: &RecordType, value: &Value) -> Bytes {
    let mut out = BytesMut::new();
    record.encode(value, &mut Encoder::new(&mut out)).expect("a decoded record fits its type");
    out.freeze()
}

/// Every byte but 0 is true, and true is written as 1.
fn same_but_for_booleans(encoded: &[u8], taken: &[u8]) -> bool {
    encoded.iter().zip(taken).all(|(encoded, taken)| encoded == taken || (*encoded == 1 && *taken > 1))
}
