//! Many nodes: listing, drawing, copying, deleting, exporting, importing.

use std::{collections::BTreeMap, io::Write, time::Duration};

use serde_json::{Value, json};
use zk_proto::code::OpCode;
use zk_testing::{TestServer, server::NodeInfo};

use crate::support::{Zk, file, in_memory, on_each_server, values, wait_until};

/// Creates `/t` with some nodes below it.
fn plant(zk: &Zk) {
    for line in ["create /t top", "create /t/b", "create /t/a 123", "create /t/a/x", "create /t/a/y", "create /t/b/z"] {
        zk.ok(line);
    }
}

#[test]
fn children_are_listed_by_name() {
    on_each_server("ls", |zk| {
        assert_eq!(zk.ok("ls"), "");
        plant(zk);
        assert_eq!(zk.ok("ls"), "t\n");
        assert_eq!(zk.ok("ls /t"), "a\nb\n");
        assert_eq!(zk.ok("ls /t/a/x"), "");
        assert_eq!(zk.ok("ls -R /t"), "/t\n/t/a\n/t/a/x\n/t/a/y\n/t/b\n/t/b/z\n");
        assert_eq!(zk.json("ls /t"), [json!({ "path": "/t/a" }), json!({ "path": "/t/b" })]);
    });
}

#[test]
fn long_lists_have_columns() {
    on_each_server("ls-long", |zk| {
        plant(zk);
        zk.ok("set /t/b 12345678");

        let list = zk.ok("ls -l /t");

        let columns: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(columns[0][1..], ["0", "3", "2", "-", "a"]);
        assert_eq!(columns[1][1..], ["1", "8", "1", "-", "b"]);
        assert!(columns[0][0].starts_with("20") && columns[0][0].ends_with('Z'));
        assert!(zk.ok("ls -l -R /t").contains(" - /t/a/x\n"));
        assert_eq!(zk.json("ls -l /t")[1]["stat"]["dataLength"], 8);
    });
}

#[test]
fn a_tree_is_drawn() {
    on_each_server("tree", |zk| {
        plant(zk);
        assert_eq!(zk.ok("tree /t"), "/t\n├── a\n│   ├── x\n│   └── y\n└── b\n    └── z\n");
        assert_eq!(zk.ok("tree /t -d 1"), "/t\n├── a\n└── b\n");
        assert_eq!(zk.json("tree /t -d 1")[1], json!({ "path": "/t/a", "depth": 1, "children": 2 }));
    });
}

#[test]
fn a_tree_is_deleted_with_all_below() {
    on_each_server("rm", |zk| {
        plant(zk);
        zk.run("rm /t").fails(4, &["/t: node has children"]);
        assert_eq!(zk.ok("rm -r /t/b"), "");
        assert_eq!(zk.json("rm -r /t")[0], json!({ "path": "/t", "deleted": 4 }));
        assert_eq!(zk.ok("ls"), "");
    });
}

#[test]
fn the_root_is_deleted_only_if_that_is_said_and_never_the_servers_own_node() {
    let (server, zk) = in_memory();
    plant(&zk);
    zk.run("rm /").fails(2, &["this is the root"]);
    zk.run("rm -r /").fails(2, &["--no-preserve-root"]);
    zk.run("rm --no-preserve-root /").fails(2, &["this is the root"]);
    zk.run("rm -r /zookeeper").fails(2, &["the server's own nodes are not deleted"]);
    assert!(server.get("/t/a").is_some());

    assert_eq!(zk.json("rm -r --no-preserve-root /")[0]["deleted"], 6);

    assert_eq!(zk.ok("ls -R /"), "/\n/zookeeper\n/zookeeper/config\n/zookeeper/quota\n");
    assert_eq!(zk.ok("rm -r --no-preserve-root /"), "");
}

#[test]
fn below_a_chroot_the_root_stays_and_a_node_of_that_name_is_like_any_other() {
    let (server, zk) = in_memory();
    plant(&zk);
    zk.ok("create /t/zookeeper");
    let below = Zk::on(format!("{}/t", server.connect_string()));

    assert_eq!(below.json("rm -r --no-preserve-root /")[0]["deleted"], 6);

    assert_eq!(zk.ok("ls -R /t"), "/t\n");
}

#[test]
fn a_node_that_is_created_while_its_tree_is_deleted_is_deleted_too() {
    let (server, zk) = in_memory();
    plant(&zk);
    server.delay_replies(Duration::from_millis(500));
    let mut removing = zk.start("--json rm -r /t");
    wait_until(|| server.requests().contains_key(&OpCode::GetChildren2));
    // The list of the top is on its way, and does not name it.
    zk.ok("create /t/late");
    zk.ok("create /t/late/child");

    let deleted = values(&removing.line()).remove(0);

    assert_eq!(deleted["deleted"], 8);
    assert_eq!(removing.end().0.code(), Some(0));
    assert!(server.get("/t").is_none());
}

#[test]
fn a_link_that_breaks_while_a_tree_is_deleted_costs_another_round() {
    let (server, zk) = in_memory();
    plant(&zk);
    server.swallow_reply(OpCode::Delete);
    server.delay_replies(Duration::from_millis(200));
    let removing = zk.start("rm -r /t");
    wait_until(|| server.requests().contains_key(&OpCode::Delete));

    server.cut_connections();

    let (status, said) = removing.end();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    assert!(server.get("/t").is_none());
}

#[test]
fn a_permission_that_is_missing_somewhere_names_the_node() {
    on_each_server("rm-acl", |zk| {
        plant(zk);
        zk.ok("acl set /t/a world:anyone:ra");
        zk.run("rm -r /t").fails(5, &["zk: /t/a/", "permission missing"]);
    });
}

#[test]
fn nodes_are_copied_one_or_all() {
    on_each_server("cp", |zk| {
        plant(zk);
        zk.ok("acl set /t/a world:anyone:cdrwa ip:127.0.0.1:r");
        zk.ok("cp /t /one");
        assert_eq!((zk.ok("get /one"), zk.ok("ls -R /one")), ("top".into(), "/one\n".into()));

        assert_eq!(zk.json("cp -r /t /all")[0]["written"], 6);

        assert_eq!(zk.ok("ls -R /all"), "/all\n/all/a\n/all/a/x\n/all/a/y\n/all/b\n/all/b/z\n");
        assert_eq!(zk.ok("get /all/a"), "123");
        assert_eq!(zk.ok("acl get /all/a"), "world:anyone:cdrwa\n");
        zk.ok("cp -r --acl /t /with-acl");
        assert_eq!(zk.ok("acl get /with-acl/a"), "world:anyone:cdrwa\nip:127.0.0.1:r\n");
    });
}

#[test]
fn a_copy_overwrites_only_when_told() {
    on_each_server("cp-over", |zk| {
        plant(zk);
        zk.ok("create /u keep");
        zk.run("cp -r /t /u").fails(4, &["zk: /u: node exists (--overwrite replaces it)"]);
        assert_eq!((zk.ok("get /u"), zk.ok("ls /u")), ("keep".into(), String::new()));

        zk.ok("cp -r --overwrite /t /u");

        assert_eq!((zk.ok("get /u"), zk.ok("ls /u")), ("top".into(), "a\nb\n".into()));
        zk.run_with("import /u", zk.ok("export /t")).fails(4, &["zk: /u: node exists"]);
        zk.run("cp -r /t /none/here").fails(3, &["/none/here: the node above it does not exist"]);
        for line in ["cp -r /t /t", "cp -r /t /t/a/copy", "cp -r / /t/copy", "cp /t /t"] {
            zk.run(line).fails(2, &["cannot be copied into itself"]);
        }
    });
}

#[test]
fn a_node_is_not_below_another_because_its_name_begins_alike() {
    let (_server, zk) = in_memory();
    plant(&zk);

    zk.ok("cp -r /t /tt");

    assert_eq!(zk.ok("get /tt/a"), "123");
}

#[test]
fn ephemeral_nodes_are_not_copied() {
    let (_server, zk) = in_memory();
    plant(&zk);
    let mut holder = zk.start("create -e /t/e");
    holder.line();

    let copied = zk.run("cp -r /t /u");
    let exported = zk.run("export /t");

    assert_eq!((copied.code, copied.stderr.as_str()), (Some(0), "zk: 1 ephemeral nodes were left out\n"));
    assert_eq!(exported.stderr, "zk: 1 ephemeral nodes were left out\n");
    assert!(!exported.text().contains("/e\""));
    assert_eq!(zk.ok("ls /u"), "a\nb\n");
}

#[test]
fn a_tree_is_exported_and_imported_elsewhere() {
    on_each_server("export", |zk| {
        plant(zk);
        zk.run_with("set /t/b -", &b"\xff\x00"[..]).ok();

        let exported = zk.ok("export /t");

        let nodes: Vec<Value> = serde_json::from_str(&exported).unwrap();
        assert_eq!(nodes[0], json!({ "path": "/", "data": "top" }));
        assert_eq!(nodes[4], json!({ "path": "/b", "base64": "/wA=" }));
        assert_eq!(zk.run_with("import /u", exported.clone()).ok(), "");
        assert_eq!(zk.ok("export /u"), exported);
        let path = file("export", exported.as_bytes());
        zk.run(&format!("import /u {path}")).fails(4, &["zk: /u: node exists (--overwrite replaces it)"]);
        zk.ok("set /u/a changed");
        assert_eq!(zk.json(&format!("import --overwrite /u {path}"))[0]["written"], 6);
        assert_eq!(zk.ok("export /u"), exported);
    });
}

#[test]
fn access_control_lists_are_exported_when_asked_for() {
    on_each_server("export-acl", |zk| {
        zk.ok("create /t");
        zk.ok("create /t/a --acl world:anyone:ra");

        let exported = zk.ok("export --acl /t");
        zk.run_with("import --acl /u", exported.clone()).ok();
        zk.run_with("import /v", exported.clone()).ok();

        assert!(exported.contains(r#"{"acl":["world:anyone:ra"],"data":"","path":"/a"}"#), "{exported}");
        assert_eq!(zk.ok("acl get /u/a"), "world:anyone:ra\n");
        assert_eq!(zk.ok("acl get /v/a"), "world:anyone:cdrwa\n");
    });
}

#[test]
fn null_and_empty_are_not_the_same() {
    let (server, zk) = in_memory();
    let exported = "[{\"path\":\"/\",\"data\":null},{\"path\":\"/a\",\"data\":\"\"}]";

    zk.run_with("import /t", exported).ok();
    zk.ok("cp -r /t /u");

    assert_eq!(server.get("/u").unwrap().0, None);
    assert_eq!(server.get("/u/a").unwrap().0, Some("".into()));
    assert!(zk.ok("export /t").contains(r#"{"data":null,"path":"/"}"#));
}

#[test]
fn the_root_is_imported_below_and_keeps_its_data() {
    let (server, zk) = in_memory();
    plant(&zk);
    let exported = zk.ok("export /");
    assert!(!exported.contains("zookeeper"));
    let other = TestServer::start().unwrap();
    let there = Zk::on(other.connect_string());

    there.run_with("import /", exported.clone()).ok();
    there.run_with("import /", exported).fails(4, &["zk: /t: node exists"]);

    assert_eq!(data(&other, "/t"), data(&server, "/t"));
}

#[test]
fn a_file_that_is_no_export_is_refused() {
    let (server, zk) = in_memory();
    for (contents, said) in [
        ("", "EOF"),
        ("{}", "expected an array of nodes"),
        ("[1]", "invalid type"),
        ("[{\"data\":\"x\"}]", "has no \"path\""),
        ("[{\"path\":\"a\"}]", "invalid path"),
        ("[{\"path\":\"/\",\"data\":1}]", "\"data\" must be a string"),
        ("[{\"path\":\"/\",\"base64\":\"?\"}]", "bad base64"),
        ("[{\"path\":\"/\",\"acl\":[\"x\"]}]", "SCHEME:ID:PERMISSIONS"),
    ] {
        zk.run_with("import /t", contents).fails(1, &[said]);
        assert!(server.get("/t").is_none(), "{contents}");
    }
    zk.run_with("import /t", "[{\"path\":\"/\"},").fails(1, &["standard input: EOF", "1 nodes were written before"]);
    assert!(server.get("/t").is_some());
}

#[test]
fn ten_thousand_nodes_make_the_round_trip() {
    on_each_server("large", |zk| {
        let mut nodes = vec![json!({ "path": "/" })];
        for branch in 0..100 {
            nodes.push(json!({ "path": format!("/branch-{branch:03}"), "data": "b".repeat(branch) }));
            let leaves =
                (0..99).map(|leaf| json!({ "path": format!("/branch-{branch:03}/leaf-{leaf}"), "base64": "/wA=" }));
            nodes.extend(leaves);
        }
        let file = file("large", serde_json::to_string(&nodes).unwrap().as_bytes());

        assert_eq!(zk.json(&format!("import /t {file}"))[0]["written"], 10_001);
        let exported = zk.ok("export /t");
        zk.run_with("import /u", exported.clone()).ok();

        assert_eq!(exported.lines().count(), 10_003);
        assert_eq!(zk.ok("export /u"), exported);
        assert_eq!(zk.ok("ls -R /u").lines().count(), 10_001);
        assert_eq!(zk.json("cp -r /t /v")[0]["written"], 10_001);
        assert_eq!(zk.json("rm -r /t")[0]["deleted"], 10_001);
    });
}

#[test]
fn a_deep_tree_is_walked_like_a_broad_one() {
    let (server, zk) = in_memory();
    let deep = "/d".repeat(400);
    zk.run_words(&["create", "-p", &deep, "x"]).ok();

    assert_eq!(zk.ok("ls -R /d").lines().count(), 400);
    assert_eq!(zk.json("rm -r /d")[0]["deleted"], 400);
    assert!(server.get("/d").is_none());
}

#[test]
fn nodes_that_vanish_on_the_way_are_left_out() {
    let (server, zk) = in_memory();
    plant(&zk);
    server.delay_replies(Duration::from_millis(500));
    let mut listing = zk.start("ls -R /t");
    wait_until(|| server.requests().contains_key(&OpCode::GetChildren2));
    // The list of the top is on its way, and names it.
    zk.ok("rm /t/b/z");
    zk.ok("rm /t/b");

    let lines: Vec<String> = (0..4).map(|_| listing.line()).collect();

    assert_eq!(lines, ["/t", "/t/a", "/t/a/x", "/t/a/y"]);
    assert_eq!(listing.end().0.code(), Some(0));
}

fn data(server: &TestServer, root: &str) -> BTreeMap<String, Option<bytes::Bytes>> {
    server.dump(root).into_iter().map(|NodeInfo { path, data, .. }| (path, data)).collect()
}

#[test]
fn an_import_from_a_pipe_begins_before_the_pipe_ends() {
    let (server, zk) = in_memory();
    let mut importing = zk.start("--json import /t");
    let mut stdin = importing.stdin.take().unwrap();
    stdin.write_all(b"[{\"path\":\"/\"}").unwrap();
    for n in 0..2_000 {
        stdin.write_all(format!(",\n{{\"path\":\"/{n}\"}}").as_bytes()).unwrap();
    }
    stdin.flush().unwrap();
    wait_until(|| server.children("/t").is_some_and(|children| children.len() >= 1_000));

    stdin.write_all(b"]").unwrap();
    drop(stdin);

    assert_eq!(values(&importing.line())[0]["written"], 2_001);
}
