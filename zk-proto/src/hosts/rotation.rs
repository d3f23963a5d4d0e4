//! Which server to dial next.
//!
//! Each client goes round robin through an order of its own, which spreads the clients evenly over the servers, and
//! those of a dead server over all the others.

use alloc::{boxed::Box, vec::Vec};

use super::migration::{Decision, Lists, Migration};
use super::{Server, Servers};
use crate::rng::Rng;

/// A walk through the servers of an ensemble.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// In the order of the walk.
    stops: Vec<Stop>,
    /// The one that `next` gave last, unless the list was replaced and a move is due.
    current: Option<usize>,
    /// The one to give next, whatever the order says.
    preferred: Option<usize>,
    /// The one that was probed last.
    probed: Option<usize>,
    /// Seldom there.
    migration: Option<Box<Migration>>,
    /// How many `next` has given since the last `connected`.
    attempts: u32,
}

impl Rotation {
    /// Begins a walk in random order.
    pub(crate) fn new(servers: &Servers, rng: &mut Rng) -> Self {
        let mut stops = servers.iter().map(|server| Stop { server: server.clone(), dials: 0 }).collect::<Vec<_>>();
        rng.shuffle(&mut stops);
        Self { stops, current: None, preferred: None, probed: None, migration: None, attempts: 0 }
    }

    /// Returns the server to dial now, which becomes the current one.
    pub(crate) fn next(&mut self, rng: &mut Rng) -> Server {
        let preferred = self.preferred.take();
        let index = preferred.or_else(|| self.migrate(rng)).unwrap_or_else(|| self.behind(self.current));
        self.current = Some(index);
        self.attempts = self.attempts.saturating_add(1);
        self.stops[index].dial()
    }

    /// Returns the server that was given last: the one that is being dialled, is connected, or was so last. There is
    /// none before the first and after a replacement that asked for a move.
    #[cfg(test)]
    pub(crate) fn current(&self) -> Option<&Server> {
        self.current.map(|index| &self.stops[index].server)
    }

    /// Notes that the current server has proved to work: a round begins, and a move is done.
    pub(crate) fn connected(&mut self) {
        self.attempts = 0;
        self.migration = None;
    }

    /// Returns how many servers were given since one of them last worked.
    #[cfg(test)]
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns how many servers there are, which is how many attempts make a round.
    pub(crate) fn len(&self) -> usize {
        self.stops.len()
    }

    /// Makes this server the next one, at the attempt it bears, so that the address that answered a probe is the one
    /// that is dialled. Does nothing if the server is not in the list any more.
    pub(crate) fn prefer(&mut self, server: &Server) {
        self.preferred = self.find(server);
        if let Some(index) = self.preferred {
            self.stops[index].dials = server.attempt;
        }
    }

    /// Returns the next server to be asked whether it is writable, never the current one; `None` if there is no other.
    pub(crate) fn peek_probe(&mut self) -> Option<Server> {
        let mut index = self.behind(self.probed);
        if Some(index) == self.current {
            index = self.behind(Some(index));
        }
        if Some(index) == self.current {
            return None;
        }
        self.probed = Some(index);
        Some(self.stops[index].dial())
    }

    /// Takes a new list and returns whether to move, by the rule of [`super::migration`]: to let go of the current
    /// server, connected or not, and dial what `next` gives. Without a move, the current server is in the new list too.
    pub(crate) fn replace(&mut self, servers: &Servers, rng: &mut Rng) -> bool {
        // Who is between servers counts as being at the one that comes next, unless the walk has not begun.
        let home = self.current.or(self.preferred).or_else(|| self.migrate(rng));

        let old = core::mem::replace(self, Self::new(servers, rng));
        let (mut kept, mut added) = (Vec::new(), Vec::new());
        for (index, stop) in self.stops.iter_mut().enumerate() {
            match old.find(&stop.server) {
                Some(known) => {
                    // Where it was, it is; whether to speak TLS with it may have changed.
                    let security = stop.server.security;
                    *stop = old.stops[known].clone();
                    stop.server.security = security;
                    kept.push(index);
                }
                None => added.push(index),
            }
        }
        // New servers deserve a prompt try, but not by all clients in the same instant.
        self.attempts = if added.is_empty() { old.attempts } else { old.attempts.min(1) };

        let Some(home) = home else { return false };
        let lists = Lists { old: old.len(), new: self.len(), kept: kept.len() };
        match lists.decide(self.find(&old.stops[home].server), rng) {
            Decision::Stay(home) => {
                match old.current {
                    Some(_) => {
                        self.current = Some(home);
                        self.preferred = old.preferred.and_then(|index| self.find(&old.stops[index].server));
                    }
                    None => self.preferred = Some(home),
                }
                false
            }
            Decision::Move { odds_of_added } => {
                self.migration = Some(Box::new(Migration::new(odds_of_added, added, kept)));
                true
            }
        }
    }

    /// Returns the next stop of a move, and ends the move when there is none left.
    fn migrate(&mut self, rng: &mut Rng) -> Option<usize> {
        let stop = self.migration.as_mut()?.next(rng);
        if stop.is_none() {
            self.migration = None;
        }
        stop
    }

    fn behind(&self, index: Option<usize>) -> usize {
        index.map_or(0, |index| (index + 1) % self.stops.len())
    }

    fn find(&self, server: &Server) -> Option<usize> {
        self.stops.iter().position(|stop| stop.server.same_place(server))
    }
}

/// A server in the walk.
#[derive(Clone, Debug)]
struct Stop {
    /// As it was given last.
    server: Server,
    /// How often it was given.
    dials: u32,
}

impl Stop {
    fn dial(&mut self) -> Server {
        self.server.attempt = self.dials;
        self.dials = self.dials.wrapping_add(1);
        self.server.clone()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::{String, ToString};

    use super::super::tests::{hosts, rng};
    use super::*;

    #[test]
    fn a_round_gives_each_server_once_and_the_next_round_the_same_order() {
        let mut rng = rng(1);
        let mut rotation = Rotation::new(&hosts(0..5), &mut rng);

        let first = names((0..5).map(|_| rotation.next(&mut rng)));
        let second = names((0..5).map(|_| rotation.next(&mut rng)));

        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 5);
        assert_eq!(first, second);
    }

    #[test]
    fn each_server_counts_its_own_dials() {
        let mut rng = rng(2);
        let mut rotation = Rotation::new(&hosts(0..3), &mut rng);

        let attempts = (0..9).map(|_| rotation.next(&mut rng).attempt).collect::<Vec<_>>();

        assert_eq!(attempts, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn attempts_count_from_the_last_connection() {
        let mut rng = rng(3);
        let mut rotation = Rotation::new(&hosts(0..3), &mut rng);
        assert_eq!((rotation.attempts(), rotation.len()), (0, 3));

        for expected in 1..=7 {
            rotation.next(&mut rng);
            assert_eq!(rotation.attempts(), expected);
        }
        rotation.connected();

        assert_eq!(rotation.attempts(), 0);
        rotation.next(&mut rng);
        assert_eq!(rotation.attempts(), 1);
    }

    #[test]
    fn the_current_server_is_the_one_given_last() {
        let mut rng = rng(4);
        let mut rotation = Rotation::new(&hosts(0..3), &mut rng);
        assert_eq!(rotation.current(), None);

        for _ in 0..7 {
            let given = rotation.next(&mut rng);
            assert_eq!(rotation.current(), Some(&given));
        }
    }

    #[test]
    fn a_lost_link_leads_to_another_server() {
        let mut rng = rng(5);
        let mut rotation = Rotation::new(&hosts(0..3), &mut rng);
        let lost = rotation.next(&mut rng);
        rotation.connected();

        assert!(!rotation.next(&mut rng).same_place(&lost));
    }

    #[test]
    fn probes_go_round_all_servers_but_the_current_one() {
        let mut rng = rng(6);
        let mut rotation = Rotation::new(&hosts(0..4), &mut rng);
        rotation.next(&mut rng);
        let current = rotation.next(&mut rng);
        rotation.connected();

        let probed = names((0..6).map(|_| rotation.peek_probe().unwrap()));

        assert_eq!(probed[..3], probed[3..]);
        assert_eq!(probed.iter().collect::<BTreeSet<_>>().len(), 3);
        assert!(!probed.contains(&current.to_string()));
        assert_eq!(rotation.current(), Some(&current));
        assert_eq!(rotation.attempts(), 0);
    }

    #[test]
    fn a_single_server_leaves_none_to_probe() {
        let mut rng = rng(7);
        let mut rotation = Rotation::new(&hosts(0..1), &mut rng);
        rotation.next(&mut rng);
        rotation.connected();

        assert_eq!(rotation.peek_probe(), None);
    }

    #[test]
    fn a_preferred_server_is_dialled_next_at_the_address_that_was_probed() {
        let mut rng = rng(8);
        let mut rotation = Rotation::new(&hosts(0..5), &mut rng);
        rotation.next(&mut rng);
        rotation.connected();
        let probed = (0..7).map(|_| rotation.peek_probe().unwrap()).last().unwrap();
        assert_eq!(probed.attempt, 1);

        rotation.prefer(&probed);

        assert_eq!(rotation.next(&mut rng), probed);
        assert!(!rotation.next(&mut rng).same_place(&probed));
    }

    #[test]
    fn a_stranger_is_not_preferred() {
        let mut rng = rng(9);
        let mut rotation = Rotation::new(&hosts(0..2), &mut rng);

        rotation.prefer(&Server::new("stranger", 2181));

        assert_ne!(&*rotation.next(&mut rng).host, "stranger");
    }

    #[test]
    fn a_client_whose_server_stays_in_a_list_that_does_not_grow_never_moves() {
        let lists = [hosts(0..9), hosts(0..8), hosts(3..9), hosts(3..12), hosts(5..6), hosts(8..12)];
        for seed in 0..2_000 {
            for list in &lists {
                let mut rng = rng(seed);
                let mut rotation = Rotation::new(&hosts(0..9), &mut rng);
                let home = rotation.next(&mut rng);
                rotation.connected();

                let moves = rotation.replace(list, &mut rng);

                let is_listed = list.iter().any(|server| server.same_place(&home));
                assert_eq!(moves, !is_listed, "seed {seed}: {home} to {list}");
                assert_eq!(rotation.current(), is_listed.then_some(&home), "seed {seed}");
            }
        }
    }

    #[test]
    fn a_move_tries_the_added_servers_then_the_kept_and_then_goes_round() {
        for seed in 0..200 {
            let mut rng = rng(seed);
            let mut rotation = Rotation::new(&hosts(0..3), &mut rng);
            rotation.next(&mut rng);
            rotation.connected();
            if !rotation.replace(&hosts(0..6), &mut rng) {
                continue;
            }

            let first = names((0..6).map(|_| rotation.next(&mut rng)));
            let second = names((0..6).map(|_| rotation.next(&mut rng)));
            let third = names((0..6).map(|_| rotation.next(&mut rng)));

            assert_eq!(sorted(&first[..3]), ["h3:2181", "h4:2181", "h5:2181"], "seed {seed}");
            assert_eq!(sorted(&first[3..]), ["h0:2181", "h1:2181", "h2:2181"], "seed {seed}");
            assert_eq!(sorted(&second), sorted(&first), "seed {seed}");
            assert_eq!(second, third, "seed {seed}");
        }
    }

    #[test]
    fn a_move_ends_when_a_server_works() {
        for seed in 0..200 {
            let mut rng = rng(seed);
            let mut rotation = Rotation::new(&hosts(0..3), &mut rng);
            rotation.next(&mut rng);
            rotation.connected();
            if !rotation.replace(&hosts(0..6), &mut rng) {
                continue;
            }

            rotation.next(&mut rng);
            rotation.connected();

            let round = names((0..6).map(|_| rotation.next(&mut rng)));
            let next_round = names((0..6).map(|_| rotation.next(&mut rng)));
            assert_eq!(round, next_round, "seed {seed}");
        }
    }

    #[test]
    fn a_dial_under_way_to_a_dropped_server_is_given_up() {
        for seed in 0..200 {
            let mut rng = rng(seed);
            let mut rotation = Rotation::new(&hosts(0..3), &mut rng);
            rotation.next(&mut rng);
            rotation.connected();
            rotation.replace(&hosts(3..9), &mut rng);
            let dialled = rotation.next(&mut rng);
            let rest = Servers::new(hosts(3..9).iter().filter(|server| !server.same_place(&dialled)).cloned()).unwrap();

            assert!(rotation.replace(&rest, &mut rng), "seed {seed}");
            assert_eq!(rotation.current(), None);
        }
    }

    #[test]
    fn a_new_list_keeps_the_count_of_dials_and_eases_the_back_off() {
        let mut rng = rng(12);
        let mut rotation = Rotation::new(&hosts(0..2), &mut rng);
        for _ in 0..20 {
            rotation.next(&mut rng);
        }

        rotation.replace(&hosts(0..2), &mut rng);
        assert_eq!(rotation.attempts(), 20);
        assert_eq!(rotation.next(&mut rng).attempt, 10);

        rotation.replace(&hosts(0..3), &mut rng);
        assert_eq!(rotation.attempts(), 1);
    }

    #[test]
    fn a_preference_outlives_a_new_list_that_has_the_server() {
        let mut rng = rng(13);
        let mut rotation = Rotation::new(&hosts(0..3), &mut rng);
        rotation.next(&mut rng);
        rotation.connected();
        let writable = rotation.peek_probe().unwrap();
        rotation.prefer(&writable);

        assert!(!rotation.replace(&hosts(0..3), &mut rng));

        assert_eq!(rotation.next(&mut rng), writable);
    }

    fn names(servers: impl Iterator<Item = Server>) -> Vec<String> {
        servers.map(|server| server.to_string()).collect()
    }

    fn sorted(names: &[String]) -> Vec<String> {
        let mut names = names.to_vec();
        names.sort();
        names
    }
}
