//! Whether a new list of servers is a reason to leave the present one, and for which.
//!
//! When the list changes, the clients must be spread evenly again, without a word between them and with as few of them
//! moving as possible. So each makes a random choice, whose odds come out right over all clients. It is the rule of
//! ZooKeeper's own clients (ZOOKEEPER-1355), where *kept* servers are those in both lists and *added* ones are only in
//! the new list:
//!
//! | | its server is in the new list | it is not |
//! |---|---|---|
//! | the list grows from n to m | moves with probability 1 − n/m, to an added one | moves to an added one |
//! | the list does not grow | stays | moves, with the odds below to a kept one, else to an added one |
//!
//! With k kept servers these odds are k(n − m) / m(n − k).

use alloc::vec::{self, Vec};

use crate::rng::Rng;

/// How many servers the lists have, and how many are in both.
#[derive(Clone, Copy)]
pub(super) struct Lists {
    pub(super) old: usize,
    pub(super) new: usize,
    pub(super) kept: usize,
}

/// What a client does about a new list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decision {
    /// Stays with this server of the new list.
    Stay(usize),
    /// Tries added servers with these odds, else kept ones.
    Move { odds_of_added: f64 },
}

impl Lists {
    /// Decides for a client whose server has this place in the new list, or none.
    pub(super) fn decide(self, home: Option<usize>, rng: &mut Rng) -> Decision {
        let (n, m, k) = (self.old as f64, self.new as f64, self.kept as f64);
        match (home, self.new > self.old) {
            (Some(index), true) if rng.unit() < n / m => Decision::Stay(index),
            (Some(_), true) | (None, true) => Decision::Move { odds_of_added: 1.0 },
            (Some(index), false) => Decision::Stay(index),
            // The client's own server was dropped, so fewer are kept than there were and n − k is not 0.
            (None, false) => Decision::Move { odds_of_added: 1.0 - k * (n - m) / (m * (n - k)) },
        }
    }
}

/// A move that is under way: which servers it has not tried yet.
#[derive(Clone, Debug)]
pub(super) struct Migration {
    odds_of_added: f64,
    added: vec::IntoIter<usize>,
    kept: vec::IntoIter<usize>,
}

impl Migration {
    /// Makes a move to servers by their index.
    pub(super) fn new(odds_of_added: f64, added: Vec<usize>, kept: Vec<usize>) -> Self {
        Self { odds_of_added, added: added.into_iter(), kept: kept.into_iter() }
    }

    /// Returns the next server to try, or `None` when all were tried.
    pub(super) fn next(&mut self, rng: &mut Rng) -> Option<usize> {
        if rng.unit() < self.odds_of_added {
            self.added.next().or_else(|| self.kept.next())
        } else {
            self.kept.next().or_else(|| self.added.next())
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::ToString;

    use super::super::tests::{hosts, rng};
    use super::super::{Rotation, Server, Servers};
    use super::*;

    #[test]
    fn the_odds_are_those_of_the_table() {
        // Old, new and kept, and what becomes of a client whose server was dropped.
        let table = [
            (3, 5, 2, 1.0),
            (3, 3, 2, 1.0),
            (3, 3, 0, 1.0),
            (3, 2, 2, 0.0),
            (9, 6, 6, 0.0),
            (9, 6, 0, 1.0),
            (9, 6, 3, 1.0 - 3.0 * 3.0 / (6.0 * 6.0)),
            (5, 4, 2, 1.0 - 2.0 / (4.0 * 3.0)),
        ];

        for (old, new, kept, odds_of_added) in table {
            let decision = Lists { old, new, kept }.decide(None, &mut rng(10));
            let Decision::Move { odds_of_added: odds } = decision else { panic!("{decision:?}") };
            assert!((odds - odds_of_added).abs() < 1e-12, "{old} to {new}, {kept} kept: {odds}");
        }
    }

    #[test]
    fn the_first_server_is_any_of_them_equally_often() {
        let crowd = Crowd::connected(hosts(0..9));

        crowd.assert_balanced("at first");
    }

    #[test]
    fn a_growing_list_moves_just_the_share_that_balances() {
        let mut crowd = Crowd::connected(hosts(0..6));

        let moved = crowd.replace(hosts(0..9));

        let share = moved as f64 / Crowd::SIZE as f64;
        assert!((0.31..0.36).contains(&share), "{share}");
        crowd.assert_balanced("after growth");
    }

    #[test]
    fn a_shrinking_list_moves_only_those_whose_server_went() {
        let mut crowd = Crowd::connected(hosts(0..9));
        let stranded = crowd.count(|server| hosts(6..9).iter().any(|gone| gone.same_place(server)));

        let moved = crowd.replace(hosts(0..6));

        assert_eq!(moved, stranded);
        crowd.assert_balanced("after shrinking");
    }

    #[test]
    fn load_stays_balanced_through_any_sequence_of_lists() {
        let mut crowd = Crowd::connected(hosts(0..9));

        let steps = [0..7, 0..9, 1..9, 3..12, 2..8, 20..26, 20..31, 25..28, 25..28, 24..32, 31..34, 0..3, 2..3, 1..10];
        for (step, list) in steps.into_iter().enumerate() {
            crowd.replace(hosts(list.clone()));
            crowd.assert_balanced(&format!("at step {step}, {list:?}"));
        }
    }

    #[test]
    fn load_is_balanced_after_several_lists_without_a_dial_in_between() {
        let mut crowd = Crowd::connected(hosts(0..9));

        for (rotation, rng) in &mut crowd.clients {
            let mut moves = false;
            for list in [0..7, 2..9, 0..12, 3..8, 5..11] {
                moves |= rotation.replace(&hosts(list), rng);
            }
            if moves || rotation.current().is_none() {
                rotation.next(rng);
                rotation.connected();
            }
        }

        crowd.list = hosts(5..11);
        crowd.assert_balanced("after five lists");
    }

    #[test]
    fn clients_that_never_dialled_spread_over_the_new_list() {
        let mut crowd = Crowd::new(hosts(0..3));

        let moved = crowd.replace(hosts(1..8));

        assert_eq!(moved, 0);
        crowd.dial();
        crowd.assert_balanced("at first");
    }

    /// Many clients, each with dice of its own.
    struct Crowd {
        list: Servers,
        clients: Vec<(Rotation, Rng)>,
    }

    impl Crowd {
        const SIZE: usize = 12_000;

        fn new(list: Servers) -> Self {
            let client = |seed| {
                let mut rng = rng(seed);
                (Rotation::new(&list, &mut rng), rng)
            };
            Self { clients: (0..Self::SIZE as u64).map(client).collect(), list }
        }

        fn connected(list: Servers) -> Self {
            let mut crowd = Self::new(list);
            crowd.dial();
            crowd
        }

        fn dial(&mut self) {
            for (rotation, rng) in &mut self.clients {
                rotation.next(rng);
                rotation.connected();
            }
        }

        /// Gives all clients a new list, lets them move, and returns how many did.
        fn replace(&mut self, list: Servers) -> usize {
            let mut moved = 0;
            for (rotation, rng) in &mut self.clients {
                if rotation.replace(&list, rng) {
                    rotation.next(rng);
                    rotation.connected();
                    moved += 1;
                }
            }
            self.list = list;
            moved
        }

        fn count(&self, is_counted: impl Fn(&Server) -> bool) -> usize {
            self.clients
                .iter()
                .filter_map(|(rotation, _)| rotation.current())
                .filter(|server| is_counted(server))
                .count()
        }

        /// Checks that each server of the list has its share of clients, give or take four standard deviations.
        fn assert_balanced(&self, when: &str) {
            let mut load = self.list.iter().map(|server| (server.to_string(), 0_usize)).collect::<BTreeMap<_, _>>();
            for (rotation, _) in &self.clients {
                let server = rotation.current().expect("every client has dialled").to_string();
                *load.get_mut(&server).unwrap_or_else(|| panic!("{when}: a client is at {server}")) += 1;
            }
            let share = 1.0 / self.list.len() as f64;
            let expected = Self::SIZE as f64 * share;
            let tolerance_squared = 16.0 * expected * (1.0 - share);
            for (server, clients) in &load {
                let off = *clients as f64 - expected;
                assert!(off * off <= tolerance_squared, "{when}: {server} has {clients} of {expected}: {load:?}");
            }
        }
    }
}
