//! One node at a time.

use zk_testing::TestServer;

use crate::support::{Zk, file, in_memory, on_each_server};

#[test]
fn a_node_is_created_read_replaced_and_deleted() {
    on_each_server("life", |zk| {
        assert_eq!(zk.ok("create /a hello"), "/a\n");
        assert_eq!(zk.ok("get /a"), "hello");
        assert_eq!(zk.ok("set /a world"), "");
        assert_eq!(zk.ok("set --version 1 /a -- -1"), "");
        assert_eq!(zk.ok("get /a"), "-1");
        assert_eq!(zk.ok("rm --version 2 /a"), "");
        zk.run("get /a").fails(3, &["zk: /a: no such node (server 127.0.0.1:"]);
    });
}

#[test]
fn results_in_json_tell_more() {
    on_each_server("json", |zk| {
        let created = &zk.json("create /a hello")[0];
        assert_eq!((created["path"].as_str(), created["stat"]["dataLength"].as_i64()), (Some("/a"), Some(5)));
        let set = &zk.json("set /a hi")[0];
        assert_eq!((set["stat"]["version"].as_i64(), set["stat"]["dataLength"].as_i64()), (Some(1), Some(2)));
        let got = &zk.json("get /a")[0];
        assert_eq!((got["path"].as_str(), got["data"].as_str()), (Some("/a"), Some("hi")));
        assert_eq!(got["stat"], set["stat"]);
        assert_eq!(zk.json("stat /a")[0]["stat"], set["stat"]);
        assert_eq!(zk.json("rm /a"), [] as [serde_json::Value; 0]);
    });
}

#[test]
fn the_figures_of_a_node_are_told_by_their_names() {
    on_each_server("figures", |zk| {
        zk.ok("create /a 12345");
        zk.ok("create /a/b");

        let stat = zk.ok("stat /a");

        let names: Vec<&str> = stat.lines().map(|line| line.split_once(": ").unwrap().0).collect();
        assert_eq!(names[..5], ["czxid", "mzxid", "pzxid", "ctime", "mtime"]);
        assert!(stat.contains("\ndataLength: 5\nnumChildren: 1\n"), "{stat}");
        assert!(stat.contains("\nephemeralOwner: 0x0\n"), "{stat}");
    });
}

#[test]
fn any_bytes_come_back_as_they_were() {
    let all: Vec<u8> = (0..=255).collect();
    on_each_server("bytes", |zk| {
        let path = file("all-bytes", &all);
        zk.ok(&format!("create /file -f {path}"));
        assert_eq!(zk.run_with("create /input -", all.clone()).ok(), "/input\n");
        assert_eq!(zk.run_with("create /input-too -f -", all.clone()).ok(), "/input-too\n");
        for node in ["/file", "/input", "/input-too"] {
            assert_eq!(zk.run(&format!("get {node}")).stdout, all);
        }
        let got = &zk.json("get /file")[0];
        assert!(got.get("data").is_none());
        assert!(got["base64"].as_str().unwrap().starts_with("AAECAwQF"));
    });
}

#[test]
fn an_argument_need_not_be_text() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let (server, zk) = in_memory();

    let words = [OsStr::new("create"), OsStr::new("/a"), OsStr::from_bytes(b"\xff\xfe")];
    zk.run_words(&words).ok();

    assert_eq!(server.get("/a").unwrap().0.unwrap(), b"\xff\xfe"[..]);
}

#[test]
fn a_terminal_is_spared_what_is_no_text() {
    let (server, zk) = in_memory();
    zk.run_with("create /a -", &b"\x1b[31m\xffred"[..]).ok();
    zk.ok("create /line text");
    let on_terminal = |line: &str| {
        let program = env!("CARGO_BIN_EXE_zk");
        let mut command = std::process::Command::new("script");
        let servers = server.connect_string();
        command.args(["-qec", &format!("{program} -s {servers} {line}"), "/dev/null"]);
        crate::support::Outcome::of(command.stdin(std::process::Stdio::null()).output().unwrap()).ok()
    };

    assert_eq!(on_terminal("get /a"), "\\u{1b}[31m\\xffred\r\n");
    assert_eq!(on_terminal("get /line"), "text\r\n");
}

#[test]
fn nodes_of_every_kind_are_created() {
    on_each_server("kinds", |zk| {
        assert_eq!(zk.ok("create -s /job- x"), "/job-0000000000\n");
        assert_eq!(zk.ok("create --sequential /job- x"), "/job-0000000001\n");
        assert_eq!(zk.ok("create -c /container"), "/container\n");
        assert_eq!(zk.ok("create --ttl 3600000 /ttl"), "/ttl\n");
        assert_eq!(zk.ok("create -s --ttl 3600000 /ttl-"), "/ttl-0000000004\n");
        zk.run("create -s -c /x").fails(2, &["cannot be used with"]);
        zk.run("create -e --ttl 5 /x").fails(2, &["cannot be used with"]);
        zk.run("create --ttl 0 /x").fails(2, &["ttl"]);
    });
}

#[test]
fn parents_are_created_when_asked_for() {
    on_each_server("parents", |zk| {
        zk.run("create /a/b/c x").fails(3, &["/a/b/c", "the node above it does not exist (-p creates it)"]);
        assert_eq!(zk.ok("create -p /a/b/c x"), "/a/b/c\n");
        assert_eq!(zk.ok("create -p /a/b/d/e y"), "/a/b/d/e\n");
        assert_eq!(zk.ok("ls -R /a"), "/a\n/a/b\n/a/b/c\n/a/b/d\n/a/b/d/e\n");
        zk.run("create -p /a/b/c x").fails(4, &["node exists"]);
    });
}

#[test]
fn a_chroot_that_is_missing_is_a_parent_too() {
    let server = TestServer::start().unwrap();
    let zk = Zk::on(format!("{}/not/yet", server.connect_string()));

    zk.run("create -p /a x").fails(3, &["/not/yet"]);
    Zk::on(server.connect_string()).ok("create /not");
    assert_eq!(zk.ok("create -p /a x"), "/a\n");

    assert!(server.get("/not/yet/a").is_some());
}

#[test]
fn an_access_control_list_comes_with_the_node() {
    on_each_server("create-acl", |zk| {
        zk.ok("create --acl world:anyone:r --acl ip:127.0.0.1:cdrwa /a x");
        assert_eq!(zk.ok("acl get /a"), "world:anyone:r\nip:127.0.0.1:cdrwa\n");
        zk.run("create --acl nonsense /b").fails(2, &["SCHEME:ID:PERMISSIONS"]);
    });
}

#[test]
fn catching_up_is_quiet() {
    on_each_server("sync", |zk| {
        assert_eq!(zk.ok("sync"), "");
        assert_eq!(zk.json("sync /")[0]["path"], "/");
    });
}
