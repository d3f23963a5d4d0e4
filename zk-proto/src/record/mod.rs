//! The protocol's records, in both directions.
//!
//! A client encodes requests and decodes replies; a server, a proxy or a fuzzer does the reverse; so every record here does
//! both. They are plain data with the protocol's own names and layouts, and what can be null on the wire is an `Option`:
//! encoding gives back the bytes that were decoded. For requests as a caller makes them, see [`request`](crate::request).
//!
//! A message is a length, then a header ([`RequestHeader`], [`ReplyHeader`]), then one record or none; the first message
//! of each direction is [`ConnectRequest`] and [`ConnectResponse`] without a header. Which record belongs to which operation:
//!
//! | operation | request | response |
//! |---|---|---|
//! | create | [`CreateRequest`] | [`CreateResponse`] |
//! | create2, createContainer | [`CreateRequest`] | [`Create2Response`] |
//! | createTTL | [`CreateTtlRequest`] | [`Create2Response`] |
//! | delete | [`DeleteRequest`] | – |
//! | exists | [`ExistsRequest`] | [`ExistsResponse`] |
//! | getData | [`GetDataRequest`] | [`GetDataResponse`] |
//! | setData | [`SetDataRequest`] | [`SetDataResponse`] |
//! | getACL, setACL | [`GetAclRequest`], [`SetAclRequest`] | [`GetAclResponse`], [`SetAclResponse`] |
//! | getChildren, getChildren2 | [`GetChildrenRequest`], [`GetChildren2Request`] | [`GetChildrenResponse`], [`GetChildren2Response`] |
//! | sync | [`SyncRequest`] | [`SyncResponse`] |
//! | check (in a multi) | [`CheckVersionRequest`] | – |
//! | multi, multiRead | [`MultiRequest`] | [`MultiResponse`] |
//! | reconfig | [`ReconfigRequest`] | [`GetDataResponse`] |
//! | checkWatches, removeWatches | [`CheckWatchesRequest`], [`RemoveWatchesRequest`] | – |
//! | addWatch | [`AddWatchRequest`] | [`ErrorResponse`] |
//! | setWatches, setWatches2 | [`SetWatches`], [`SetWatches2`] | – |
//! | getEphemerals | [`GetEphemeralsRequest`] | [`GetEphemeralsResponse`] |
//! | getAllChildrenNumber | [`GetAllChildrenNumberRequest`] | [`GetAllChildrenNumberResponse`] |
//! | whoAmI | – | [`WhoAmIResponse`] |
//! | auth | [`AuthPacket`] | – |
//! | sasl | [`GetSaslRequest`] | [`SetSaslResponse`] |
//! | ping, closeSession | – | – |
//! | notification | – | [`WatcherEvent`] |
//! | (internal) deleteContainer | [`DeleteContainerRequest`] | – |

#[macro_use]
mod macros;

mod connect;
mod multi;
mod operations;
mod replies;
mod requests;
mod stat;
mod table;
mod value;

pub use connect::{ConnectRequest, ConnectResponse};
pub use multi::{MultiEntry, MultiHeader, MultiOp, MultiRequest, MultiResponse, MultiResult};
pub use replies::*;
pub use requests::*;
pub use stat::{Acl, ClientInfo, Id, Stat};
pub use table::{RECORDS, RecordType, record_type};
pub use value::{FromValueError, Value};
