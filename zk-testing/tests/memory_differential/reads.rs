//! Reading and changing nodes: odd paths, versions, what a fresh server has.

use zk_proto::{
    code::{CreateMode, OpCode, WatcherType},
    record::*,
    wire::Text,
};
use zk_testing::ensemble;

use crate::{
    compare,
    memory_client::{create, text},
    requests::*,
    same,
};
use bytes::Bytes;

#[test]
fn reads_and_changes_are_answered_as_by_a_real_server() {
    compare(ensemble::Builder::new(), same, |run, _| {
        run.part("what is there from the start");
        run.connect("a");
        for path in ["/", "", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/nothing"] {
            run.call("a", OpCode::GetData, &get(path, false));
            run.call("a", OpCode::Exists, &get(path, false));
            run.call("a", OpCode::GetChildren, &get(path, false));
            run.call("a", OpCode::GetChildren2, &get(path, false));
            run.call("a", OpCode::GetAcl, &GetAclRequest { path: text(path) });
            run.call("a", OpCode::GetAllChildrenNumber, &GetAllChildrenNumberRequest { path: text(path) });
            run.call("a", OpCode::Sync, &SyncRequest { path: text(path) });
            run.call("a", OpCode::SetData, &set(path, "x", 7));
            run.call("a", OpCode::Delete, &delete(path, -1));
            run.call("a", OpCode::SetAcl, &SetAclRequest { path: text(path), acl: None, version: -1 });
        }

        run.part("odd paths");
        run.connect("a");
        run.call("a", OpCode::Create, &create("/a", "1", CreateMode::Persistent));
        run.call("a", OpCode::Create, &create("/a/b", "1", CreateMode::Persistent));
        for path in ["a", "/a/", "//a", "/a\0", "/none", "/a//b", "/a/./b", "/😀", "/a/\u{fffd}"] {
            run.call("a", OpCode::GetData, &get(path, false));
            run.call("a", OpCode::Exists, &get(path, true));
            run.call("a", OpCode::GetChildren, &get(path, false));
            run.call("a", OpCode::GetAcl, &GetAclRequest { path: text(path) });
            run.call("a", OpCode::GetAllChildrenNumber, &GetAllChildrenNumberRequest { path: text(path) });
            run.call("a", OpCode::Sync, &SyncRequest { path: text(path) });
            run.call("a", OpCode::SetData, &set(path, "x", -1));
            run.call("a", OpCode::Delete, &delete(path, -1));
            run.call("a", OpCode::SetAcl, &SetAclRequest { path: text(path), acl: Some(Acl::open()), version: -1 });
            run.call("a", OpCode::GetEphemerals, &GetEphemeralsRequest { prefix_path: text(path) });
        }
        for raw in [
            &b"/\xED\xA0\xBD\xED\xB8\x80"[..],
            b"/\xFF",
            b"/\xF0\x9F",
            b"/\xC0\x80",
            b"/a\xE2\x82",
            b"/\xF4\x90\x80\x80",
        ] {
            let path = Some(Text::from_wire(Bytes::copy_from_slice(raw)));
            run.call("a", OpCode::Sync, &SyncRequest { path });
        }

        run.part("null paths");
        run.connect("a");
        run.call("a", OpCode::GetData, &GetDataRequest { path: None, watch: true });
        run.call("a", OpCode::Exists, &GetDataRequest { path: None, watch: true });
        run.call("a", OpCode::GetChildren, &GetDataRequest { path: None, watch: true });
        run.call("a", OpCode::GetChildren2, &GetDataRequest { path: None, watch: true });
        run.call("a", OpCode::GetAcl, &GetAclRequest { path: None });
        run.call("a", OpCode::GetAllChildrenNumber, &GetAllChildrenNumberRequest { path: None });
        run.call("a", OpCode::Sync, &SyncRequest { path: None });
        run.call("a", OpCode::SetData, &SetDataRequest { path: None, ..set("", "", -1) });
        run.call("a", OpCode::Delete, &DeleteRequest { path: None, version: -1 });
        run.call("a", OpCode::SetAcl, &SetAclRequest { path: None, acl: Some(Acl::open()), version: -1 });
        run.call("a", OpCode::CheckWatches, &CheckWatchesRequest { path: None, watcher_type: WatcherType::Any });
        run.call("a", OpCode::RemoveWatches, &CheckWatchesRequest { path: None, watcher_type: WatcherType::Any });
        // Not addWatch: on 3.8 the connection cannot be closed any more then.

        run.part("versions");
        run.connect("a");
        run.call("a", OpCode::Create, &create("/v", "1", CreateMode::Persistent));
        for version in [0, 0, 1, -1, -2, i32::MIN, i32::MAX, 3] {
            run.call("a", OpCode::SetData, &set("/v", "more", version));
        }
        for version in [0, 0, 1, -1, -2] {
            run.call("a", OpCode::SetAcl, &SetAclRequest { path: text("/v"), acl: Some(Acl::open()), version });
        }
        run.call("a", OpCode::SetData, &SetDataRequest { data: None, ..set("/v", "", -1) });
        run.call("a", OpCode::GetData, &get("/v", false));
        run.call("a", OpCode::SetData, &set("/v", "", -1));
        run.call("a", OpCode::GetData, &get("/v", false));
        for version in [0, 77, -2, -1, -1] {
            run.call("a", OpCode::Delete, &delete("/v", version));
        }
        run.call("a", OpCode::Delete, &delete("/a", -1));
        run.call("a", OpCode::Delete, &delete("/a/b/", -1));
        run.call("a", OpCode::Exists, &get("/a", false));
        run.call("a", OpCode::SetData, &set("/", "root", -1));
        run.call("a", OpCode::GetData, &get("/", false));

        run.part("descendants and ephemerals");
        run.connect("a");
        run.connect("b");
        for path in ["/d", "/d/1", "/d/1/1", "/d/2", "/dd"] {
            run.call("a", OpCode::Create, &create(path, "", CreateMode::Persistent));
        }
        for path in ["/d", "/d/1", "/d/2", "/dd", "/", ""] {
            run.call("a", OpCode::GetAllChildrenNumber, &GetAllChildrenNumberRequest { path: text(path) });
        }
        run.call("a", OpCode::Create, &create("/d/e1", "", CreateMode::Ephemeral));
        run.call("b", OpCode::Create, &create("/d/e2", "", CreateMode::Ephemeral));
        run.call("a", OpCode::Create, &create("/e", "", CreateMode::Ephemeral));
        for prefix in ["/", "", " ", "\t/ ", "/d", "/d/e", "/d/e1", "/x", "d", "/d/e1/"] {
            run.call("a", OpCode::GetEphemerals, &GetEphemeralsRequest { prefix_path: text(prefix) });
        }
        run.call("a", OpCode::GetEphemerals, &GetEphemeralsRequest { prefix_path: None });
        run.call("b", OpCode::Exists, &get("/d/e1", true));
        run.call("b", OpCode::GetChildren, &get("/d", true));
        run.close("a");
        run.call("b", OpCode::GetChildren2, &get("/d", false));
    });
}
