//! What happens by itself, in time.

use zk_proto::code::{AddWatchMode, CreateMode, OpCode};
use zk_testing::ensemble;

use crate::{
    compare,
    memory_client::{create, greeting},
    requests::*,
    same,
};
use std::time::Duration;

#[test]
fn time_ends_sessions_and_nodes_as_on_a_real_server() {
    compare(ensemble::Builder::new(), same, |run, _| {
        run.connect("w");
        run.call("w", OpCode::AddWatch, &watch("/", AddWatchMode::PersistentRecursive));
        run.greet("a", &greeting(1000));
        run.call("a", OpCode::Create, &create("/e", "", CreateMode::Ephemeral));
        run.disconnect("a");
        run.wait(Duration::from_millis(2100));
        run.call("w", OpCode::Exists, &get("/e", false));

        run.note("-- containers".into());
        for (op, mode, path) in [
            (OpCode::CreateContainer, CreateMode::Container, "/c"),
            (OpCode::Create, CreateMode::Container, "/c1"),
            (OpCode::Create2, CreateMode::Container, "/c2"),
            (OpCode::CreateContainer, CreateMode::Persistent, "/c3"),
            (OpCode::CreateContainer, CreateMode::Ephemeral, "/c4"),
        ] {
            run.call("w", op, &create(path, "", mode));
            run.call("w", OpCode::Create, &create(&format!("{path}/x"), "", CreateMode::Persistent));
            run.call("w", OpCode::Delete, &delete(&format!("{path}/x"), -1));
            run.wait(Duration::from_millis(1400));
        }
        run.call("w", OpCode::CreateTtl, &ttl("/ttl", CreateMode::PersistentWithTtl, 200));
        run.wait(Duration::from_millis(2100));
        run.call("w", OpCode::GetChildren2, &get("/", false));
    });
}
