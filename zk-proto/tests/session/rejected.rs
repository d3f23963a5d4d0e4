//! When every server hangs up on the greeting without a word.
//!
//! Servers do so that are behind what the session has seen, and servers without a quorum; only the former mean that the
//! session is over, and only they say so when asked.

use std::time::Duration;

use zk_proto::{Credentials, Instant, LinkId, Machine, SessionId, Wants, Zxid, session::End};

use crate::support::{Greeting, Pair, servers, settings, settings_with};

const SERVING: &str = "Zookeeper version: 3.8.0\nLatency min/avg/max: 0/0.0/0\nZxid: 0x1f\nMode: follower\n";

#[test]
fn a_session_that_every_server_is_behind_of_is_rejected() {
    let mut pair = ahead("a,b,c");
    let begun = pair.now;

    let (end, asked) = be_turned_away(&mut pair, 200, |_| Some(SERVING));

    assert_eq!(end, Some(End::Rejected));
    assert_eq!(asked, 3, "each server was asked");
    assert!(pair.now.saturating_since(begun) >= Duration::from_secs(30), "not before the timeout has passed");
    assert_eq!(pair.told().last().map(String::as_str), Some("Ended(Rejected)"));
    assert!(pair.app(|session| session.renew()));
    assert_eq!(pair.knock().last_zxid_seen, Zxid(0), "a new session has seen nothing");
}

#[test]
fn servers_without_a_quorum_never_end_it() {
    let mut pair = ahead("a,b,c");
    let words = "This ZooKeeper instance is not currently serving requests\n";
    assert_eq!(be_turned_away(&mut pair, 500, |_| Some(words)).0, None);
}

#[test]
fn servers_that_do_not_tell_never_end_it() {
    for words in [None, Some("srvr is not executed because it is not in the whitelist.\n")] {
        let mut pair = ahead("a,b");
        assert_eq!(be_turned_away(&mut pair, 300, |_| words).0, None);
    }
}

#[test]
fn one_server_that_is_not_behind_keeps_the_session() {
    // It is ahead of the session, or has seen as much.
    for not_behind in ["Zxid: 0xffff\nMode: leader\n", "Zxid: 0x100\nMode: leader\n"] {
        let mut pair = ahead("a,b,c");
        let words = |host: &str| Some(if host == "b" { not_behind } else { SERVING });
        assert_eq!(be_turned_away(&mut pair, 300, words).0, None);
    }
}

#[test]
fn a_read_only_server_may_be_behind() {
    let mut pair = ahead("a");
    assert_eq!(be_turned_away(&mut pair, 300, |_| Some("Zxid: 0x1f\nMode: read-only\n")).0, None);
}

#[test]
fn a_session_that_has_seen_nothing_is_never_rejected() {
    let mut pair = Pair::new(settings());
    assert_eq!(be_turned_away(&mut pair, 100, |_| Some(SERVING)), (None, 0));
}

#[test]
fn a_server_that_says_anything_begins_the_count_anew() {
    let mut pair = ahead("a");
    for _ in 0..20 {
        let (end, _) = be_turned_away(&mut pair, 5, |_| Some(SERVING));
        assert_eq!(end, None);
        pair.connect(&Greeting { protocol_version: 42, ..Greeting::refused() });
    }
}

#[test]
fn a_server_that_cannot_be_reached_says_nothing_about_the_session() {
    let mut pair = ahead("a,b");
    for _ in 0..100 {
        pair.dial();
        pair.cut();
        assert_eq!(pair.session().wants_probe(), None);
    }
}

#[test]
fn servers_that_are_not_in_the_list_any_more_do_not_count() {
    let mut pair = ahead("a,b,c");
    while be_turned_away(&mut pair, 1, |_| Some(SERVING)).1 == 0 {}

    pair.app(|session| session.set_servers(servers("x,y")));

    let (end, asked) = be_turned_away(&mut pair, 200, |_| Some(SERVING));
    assert_eq!((end, asked), (Some(End::Rejected), 2), "both of the new ones were asked");
}

/// A session that has seen transaction 0x100 and is taken up.
fn ahead(list: &str) -> Pair {
    let credentials = Credentials {
        session: SessionId(0x5E55),
        password: b"session-password"[..].into(),
        timeout: Duration::from_secs(30),
        last_zxid: Zxid(0x100),
    };
    Pair::new(settings_with(|config| {
        (config.servers, config.credentials) = (servers(list), Some(credentials));
    }))
}

/// Opens so many links, on each of which the server hangs up after the greeting, and answers each probe, or leaves it. Returns
/// how the session ended and how many probes there were.
fn be_turned_away(pair: &mut Pair, links: usize, words: impl Fn(&str) -> Option<&'static str>) -> (Option<End>, usize) {
    let mut probes = 0;
    let mut last: Option<LinkId> = None;
    for _ in 0..links {
        pair.knock();
        pair.cut();
        if let Some((probe, server)) = pair.session().wants_probe().filter(|(id, _)| last != Some(*id)) {
            probes += 1;
            last = Some(probe);
            pair.open_link(probe);
            let word = pair.app(|session| session.poll_transmit(probe, Instant::ORIGIN).is_some());
            assert!(word, "the probe asks");
            if let Some(words) = words(&server.host) {
                pair.send_on(probe, words.as_bytes());
                pair.cut_link(probe);
            }
        }
        if let Wants::Nothing(end) = pair.session().wants() {
            return (Some(end), probes);
        }
    }
    (None, probes)
}
