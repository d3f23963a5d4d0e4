//! What recipes ask of the server.

use zk_proto::{
    SessionId, Zxid,
    client::{Builder, Error, OnExpiry},
    code::{ErrorCode, OpCode},
    recipes::{KeptMode, KeptNode, KeptState, Lock, Queue, ensure_path},
    record::{Create2Response, GetChildren2Response, GetDataResponse, GetEphemeralsResponse, Stat, SyncResponse},
    session::End,
    wire::Text,
};

use crate::support::{Asked, Nothing, SESSION, Task, World, config, now};

fn created(path: &str, zxid: i64) -> Create2Response {
    let stat = Stat { czxid: Zxid(zxid), ephemeral_owner: SESSION, ..Stat::default() };
    Create2Response { path: Some(Text::from(path)), stat }
}

fn children(names: &[&str]) -> GetChildren2Response {
    GetChildren2Response {
        children: Some(names.iter().map(|name| Some(Text::from(*name))).collect()),
        stat: Stat::default(),
    }
}

#[test]
fn a_lock_that_nobody_else_wants_costs_one_round_trip() {
    let (mut world, client) = World::connected();
    let lock = Lock::new(&client, "/lock").unwrap();
    let mut acquire = Task::new(lock.acquire());

    assert!(acquire.is_pending());
    world.turn();
    let ops: Vec<OpCode> = world.asked.iter().map(|asked| asked.op).collect();
    assert_eq!(ops, [OpCode::Create2, OpCode::GetChildren2], "both are on their way before anything comes back");
    let name = format!("{}0000000007", world.asked[0].path.strip_prefix("/lock/").unwrap());
    world.answer(&created(&format!("/lock/{name}"), 42));
    world.answer(&children(&["unrelated", &name]));

    let held = acquire.result().unwrap();
    assert_eq!(held.fencing_token().0, 42);
    assert_eq!(held.path(), format!("/lock/{name}"));

    world.turn();
    let ops: Vec<(OpCode, String)> = world.asked.iter().map(|asked| (asked.op, asked.path.clone())).collect();
    assert_eq!(ops, [(OpCode::GetData, held.path().to_string())], "it is watched over, and nothing else");
    let stat = Stat { ephemeral_owner: SESSION, ..Stat::default() };
    world.answer(&GetDataResponse { data: None, stat });
    assert!(world.asked.is_empty());
    assert_ne!(held.session(), SessionId(0));
}

#[test]
fn whoever_makes_nodes_for_a_client_that_is_over_is_told() {
    let builder = Builder::from_config(config()).on_expiry(OnExpiry::End);
    let (mut world, client) = World::connected_with(builder);
    let mut made = Task::new(ensure_path(&client, "/a/b", None));
    assert!(made.is_pending());

    world.expire();

    assert!(matches!(made.result(), Err(Error::Ended { end: End::Expired, .. })));
    assert!(matches!(now(ensure_path(&client, "/a/b", None)), Err(Error::Ended { end: End::Expired, .. })));
}

/// Returns the path of the receipt that a transaction is to make.
fn receipt(asked: &Asked) -> String {
    let body = String::from_utf8_lossy(&asked.body);
    let start = body.find("/queue-receipts/").unwrap_or_else(|| panic!("no receipt in {asked:?}"));
    body[start..].split('\0').next().unwrap().to_owned()
}

#[test]
fn a_put_that_is_tried_again_leaves_a_receipt_that_the_first_try_does_not_take_away() {
    let (mut world, client) = World::connected();
    let queue = Queue::new(&client, "/queue").unwrap().exact();
    let mut put = Task::new(queue.put(b"once"));
    assert!(put.is_pending());
    world.turn();
    let first = receipt(&world.asked[0]);

    // It has not arrived, and that is found out.
    world.cut();
    world.connect(SESSION);
    assert!(put.is_pending());
    world.turn();
    assert_eq!((world.ops(), world.paths()), (vec![OpCode::Sync, OpCode::Exists], vec![first.as_str(); 2]));
    world.answer(&SyncResponse { path: Some(Text::from(first.as_str())) });
    world.refuse(ErrorCode::NoNode);
    assert!(put.is_pending());
    world.turn();

    assert_ne!(receipt(&world.asked[0]), first);
    let is_other = |asked: &Asked| asked.op == OpCode::Delete && asked.path != first;
    assert!(!world.asked.iter().any(is_other), "only the first one is cleared away: {:?}", world.asked);
}

#[test]
fn a_node_whose_number_was_looked_for_is_not_made_again_when_the_look_at_it_is_lost() {
    let (mut world, client) = World::connected();
    let kept = KeptNode::new(&client, "/job-").unwrap().mode(KeptMode::EphemeralSequential).keep();
    world.turn();
    assert_eq!(world.ops(), [OpCode::Create2]);
    world.cut();
    world.connect(SESSION);
    for _ in 0..3 {
        world.turn();
        assert_eq!(world.ops(), [OpCode::Sync, OpCode::GetEphemerals], "what may be there is looked for");
        world.answer(&SyncResponse { path: Some(Text::from("/")) });
        world.answer(&GetEphemeralsResponse { ephemerals: Some(vec![Some(Text::from("/job-0000000007"))]) });
        world.turn();
        assert_eq!((world.ops(), world.paths()), (vec![OpCode::Exists], vec!["/job-0000000007"]));
        // Its reply is left out, so it is not asked again.
        let asked = world.asked.pop_front().unwrap();
        world.write_reply(asked.xid + 1, ErrorCode::Ok, &Nothing);
        world.deliver();
        world.connect(SESSION);
    }
    assert!(!matches!(kept.state(), KeptState::Present(_)));
}
