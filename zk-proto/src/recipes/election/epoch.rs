//! Numbering the terms of an election without gaps.
//!
//! A [fencing token](Term::fencing_token) grows by leaps. Where a dense number is wanted, it stands in a node, with the token of the term
//! that it belongs to: `7 4294967301`. So it is counted up once a term, although the reply to that may be lost.

use super::{
    super::{lock::FencingToken, parents::ensure_path, session::Trouble, together::both},
    Candidacy,
    desk::Term,
};
use crate::{
    client::Error,
    code::ErrorCode,
    path,
    request::{Create2, MultiFailure},
};

/// Why a term has no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EpochError {
    /// The term is over; or the server has refused.
    #[error(transparent)]
    Client(#[from] Error),
    /// The node contains something else than a number.
    #[error("{path} contains no epoch")]
    Foreign {
        /// The node.
        path: String,
    },
    /// It contains the greatest number there is.
    #[error("{path} contains the last epoch")]
    Exhausted {
        /// The node.
        path: String,
    },
}

/// What stands in the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    epoch: u64,
    /// Zero where somebody else has written the number alone.
    token: FencingToken,
}

impl Mark {
    /// Reads it. An empty node stands for zero.
    fn parse(data: &[u8]) -> Option<Self> {
        if data.is_empty() {
            return Some(Self { epoch: 0, token: FencingToken(0) });
        }
        let text = std::str::from_utf8(data).ok()?;
        let (epoch, token) = text.split_once(' ').unwrap_or((text, "0"));
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        Some(Self { epoch: number(epoch)?, token: FencingToken(number(token)?) })
    }

    fn to_text(self) -> String {
        format!("{} {}", self.epoch, self.token)
    }
}

impl Candidacy {
    /// Returns the number of a term, which is kept at `path`: one more than that of the term before. It is counted up in one
    /// transaction with a [check](Term::check) that the term lasts; asked for again in the same term, it is the same.
    ///
    /// All that lead must ask for it, each before anything else. The node is made if it is missing, as a persistent one. It must not be
    /// below the election's.
    ///
    /// # Errors
    ///
    /// [`EpochError::Client`] with [`NoNode`](ErrorCode::NoNode) of the first operation, or with [`Error::SessionChanged`], when the
    /// term is over; and the server's others.
    pub async fn epoch(&self, term: &Term, path: &str) -> Result<u64, EpochError> {
        let client = &self.latch().line.client;
        let session = term.session();
        loop {
            let sync = client.sync(path).pin(session).resend();
            let read = client.get_data(path).pin(session).resend();
            let version = match both(sync.into_future(), read.into_future()).await.1 {
                Ok((data, stat)) => {
                    let mark = Mark::parse(&data).ok_or_else(|| EpochError::Foreign { path: path.to_string() })?;
                    if mark.token == term.fencing_token() {
                        return Ok(mark.epoch);
                    }
                    Some((mark.epoch, stat.version))
                }
                Err(Error::Server(ErrorCode::NoNode)) => None,
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => continue,
                Err(error) => return Err(error.into()),
            };
            let last = version.map_or(0, |(epoch, _)| epoch);
            let epoch = last.checked_add(1).ok_or_else(|| EpochError::Exhausted { path: path.to_string() })?;
            let text = Mark { epoch, token: term.fencing_token() }.to_text();
            let write = match version {
                Some((_, version)) => self.transaction(term).set_data(path, text.as_bytes(), version),
                None => self.transaction(term).create_with(self.node(path, text.as_bytes())),
            };
            match write.await {
                Ok(_) => return Ok(epoch),
                Err(Error::Multi(failure)) if is_overtaken(&failure) => {
                    if let (ErrorCode::NoNode, None, Some(parent)) = (failure.error, version, path::parent(path)) {
                        ensure_path(client, parent, self.latch().line.acl.as_deref()).await?;
                    }
                }
                // Whether it was carried out, the node will tell.
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn node<'a>(&'a self, path: &'a str, data: &'a [u8]) -> Create2<'a> {
        Create2 { acl: self.latch().line.acl.as_deref(), ..Create2::new(path, data) }
    }
}

/// Returns whether it was the epoch's node that was not as it had been read.
fn is_overtaken(failure: &MultiFailure) -> bool {
    failure.index == 1 && matches!(failure.error, ErrorCode::BadVersion | ErrorCode::NodeExists | ErrorCode::NoNode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_number_and_the_token_of_its_term() {
        for (data, expected) in [
            ("", Some((0, 0))),
            ("7", Some((7, 0))),
            ("7 4294967301", Some((7, 4_294_967_301))),
            ("18446744073709551615 1", Some((u64::MAX, 1))),
            ("18446744073709551616 1", None),
            ("7 ", None),
            (" 7", None),
            ("7 8 9", None),
            ("+7", None),
            ("seven", None),
        ] {
            let mark = Mark::parse(data.as_bytes()).map(|mark| (mark.epoch, mark.token.0));
            assert_eq!(mark, expected, "{data:?}");
        }
        assert_eq!(Mark::parse(b"\xff"), None);
        let mark = Mark { epoch: 7, token: FencingToken(9) };
        assert_eq!(Mark::parse(mark.to_text().as_bytes()), Some(mark));
    }
}
