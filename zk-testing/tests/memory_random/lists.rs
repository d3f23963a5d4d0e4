//! Access control lists: mostly open ones, some that keep people out, and some that are none.

use zk_proto::{
    acl::Perms,
    record::{Acl, Id},
    wire::Text,
};

use crate::{dice::Dice, memory_client::acl};

/// `alice:secret`, as lists have it.
const ALICE: &str = "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=";

/// Draws a list, or null.
pub(crate) fn list(dice: &mut Dice) -> Option<Vec<Acl>> {
    match dice.below(100) {
        0..75 => Some(Acl::open()),
        75..79 => Some(Acl::read_only()),
        79..83 => Some(Acl::creator_all()),
        83 => None,
        84 => Some(vec![]),
        _ => {
            let len = 1 + dice.below(3);
            Some((0..len).map(|_| entry(dice)).collect())
        }
    }
}

fn entry(dice: &mut Dice) -> Acl {
    let perms = dice.pick(&[0, 1, 2, 4, 8, 16, 15, 31, 31, 31, 30, 255, -1]);
    let (scheme, id) = dice.weighted(&[
        (30, ("world", "anyone")),
        (20, ("digest", ALICE)),
        (10, ("digest", "bob:hash")),
        (10, ("auth", "ignored")),
        (5, ("ip", "127.0.0.1")),
        (5, ("ip", "127.0.0.0/8")),
        (5, ("ip", "10.0.0.0/8")),
        (1, ("ip", "::1")),
        (1, ("digest", "a:")),
        (1, ("world", "nobody")),
        (1, ("nosuch", "x")),
        (1, ("super", "")),
        (1, ("", "")),
    ]);
    if dice.chance(1) {
        return Acl { perms: Perms(perms), id: Id { scheme: Some(Text::from(scheme)), id: None } };
    }
    acl(Perms(perms), scheme, id)
}
