//! Each exit code, and what is said with it.

use std::net::TcpListener;

use crate::support::{Zk, file, in_memory, on_each_server, values};

#[test]
fn what_is_wrong_with_the_command_line_is_2() {
    let zk = Zk::on("localhost:1");
    for line in ["", "frobnicate", "get", "stat", "set /a", "set /a x -f y", "rm --version x /a", "--timeout 1y ls"] {
        zk.run(line).fails(2, &[]);
    }
    zk.run("set /a").fails(2, &["no data"]);
    zk.run("-s host:port ls").fails(2, &["bad connect string", "the port must be a number"]);
    zk.run("-s ssl://host ls").fails(2, &["bad connect string"]);
    zk.run("-s , ruok").fails(2, &["bad connect string"]);
}

#[test]
fn a_path_that_cannot_be_is_2() {
    let (_server, zk) = in_memory();
    for line in ["get a", "create /a/", "ls /a//b", "rm -r /../x", "tree x", "export x", "acl get x", "watch x"] {
        zk.run(line).fails(2, &["invalid path"]);
    }
}

#[test]
fn a_node_that_is_missing_is_3() {
    on_each_server("missing", |zk| {
        for line in [
            "get /a",
            "set /a x",
            "stat /a",
            "rm /a",
            "rm -r /a",
            "ls /a",
            "ls -R /a",
            "tree /a",
            "export /a",
            "acl get /a",
            "acl set /a world:anyone:r",
            "acl set -R /a world:anyone:r",
            "create /a/b",
            "cp /a /b",
            "cp -r /a /b",
            "ephemerals /a",
        ] {
            zk.run(line).fails(3, &["zk: /a", "(server 127.0.0.1:"]);
        }
    });
}

#[test]
fn a_conflict_is_4() {
    on_each_server("conflict", |zk| {
        zk.ok("create /a");
        zk.ok("create /a/b");
        for line in [
            "create /a",
            "set --version 7 /a x",
            "rm --version 7 /a/b",
            "rm /a",
            "acl set --version 7 /a world:anyone:r",
        ] {
            zk.run(line).fails(4, &["zk: /a"]);
        }
        zk.run("rm /a").fails(4, &["node has children (-r deletes them too)"]);
    });
}

#[test]
fn a_missing_permission_is_5() {
    on_each_server("permission", |zk| {
        zk.ok("create /a secret --acl digest:bob:x:cdrwa");
        for line in ["get /a", "set /a x", "create /a/b", "ls /a", "export /a"] {
            zk.run(line).fails(5, &["zk: /a", "permission missing"]);
        }
    });
}

#[test]
fn no_server_is_6_and_each_one_is_named_with_its_cause() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let zk = Zk::on(format!("{closed},localhost:1"));

    zk.run("--timeout 300ms get /a").fails(6, &["no session within 300ms", &closed.to_string(), "localhost:1"]);
}

#[test]
fn a_server_that_says_nothing_is_6() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let zk = Zk::on(silent.local_addr().unwrap().to_string());

    zk.run("--timeout 200ms get /a").fails(6, &["no session within 200ms"]);
    zk.run("--timeout 200ms ruok").fails(6, &["no answer in time"]);
}

#[test]
fn a_reply_that_does_not_come_is_6() {
    let (server, zk) = in_memory();
    server.swallow_reply(zk_proto::code::OpCode::SetData);
    zk.ok("create /a");

    zk.run("--timeout 300ms set /a x").fails(6, &["zk: /a", "no reply in time, perhaps carried out"]);

    assert_eq!(zk.ok("get /a"), "x");
}

#[test]
fn everything_else_is_1() {
    on_each_server("else", |zk| {
        let large = file("two-megabytes", &vec![b'x'; 2 << 20]);
        zk.run(&format!("create /a -f {large}")).fails(1, &["zk: /a", "the limit is"]);
        zk.run("create /a -f /no/such/file").fails(1, &["zk: /no/such/file", "No such file"]);
    });
}

#[test]
fn an_error_in_json_is_json_too() {
    let (_server, zk) = in_memory();

    let outcome = zk.run("--json get /a");

    assert_eq!(outcome.code, Some(3));
    let error = &values(&outcome.stderr)[0];
    assert_eq!((error["error"].as_str(), error["subject"].as_str()), (Some("no such node"), Some("/a")));
    assert_eq!(error["exit"], 3);
    assert!(error["server"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn an_option_goes_before_the_environment() {
    let (server, _) = in_memory();
    let elsewhere = Zk::on("localhost:1");

    assert_eq!(elsewhere.ok(&format!("-s {} ls /", server.connect_string())), "zookeeper\n");
    assert_eq!(elsewhere.ok(&format!("ls / --servers {}", server.connect_string())), "zookeeper\n");
}
