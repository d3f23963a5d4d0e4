//! A session keeps its promises in whatever world: requests, bytes in pieces, links up and down, time, watches given up,
//! the end.
//!
//! The first byte of the input says whether servers are honest; the others are what would be left to chance.

#[path = "../../zk-proto/tests/session_random/worlds/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use other parts of it")]
pub(crate) mod worlds;

use worlds::{Dice, Manners, World};

/// Checks one input.
pub fn check(data: &[u8]) {
    let Some((&first, told)) = data.split_first() else { return };
    let manners = if first % 4 == 0 { Manners::Hostile } else { Manners::Honest };
    World::new(Dice::told(told), manners).run();
}
