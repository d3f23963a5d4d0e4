//! Watches: what leaves them, what fires them, what removes them.

use zk_proto::{
    Zxid,
    code::{AddWatchMode, CreateMode, OpCode, WatcherType},
    record::*,
};
use zk_testing::ensemble;

use crate::{
    compare,
    memory_client::{create, text, trace::Run},
    requests::*,
    same,
};

/// Leaves a watch on a path.
type Leave<'a> = &'a dyn Fn(&mut Run, &str);

#[test]
fn watches_fire_as_on_a_real_server() {
    compare(ensemble::Builder::new(), same, |run, version| {
        run.connect("w");
        run.connect("x");
        run.connect("m");
        run.note("-- every mutation with every kind of watch".into());
        let kinds: [Leave<'_>; 6] = [
            &|run, path| run.call("w", OpCode::GetData, &get(path, true)),
            &|run, path| run.call("w", OpCode::Exists, &get(path, true)),
            &|run, path| run.call("w", OpCode::GetChildren, &get(path, true)),
            &|run, path| run.call("w", OpCode::GetChildren2, &get(path, true)),
            &|run, path| run.call("w", OpCode::AddWatch, &watch(path, AddWatchMode::Persistent)),
            &|run, path| run.call("w", OpCode::AddWatch, &watch(path, AddWatchMode::PersistentRecursive)),
        ];
        for (number, leave) in kinds.iter().enumerate() {
            let node = format!("/k{number}");
            let (child, grandchild) = (format!("{node}/c"), format!("{node}/c/g"));
            for _ in 0..2 {
                leave(run, &node);
                run.call("m", OpCode::Create, &create(&node, "", CreateMode::Persistent));
                leave(run, &node);
                run.call("m", OpCode::SetData, &set(&node, "1", -1));
                run.call("m", OpCode::SetData, &set(&node, "2", -1));
                leave(run, &node);
                run.call(
                    "m",
                    OpCode::SetAcl,
                    &SetAclRequest { path: text(&node), acl: Some(Acl::open()), version: -1 },
                );
                run.call("m", OpCode::Create, &create(&child, "", CreateMode::Persistent));
                leave(run, &node);
                run.call("m", OpCode::SetData, &set(&child, "1", -1));
                run.call("m", OpCode::Create, &create(&grandchild, "", CreateMode::Persistent));
                run.call("m", OpCode::Delete, &delete(&grandchild, -1));
                leave(run, &node);
                run.call("m", OpCode::Delete, &delete(&child, -1));
                leave(run, &node);
                run.call("m", OpCode::Delete, &delete(&node, -1));
            }
            run.call("w", OpCode::RemoveWatches, &watches(&node, WatcherType::Any));
            run.call("w", OpCode::RemoveWatches, &watches(&node, WatcherType::Any));
        }

        run.note("-- several modes on one path".into());
        for (number, order) in [
            [0, 4, 5],
            [0, 5, 4],
            [4, 0, 5],
            [4, 5, 0],
            [5, 0, 4],
            [5, 4, 0],
            [2, 4, 5],
            [4, 2, 5],
            [5, 2, 4],
            [4, 5, 2],
        ]
        .into_iter()
        .enumerate()
        {
            let node = format!("/several{number}");
            run.call("m", OpCode::Create, &create(&node, "", CreateMode::Persistent));
            for kind in order {
                kinds[kind](run, &node);
            }
            for round in 0..2 {
                run.call("m", OpCode::SetData, &set(&node, "1", -1));
                run.call("m", OpCode::Create, &create(&format!("{node}/c"), "", CreateMode::Persistent));
                run.call("m", OpCode::SetData, &set(&format!("{node}/c"), "", -1));
                run.call("m", OpCode::Delete, &delete(&format!("{node}/c"), -1));
                if round == 0 {
                    run.call("m", OpCode::Delete, &delete(&node, -1));
                    run.call("m", OpCode::Create, &create(&node, "", CreateMode::Persistent));
                }
            }
            for kind in 0..7 {
                run.call("w", OpCode::CheckWatches, &watches(&node, WatcherType::from(kind)));
                run.call("x", OpCode::CheckWatches, &watches(&node, WatcherType::from(kind)));
            }
            for kind in [1, 2, 4, 5, 3] {
                run.call("w", OpCode::RemoveWatches, &watches(&node, WatcherType::from(kind)));
            }
        }

        run.note("-- checking and removing".into());
        for (number, leave) in kinds.iter().enumerate() {
            for kind in [1, 2, 3, 4, 5, 0, -1, 6] {
                let node = format!("/remove{number}x{kind}");
                run.call("m", OpCode::Create, &create(&node, "", CreateMode::Persistent));
                leave(run, &node);
                run.call("w", OpCode::CheckWatches, &watches(&node, WatcherType::from(kind)));
                run.call("x", OpCode::CheckWatches, &watches(&node, WatcherType::from(kind)));
                run.call("w", OpCode::CheckWatches, &watches(&format!("{node}/c"), WatcherType::from(kind)));
                run.call("x", OpCode::RemoveWatches, &watches(&node, WatcherType::from(kind)));
                run.call("w", OpCode::RemoveWatches, &watches(&node, WatcherType::from(kind)));
                run.call("w", OpCode::CheckWatches, &watches(&node, WatcherType::Any));
                run.call("m", OpCode::SetData, &set(&node, "1", -1));
                run.call("m", OpCode::Create, &create(&format!("{node}/c"), "", CreateMode::Persistent));
                run.call("m", OpCode::Delete, &delete(&format!("{node}/c"), -1));
                run.call("m", OpCode::Delete, &delete(&node, -1));
            }
        }
        run.call("w", OpCode::AddWatch, &watch("/x", AddWatchMode::from(2)));
        run.call("w", OpCode::AddWatch, &watch("/x", AddWatchMode::from(-1)));
        run.call("w", OpCode::AddWatch, &watch("", AddWatchMode::Persistent));
        run.call("w", OpCode::AddWatch, &watch("no path", AddWatchMode::Persistent));

        run.note("-- recursion and the root".into());
        run.connect("r");
        run.call("r", OpCode::AddWatch, &watch("/", AddWatchMode::PersistentRecursive));
        run.call("r", OpCode::GetChildren, &get("/", true));
        run.call("r", OpCode::GetData, &get("/", true));
        run.call("m", OpCode::Create, &create("/r", "", CreateMode::Persistent));
        run.call("r", OpCode::GetChildren, &get("/r", true));
        run.call("m", OpCode::Create, &create("/r/s", "", CreateMode::Persistent));
        run.call("m", OpCode::SetData, &set("/", "", -1));
        run.call("r", OpCode::GetData, &get("/r/s", true));
        run.call("r", OpCode::GetChildren, &get("/r/s", true));
        run.call("m", OpCode::Delete, &delete("/r/s", -1));
        run.call("m", OpCode::Delete, &delete("/r", -1));

        run.note("-- own changes, and the end of sessions".into());
        run.connect("o");
        run.call("o", OpCode::Create, &create("/own", "", CreateMode::Ephemeral));
        run.call("o", OpCode::GetData, &get("/own", true));
        run.call("o", OpCode::SetData, &set("/own", "1", -1));
        run.call("o", OpCode::GetData, &get("/own", true));
        run.call("o", OpCode::GetChildren, &get("/own", true));
        run.call("o", OpCode::AddWatch, &watch("/own", AddWatchMode::Persistent));
        run.call("x", OpCode::Exists, &get("/own", true));
        run.close("o");

        run.note("-- a multi fires each of its changes".into());
        run.call("w", OpCode::Exists, &get("/mm", true));
        run.call("w", OpCode::AddWatch, &watch("/mm", AddWatchMode::PersistentRecursive));
        run.call("x", OpCode::AddWatch, &watch("/mm", AddWatchMode::Persistent));
        run.call(
            "m",
            OpCode::Multi,
            &multi([
                (OpCode::Create, MultiOp::Create(create("/mm", "", CreateMode::Persistent))),
                (OpCode::SetData, MultiOp::SetData(set("/mm", "1", 0))),
                (OpCode::Create, MultiOp::Create(create("/mm/c", "", CreateMode::Persistent))),
                (OpCode::Delete, MultiOp::Delete(delete("/mm/c", -1))),
                (OpCode::Delete, MultiOp::Delete(delete("/mm", 1))),
                (OpCode::Create, MultiOp::Create(create("/mm", "", CreateMode::Persistent))),
            ]),
        );
        run.call(
            "m",
            OpCode::Multi,
            &multi([
                (OpCode::SetData, MultiOp::SetData(set("/mm", "1", 0))),
                (OpCode::SetData, MultiOp::SetData(set("/mm", "1", 0))),
            ]),
        );

        run.note("-- after a reconnect".into());
        run.connect("b");
        run.call("m", OpCode::Create, &create("/c", "", CreateMode::Persistent));
        run.call("m", OpCode::Create, &create("/c/1", "", CreateMode::Persistent));
        run.call("m", OpCode::SetData, &set("/c", "", -1));
        for zxid in [0, 1, i64::MAX] {
            for list in 0..6 {
                let some = |wanted: usize| {
                    paths(
                        (list == wanted || list == 5)
                            .then_some(["/c", "/c/1", "/gone", "", "/", "bad/", "/😀"])
                            .into_iter()
                            .flatten(),
                    )
                };
                let request = SetWatches2 {
                    relative_zxid: Zxid(zxid),
                    data_watches: some(0),
                    exist_watches: some(1),
                    child_watches: some(2),
                    persistent_watches: some(3),
                    persistent_recursive_watches: some(4),
                };
                run.call("b", OpCode::SetWatches2, &request);
                let SetWatches2 { relative_zxid, data_watches, exist_watches, child_watches, .. } = request;
                run.call(
                    "b",
                    OpCode::SetWatches,
                    &SetWatches { relative_zxid, data_watches, exist_watches, child_watches },
                );
            }
            run.call("m", OpCode::Create, &create("/gone", "", CreateMode::Persistent));
            run.call("m", OpCode::SetData, &set("/c", "", -1));
            run.call("m", OpCode::Create, &create("/c/2", "", CreateMode::Persistent));
            run.call("m", OpCode::Delete, &delete("/c/2", -1));
            run.call("m", OpCode::Delete, &delete("/gone", -1));
        }
        let nulls = SetWatches { relative_zxid: Zxid(0), data_watches: None, exist_watches: None, child_watches: None };
        run.call("b", OpCode::SetWatches, &nulls);
        run.call("b", OpCode::SetWatches, &SetWatches { data_watches: paths(["/c"]), ..nulls.clone() });
        run.call("b", OpCode::SetWatches, &SetWatches { data_watches: Some(vec![None]), ..nulls });
        _ = version;
    });
}
