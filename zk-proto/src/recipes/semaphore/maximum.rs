//! How many leases there are in all.

use std::sync::Arc;

use super::SemaphoreError;
use crate::{
    SessionId,
    broken::broken,
    client::{Client, Error, Watcher},
    code::ErrorCode,
};

/// How many leases there are in all: a number that everybody has to agree on, or a node that says it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Maximum {
    /// That many.
    Fixed(u32),
    /// As many as the node at this path says: 4 bytes, the most significant first, as Curator's `SharedCount`. None as long as there is
    /// no such node.
    ///
    /// Who waits hears of changes. If there are fewer from now on, nobody loses his lease: nobody gets another one before
    /// enough were given back.
    Node(Arc<str>),
}

impl From<u32> for Maximum {
    fn from(max: u32) -> Self {
        Self::Fixed(max)
    }
}

impl Maximum {
    /// Returns it as it is now.
    pub(super) async fn read(&self, client: &Client, session: SessionId) -> Result<u32, SemaphoreError> {
        let path = match self {
            Self::Fixed(max) => return Ok(*max),
            Self::Node(path) => path,
        };
        match client.get_data(path).pin(session).resend().await {
            Ok((data, _)) => count(path, &data),
            Err(Error::Server(ErrorCode::NoNode)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns it as it is now, and what tells that it has changed, if it can.
    pub(super) async fn watch(
        &self,
        client: &Client,
        session: SessionId,
    ) -> Result<(u32, Option<Watcher>), SemaphoreError> {
        let path = match self {
            Self::Fixed(max) => return Ok((*max, None)),
            Self::Node(path) => path,
        };
        if broken!("semaphore: does not hear that there are more leases") {
            return Ok((self.read(client, session).await?, None));
        }
        loop {
            match client.get_data(path).watch().pin(session).resend().await {
                Ok((data, _, watcher)) => return Ok((count(path, &data)?, Some(watcher))),
                Err(Error::Server(ErrorCode::NoNode)) => {}
                Err(error) => return Err(error.into()),
            }
            let (stat, watcher) = client.exists(path).watch().pin(session).resend().await?;
            if stat.is_none() {
                return Ok((0, Some(watcher)));
            }
        }
    }
}

/// Reads a count.
fn count(path: &str, data: &[u8]) -> Result<u32, SemaphoreError> {
    match <[u8; 4]>::try_from(data) {
        Ok(bytes) => Ok(u32::try_from(i32::from_be_bytes(bytes)).unwrap_or(0)),
        Err(_) => Err(SemaphoreError::NotACount { path: path.to_string(), length: data.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_of_four_bytes_and_a_negative_one_is_none() {
        for (data, expected) in [
            (&[0, 0, 0, 7][..], Ok(7)),
            (&[0x7F, 0xFF, 0xFF, 0xFF], Ok(i32::MAX.unsigned_abs())),
            (&[0xFF, 0xFF, 0xFF, 0xFF], Ok(0)),
            (b"7", Err(1)),
            (b"", Err(0)),
            (&[0; 8], Err(8)),
        ] {
            let expected = expected.map_err(|length| SemaphoreError::NotACount { path: "/count".to_string(), length });
            assert_eq!(count("/count", data), expected, "{data:?}");
        }
    }
}
