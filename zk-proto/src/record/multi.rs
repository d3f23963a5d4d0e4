//! multi and multiRead: several operations in one message, several results in one reply.
//!
//! Both are a run of entries, each a [`MultiHeader`] and the record that the header's type calls for, and end with a header
//! whose `done` is true. The type of a result is not always the type of its operation: before 3.9.0 the result of a create2
//! is of type 1, and every result of a failed multi is of type −1.

use alloc::vec::Vec;

use super::{
    CheckVersionRequest, Create2Response, CreateRequest, CreateResponse, CreateTtlRequest, DeleteRequest,
    ErrorResponse, ExistsRequest, GetAclRequest, GetChildren2Request, GetChildrenRequest, GetChildrenResponse,
    GetDataRequest, GetDataResponse, SetAclRequest, SetDataRequest, SetDataResponse, SyncRequest,
    value::{AsValue, FromValueError, Value},
};
use crate::{
    code::{ErrorCode, OpCode},
    wire::{DecodeError, DecodeErrorKind, Decoder, Encoder, Jute},
};

records! {
    /// Stands before every operation and every result of a multi, and ends it.
    pub struct MultiHeader = "MultiHeader" {
        /// The operation, or `Error` in the result of one that failed and at the end.
        op = "type": OpCode,
        /// Whether this is the end.
        done = "done": bool,
        /// The error of a result; −1 elsewhere.
        err = "err": ErrorCode,
    }
}

impl MultiHeader {
    /// The header that ends a multi.
    pub const END: Self = Self { op: OpCode::Error, done: true, err: ErrorCode::SystemError };
}

/// A header and what it announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiEntry<B> {
    /// The header.
    pub header: MultiHeader,
    /// The record.
    pub body: B,
}

/// A run of entries and its end, in a shape that serves requests and replies alike.
macro_rules! multi {
    ($(#[$meta:meta])* $name:ident, $wire_name:literal, $body:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            /// The entries.
            pub entries: Vec<MultiEntry<$body>>,
            /// The header behind the last entry; `done` is true.
            pub end: MultiHeader,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { entries: Vec::new(), end: MultiHeader::END }
            }
        }

        impl Jute for $name {
            const MIN_BYTES: usize = MultiHeader::MIN_BYTES;

            fn encode(&self, out: &mut Encoder<'_>) {
                for entry in &self.entries {
                    entry.header.encode(out);
                    entry.body.encode(out);
                }
                self.end.encode(out);
            }

            fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
                let mut entries = Vec::new();
                loop {
                    let header: MultiHeader = input.get()?;
                    if header.done {
                        return Ok(Self { entries, end: header });
                    }
                    let body = $body::decode(header.op, input).map_err(|error| error.in_field($wire_name, "entries"))?;
                    entries.push(MultiEntry { header, body });
                }
            }
        }

        impl AsValue for $name {
            fn to_value(&self) -> Value {
                let mut entries: Vec<Value> = self.entries.iter().map(MultiEntry::<$body>::to_value).collect();
                entries.push(Value::Record(alloc::vec![("header", self.end.to_value())]));
                Value::Record(alloc::vec![("entries", Value::Vector(entries))])
            }

            fn from_value(value: &Value) -> Result<Self, FromValueError> {
                let Some(Value::Vector(values)) = value.get("entries") else {
                    return Err(FromValueError::expected("entries"));
                };
                let (end, values) = values.split_last().ok_or_else(|| FromValueError::expected("a last entry"))?;
                let header = |value: &Value| MultiHeader::from_field(value.get("header"));
                let entry = |value: &Value| {
                    let header = header(value)?;
                    let body = $body::from_value(header.op, value.get("body"))?;
                    Ok(MultiEntry { header, body })
                };
                Ok(Self { entries: values.iter().map(entry).collect::<Result<_, _>>()?, end: header(end)? })
            }
        }
    };
}

/// The body of an entry: one record for each of some types.
macro_rules! bodies {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident($record:ident = $wire_name:literal) = $($op:ident)|+, )*
        }
        $( $(#[$empty_meta:meta])* else $empty:ident = $($empty_op:ident)|+; )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant($record), )*
            $( $(#[$empty_meta])* $empty, )?
        }

        impl $name {
            fn encode(&self, out: &mut Encoder<'_>) {
                match self {
                    $( Self::$variant(record) => record.encode(out), )*
                    $( Self::$empty => {} )?
                }
            }

            fn decode(op: OpCode, input: &mut Decoder) -> Result<Self, DecodeError> {
                match op {
                    $( $(OpCode::$op)|+ => input.get().map(Self::$variant), )*
                    $( $(OpCode::$empty_op)|+ => Ok(Self::$empty), )?
                    _ => Err(input.error(DecodeErrorKind::UnknownMultiEntry(op.code()))),
                }
            }

            fn to_value(&self) -> Option<(&'static str, Value)> {
                match self {
                    $( Self::$variant(record) => Some(($wire_name, record.to_value())), )*
                    $( Self::$empty => None, )?
                }
            }

            fn from_value(op: OpCode, value: Option<&Value>) -> Result<Self, FromValueError> {
                match op {
                    $( $(OpCode::$op)|+ => $record::from_field(value).map(Self::$variant), )*
                    $( $(OpCode::$empty_op)|+ => Ok(Self::$empty), )?
                    _ => Err(FromValueError::expected("a type that can stand in a multi")),
                }
            }
        }

        impl MultiEntry<$name> {
            fn to_value(&self) -> Value {
                let mut fields = alloc::vec![("header", self.header.to_value())];
                if let Some((record, body)) = self.body.to_value() {
                    fields.push(("record", Value::Text(record.into())));
                    fields.push(("body", body));
                }
                Value::Record(fields)
            }
        }

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for MultiEntry<$name> {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                const OPS: &[OpCode] = &[$( $(OpCode::$op,)+ )* $( $(OpCode::$empty_op,)+ )?];
                let header = MultiHeader { op: *u.choose(OPS)?, done: false, err: u.arbitrary()? };
                let body = match header.op {
                    $( $(OpCode::$op)|+ => $name::$variant(u.arbitrary()?), )*
                    $( $(OpCode::$empty_op)|+ => $name::$empty, )?
                    _ => return Err(arbitrary::Error::IncorrectFormat),
                };
                Ok(Self { header, body })
            }
        }
    };
}

bodies! {
    /// An operation of a multi or a multiRead.
    ///
    /// Servers refuse a multi that mixes reads and writes, and one with an operation from `Exists` on; those are decoded for
    /// proxies, and for servers that want to refuse them by name.
    pub enum MultiOp {
        /// create, create2 or createContainer, as the header says.
        Create(CreateRequest = "CreateRequest") = Create | Create2 | CreateContainer,
        /// createTTL.
        CreateTtl(CreateTtlRequest = "CreateTTLRequest") = CreateTtl,
        /// delete.
        Delete(DeleteRequest = "DeleteRequest") = Delete,
        /// setData.
        SetData(SetDataRequest = "SetDataRequest") = SetData,
        /// check.
        Check(CheckVersionRequest = "CheckVersionRequest") = Check,
        /// getData, in a multiRead.
        GetData(GetDataRequest = "GetDataRequest") = GetData,
        /// getChildren, in a multiRead.
        GetChildren(GetChildrenRequest = "GetChildrenRequest") = GetChildren,
        /// exists, which no server takes here.
        Exists(ExistsRequest = "ExistsRequest") = Exists,
        /// getACL, which no server takes here.
        GetAcl(GetAclRequest = "GetACLRequest") = GetAcl,
        /// setACL, which no server takes here.
        SetAcl(SetAclRequest = "SetACLRequest") = SetAcl,
        /// getChildren2, which no server takes here.
        GetChildren2(GetChildren2Request = "GetChildren2Request") = GetChildren2,
        /// sync, which no server takes here.
        Sync(SyncRequest = "SyncRequest") = Sync,
    }
}

bodies! {
    /// A result of a multi or a multiRead.
    pub enum MultiResult {
        /// Of a create, and of a create2 on servers before 3.9.0 (3.8.2, 3.7.2).
        Create(CreateResponse = "CreateResponse") = Create,
        /// Of a create2, createContainer or createTTL.
        Create2(Create2Response = "Create2Response") = Create2 | CreateContainer | CreateTtl,
        /// Of a setData.
        SetData(SetDataResponse = "SetDataResponse") = SetData,
        /// Of a getData.
        GetData(GetDataResponse = "GetDataResponse") = GetData,
        /// Of a getChildren.
        GetChildren(GetChildrenResponse = "GetChildrenResponse") = GetChildren,
        /// Of an operation that failed, or of any operation of a multi that failed.
        Error(ErrorResponse = "ErrorResponse") = Error,
    }
    /// Of a delete or a check.
    else Done = Delete | Check;
}

multi! {
    /// multi and multiRead.
    MultiRequest, "MultiRequest", MultiOp
}

multi! {
    /// The results of a multi or a multiRead.
    ///
    /// A multi that failed has no error in its [`ReplyHeader`](super::ReplyHeader). Its results are all errors: `Ok` before
    /// the one that failed, its error, `RuntimeInconsistency` after it; nothing was applied.
    MultiResponse, "MultiResponse", MultiResult
}

#[cfg(feature = "arbitrary")]
mod arbitrary_multi {
    use super::{MultiHeader, MultiRequest, MultiResponse};
    use arbitrary::{Arbitrary, Result, Unstructured};

    impl<'a> Arbitrary<'a> for MultiRequest {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { entries: u.arbitrary_iter()?.collect::<Result<_>>()?, end: MultiHeader::END })
        }
    }

    impl<'a> Arbitrary<'a> for MultiResponse {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { entries: u.arbitrary_iter()?.collect::<Result<_>>()?, end: MultiHeader::END })
        }
    }
}
