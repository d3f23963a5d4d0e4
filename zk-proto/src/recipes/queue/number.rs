//! Numbers that are taken.
//!
//! In a queue that was cleared away and made anew, the server counts from zero, and an entry that is put back to where it was has its
//! number from before: the count comes to it, and then no entry can be made until somebody takes that one. So the count is taken past it.

use crate::{
    client::Call,
    request::{Create2, Multi},
};

/// Has the server count on by so many before whatever else the transaction makes. Nobody sees how: the node that it makes for that is
/// deleted in the same transaction.
pub(super) fn pass_over<'a, T>(
    multi: Call<'a, Multi<'a>, T>,
    placeholder: &'a str,
    numbers: usize,
) -> Call<'a, Multi<'a>, T> {
    (0..numbers).fold(multi, |multi, _| multi.create_with(Create2::new(placeholder, b"")).delete(placeholder, None))
}
