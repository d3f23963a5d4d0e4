//! Servers that do not know everything: old ones, and ClickHouse Keeper.

use std::time::Duration;

use zk_proto::{
    Zxid,
    code::{AddWatchMode, CreateMode, ErrorCode, OpCode},
    record::{CreateRequest, CreateResponse, GetDataRequest, MultiRequest, Stat},
    request::{AddWatch, Create2, GetData, Multi, Op, SetData, Version, WhoAmI},
    session::{Event, SubmitOptions},
};

use crate::support::{Asked, Greeting, Pair, data, record, reply, servers, settings, settings_with};

/// What a ZooKeeper answers to what it does not know, before it hangs up.
fn unknown(asked: &Asked) -> bytes::Bytes {
    reply(asked.xid, -1, ErrorCode::Unimplemented, &[])
}

fn path(path: &str) -> bytes::Bytes {
    record(&CreateResponse { path: Some(path.into()) })
}

fn keeper() -> Greeting {
    Greeting { read_only: None, ..Greeting::default() }
}

/// A session on a server before 3.5 that has shown that it is one.
fn on_an_old_server(config: zk_proto::Config) -> Pair {
    let mut pair = Pair::connected_with(config);
    pair.submit(&Create2::new("/first", b""), 'f');
    let asked = pair.ask();
    pair.send(&unknown(&asked));
    pair.connect(&Greeting::default());
    pair.answer_next(&path("/first"));
    assert_eq!(pair.told(), ["Suspended(Left)", "Connected resumed", "f: Ok"]);
    pair
}

#[test]
fn a_node_is_created_by_other_means_where_the_server_cannot_tell_its_stat() {
    for (mode, owner) in [(CreateMode::PersistentSequential, 0), (CreateMode::EphemeralSequential, 0x5E55)] {
        let mut pair = Pair::connected();
        let create = Create2::new("/job-", b"five!").mode(mode);
        pair.submit(&create, 'a');
        let asked = pair.ask();
        assert_eq!(asked.op, OpCode::Create2);

        pair.send(&unknown(&asked));
        assert_eq!(pair.told(), ["Suspended(Left)"], "the request is not over");
        pair.connect(&Greeting::default());

        let again = pair.ask();
        assert_eq!((again.op, again.body.clone()), (OpCode::Create, asked.body));
        pair.answer(&again, &path("/job-0000000007"));
        let created = pair.events().into_iter().find_map(|event| match event {
            Event::Reply { tag: 'a', result } => Some(result.unwrap().decode::<Create2<'_>>().unwrap()),
            _ => None,
        });
        let created = created.expect("the reply was told");
        assert_eq!(created.path, "/job-0000000007");
        let zxid = Zxid(pair.zxid);
        let expected = Stat {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            data_length: 5,
            ephemeral_owner: zk_proto::SessionId(owner),
            ..Stat::default()
        };
        assert_eq!(created.stat, expected);
    }
}

#[test]
fn large_data_goes_the_same_way() {
    let data = vec![7; 100_000];
    let mut pair = on_an_old_server(settings());

    pair.submit(&Create2::new("/large", &data[..]), 'a');

    let asked = pair.ask();
    assert_eq!(asked.op, OpCode::Create);
    assert_eq!(asked.record::<CreateRequest>().data.as_deref(), Some(&data[..]));
}

#[test]
fn what_a_server_cannot_know_is_refused_here_and_the_link_is_kept() {
    let mut pair = on_an_old_server(settings());

    pair.submit(&GetData::new("/a"), 'a');
    pair.watch(&AddWatch { path: "/a", mode: AddWatchMode::Persistent }, 'p', "w");
    pair.submit(&WhoAmI, 'w');
    pair.submit(&Create2::new("/c", b"").mode(CreateMode::Container), 'c');
    pair.submit(&GetData::new("/b"), 'b');

    assert_eq!(pair.ops(), [OpCode::GetData, OpCode::GetData]);
    let refused = ["p", "w", "c"].map(|tag| format!("{tag}: Server(Unimplemented)"));
    assert_eq!(pair.told(), refused);
    assert_eq!((pair.session().watch_count(), pair.session().backlog_len()), (0, 0));
    assert_eq!(pair.session().metrics().queued_bytes, 0);
}

#[test]
fn a_watch_is_not_taken_off_where_that_would_cost_the_link() {
    let mut pair = on_an_old_server(settings());
    let watch = pair.watch(&GetData::new("/a"), 'a', "w");
    pair.answer_next(&data(b""));

    pair.app(|session| session.unwatch(watch));

    assert_eq!(pair.ops(), []);
}

#[test]
fn what_a_newer_server_of_the_ensemble_knows_is_asked_of_it() {
    let mut pair = Pair::connected_with(settings_with(|config| config.servers = servers("a,b")));
    let old = pair.session().server().cloned();
    pair.submit(&Create2::new("/a", b""), 'a');
    let asked = pair.ask();
    pair.send(&unknown(&asked));

    pair.dial();
    assert_ne!(pair.session().server().cloned(), old);
    pair.connect(&Greeting::default());
    assert_eq!(pair.ops(), [OpCode::Create2]);

    pair.cut();
    assert_eq!(pair.dial().host, old.unwrap().host);
    pair.connect(&Greeting::default());
    pair.told();
    pair.submit(&Create2::new("/b", b""), 'b');
    assert_eq!(pair.ops(), [OpCode::Create], "and the old one is still known");
}

#[test]
fn a_server_that_was_down_may_be_a_newer_one() {
    let mut pair = on_an_old_server(settings());
    pair.cut();
    pair.dial();

    pair.cut();
    pair.connect(&Greeting::default());

    pair.submit(&Create2::new("/a", b""), 'a');
    assert_eq!(pair.ops(), [OpCode::Create2]);
}

#[test]
fn creates_that_were_sent_behind_the_first_go_again_too_and_nothing_else_does() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/read"), 'r');
    pair.submit(&Create2::new("/a", b""), 'a');
    pair.submit(&SetData { path: "/a", data: b"2"[..].into(), version: Version::Any }, 's');
    pair.submit(&Create2::new("/b", b""), 'b');
    let asked = pair.asked();

    pair.send(&unknown(&asked[1]));
    pair.submit(&GetData::new("/late"), 'l');
    assert_eq!(pair.ops(), [], "the link is as good as lost");
    pair.answer(&asked[0], &data(b""));
    pair.reconnect();

    assert_eq!(pair.told(), ["r: Ok", "s: Lost", "Suspended(Hangup)", "Connected resumed"]);
    let again = pair.asked();
    let seen: Vec<_> = again.iter().map(|asked| (asked.op, asked.path())).collect();
    let expected = [(OpCode::Create, "/a"), (OpCode::Create, "/b"), (OpCode::GetData, "/late")];
    assert_eq!(seen, expected.map(|(op, path)| (op, path.to_owned())));
}

#[test]
fn a_create_that_waits_to_go_again_has_not_been_sent() {
    let mut pair = Pair::connected();
    let limit = SubmitOptions { timeout: Some(Duration::from_secs(1)), ..SubmitOptions::default() };
    pair.submit(&GetData::new("/keeps-the-link"), 'k');
    pair.submit_with(&Create2::new("/a", b""), 'a', limit).unwrap();
    let asked = pair.asked();
    pair.send(&unknown(&asked[1]));

    pair.pass(Duration::from_secs(2));

    assert_eq!(pair.told(), ["a: TimedOut { sent: No }"]);
    pair.reconnect();
    assert_eq!(pair.ops(), []);
    assert_eq!(pair.session().metrics().queued_bytes, 0);
}

#[test]
fn a_create_in_flight_on_a_server_that_knows_it_is_in_doubt() {
    let mut pair = Pair::connected();
    pair.submit(&Create2::new("/a", b""), 'a');
    pair.flush();
    pair.reconnect();
    assert_eq!(pair.told(), ["a: Lost", "Suspended(Hangup)", "Connected resumed"]);
    assert_eq!(pair.ops(), []);
    assert_eq!(pair.session().metrics().queued_bytes, 0);
}

#[test]
fn persistent_watches_end_without_being_asked_for_where_the_server_is_known_to_lack_them() {
    let mut pair = Pair::connected_with(settings_with(|config| config.servers = servers("a,b")));
    // One of the two is old.
    pair.submit(&WhoAmI, 'w');
    let asked = pair.ask();
    pair.send(&reply(asked.xid, -1, ErrorCode::Unimplemented, &[]));
    pair.reconnect();
    pair.submit(&AddWatch { path: "/a", mode: AddWatchMode::Persistent }, 'p');
    let asked = pair.ask();
    pair.send(&unknown(&asked));
    pair.reconnect();
    pair.reconnect();
    pair.told();
    pair.watch(&GetData::new("/once"), 'a', "once");
    pair.answer_next(&data(b""));
    pair.told();

    // What lacks whoAmI may have the rest.
    pair.reconnect();

    assert_eq!(pair.ops(), [OpCode::SetWatches]);
}

#[test]
fn a_multi_creates_by_other_means_too() {
    let ops = vec![Op::Create(Create2::new("/a", b"1")), Op::Check { path: "/b", version: Version::Any }];
    let mut pair = on_an_old_server(settings());

    pair.submit(&Multi { ops }, 'm');

    let asked = pair.ask();
    let codes: Vec<_> = asked.record::<MultiRequest>().entries.iter().map(|entry| entry.header.op).collect();
    assert_eq!((asked.op, codes), (OpCode::Multi, vec![OpCode::Create, OpCode::Check]));

    let ops = vec![Op::Create(Create2::new("/c", b"").mode(CreateMode::Container))];
    pair.submit(&Multi { ops }, 'c');
    assert_eq!(pair.ops(), []);
    assert_eq!(pair.told(), ["c: Server(Unimplemented)"]);
}

#[test]
fn a_multi_that_an_old_server_cannot_read_goes_again_if_nothing_is_behind_it() {
    for is_alone in [true, false] {
        let mut pair = Pair::connected();
        let ops = vec![Op::Create(Create2::new("/a", b"1"))];
        pair.submit(&Multi { ops }, 'm');
        if !is_alone {
            pair.submit(&GetData::new("/b"), 'b');
        }
        let asked = pair.asked();

        pair.refuse(&asked[0], ErrorCode::MarshallingError);

        if is_alone {
            let again = pair.ask();
            assert_eq!(again.record::<MultiRequest>().entries[0].header.op, OpCode::Create);
            pair.assert_quiet();
            pair.refuse(&again, ErrorCode::MarshallingError);
        }
        assert_eq!(pair.told(), ["m: Server(MarshallingError)"]);
        pair.submit(&Create2::new("/b", b""), 'c');
        assert_eq!(pair.ops(), [OpCode::Create], "in any case it is known now");
    }
}

#[test]
fn what_a_server_only_seems_not_to_know_may_have_been_carried_out() {
    let mut pair = Pair::connected();
    pair.submit(&Multi { ops: vec![Op::Create(Create2::new("/a", b"1"))] }, 'm');
    pair.submit(&Create2::new("/b", b""), 'c');
    let asked = pair.asked();

    // For whatever reason: it may know create2, and have created the other node by now.
    pair.refuse(&asked[0], ErrorCode::MarshallingError);
    pair.cut();

    assert_eq!(pair.told(), ["m: Server(MarshallingError)", "c: Lost", "Suspended(Hangup)"]);
}

#[test]
fn a_multi_with_a_ttl_that_an_old_server_cannot_read_is_refused() {
    let ttl = Some(Duration::from_secs(1));
    let create = Create2 { ttl, ..Create2::new("/a", b"1").mode(CreateMode::PersistentWithTtl) };
    let mut pair = Pair::connected();
    pair.submit(&Multi { ops: vec![Op::Create(create.clone())] }, 'm');
    let asked = pair.ask();

    pair.refuse(&asked, ErrorCode::MarshallingError);

    assert_eq!(pair.ops(), []);
    assert_eq!(pair.told(), ["m: Server(Unimplemented)"]);
    pair.submit(&create, 'c');
    assert_eq!(pair.ops(), []);
    assert_eq!(pair.told(), ["c: Server(Unimplemented)"]);
}

#[test]
fn a_multi_of_old_operations_says_nothing_about_the_server() {
    let ops = vec![Op::Check { path: "/a", version: Version::Any }];
    let mut pair = Pair::connected();
    pair.submit(&Multi { ops }, 'm');
    let asked = pair.ask();

    pair.refuse(&asked, ErrorCode::MarshallingError);

    assert_eq!(pair.told(), ["m: Server(MarshallingError)"]);
    pair.submit(&Create2::new("/b", b""), 'c');
    assert_eq!(pair.ops(), [OpCode::Create2]);
}

#[test]
fn keeper_is_asked_what_it_knows_before_anything_else() {
    let mut pair = Pair::new(settings());
    pair.submit(&Create2::new("/a", b""), 'a');

    pair.connect(&keeper());

    let asked = pair.ask();
    assert_eq!(asked.op, OpCode::GetData);
    assert_eq!(
        asked.record::<GetDataRequest>(),
        GetDataRequest { path: Some("/keeper/feature_flags".into()), watch: false }
    );
    pair.submit(&GetData::new("/b"), 'b');
    assert_eq!(pair.ops(), []);
    pair.refuse(&asked, ErrorCode::NoNode);
    assert_eq!(pair.ops(), [OpCode::Create, OpCode::GetData]);
    assert_eq!(pair.told(), ["Connected new"]);
}

#[test]
fn keeper_is_pinged_while_it_does_not_say_what_it_knows() {
    let mut pair = Pair::new(settings());
    pair.connect(&keeper());
    pair.ask();

    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.ops(), [OpCode::Ping]);
    pair.pass(Duration::from_secs(10));

    assert_eq!(pair.told(), ["Connected new", "Suspended(Silence)"]);
}

#[test]
fn keeper_is_asked_only_for_what_it_says_it_knows() {
    let watched = AddWatch { path: "/a", mode: AddWatchMode::Persistent };
    let cases: [(&[u8], &[OpCode]); 4] = [
        (&[], &[OpCode::Create]),
        (&[0b1111_1110], &[OpCode::Create]),
        (&[1], &[OpCode::Create, OpCode::AddWatch]),
        (&[1, 0x80], &[OpCode::Create2, OpCode::AddWatch]),
    ];
    for (known, ops) in cases {
        let mut pair = Pair::new(settings());
        pair.connect(&keeper());
        let asked = pair.ask();
        pair.answer(&asked, &data(known));

        pair.submit(&Create2::new("/a", b""), 'a');
        pair.watch(&watched, 'p', "p");
        pair.submit(&WhoAmI, 'w');

        assert_eq!(pair.ops(), ops, "{known:?}");
    }
}

#[test]
fn watches_are_taken_off_at_a_keeper_that_knows_how_and_at_no_other() {
    for (known, ops) in [(&[0][..], &[][..]), (&[1], &[OpCode::RemoveWatches])] {
        let mut pair = Pair::new(settings());
        pair.connect(&keeper());
        pair.answer_next(&data(known));
        let watch = pair.watch(&GetData::new("/a"), 'a', "w");
        pair.answer_next(&data(b""));

        pair.app(|session| session.unwatch(watch));

        assert_eq!(pair.ops(), ops);
    }
}

#[test]
fn keepers_pings_may_be_answered_before_older_requests_and_its_end_not_at_all() {
    let mut pair = Pair::new(settings());
    pair.connect(&keeper());
    pair.answer_next(&data(&[]));
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.ops(), [OpCode::Ping]);

    pair.pong();
    pair.answer(&asked, &data(b""));
    assert_eq!(pair.told(), ["Connected new", "a: Ok"]);

    pair.app(zk_proto::Session::close);
    pair.tick();
    assert_eq!(pair.ops(), [OpCode::CloseSession]);
    pair.cut();
    assert_eq!(pair.told(), ["Suspended(Hangup)", "Ended(Closed)"]);
}

#[test]
fn another_session_than_asked_for_is_the_end_of_the_old_one() {
    let mut pair = Pair::new(settings());
    pair.connect(&keeper());
    pair.answer_next(&data(&[]));
    pair.told();
    pair.cut();

    let asked = pair.connect(&Greeting { session: 0x5E56, password: [0; 16], ..keeper() });

    assert_eq!(asked.passwd.as_bytes().len(), 16, "anything else is refused");
    assert_eq!(pair.told(), ["Suspended(Hangup)", "Ended(Expired)"]);
}
