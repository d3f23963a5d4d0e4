//! A member of an ensemble without its quorum, and a server in memory that is told that it is one.

use std::time::Duration;

use zk_proto::{
    Zxid,
    acl::Perms,
    code::{CreateMode, OpCode},
    record::{Acl, DeleteRequest},
};
use zk_testing::{
    Server,
    ensemble::{Builder, Mode},
    server::ReadOnly,
};

use crate::{
    PATIENCE, SEED,
    coverage::{GREETINGS, OPERATIONS},
    draw::Draw,
    memory_client::{Client, acl, create, greeting, text},
    pair::Pair,
    settings::{Settings, release},
    step::{Action, Body, Damage, Greeting, Step, Version, Wanted},
};

/// Longer than a server takes to notice that it is alone.
const ELECTION: Duration = Duration::from_secs(30);

const STEPS: usize = 3000;

#[test]
fn random_operations_have_the_same_outcome_as_on_a_real_server_without_quorum() {
    let pair = run(ReadOnly::LocalSessions, STEPS);

    println!("{}", pair.coverage);
    let writes = ["create", "create2", "createContainer", "createTTL", "delete", "setData", "setACL", "multi", "sync"];
    let reads = ["exists", "getData", "getACL", "getChildren", "getChildren2", "getAllChildrenNumber", "getEphemerals"];
    let others = ["multiRead", "ping", "whoAmI", "addWatch", "setWatches", "setWatches2", "auth", "closeSession"];
    for op in writes.into_iter().chain(["reconfig"]) {
        assert_ne!(pair.coverage.seen(OPERATIONS, op, "NotReadOnly"), 0, "{op}");
    }
    for op in reads.into_iter().chain(others) {
        assert_ne!(pair.coverage.seen(OPERATIONS, op, "Ok"), 0, "{op}");
    }
    for outcome in ["accepted", "refused", "hung up"] {
        assert_ne!(pair.coverage.seen(GREETINGS, "greeting", outcome), 0, "{outcome}");
    }
}

#[test]
fn a_server_without_quorum_and_local_sessions_takes_nobody() {
    let pair = run(ReadOnly::NoSessions, 60);

    for outcome in ["not read-only", "hung up"] {
        assert_ne!(pair.coverage.seen(GREETINGS, "greeting", outcome), 0, "{outcome}");
    }
}

/// Fills a server of an ensemble, takes its quorum away, and runs so many random steps.
fn run(kind: ReadOnly, steps: usize) -> Pair {
    let builder = Settings::Usual.of_real(Builder::new()).read_only();
    let has_local_sessions = kind == ReadOnly::LocalSessions;
    let builder = builder.property("localSessionsEnabled", has_local_sessions.to_string());
    let ensemble = builder.start_ensemble(3).expect("an ensemble starts");
    let real = ensemble.server(0);
    // A write that fails changes nothing, and tells the number of its transaction.
    let mut counter = Client::greet(real.address(), &greeting(60_000)).expect("a server takes new sessions");
    let request = DeleteRequest { path: text("/none"), version: -1 };
    let Zxid(counted) = counter.call(OpCode::Delete, &request).header.zxid;
    // The next session is a transaction in memory, and where it is not local.
    let base = if has_local_sessions { counted - 1 } else { counted };
    let memory = Server::new(Settings::Usual.options(release(real)), 0);
    let mut pair = Pair::new(memory, real.address(), base, PATIENCE);
    for step in filling() {
        pair.perform(&step).expect("what is to be read is written");
    }

    for other in [1, 2] {
        ensemble.server(other).kill().expect("the other servers run");
    }
    real.wait_mode(Mode::ReadOnly, ELECTION).expect("a lone server goes on, read-only");
    pair.lose_quorum(kind).expect("both servers hang up");

    let mut draw = Draw::new(SEED);
    draw.is_cut_off = true;
    let mut done = Vec::new();
    for _ in 0..steps {
        done.push(draw.step(&pair));
        let step = &done[done.len() - 1];
        if let Err(difference) = pair.perform(step) {
            panic!(
                "{difference:#?} at step {}, the last ones being {:#?}",
                done.len(),
                &done[done.len().saturating_sub(5)..]
            );
        }
    }
    pair.settle_all().expect("nothing is left to hear");
    pair
}

/// Returns what a single client does while there is a quorum.
fn filling() -> Vec<Step> {
    let session = Wanted::New(Some(vec![0; 16]));
    let greeting = Greeting { session, timeout_ms: 60_000, read_only: Some(false), ahead: None };
    let mut actions = vec![Action::Greet(greeting)];
    let call = |op, body| Action::Call { op, body, damage: Damage::None };
    for path in ["/a", "/a/a", "/a/b", "/b", "/b/a", "/c", "/q"] {
        actions.push(call(OpCode::Create, Body::Create(create(path, "data", CreateMode::Persistent))));
    }
    let lists = [("/c", vec![acl(Perms::WRITE, "world", "anyone")]), ("/b/a", Acl::read_only())];
    for (path, list) in lists {
        actions.push(call(OpCode::SetAcl, Body::SetAcl(text(path), Some(list), Version::Any)));
    }
    actions.into_iter().map(|action| Step { client: 0, action, is_alone: true }).collect()
}
