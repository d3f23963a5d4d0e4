//! multi and multiRead.

use zk_proto::{
    code::{CreateMode, OpCode, WatcherType},
    record::*,
};
use zk_testing::{ensemble, server::Version};

use crate::{
    compare,
    memory_client::{create, text},
    requests::*,
    same,
};

#[test]
fn multis_are_answered_as_by_a_real_server() {
    compare(ensemble::Builder::new(), same, |run, version| {
        use OpCode::{Check, Create, Create2, CreateContainer, CreateTtl, Delete, GetChildren, GetData, SetData};
        run.connect("a");
        let c = |path: &str, mode| MultiOp::Create(create(path, "x", mode));
        let (plain, sequential) = (CreateMode::Persistent, CreateMode::PersistentSequential);
        run.call("a", OpCode::Multi, &multi([]));
        run.call("a", OpCode::MultiRead, &multi([]));
        run.call(
            "a",
            OpCode::Multi,
            &multi([
                (Create, c("/m", plain)),
                (Create2, c("/m/2", plain)),
                (CreateContainer, c("/m/c", CreateMode::Container)),
                (Create, c("/m/c1", CreateMode::Container)),
                (CreateTtl, MultiOp::CreateTtl(ttl("/m/t", CreateMode::PersistentWithTtl, 100_000))),
                (CreateTtl, MultiOp::CreateTtl(ttl("/m/t0", plain, 100_000))),
                (CreateTtl, MultiOp::CreateTtl(ttl("/m/tc", CreateMode::Container, 100_000))),
                (Create, c("/m/s-", sequential)),
                (Create2, c("/m/s-", CreateMode::EphemeralSequential)),
                (SetData, MultiOp::SetData(set("/m", "1", 0))),
                (Check, MultiOp::Check(check("/m", 1))),
                (Delete, MultiOp::Delete(delete("/m/2", 0))),
                (Create, c("/m/2", plain)),
                (SetData, MultiOp::SetData(set("/m/2", "longer", -1))),
            ]),
        );
        run.call("a", OpCode::GetChildren2, &get("/m", false));
        for path in ["/m/c", "/m/c1", "/m/t", "/m/t0", "/m/tc", "/m/2"] {
            run.call("a", GetData, &get(path, false));
        }
        run.note("-- odd modes".into());
        for mode in [-1, 0, 1, 2, 3, 4, 5, 6, 7] {
            for op in [Create, Create2, CreateContainer] {
                let path = format!("/odd{}x{mode}", op.code());
                run.call("a", OpCode::Multi, &multi([(op, c(&path, CreateMode::from(mode)))]));
                run.call("a", OpCode::Exists, &get(&path, false));
            }
            for time in [0, 1000, -1] {
                let path = format!("/oddt{mode}x{time}");
                if mode < 5 && time < 0 && mode >= 0 {
                    continue;
                }
                run.call(
                    "a",
                    OpCode::Multi,
                    &multi([(CreateTtl, MultiOp::CreateTtl(ttl(&path, CreateMode::from(mode), time)))]),
                );
            }
        }
        run.note("-- failures".into());
        let mut failures: Vec<(OpCode, MultiOp)> = vec![
            (Create, c("/m", plain)),
            (Create, c("/none/x", plain)),
            (Create, c("bad", plain)),
            (Create2, MultiOp::Create(with_acl("/x", vec![]))),
            (Create, MultiOp::Create(CreateRequest { acl: None, ..create("/x", "", plain) })),
            (Delete, MultiOp::Delete(delete("/m", -1))),
            (Delete, MultiOp::Delete(delete("/m/2", 9))),
            (Delete, MultiOp::Delete(delete("/", -1))),
            (SetData, MultiOp::SetData(set("/m", "", 9))),
            (SetData, MultiOp::SetData(set("/none", "", 9))),
            (Check, MultiOp::Check(check("/m", 9))),
            (Check, MultiOp::Check(check("/none", -1))),
            (Check, MultiOp::Check(check("bad/", -1))),
        ];
        // 3.8 stumbles half-way, and leaves a gap in the transaction numbers.
        if version >= Version::V3_9 {
            failures.push((Create, MultiOp::Create(CreateRequest { path: None, ..create("/x", "", plain) })));
            failures.push((Check, MultiOp::Check(CheckVersionRequest { path: None, version: -1 })));
        }
        for (op, body) in failures {
            run.call("a", OpCode::Multi, &multi([(op, body.clone())]));
            run.call(
                "a",
                OpCode::Multi,
                &multi([
                    (Create, c("/m/fail-", sequential)),
                    (SetData, MultiOp::SetData(set("/m", "changed", -1))),
                    (op, body),
                    (Check, MultiOp::Check(check("/m", -1))),
                    (Delete, MultiOp::Delete(delete("/m/2", -1))),
                ]),
            );
        }
        run.call("a", Create, &create("/m/after-", "", sequential));
        run.call("a", GetData, &get("/m", false));
        run.note("-- dependence of later operations on earlier ones".into());
        run.call(
            "a",
            OpCode::Multi,
            &multi([(Create, c("/dep", CreateMode::Ephemeral)), (Create, c("/dep/x", plain))]),
        );
        run.call(
            "a",
            OpCode::Multi,
            &multi([
                (Create, c("/dep", plain)),
                (Create, c("/dep/x", plain)),
                (Delete, MultiOp::Delete(delete("/dep", -1))),
            ]),
        );
        run.call(
            "a",
            OpCode::Multi,
            &multi([
                (Create, MultiOp::Create(with_acl("/dep", Acl::read_only()))),
                (SetData, MultiOp::SetData(set("/dep", "", -1))),
            ]),
        );
        run.call(
            "a",
            OpCode::Multi,
            &multi([
                (Create, c("/dep", plain)),
                (Create, c("/dep/x-", sequential)),
                (Create, c("/dep/x-", sequential)),
                (Delete, MultiOp::Delete(delete("/dep/x-0000000000", -1))),
                (Create, c("/dep/x-", sequential)),
                (Delete, MultiOp::Delete(delete("/dep/x-0000000001", -1))),
                (Delete, MultiOp::Delete(delete("/dep/x-0000000002", -1))),
                (SetData, MultiOp::SetData(set("/dep", "", 0))),
                (SetData, MultiOp::SetData(set("/dep", "", 1))),
                (Delete, MultiOp::Delete(delete("/dep", 2))),
            ]),
        );
        run.call("a", OpCode::Exists, &get("/dep", false));

        run.note("-- what cannot stand in a multi".into());
        let read = || MultiOp::GetData(get("/m", true));
        let children = || MultiOp::GetChildren(GetChildrenRequest { path: text("/m"), watch: true });
        for op in [OpCode::Multi, OpCode::MultiRead] {
            run.call("a", op, &multi([(GetData, read())]));
            run.call("a", op, &multi([(GetData, read()), (GetChildren, children())]));
            run.call("a", op, &multi([(GetData, read()), (Delete, MultiOp::Delete(delete("/m/2", -1)))]));
            run.call("a", op, &multi([(Delete, MultiOp::Delete(delete("/m/2", -1))), (GetData, read())]));
            run.call(
                "a",
                op,
                &multi([(OpCode::Exists, MultiOp::Exists(ExistsRequest { path: text("/m"), watch: false }))]),
            );
            run.call(
                "a",
                op,
                &multi([(OpCode::SetAcl, MultiOp::SetAcl(SetAclRequest { path: text("/m"), acl: None, version: 0 }))]),
            );
            run.call(
                "a",
                op,
                &multi([(
                    OpCode::GetChildren2,
                    MultiOp::GetChildren2(GetChildren2Request { path: text("/m"), watch: false }),
                )]),
            );
            run.call_raw("a", op, &[]);
            run.call_raw("a", op, &[0, 0, 0, 1, 0, 0, 0]);
            run.call_raw("a", op, &[0, 0, 0, 99, 0, 0, 0, 0, 0]);
            run.call_raw("a", op, &[0, 0, 0, 4, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        run.call("a", OpCode::MultiRead, &multi([(Delete, MultiOp::Delete(delete("/m/2", -1)))]));
        run.call(
            "a",
            OpCode::MultiRead,
            &multi([
                (GetData, MultiOp::GetData(get("/none", false))),
                (GetData, read()),
                (GetChildren, MultiOp::GetChildren(GetChildrenRequest { path: text("/none"), watch: false })),
                (GetChildren, children()),
                (GetData, MultiOp::GetData(get("", false))),
            ]),
        );
        run.call(
            "a",
            OpCode::MultiRead,
            &multi([(GetData, read()), (GetData, MultiOp::GetData(GetDataRequest { path: None, watch: false }))]),
        );
        run.call("a", OpCode::CheckWatches, &watches("/m", WatcherType::Any));
        _ = version;
    });
}
