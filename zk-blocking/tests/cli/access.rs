//! Credentials and access control lists.

use crate::support::{file, in_memory, on_each_server};

const BOB: &str = "--auth digest:bob:hunter2";

#[test]
fn credentials_come_from_an_option_or_from_the_environment() {
    on_each_server("auth", |zk| {
        zk.ok(&format!("{BOB} create /a secret --acl auth::cdrwa"));

        zk.run("get /a").fails(5, &["permission missing"]);
        assert_eq!(zk.ok(&format!("{BOB} get /a")), "secret");
        assert_eq!(zk.ok(&format!("get /a --auth digest:alice:x {BOB}")), "secret");
        let from_environment = zk.command(&["get", "/a"]).env("ZK_AUTH", "digest:bob:hunter2").output().unwrap();
        assert_eq!(from_environment.stdout, b"secret");
        let lines = file("auth", b"digest:alice:x\r\n\ndigest:bob:hunter2\n");
        assert_eq!(zk.ok(&format!("get /a --auth-file {lines}")), "secret");
    });
}

#[test]
fn secrets_are_never_shown() {
    let (_server, zk) = in_memory();
    for arguments in [
        &["--auth", "hunter2hunter2", "ls"][..],
        &["--auth", ":hunter2hunter2", "ls"],
        &["--auth", "digest:bob:hunter2hunter2", "get", "/none"],
        &["--auth", "digest:bob:hunter2hunter2", "frobnicate"],
        &["--auth", "hunter2hunter2:x", "ls"],
        &["--help"],
    ] {
        let output = zk.command(arguments).env("ZK_AUTH", "digest:alice:hunter2hunter2").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8(said).unwrap().contains("hunter2"), "{arguments:?}");
    }
    zk.run("--auth hunter2 ls").fails(2, &["zk: --auth: expected SCHEME:SECRET"]);
    let lines = file("bad-auth", b"hunter2");
    zk.run(&format!("--auth-file {lines} ls")).fails(2, &["zk: --auth-file: expected SCHEME:SECRET"]);
    zk.run("--auth-file /no/such/file ls").fails(1, &["zk: /no/such/file"]);
}

#[test]
fn credentials_that_a_server_refuses_are_5() {
    let (_server, zk) = in_memory();

    zk.run("--auth nonsense:x get /").fails(5, &["authentication failed"]);
}

#[test]
fn one_is_told_who_one_is() {
    on_each_server("whoami", |zk| {
        let text = zk.ok(&format!("{BOB} whoami"));
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["digest: bob", "ip: 127.0.0.1"]);
        let bob = serde_json::json!({ "scheme": "digest", "user": "bob" });
        assert!(zk.json(&format!("{BOB} whoami")).contains(&bob));
    });
}

#[test]
fn lists_are_read_and_replaced() {
    on_each_server("acl", |zk| {
        zk.ok("create /a");
        assert_eq!(zk.ok("acl get /a"), "world:anyone:cdrwa\n");

        zk.ok("acl set --version 0 /a world:anyone:ra digest:bob:aGFzaA==:cdrwa");

        assert_eq!(zk.ok("acl get /a"), "world:anyone:ra\ndigest:bob:aGFzaA==:cdrwa\n");
        let json = &zk.json("acl get /a")[0];
        assert_eq!(json["acl"], serde_json::json!(["world:anyone:ra", "digest:bob:aGFzaA==:cdrwa"]));
        assert_eq!(json["aversion"], 1);
        zk.run("acl set /a world:anyone").fails(2, &["SCHEME:ID:PERMISSIONS"]);
        zk.run("acl set /a").fails(2, &[]);
    });
}

#[test]
fn a_list_is_set_for_a_whole_tree_even_if_it_forbids_to_look() {
    on_each_server("acl-tree", |zk| {
        zk.ok("create -p /a/b/c");
        zk.ok("create -p /a/d");

        let set = &zk.json("acl set -R /a world:anyone:a")[0];

        assert_eq!(set["set"], 4);
        zk.run("ls /a").fails(5, &["/a"]);
        assert_eq!(zk.ok("acl get /a/b/c"), "world:anyone:a\n");
    });
}
