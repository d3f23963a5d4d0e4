//! Numbers that are taken.
//!
//! In a queue that was cleared away and made anew, the server counts from zero, and an entry that is put back to where it was has its
//! number from before: the count comes to it, and then no entry can be made until somebody takes that one. So the count is taken past it.

use crate::{
    client::Call,
    record::Stat,
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

/// Returns whether the last number of a node's children is given away, or will be when so many more are passed over: those behind it are no
/// numbers, or the same again (ZOOKEEPER-3249).
pub(super) fn is_at_its_end(parent: &Stat, more: usize) -> bool {
    // What clients see counts deletions too, and wraps.
    let changes = parent.cversion.wrapping_add(parent.num_children);
    let next = u32::from_be_bytes(changes.to_be_bytes()) / 2;
    usize::try_from(i32::MAX.unsigned_abs() - next.min(i32::MAX.unsigned_abs())).is_ok_and(|left| left <= more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_passed_over_as_long_as_there_are_others() {
        let stat = |created: i32, num_children: i32| {
            let cversion = created.wrapping_mul(2).wrapping_sub(num_children);
            Stat { cversion, num_children, ..Stat::default() }
        };
        for (created, children, most) in
            [(0, 0, usize::MAX >> 1), (5, 3, 16), (1 << 30, 7, 16), (i32::MAX - 3, 0, 2), (i32::MAX - 1, 1, 0)]
        {
            assert!(!is_at_its_end(&stat(created, children), most.min(1 << 30)), "{created}");
        }
        for (created, children, more) in
            [(i32::MAX - 3, 0, 3), (i32::MAX - 1, 1, 1), (i32::MAX, 0, 0), (i32::MAX, 9, 1)]
        {
            assert!(is_at_its_end(&stat(created, children), more), "{created}");
        }
    }
}
