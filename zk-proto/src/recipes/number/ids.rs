//! Numbers that nobody else gets, taken in blocks.

use std::{num::NonZeroU32, ops::Range};

use super::{super::update::Outcome, AtomicNumber, NumberError};

/// Numbers that nobody else gets, without a write for each: they are taken from an [`AtomicNumber`] in blocks and handed out
/// from memory, as by Curator's `CachedAtomicLong`.
///
/// ```
/// use std::num::NonZeroU32;
/// use zk_proto::client::Client;
/// use zk_proto::recipes::{AtomicNumber, Ids, NumberError};
///
/// # async fn example(client: Client) -> Result<(), NumberError> {
/// let numbers = AtomicNumber::new(&client, "/orders/next")?;
/// let mut ids = Ids::new(numbers, NonZeroU32::new(100).unwrap());
/// let (first, second) = (ids.take().await?, ids.take().await?);
/// assert!(first < second);
/// # Ok(())
/// # }
/// ```
///
/// The numbers of one `Ids` grow. Those that were taken and not handed out are lost when it is dropped, and a block is lost when
/// nobody can tell whether it was taken. So there are gaps, and never the same number twice, as long as everybody only adds to the
/// number.
#[derive(Debug)]
pub struct Ids {
    number: AtomicNumber,
    block: NonZeroU32,
    left: Range<i64>,
}

impl Ids {
    /// Takes so many numbers at a time. Nothing is sent yet.
    pub fn new(number: AtomicNumber, block: NonZeroU32) -> Self {
        Self { number, block, left: 0..0 }
    }

    /// Returns the next number. The first is 0 where there is no node yet, or else what the node contains.
    ///
    /// Dropping the future loses a block at most.
    ///
    /// # Errors
    ///
    /// As [`AtomicNumber::add`]; [`NumberError::GaveUp`] when others were faster for as long as the number's
    /// [policy](AtomicNumber::retry) allows.
    pub async fn take(&mut self) -> Result<i64, NumberError> {
        loop {
            if let Some(id) = self.left.next() {
                return Ok(id);
            }
            match self.number.add(i64::from(self.block.get())).await? {
                Outcome::Applied(counted) => self.left = counted.before..counted.after,
                Outcome::NotApplied(_) => return Err(NumberError::GaveUp),
                // If it was taken, nobody will ever have it.
                Outcome::Unknown => {}
            }
        }
    }
}
