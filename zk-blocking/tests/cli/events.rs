//! `watch`.

use std::os::unix::process::ExitStatusExt;

use serde_json::json;

use crate::support::{in_memory, on_each_server, values};

#[test]
fn events_are_lines_until_interrupted() {
    on_each_server("watch", |zk| {
        let mut watch = zk.start("watch /a");
        assert_eq!(watch.note(), "zk: watching /a");

        for line in ["create /a", "set /a x", "create /a/b", "set /a/b x", "rm -r /a"] {
            zk.ok(line);
        }

        for event in ["NodeCreated", "NodeDataChanged", "NodeChildrenChanged", "NodeChildrenChanged", "NodeDeleted"] {
            assert_eq!(watch.line(), format!("{event} /a"));
        }
        watch.signal("INT");
        assert_eq!(watch.end().0.signal(), Some(2));
    });
}

#[test]
fn a_recursive_watch_hears_of_everything_below() {
    on_each_server("watch-all", |zk| {
        let mut watch = zk.start("watch -R -n 4 /");
        watch.note();

        for line in ["create /a", "create /a/b", "set /a/b x", "rm /a/b"] {
            zk.ok(line);
        }

        for event in ["NodeCreated /a", "NodeCreated /a/b", "NodeDataChanged /a/b", "NodeDeleted /a/b"] {
            assert_eq!(watch.line(), event);
        }
        assert_eq!(watch.end().0.code(), Some(0));
    });
}

#[test]
fn events_in_json_name_their_transaction() {
    let (server, zk) = in_memory();
    let mut watch = zk.start("--json watch -n 1 /a");
    watch.note();

    zk.ok("create /a");

    let event = values(&watch.line()).remove(0);
    let created = server.get("/a").unwrap().1.czxid.to_string();
    assert_eq!(event, json!({ "event": "NodeCreated", "path": "/a", "zxid": created }));
}

#[test]
fn a_lost_link_is_a_resync() {
    let (server, zk) = in_memory();
    let mut watch = zk.start("watch /a");
    watch.note();

    server.cut_connections();

    assert_eq!(watch.line(), "Resync /a");
    zk.ok("create /a");
    assert_eq!(watch.line(), "NodeCreated /a");
}

#[test]
fn an_expired_session_is_told_and_the_watch_goes_on_in_the_next() {
    let (server, zk) = in_memory();
    let mut watch = zk.start("watch /a");
    watch.note();

    server.expire_sessions();

    assert_eq!(watch.note(), "zk: watching /a");
    zk.ok("create /a");
    let lines = [watch.line(), watch.line()];
    assert_eq!(lines, ["SessionExpired /a", "NodeCreated /a"]);
}

#[test]
fn a_watch_that_nobody_reads_any_more_ends_quietly() {
    let (_server, zk) = in_memory();
    let mut watch = zk.start("watch /a");
    watch.note();
    drop(watch.stdout.take());

    zk.ok("create /a");

    let (status, rest) = watch.end();
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
}
