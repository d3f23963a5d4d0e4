//! What goes out, and in which order.

use std::time::Duration;

use zk_proto::{
    code::{CreateMode, OpCode},
    record::{Create2Response, CreateTtlRequest, MultiRequest, Stat},
    request::{Create2, GetData, Multi, Op, SetData, Sync, Version},
    session::Event,
};

use crate::support::{Pair, data, record};

#[test]
fn the_order_of_calls_is_the_order_on_the_wire() {
    let mut pair = Pair::connected();
    let paths: Vec<_> = (0..200).map(|n| format!("/{n}")).collect();
    for (n, path) in paths.iter().enumerate() {
        match n % 4 {
            0 => _ = pair.watch(&GetData::new(path), 'w', "w"),
            1 => _ = pair.submit(&Sync::new(path), 's'),
            2 => _ = pair.submit(&SetData { path, data: vec![0; 100 * n].into(), version: Version::Any }, 'd'),
            _ => _ = pair.submit(&GetData::new(path), 'g'),
        }
    }

    assert_eq!(pair.asked().iter().map(|asked| asked.path()).collect::<Vec<_>>(), paths);
}

#[test]
fn containers_and_nodes_with_a_time_to_live_have_operations_of_their_own_in_a_multi_too() {
    // Sent as a plain create, they would silently be persistent nodes.
    let table = [
        (CreateMode::Persistent, OpCode::Create2),
        (CreateMode::EphemeralSequential, OpCode::Create2),
        (CreateMode::Container, OpCode::CreateContainer),
        (CreateMode::PersistentWithTtl, OpCode::CreateTtl),
        (CreateMode::PersistentSequentialWithTtl, OpCode::CreateTtl),
    ];
    for (mode, op) in table {
        let mut create = Create2::new("/a", b"x").mode(mode);
        if mode.has_ttl() {
            create = create.ttl(Duration::from_secs(7));
        }
        let mut pair = Pair::connected();
        pair.submit(&create, 'c');
        pair.submit(&Multi { ops: vec![Op::Create(create)] }, 'm');

        let asked = pair.asked();

        assert_eq!(asked[0].op, op, "{mode}");
        if mode.has_ttl() {
            let request: CreateTtlRequest = asked[0].record();
            assert_eq!((request.mode, request.ttl), (mode, 7_000));
        }
        let multi: MultiRequest = asked[1].record();
        assert_eq!(multi.entries[0].header.op, op, "{mode} in a multi");
    }
}

#[test]
fn the_number_of_a_sequential_node_may_be_negative() {
    let mut pair = Pair::connected();
    pair.submit(&Create2::new("/job-", b"").mode(CreateMode::PersistentSequential), 'c');
    let body = record(&Create2Response { path: Some("/job--2147483648".into()), stat: Stat::default() });
    pair.answer_next(&body);

    let Some(Event::Reply { result: Ok(reply), .. }) = pair.event() else { panic!("a good reply") };
    assert_eq!(reply.decode::<Create2<'_>>().unwrap().path, "/job--2147483648");
}

#[test]
fn while_nothing_can_be_written_replies_are_taken_and_what_is_new_waits_within_its_bounds() {
    let mut config = crate::support::settings();
    config.limits.backlog_requests = 10;
    let mut pair = Pair::connected_with(config);
    (0..10).for_each(|_| _ = pair.submit(&GetData::new("/a"), 'a'));
    let asked = pair.asked();

    for asked in &asked {
        pair.answer(asked, &data(&[0; 1000]));
        pair.submit(&GetData::new("/b"), 'b');
        pair.pass(Duration::from_secs(2));
    }

    assert_eq!(pair.told(), ["a: Ok"; 10]);
    assert!(pair.submit_with(&GetData::new("/c"), 'c', Default::default()).is_err(), "the backlog is full");
    let ops = pair.ops();
    assert_eq!((ops.len(), ops[0]), (11, OpCode::Ping), "room at last, and the sign of life comes first");
}

#[test]
fn payloads_that_are_not_copied_are_where_they_belong() {
    let mut pair = Pair::connected();
    let payloads = [vec![1; 9_000], vec![2; 7_000], vec![3; 8_000]];
    let write = |data| Op::SetData(SetData { path: "/a", data, version: Version::Any });

    pair.submit(&Multi { ops: payloads.iter().map(|data| write(data.into())).collect() }, 'c');
    pair.submit(&Multi { ops: payloads.iter().map(|data| write(data.clone().into())).collect() }, 's');

    let asked = pair.asked();
    let (copied, shared): (MultiRequest, MultiRequest) = (asked[0].record(), asked[1].record());
    assert_eq!(copied, shared);
    assert_eq!(asked[1].body.len(), asked[0].body.len());
}
