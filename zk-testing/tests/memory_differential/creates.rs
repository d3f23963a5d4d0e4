//! Creating nodes: modes, paths, the sequence counter.

use zk_proto::{
    code::{CreateMode, OpCode},
    record::*,
};
use zk_testing::ensemble;

use crate::{compare, memory_client::create, requests::*, same};

#[test]
fn creates_are_answered_and_refused_as_by_a_real_server() {
    compare(ensemble::Builder::new(), same, |run, _| {
        run.connect("a");
        run.part("modes");
        run.connect("a");
        for (number, op) in [OpCode::Create, OpCode::Create2, OpCode::CreateContainer].into_iter().enumerate() {
            for mode in [-1, 0, 1, 2, 3, 4, 5, 6, 7, 100] {
                let path = format!("/n{number}x{mode}");
                run.call("a", op, &create(&path, "data", CreateMode::from(mode)));
                run.call("a", OpCode::Exists, &get(&path, false));
            }
        }
        for (mode, time) in
            [(5, 1000), (6, 1000), (5, 0), (5, -1), (6, (1 << 40) - 1), (6, 1 << 40), (0, 5), (4, 5), (1, 0), (7, 5)]
        {
            run.call("a", OpCode::CreateTtl, &ttl(&format!("/ttl{mode}x{time}"), CreateMode::from(mode), time));
        }
        run.call("a", OpCode::GetChildren2, &get("/", false));

        run.part("paths");
        run.connect("a");
        run.call("a", OpCode::Create, &create("/p", "", CreateMode::Persistent));
        run.call("a", OpCode::Create, &create("/e", "", CreateMode::Ephemeral));
        let bad = [
            "",
            "/",
            "p",
            "p/q",
            "/p/",
            "//",
            "/p//q",
            "/p/./q",
            "/p/.",
            "/p/..",
            "/./q",
            "/p\0",
            "/p/\u{1}",
            "/p/\u{7f}",
            "/p/\u{9f}",
            "/p/\u{a0}",
            "/p/\u{e000}",
            "/p/\u{f8ff}",
            "/p/\u{fff0}",
            "/p/\u{ffef}",
            "/p/😀",
            "/p/ä",
            "/none/q",
            "/e/q",
            "/p/q",
            "/p/q",
            "/e",
            "/zookeeper/x",
            "/zookeeper/config",
            "/p/...",
            "/p/q/",
        ];
        for path in bad {
            for mode in [CreateMode::Persistent, CreateMode::PersistentSequential] {
                run.call("a", OpCode::Create, &create(path, "", mode));
            }
        }
        run.call("a", OpCode::Create, &CreateRequest { path: None, ..create("", "", CreateMode::Persistent) });
        run.call("a", OpCode::Create2, &CreateRequest { data: None, ..create("/null", "", CreateMode::Persistent) });
        run.call("a", OpCode::GetData, &get("/null", false));
        run.call("a", OpCode::GetChildren2, &get("/p", false));
        run.call("a", OpCode::GetChildren2, &get("/e", false));

        run.part("the sequence counter");
        run.connect("a");
        run.call("a", OpCode::Create, &create("/s", "", CreateMode::Persistent));
        for _ in 0..3 {
            run.call("a", OpCode::Create2, &create("/s/x-", "", CreateMode::EphemeralSequential));
        }
        run.call("a", OpCode::Delete, &delete("/s/x-0000000001", -1));
        run.call("a", OpCode::Create2, &create("/s/y-", "", CreateMode::PersistentSequential));
        run.call("a", OpCode::Create2, &create("/s/plain", "", CreateMode::Persistent));
        run.call("a", OpCode::Create2, &create("/s/", "", CreateMode::PersistentSequential));
        run.call("a", OpCode::Create2, &create("/s/.", "", CreateMode::PersistentSequential));
        run.call("a", OpCode::Exists, &get("/s", false));
        run.call("a", OpCode::GetChildren, &get("/s", false));
    });
}
