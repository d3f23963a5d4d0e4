//! Elections: Curator's `LeaderLatch` and `LeaderSelector`, kazoo's `Election`.

use zk_blocking::{
    Client,
    recipes::{ElectionLayout, LeaderLatch, LeaderObserver, Observed},
};

use crate::{ground::Ground, languages::Library, ours::soon, peer::Peer};

/// A recipe of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Latch,
    Selector,
    Kazoo,
}

impl Kind {
    fn library(self) -> Library {
        match self {
            Self::Latch | Self::Selector => Library::Curator,
            Self::Kazoo => Library::Kazoo,
        }
    }

    /// Returns how ours are to be named.
    fn layout(self) -> ElectionLayout {
        match self {
            Self::Latch => ElectionLayout::Curator,
            Self::Selector => ElectionLayout::CuratorSelector,
            Self::Kazoo => ElectionLayout::Kazoo,
        }
    }

    /// Asks a peer for something about the election at `/election`.
    #[track_caller]
    fn ask(self, peer: &Peer, verb: &str) -> String {
        let recipe = match self {
            Self::Latch => "latch",
            Self::Selector => "selector",
            Self::Kazoo => "election",
        };
        let (verb, rest) = verb.split_once(' ').unwrap_or((verb, ""));
        peer.ask(format!("{recipe} {verb} /election {rest}").trim_end())
    }

    fn latch(self, client: &Client, id: &str) -> LeaderLatch {
        LeaderLatch::new(client, "/election").unwrap().layout(self.layout()).data(id.as_bytes())
    }

    fn observer(self, client: &Client) -> LeaderObserver {
        LeaderObserver::new(client, "/election").unwrap().layout(self.layout())
    }

    /// Waits until these stand, in this order.
    #[track_caller]
    fn stand(self, client: &Client, ids: &[&str]) {
        let observer = self.observer(client);
        loop {
            let line = soon(observer.participants()).unwrap();
            if line.len() == ids.len() {
                let line: Vec<_> = line.iter().map(|participant| participant.id()).collect();
                assert_eq!(line, ids);
                return;
            }
        }
    }

    /// Returns who leads, as a peer who stands sees it.
    #[track_caller]
    fn leader(self, peer: &Peer) -> String {
        match self {
            Self::Latch | Self::Selector => self.ask(peer, "leader"),
            Self::Kazoo => self.ask(peer, "contenders").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

fn leadership_goes_round(kind: Kind) {
    let ground = Ground::new();
    let (client, looker) = (ground.ours(), ground.ours());
    let (first, last) = (ground.peer(kind.library()), ground.peer(kind.library()));
    let observation = kind.observer(&looker).observe();
    let sees = |id: &str| {
        let mut seen = observation.now();
        while seen.leader().is_none_or(|leader| leader.id() != id) {
            seen = soon(observation.changed(&seen));
        }
        seen
    };
    kind.ask(&first, "stand first");
    assert_eq!(kind.ask(&first, "lead"), "leads");
    sees("first");
    let candidacy = kind.latch(&client, "ours").stand();
    kind.stand(&client, &["first", "ours"]);
    kind.ask(&last, "stand last");
    kind.stand(&client, &["first", "ours", "last"]);
    assert!(!candidacy.is_leading());

    kind.ask(&first, "resign");
    let term = soon(candidacy.gained()).unwrap();
    kind.stand(&client, &["ours", "last"]);
    assert_eq!(kind.ask(&last, "leads"), "no");
    assert_eq!(kind.leader(&last), "ours");
    let Observed::Leader(leader) = sees("ours") else { unreachable!("somebody is seen") };
    assert_eq!((leader.token, leader.path.as_str()), (term.fencing_token(), term.path()));

    candidacy.relinquish(&term);
    assert_eq!(kind.ask(&last, "lead"), "leads");
    kind.stand(&client, &["last", "ours"]);
    assert!(!candidacy.is_leading());
    kind.ask(&last, "resign");
    let next = soon(candidacy.gained()).unwrap();
    assert!(next.fencing_token() > term.fencing_token());

    kind.ask(&first, "stand again");
    kind.stand(&client, &["ours", "again"]);
    drop(candidacy);
    assert_eq!(kind.ask(&first, "lead"), "leads");
    sees("again");
}

#[test]
fn leadership_goes_round_among_ours_and_curators_latches() {
    leadership_goes_round(Kind::Latch);
}

#[test]
fn leadership_goes_round_among_ours_and_curators_selectors() {
    leadership_goes_round(Kind::Selector);
}

#[test]
fn leadership_goes_round_among_ours_and_kazoos() {
    leadership_goes_round(Kind::Kazoo);
}

fn the_end_of_a_process_ends_its_leadership(kind: Kind) {
    let ground = Ground::new();
    let client = ground.ours();
    let (victim, peer) = (ground.victim(kind.library()), ground.peer(kind.library()));
    kind.ask(&victim, "stand victim");
    kind.ask(&victim, "lead");
    let candidacy = kind.latch(&client, "ours").stand();
    kind.stand(&client, &["victim", "ours"]);
    victim.kill();
    soon(candidacy.gained()).unwrap();
    drop(candidacy);
    kind.stand(&client, &[]);

    let mortal = ground.mortal();
    let candidacy = kind.latch(&mortal.client, "mortal").stand();
    let term = soon(candidacy.gained()).unwrap();
    kind.ask(&peer, "stand peer");
    kind.stand(&client, &["mortal", "peer"]);
    mortal.vanish();
    soon(candidacy.lost(&term));
    assert_eq!(kind.ask(&peer, "lead"), "leads");
}

#[test]
fn the_end_of_a_process_ends_its_leadership_among_latches() {
    the_end_of_a_process_ends_its_leadership(Kind::Latch);
}

#[test]
fn the_end_of_a_process_ends_its_leadership_among_selectors() {
    the_end_of_a_process_ends_its_leadership(Kind::Selector);
}

#[test]
fn the_end_of_a_process_ends_its_leadership_beside_kazoo() {
    the_end_of_a_process_ends_its_leadership(Kind::Kazoo);
}

fn what_a_leader_proclaims_is_seen_by_all(kind: Kind) {
    let ground = Ground::new();
    let client = ground.ours();
    let peer = ground.peer(kind.library());
    let candidacy = kind.latch(&client, "ours").stand();
    let term = soon(candidacy.gained()).unwrap();
    kind.ask(&peer, "stand peer");
    kind.stand(&client, &["ours", "peer"]);
    // Its own, and that of who is next.
    ground.wait_for_watches(term.path(), 2);
    soon(candidacy.proclaim(&term, b"host:8080")).unwrap();
    assert_eq!(kind.leader(&peer), "host:8080");
    drop(candidacy);
    assert_eq!(kind.ask(&peer, "lead"), "leads");
}

#[test]
fn what_a_leader_proclaims_is_seen_by_selectors() {
    what_a_leader_proclaims_is_seen_by_all(Kind::Selector);
}

#[test]
fn what_a_leader_proclaims_is_seen_by_kazoo() {
    what_a_leader_proclaims_is_seen_by_all(Kind::Kazoo);
}

/// Curator's latch takes any event of the one ahead for the only one that there will be, but looks only when that is its end.
#[test]
fn a_latch_of_curators_does_not_follow_a_leader_who_has_proclaimed_anything() {
    let kind = Kind::Latch;
    let ground = Ground::new();
    let client = ground.ours();
    let peer = ground.curator();
    let candidacy = kind.latch(&client, "ours").stand();
    let term = soon(candidacy.gained()).unwrap();
    kind.ask(&peer, "stand peer");
    // Its own, and that of who is next.
    ground.wait_for_watches(term.path(), 2);
    soon(candidacy.proclaim(&term, b"host:8080")).unwrap();
    drop(candidacy);
    kind.stand(&client, &["peer"]);
    for _ in 0..20 {
        assert_eq!(kind.ask(&peer, "participants"), "peer");
        assert_eq!(kind.ask(&peer, "leads"), "no", "Curator has got better: say so in the documentation");
    }
}
