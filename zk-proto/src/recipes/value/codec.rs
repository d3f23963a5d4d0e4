//! How values are written.

use bytes::Bytes;

/// What stands between a value and the data of its node.
///
/// ```
/// use bytes::Bytes;
/// use zk_proto::recipes::{Unreadable, ValueCodec};
///
/// /// How many there may be, from one to a hundred, in decimal.
/// struct Limit;
///
/// impl ValueCodec for Limit {
///     type Value = u8;
///
///     fn read(&self, data: &Bytes) -> Result<u8, Unreadable> {
///         let text = std::str::from_utf8(data).map_err(Unreadable::new)?;
///         let limit: u8 = text.trim().parse().map_err(Unreadable::new)?;
///         if (1..=100).contains(&limit) { Ok(limit) } else { Err(Unreadable::new(format!("{limit} is no limit"))) }
///     }
///
///     fn write(&self, limit: &u8) -> Bytes {
///         limit.to_string().into()
///     }
/// }
/// ```
///
/// It is called in the background too, where it must not block, and not compute for long.
pub trait ValueCodec: Send + Sync + 'static {
    /// The value.
    type Value: Send + Sync + 'static;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// When the data is none, or not one to be used.
    fn read(&self, data: &Bytes) -> Result<Self::Value, Unreadable>;

    /// Writes a value.
    fn write(&self, value: &Self::Value) -> Bytes;
}

/// Data that is no value, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a value: {0}")]
pub struct Unreadable(String);

impl Unreadable {
    /// Says why.
    pub fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}

/// Bytes as they are, as Curator's `SharedValue`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl ValueCodec for Raw {
    type Value = Bytes;

    fn read(&self, data: &Bytes) -> Result<Bytes, Unreadable> {
        Ok(data.clone())
    }

    fn write(&self, value: &Bytes) -> Bytes {
        value.clone()
    }
}

/// UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8;

impl ValueCodec for Utf8 {
    type Value = String;

    fn read(&self, data: &Bytes) -> Result<String, Unreadable> {
        std::str::from_utf8(data).map(str::to_owned).map_err(Unreadable::new)
    }

    fn write(&self, value: &String) -> Bytes {
        Bytes::copy_from_slice(value.as_bytes())
    }
}

/// Four bytes, the highest first, as Curator's `SharedCount`, and kazoo's `Counter` with `support_curator`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count;

impl ValueCodec for Count {
    type Value = i32;

    fn read(&self, data: &Bytes) -> Result<i32, Unreadable> {
        let bytes = <[u8; 4]>::try_from(&**data);
        bytes.map(i32::from_be_bytes).map_err(|_| Unreadable::new(format!("{} bytes instead of 4", data.len())))
    }

    fn write(&self, value: &i32) -> Bytes {
        Bytes::copy_from_slice(&value.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_codec_reads_what_it_writes_and_says_what_it_cannot_read() {
        assert_eq!(Count.write(&7), &b"\0\0\0\x07"[..]);
        assert_eq!(Count.read(&Count.write(&-2)), Ok(-2));
        assert_eq!(Count.read(&"".into()).unwrap_err().to_string(), "not a value: 0 bytes instead of 4");
        assert_eq!(Utf8.read(&Utf8.write(&"é".into())), Ok("é".into()));
        assert!(Utf8.read(&Bytes::from_static(b"\xFF")).is_err());
        assert_eq!(Raw.read(&Raw.write(&"x".into())), Ok("x".into()));
    }
}
