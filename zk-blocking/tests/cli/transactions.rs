//! `multi`.

use serde_json::json;

use crate::support::{file, in_memory, on_each_server};

#[test]
fn all_operations_are_carried_out_as_one() {
    on_each_server("multi", |zk| {
        zk.ok("create /a");
        zk.ok("create /old");
        let operations = "# a comment\ncheck --version 0 /a\n\nset --version 0 /a \"two words\\n\\xff\"\n\
                          create /a/b data\ncreate -s /a/job- \ndelete /old\n";

        assert_eq!(zk.run_with("multi", operations).ok(), "/a/b\n/a/job-0000000001\n");

        assert_eq!(zk.run("get /a").stdout, b"two words\n\xff");
        assert_eq!(zk.ok("ls -R /"), "/\n/a\n/a/b\n/a/job-0000000001\n");
        let sizes = zk.json("get /a");
        assert_eq!(sizes[0]["stat"]["version"], 1);
    });
}

#[test]
fn the_error_names_the_line_and_nothing_is_carried_out() {
    on_each_server("multi-fails", |zk| {
        let operations = file("multi-fails", b"create /a\n# the next is there already\ncreate /a\nset /none x\n");

        zk.run(&format!("multi {operations}"))
            .fails(4, &["multi-fails, line 3: /a: node exists; nothing was carried out"]);
        zk.run_with("multi -", "check /none\n").fails(3, &["standard input, line 1: /none: no such node"]);

        assert_eq!(zk.ok("ls /"), "");
    });
}

#[test]
fn a_line_that_cannot_be_read_is_2_before_anything_is_sent() {
    let (server, zk) = in_memory();
    for (line, said) in [
        ("frobnicate /a", "unrecognized subcommand 'frobnicate'"),
        ("set /a", "<DATA>"),
        ("create \"/a", "a quote is not closed"),
        ("check --version x /a", "invalid value 'x'"),
        ("create -e /a", "unexpected argument '-e'"),
        ("create relative", "invalid path"),
    ] {
        zk.run_with("multi", format!("create /before\n{line}\n")).fails(2, &["standard input, line 2: ", said]);
    }
    assert!(server.get("/before").is_none());
}

#[test]
fn results_in_json_name_their_lines() {
    let (server, zk) = in_memory();
    zk.ok("create /a");

    let outcome = zk.run_with("--json multi", "check /a\n\nset /a x\ncreate /b\ndelete /b\n").ok();

    let mut results = crate::support::values(&outcome);
    assert!(results[1]["stat"]["mzxid"].as_str().is_some_and(|zxid| zxid == server.zxid().to_string() || zxid > "0x0"));
    results.iter_mut().for_each(|result| _ = result.as_object_mut().unwrap().remove("stat"));
    assert_eq!(
        results,
        [
            json!({ "line": 1, "checked": "/a" }),
            json!({ "line": 3, "set": "/a" }),
            json!({ "line": 4, "created": "/b" }),
            json!({ "line": 5, "deleted": "/b" }),
        ]
    );
}
