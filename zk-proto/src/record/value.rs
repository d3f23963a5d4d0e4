//! A record as a tree of values, for tools that do not know the record's type.

use alloc::{string::String, vec::Vec};

use bytes::Bytes;

use crate::{
    acl::Perms,
    code::{AddWatchMode, CreateMode, ErrorCode, EventType, KeeperState, OpCode, WatcherType},
    ids::{SessionId, Zxid},
    wire::{Secret, Text},
};

/// A record or a field, seen without its type: what a dump prints and a test vector describes.
///
/// It shows what it holds, secrets included. Fields bear the protocol's names (`sessionId`, `dataWatches`) in the protocol's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A null string, buffer or vector.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An `int` or a `long`.
    Number(i64),
    /// A string.
    Text(Text),
    /// A buffer.
    Buffer(Bytes),
    /// A vector.
    Vector(Vec<Value>),
    /// A record: its fields in order. A trailing field that is not there is left out.
    Record(Vec<(&'static str, Value)>),
}

impl Value {
    /// Returns the field of that name, or `None` where there is no such field or this is no record.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Record(fields) => fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(super) fn field(&self, name: &str) -> Result<Option<&Value>, FromValueError> {
        match self {
            Self::Record(_) => Ok(self.get(name)),
            _ => Err(FromValueError::expected("a record")),
        }
    }
}

/// A value that does not fit the record that it was meant for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}")]
pub struct FromValueError {
    /// The field, with the names of the records around it.
    pub path: String,
    /// What belongs there.
    pub expected: &'static str,
}

impl FromValueError {
    pub(super) fn expected(expected: &'static str) -> Self {
        Self { path: String::new(), expected }
    }

    pub(super) fn within(mut self, field: &str) -> Self {
        let inner = core::mem::take(&mut self.path);
        self.path = if inner.is_empty() { field.into() } else { alloc::format!("{field}.{inner}") };
        self
    }
}

/// The way from a typed field to a [`Value`] and back.
pub(crate) trait AsValue: Sized {
    fn to_value(&self) -> Value;
    fn from_value(value: &Value) -> Result<Self, FromValueError>;

    fn push_field(&self, name: &'static str, fields: &mut Vec<(&'static str, Value)>) {
        fields.push((name, self.to_value()));
    }

    fn from_field(value: Option<&Value>) -> Result<Self, FromValueError> {
        Self::from_value(value.ok_or_else(|| FromValueError::expected("a field of this name"))?)
    }
}

/// Numbers, and newtypes and enums of numbers.
macro_rules! numbers {
    ($($type:ty, $int:ty, $make:expr, $read:expr;)*) => {$(
        impl AsValue for $type {
            fn to_value(&self) -> Value {
                let read: fn(&Self) -> $int = $read;
                Value::Number(read(self).into())
            }

            fn from_value(value: &Value) -> Result<Self, FromValueError> {
                let Value::Number(number) = value else { return Err(FromValueError::expected("a number")) };
                let make: fn($int) -> Self = $make;
                <$int>::try_from(*number).map(make).map_err(|_| FromValueError::expected("a number of 32 bits"))
            }
        }
    )*};
}

numbers! {
    i32, i32, |number| number, |value| *value;
    i64, i64, |number| number, |value| *value;
    Zxid, i64, Zxid, |value| value.0;
    SessionId, i64, SessionId, |value| value.0;
    Perms, i32, Perms, |value| value.0;
    OpCode, i32, Self::from, |value| value.code();
    ErrorCode, i32, Self::from, |value| value.code();
    CreateMode, i32, Self::from, |value| value.code();
    AddWatchMode, i32, Self::from, |value| value.code();
    WatcherType, i32, Self::from, |value| value.code();
    EventType, i32, Self::from, |value| value.code();
    KeeperState, i32, Self::from, |value| value.code();
}

impl AsValue for bool {
    fn to_value(&self) -> Value {
        Value::Boolean(*self)
    }

    fn from_value(value: &Value) -> Result<Self, FromValueError> {
        match value {
            Value::Boolean(boolean) => Ok(*boolean),
            _ => Err(FromValueError::expected("a boolean")),
        }
    }
}

impl AsValue for Option<bool> {
    fn to_value(&self) -> Value {
        self.map_or(Value::Null, Value::Boolean)
    }

    fn from_value(value: &Value) -> Result<Self, FromValueError> {
        bool::from_value(value).map(Some)
    }

    fn push_field(&self, name: &'static str, fields: &mut Vec<(&'static str, Value)>) {
        if let Some(boolean) = self {
            fields.push((name, Value::Boolean(*boolean)));
        }
    }

    fn from_field(value: Option<&Value>) -> Result<Self, FromValueError> {
        value.map(bool::from_value).transpose()
    }
}

impl AsValue for Option<Text> {
    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, Value::Text)
    }

    fn from_value(value: &Value) -> Result<Self, FromValueError> {
        match value {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            _ => Err(FromValueError::expected("a string or null")),
        }
    }
}

impl AsValue for Option<Bytes> {
    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, Value::Buffer)
    }

    fn from_value(value: &Value) -> Result<Self, FromValueError> {
        match value {
            Value::Null => Ok(None),
            Value::Buffer(bytes) => Ok(Some(bytes.clone())),
            _ => Err(FromValueError::expected("a buffer or null")),
        }
    }
}

impl AsValue for Secret {
    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn from_value(value: &Value) -> Result<Self, FromValueError> {
        AsValue::from_value(value).map(Self)
    }
}

impl<T: AsValue> AsValue for Option<Vec<T>> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, |items| Value::Vector(items.iter().map(AsValue::to_value).collect()))
    }

    fn from_value(value: &Value) -> Result<Self, FromValueError> {
        match value {
            Value::Null => Ok(None),
            Value::Vector(items) => items.iter().map(T::from_value).collect::<Result<_, _>>().map(Some),
            _ => Err(FromValueError::expected("a vector or null")),
        }
    }
}

/// `Arbitrary` for the types of fields, some of which (`Bytes`) have no implementation of their own.
#[cfg(feature = "arbitrary")]
pub(crate) trait ArbitraryField: Sized {
    fn arbitrary_field(u: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<Self>;
}

#[cfg(feature = "arbitrary")]
mod arbitrary_fields {
    use super::{ArbitraryField, Bytes, Secret, Text, Vec};
    use crate::{
        acl::Perms,
        code::{AddWatchMode, CreateMode, ErrorCode, EventType, KeeperState, OpCode, WatcherType},
        ids::{SessionId, Zxid},
        record::{Acl, ClientInfo, Id, Stat},
    };
    use arbitrary::{Arbitrary, Result, Unstructured};

    macro_rules! plain {
        ($($type:ty),* $(,)?) => {$(
            impl ArbitraryField for $type {
                fn arbitrary_field(u: &mut Unstructured<'_>) -> Result<Self> {
                    Self::arbitrary(u)
                }
            }
        )*};
    }

    plain!(i32, i64, bool, Option<bool>, Option<Text>, Zxid, SessionId, Perms, Stat, Id, Acl, ClientInfo);
    plain!(OpCode, ErrorCode, CreateMode, AddWatchMode, WatcherType, EventType, KeeperState);

    impl ArbitraryField for Option<Bytes> {
        fn arbitrary_field(u: &mut Unstructured<'_>) -> Result<Self> {
            Ok(<Option<Vec<u8>>>::arbitrary(u)?.map(Bytes::from))
        }
    }

    impl ArbitraryField for Secret {
        fn arbitrary_field(u: &mut Unstructured<'_>) -> Result<Self> {
            ArbitraryField::arbitrary_field(u).map(Self)
        }
    }

    impl<T: ArbitraryField> ArbitraryField for Option<Vec<T>> {
        fn arbitrary_field(u: &mut Unstructured<'_>) -> Result<Self> {
            if !bool::arbitrary(u)? {
                return Ok(None);
            }
            let mut items = Vec::new();
            while !u.is_empty() && u.ratio(3, 4)? {
                items.push(T::arbitrary_field(u)?);
            }
            Ok(Some(items))
        }
    }
}
