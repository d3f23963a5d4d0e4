//! A number that everybody counts with.

mod ids;
mod layout;

use core::fmt;

use bytes::Bytes;

use super::{
    retry::RetryPolicy,
    update::{Change, Effect, Found, Outcome, Update},
};
use crate::{
    client::{Client, Error},
    record::Acl,
};

pub use ids::Ids;
pub use layout::NumberLayout;

/// A whole number in a node, that any number of clients change without losing anybody's change.
///
/// ```
/// use zk_proto::client::Client;
/// use zk_proto::recipes::{AtomicNumber, NumberError, Outcome};
///
/// # async fn example(client: Client) -> Result<(), NumberError> {
/// let visits = AtomicNumber::new(&client, "/visits")?;
/// match visits.add(1).await? {
///     Outcome::Applied(counted) => println!("visit number {}", counted.after),
///     Outcome::NotApplied(reason) => println!("not counted: {reason}"),
///     Outcome::Unknown => println!("counted or not: the connection broke"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// A node that is missing counts as zero, and is made by the first change, with those above it.
///
/// # What it guarantees
///
/// The number is at least the sum of what was [`Applied`](Outcome::Applied), and at most that and the sum of what is
/// [`Unknown`](Outcome::Unknown); an error means that nothing was done. With [`Effect::ExactlyOnce`], little is ever unknown. (Curator's
/// and kazoo's counters count twice when a reply is lost, and say that they have counted once: that is [`Effect::AtLeastOnce`].)
///
/// | what happens | what comes of it |
/// |---|---|
/// | others count at the same time | tried again, as often as the [policy](Self::retry) says: at once, and then after random pauses |
/// | connection lost before the reply, or session expired | what is there is read behind a sync, and tells whether it was counted, unless others have counted too; then see [`Effect`] |
/// | the future is dropped | it is counted, or not |
/// | somebody deletes the node | it begins at zero again |
/// | the node contains something else | [`NumberError::Corrupt`], until somebody [sets](Self::set) it |
/// | the sum has no room | [`NumberError::Overflow`]; nothing is changed |
///
/// It is a `i64`; with [`NumberLayout::CuratorInt`] a `i32`. Each change is one write and one read, so one number takes some hundred
/// changes a second, less with many clients at a time: [`Ids`] takes blocks.
#[derive(Clone, Debug)]
pub struct AtomicNumber {
    update: Update,
    layout: NumberLayout,
}

/// A number before and after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counted {
    /// What it was.
    pub before: i64,
    /// What it is.
    pub after: i64,
}

/// Why a number could not be read or changed. In each case nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberError {
    /// The client's, or the server's.
    #[error(transparent)]
    Client(#[from] Error),
    /// The node contains something else.
    #[error("the node contains no number: {}", Shown(.0))]
    Corrupt(Bytes),
    /// The result has no room in the layout.
    #[error("the result has no room")]
    Overflow,
    /// Others were faster, or there was no connection, for as long as was tried. Only from [`Ids`] and from
    /// [`get`](AtomicNumber::get): otherwise it is an outcome.
    #[error("others were faster, or there was no connection")]
    GaveUp,
}

/// Data of unknown kind, in short.
struct Shown<'a>(&'a Bytes);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 40;
        let end = if self.0.len() > MOST { "…" } else { "" };
        write!(f, "\"{}\"{end}", self.0[..self.0.len().min(MOST)].escape_ascii())
    }
}

impl AtomicNumber {
    /// Makes a number of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        Ok(Self { update: Update::new(client, path)?, layout: NumberLayout::default() })
    }

    /// Sets what the node contains. Default: as Curator's `DistributedAtomicLong`.
    pub fn layout(mut self, layout: NumberLayout) -> Self {
        self.layout = layout;
        self
    }

    /// Sets what to do when it cannot be told whether a change was carried out. Default: [`Effect::AtMostOnce`].
    pub fn effect(mut self, effect: Effect) -> Self {
        self.update = self.update.effect(effect);
        self
    }

    /// Sets how often to try when others are faster, and for how long in all. Default: [`RetryPolicy::default`], which never
    /// gives up.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.update = self.update.retry(retry);
        self
    }

    /// Sets the access control list of the node if it is made, and of those above. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.update = self.update.acl(acl);
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        self.update.path()
    }

    /// Reads the number, behind a sync: every change that was applied before is in it, whoever made it.
    ///
    /// # Errors
    ///
    /// [`NumberError::Corrupt`]; [`NumberError::GaveUp`] at the end of the time that the [policy](Self::retry) allows; and the client's
    /// and the server's.
    pub async fn get(&self) -> Result<i64, NumberError> {
        match self.update.look().await? {
            Some(Some(found)) => self.layout.read(&found.data).ok_or(NumberError::Corrupt(found.data)),
            Some(None) => Ok(0),
            None => Err(NumberError::GaveUp),
        }
    }

    /// Adds to the number; takes away, if `delta` is negative.
    ///
    /// # Errors
    ///
    /// [`NumberError::Overflow`], [`NumberError::Corrupt`], and the client's and the server's.
    pub async fn add(&self, delta: i64) -> Result<Outcome<Counted>, NumberError> {
        self.change(|before| before.checked_add(delta).map(Some).ok_or(NumberError::Overflow)).await
    }

    /// Makes something else of the number, or declines by `None`. The function may be called many times.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub async fn update(&self, mut change: impl FnMut(i64) -> Option<i64>) -> Result<Outcome<Counted>, NumberError> {
        self.change(|before| Ok(change(before))).await
    }

    /// Sets the number to `new` if it is `expected`; otherwise the outcome is [`NotApplied`](Outcome::NotApplied).
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub async fn compare_and_set(&self, expected: i64, new: i64) -> Result<Outcome<Counted>, NumberError> {
        self.update(|before| (before == expected).then_some(new)).await
    }

    /// Sets the number, whatever it is or the node contains.
    ///
    /// # Errors
    ///
    /// [`NumberError::Overflow`], and the client's and the server's.
    pub async fn set(&self, number: i64) -> Result<Outcome<()>, NumberError> {
        let data = self.layout.write(number).ok_or(NumberError::Overflow)?;
        Ok(self.update.run(|_| Change::Set(data.clone())).await?.map(|_| ()))
    }

    async fn change(
        &self,
        mut change: impl FnMut(i64) -> Result<Option<i64>, NumberError>,
    ) -> Result<Outcome<Counted>, NumberError> {
        // Of the last time that the function was asked: that is what was written, if anything was.
        let mut last = Ok(Counted { before: 0, after: 0 });
        let mut compute = |found: Option<&Found>| -> Result<Option<(Counted, Bytes)>, NumberError> {
            let data = found.map(|found| &found.data);
            let before = match data {
                Some(data) => self.layout.read(data).ok_or_else(|| NumberError::Corrupt(data.clone()))?,
                None => 0,
            };
            let Some(after) = change(before)? else { return Ok(None) };
            let data = self.layout.write(after).ok_or(NumberError::Overflow)?;
            Ok(Some((Counted { before, after }, data)))
        };
        let outcome = self
            .update
            .run(|found| {
                let (result, change) = match compute(found) {
                    Ok(Some((counted, data))) => (Ok(counted), Change::Set(data)),
                    Ok(None) => (Ok(Counted { before: 0, after: 0 }), Change::None),
                    Err(error) => (Err(error), Change::None),
                };
                last = result;
                change
            })
            .await?;
        match outcome {
            // Whatever the last attempt would have been, an earlier one may have been carried out.
            Outcome::Unknown => Ok(Outcome::Unknown),
            outcome => last.map(|counted| outcome.map(|_| counted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_corrupt_node_contains_is_shown_in_short() {
        let error = |data: &'static [u8]| NumberError::Corrupt(Bytes::from_static(data)).to_string();
        assert_eq!(error(b"3.5\n"), r#"the node contains no number: "3.5\n""#);
        let long = error(&[b'x'; 100]);
        assert!(long.len() < 90 && long.ends_with("x\"…"), "{long}");
    }
}
