//! After a reconnect: watches are set again, and persistent ones are told that they may have missed something.

use std::collections::BTreeMap;

use zk_proto::{
    AuthInfo, Machine, Zxid,
    code::{AddWatchMode, ErrorCode, EventType, OpCode},
    request::{AddWatch, Exists, GetChildren, GetData, Watched},
    session::SubmitOptions,
};

use crate::support::{Asked, Crowd, Greeting, Pair, event, paths_of, reply, settings, stat};

const PERSISTENT: AddWatchMode = AddWatchMode::Persistent;
const RECURSIVE: AddWatchMode = AddWatchMode::PersistentRecursive;

#[test]
fn all_five_kinds_are_set_again_each_in_its_list() {
    let mut pair = Pair::connected();
    set(&mut pair, &GetData::new("/data"), ErrorCode::Ok);
    set(&mut pair, &Exists::new("/is-there"), ErrorCode::Ok);
    set(&mut pair, &Exists::new("/is-missing"), ErrorCode::NoNode);
    set(&mut pair, &GetChildren::new("/child"), ErrorCode::Ok);
    set(&mut pair, &AddWatch { path: "/stays", mode: PERSISTENT }, ErrorCode::Ok);
    set(&mut pair, &AddWatch { path: "/deep", mode: RECURSIVE }, ErrorCode::Ok);
    let seen = pair.session().last_zxid();

    pair.reconnect();

    let asked = pair.ask();
    assert_eq!((asked.op, asked.xid), (OpCode::SetWatches2, -8));
    let (relative, lists) = paths_of(&asked);
    assert_eq!(relative, seen);
    assert_eq!(lists, [&["/data", "/is-there"][..], &["/is-missing"], &["/child"], &["/stays"], &["/deep"]]);
}

#[test]
fn without_persistent_watches_old_servers_understand_what_is_sent() {
    let mut pair = Pair::connected();
    set(&mut pair, &GetData::new("/data"), ErrorCode::Ok);

    pair.reconnect();

    let asked = pair.ask();
    assert_eq!(asked.op, OpCode::SetWatches);
    assert_eq!(paths_of(&asked).1[0], ["/data"]);
}

#[test]
fn without_watches_nothing_is_set() {
    let mut pair = Pair::connected();
    set(&mut pair, &GetData::new("/data"), ErrorCode::Ok);
    pair.send(&event(EventType::NodeDeleted, "/data", 7));

    pair.reconnect();

    assert_eq!(pair.ops(), []);
}

#[test]
fn two_who_watch_one_node_set_it_once() {
    let mut pair = Pair::connected();
    set(&mut pair, &GetData::new("/a"), ErrorCode::Ok);
    set(&mut pair, &GetData::new("/a"), ErrorCode::Ok);
    set(&mut pair, &Exists::new("/a"), ErrorCode::Ok);
    pair.reconnect();
    assert_eq!(paths_of(&pair.ask()).1.concat(), ["/a"]);
}

#[test]
fn watches_are_set_again_over_and_over_and_in_a_new_session_too() {
    let mut config = settings();
    config.read_only = true;
    let mut pair = Pair::new(config);
    pair.connect(&Greeting::read_only());
    pair.told();
    set(&mut pair, &GetData::new("/a"), ErrorCode::Ok);

    for session in [1, 2, 3] {
        pair.cut();
        pair.connect(&Greeting { session, ..Greeting::read_only() });
        assert_eq!(pair.told(), ["Suspended(Hangup)", "Connected new read-only"]);
        assert_eq!(paths_of(&pair.ask()).1[0], ["/a"]);
    }
}

#[test]
fn requests_wait_for_credentials_and_watches() {
    let mut config = settings();
    config.auth.push(AuthInfo::digest("bob", "secret"));
    let mut pair = Pair::new(config);
    pair.connect(&Greeting::default());
    pair.flush();
    pair.send(&reply(-4, 0, ErrorCode::Ok, &[]));
    pair.told();
    assert_eq!(pair.ops(), [OpCode::Auth]);
    set(&mut pair, &GetData::new("/w"), ErrorCode::Ok);
    pair.cut();
    pair.submit(&GetData::new("/a"), 'a');

    pair.connect(&Greeting::default());

    assert_eq!(pair.ops(), [OpCode::Auth]);
    pair.send(&reply(-4, 0, ErrorCode::Ok, &[]));
    assert_eq!(pair.ops(), [OpCode::SetWatches, OpCode::GetData]);
}

#[test]
fn requests_wait_until_the_last_of_many_frames_of_watches_is_out() {
    // A reply from in between could show a change before its watch has told it.
    let mut config = settings();
    (config.limits.helping_bytes, config.limits.watch_chunk_bytes) = (1, 64);
    let mut pair = Pair::connected_with(config);
    for n in 0..9 {
        set(&mut pair, &GetData::new(&format!("/path/{n}")), ErrorCode::Ok);
    }
    pair.cut();
    pair.submit(&GetData::new("/path/8"), 'a');
    pair.connect(&Greeting::default());

    let ops = pair.ops();

    assert!(ops.len() > 4 && ops[..ops.len() - 1].iter().all(|op| *op == OpCode::SetWatches), "{ops:?}");
    assert_eq!(ops.last(), Some(&OpCode::GetData));
}

#[test]
fn catch_up_events_come_before_the_answer_and_use_watches_up() {
    let mut pair = Pair::connected();
    set(&mut pair, &GetData::new("/a"), ErrorCode::Ok);
    pair.reconnect();
    let asked = pair.ask();

    pair.send(&event(EventType::NodeDataChanged, "/a", -1));
    pair.answer(&asked, &[]);

    assert_eq!(pair.told(), ["Suspended(Hangup)", "Connected resumed", "w: NodeDataChanged /a"]);
    pair.reconnect();
    assert_eq!(pair.ops(), []);
}

#[test]
fn every_frame_of_watches_names_the_same_transaction_and_keeps_to_the_limit() {
    for total_bytes in [0, 1, 128 << 10, 10 << 20] {
        let paths = paths_of_total(total_bytes);
        let mut pair = Crowd::connected_with(settings());
        for (index, path) in paths.iter().enumerate() {
            let index = index as u32;
            match index % 3 {
                0 => drop(pair.watch(&GetData::new(path), index, index)),
                1 => drop(pair.watch(&Exists::new(path), index, index)),
                _ => drop(pair.watch(&AddWatch { path, mode: RECURSIVE }, index, index)),
            }
        }
        for asked in pair.asked() {
            let missing = asked.op == OpCode::Exists;
            let error = if missing { ErrorCode::NoNode } else { ErrorCode::Ok };
            pair.zxid += 1;
            pair.send(&reply(asked.xid, pair.zxid, error, &[]));
            pair.told();
        }
        let seen = pair.session().last_zxid();
        pair.reconnect();
        assert_eq!(pair.told().len(), 2 + paths.len() / 3, "a resync for each recursive watch");

        let frames: Vec<_> = std::iter::from_fn(|| pair.next_frame()).collect();
        let mut found: BTreeMap<String, [usize; 5]> = BTreeMap::new();
        for frame in &frames {
            assert!(frame.len() + 4 <= 128 << 10, "{} bytes", frame.len() + 4);
            let (relative, lists) = paths_of(&Asked::read(frame.clone()));
            assert_eq!(relative, seen);
            for (list, paths) in lists.into_iter().enumerate() {
                paths.into_iter().for_each(|path| found.entry(path).or_default()[list] += 1);
            }
        }

        assert_eq!(found.len(), paths.len(), "{total_bytes} bytes of paths");
        for (index, path) in paths.iter().enumerate() {
            let expected = [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1]][index % 3];
            assert_eq!(found[path], expected, "{path}");
        }
        let least = total_bytes / (128 << 10);
        assert!((least..=least + least / 8 + 2).contains(&frames.len()), "{} frames", frames.len());

        // Each is matched by its order, since they share an xid, and none counts as a transaction seen.
        for index in 0..frames.len() {
            assert_eq!(pair.session().in_flight_len(), frames.len() - index);
            pair.send(&reply(-8, 0x9_9999, ErrorCode::Ok, &[]));
        }
        assert_eq!(pair.session().last_zxid(), seen);
        pair.assert_quiet();
    }
}

#[test]
fn a_long_path_that_is_watched_in_every_way_is_spread_over_frames() {
    let path = format!("/{}", "x".repeat(60_000));
    let mut pair = Pair::connected();
    set(&mut pair, &GetData::new(&path), ErrorCode::Ok);
    set(&mut pair, &Exists::new(&path), ErrorCode::NoNode);
    set(&mut pair, &GetChildren::new(&path), ErrorCode::Ok);
    set(&mut pair, &AddWatch { path: &path, mode: PERSISTENT }, ErrorCode::Ok);
    set(&mut pair, &AddWatch { path: &path, mode: RECURSIVE }, ErrorCode::Ok);

    pair.reconnect();

    let mut times = [0; 5];
    for asked in pair.asked() {
        assert!(asked.body.len() + 12 <= 128 << 10, "{} bytes", asked.body.len());
        let lists = paths_of(&asked).1;
        lists.iter().zip(&mut times).for_each(|(list, times)| *times += list.len());
    }
    assert_eq!(times, [1; 5]);
}

#[test]
fn every_persistent_watch_is_told_to_resync_after_every_reconnect_before_any_later_event() {
    let mut pair = Pair::connected();
    set(&mut pair, &AddWatch { path: "/a", mode: PERSISTENT }, ErrorCode::Ok);
    set(&mut pair, &GetData::new("/once"), ErrorCode::Ok);
    set(&mut pair, &AddWatch { path: "/b", mode: RECURSIVE }, ErrorCode::Ok);

    for _ in 0..3 {
        pair.reconnect();
        let set_watches = pair.ask();
        pair.send(&event(EventType::NodeDataChanged, "/b/c", 7));
        assert!(!pair.session().wants_input(), "until the marks are fetched");

        let told = ["Suspended(Hangup)", "Connected resumed", "w: Resync /a", "w: Resync /b"];
        assert_eq!(pair.told(), told);
        pair.send(&[]);
        assert_eq!(pair.told(), ["w: NodeDataChanged /b/c"]);
        pair.answer(&set_watches, &[]);
    }
}

#[test]
fn the_first_link_asks_for_no_resync() {
    let mut pair = Pair::new(settings());
    pair.watch(&AddWatch { path: "/a", mode: PERSISTENT }, 'a', "w");
    pair.connect(&Greeting::default());
    pair.answer_next(&[0; 4]);
    assert_eq!(pair.told(), ["Connected new", "a: Ok"]);
}

#[test]
fn a_link_that_breaks_before_the_marks_were_fetched_owes_them_still() {
    let mut pair = Pair::connected();
    set(&mut pair, &AddWatch { path: "/a", mode: PERSISTENT }, ErrorCode::Ok);
    pair.reconnect();
    pair.reconnect();

    let told = pair.told();

    assert_eq!(told.last().map(String::as_str), Some("w: Resync /a"));
    assert_eq!(told.iter().filter(|line| line.contains("Resync")).count(), 1);
}

#[test]
fn a_watch_that_is_set_in_the_next_link_is_not_set_twice() {
    let mut pair = Pair::connected();
    let again = SubmitOptions { resend: true, ..SubmitOptions::default() };
    pair.watch_with(&GetData::new("/a"), 'a', "w", again);
    pair.flush();

    pair.reconnect();

    assert_eq!(pair.ops(), [OpCode::GetData]);
    assert_eq!(pair.session().watch_count(), 1);
}

#[test]
fn a_server_that_refuses_to_set_watches_loses_the_link() {
    let mut pair = Pair::connected();
    set(&mut pair, &GetData::new("/a"), ErrorCode::Ok);
    pair.reconnect();
    pair.told();
    let asked = pair.ask();

    pair.refuse(&asked, ErrorCode::MarshallingError);

    let told = r#"Suspended(Violation(Refused { operation: "set watches", error: MarshallingError }))"#;
    assert_eq!(pair.told(), [told]);
}

#[test]
fn on_a_server_before_3_6_persistent_watches_are_over_and_the_others_are_set_at_the_next_try() {
    let mut pair = Pair::connected();
    set(&mut pair, &AddWatch { path: "/stays", mode: PERSISTENT }, ErrorCode::Ok);
    set(&mut pair, &AddWatch { path: "/deep", mode: RECURSIVE }, ErrorCode::Ok);
    set(&mut pair, &GetData::new("/once"), ErrorCode::Ok);
    pair.reconnect();
    pair.told();
    assert_eq!(pair.ops(), [OpCode::SetWatches2]);

    pair.send(&reply(-8, -1, ErrorCode::Unimplemented, &[]));
    assert_eq!(pair.told(), ["w: Unsupported /stays", "w: Unsupported /deep"]);
    pair.reconnect();

    let asked = pair.ask();
    assert_eq!(asked.op, OpCode::SetWatches);
    assert_eq!(paths_of(&asked).1.concat(), ["/once"]);
}

#[test]
fn watches_that_were_given_up_meanwhile_are_not_set_again() {
    let mut config = settings();
    config.limits.helping_bytes = 1;
    config.limits.watch_chunk_bytes = 64;
    let mut pair = Pair::connected_with(config);
    let paths: Vec<_> = (0..9).map(|n| format!("/path/{n}")).collect();
    let watches: Vec<_> = paths.iter().map(|path| pair.watch(&GetData::new(path), 'a', "w")).collect();
    pair.asked().iter().for_each(|asked| pair.answer(asked, &stat()));
    pair.reconnect();
    let link = pair.link_id();
    (0..4).for_each(|_| _ = pair.flush_once(link));

    pair.app(|session| session.unwatch(watches[8]));

    let mut left = pair.asked();
    assert!(left.iter().all(|asked| asked.op == OpCode::SetWatches));
    let set: Vec<_> = left.drain(..).flat_map(|asked| paths_of(&asked).1.concat()).collect();
    assert_eq!(set, paths[..8], "and it need not be taken off");
    assert_eq!(pair.session().last_zxid(), Zxid(109));
}

fn set(pair: &mut Pair, request: &impl Watched, error: ErrorCode) {
    pair.watch(request, 'a', "w");
    let asked = pair.asked();
    pair.told();
    for asked in asked {
        if error == ErrorCode::Ok { pair.answer(&asked, &stat()) } else { pair.refuse(&asked, error) }
    }
    pair.told();
}

/// Different paths whose encoded lengths, prefixes included, come to about so many bytes.
fn paths_of_total(bytes: usize) -> Vec<String> {
    let each = 2000;
    match bytes {
        0 => Vec::new(),
        1 => vec!["/".to_owned()],
        _ => (0..bytes / (each + 4)).map(|n| format!("/{n:0>width$}", width = each - 1)).collect(),
    }
}
