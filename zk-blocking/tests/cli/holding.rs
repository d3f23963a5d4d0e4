//! Ephemeral nodes, which live as long as the command.

use std::os::unix::process::ExitStatusExt;

use crate::support::{in_memory, on_each_server};

#[test]
fn an_ephemeral_node_lives_until_standard_input_ends() {
    on_each_server("ephemeral", |zk| {
        let mut holder = zk.start("create -e /a data");
        assert_eq!(holder.line(), "/a");
        assert_eq!(holder.note(), "zk: /a is there until standard input ends, or Ctrl-C");
        assert_eq!(zk.ok("get /a"), "data");
        let owner = zk.json("stat /a")[0]["stat"]["ephemeralOwner"].as_str().unwrap().to_string();
        assert_ne!(owner, "0x0");
        assert_eq!(zk.ok("ephemerals"), format!("{owner} /a\n"));
        assert_eq!(zk.ok(&format!("ephemerals --session {owner}")), format!("{owner} /a\n"));
        assert_eq!(zk.ok("ephemerals --session 0x1"), "");

        drop(holder.stdin.take());

        assert_eq!(holder.end().0.code(), Some(0));
        zk.run("get /a").fails(3, &[]);
    });
}

#[test]
fn an_interrupt_takes_the_node_away_at_once() {
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        on_each_server("interrupt", |zk| {
            let mut holder = zk.start("create -e -s /a-");
            assert_eq!(holder.line(), "/a-0000000000");
            holder.note();

            holder.signal(name);

            let (status, rest) = holder.end();
            assert_eq!((status.signal(), rest.as_str()), (Some(number), ""));
            zk.run("get /a-0000000000").fails(3, &[]);
        });
    }
}

#[test]
fn data_from_standard_input_leaves_only_the_interrupt() {
    let (server, zk) = in_memory();
    let mut holder = zk.start("create -e /a -");
    std::io::Write::write_all(holder.stdin.as_mut().unwrap(), b"from input").unwrap();
    drop(holder.stdin.take());

    assert_eq!(holder.line(), "/a");
    assert_eq!(holder.note(), "zk: /a is there until Ctrl-C");
    assert_eq!(zk.ok("get /a"), "from input");
    holder.signal("INT");
    holder.end();

    assert!(server.get("/a").is_none());
    assert!(server.sessions().is_empty());
}

#[test]
fn an_expired_session_is_6() {
    let (server, zk) = in_memory();
    let mut holder = zk.start("create -e /a");
    assert_eq!(holder.line(), "/a");
    holder.note();

    server.expire_sessions();

    let (mut code, mut notes) = (None, String::new());
    while code.is_none() {
        let note = holder.note();
        if note.is_empty() {
            code = holder.child.wait().unwrap().code();
        }
        notes.push_str(&note);
    }
    assert_eq!(code, Some(6));
    assert!(notes.contains("/a: the session is expired, the node gone"), "{notes}");
}

#[test]
fn a_lost_link_is_told_and_the_node_stays() {
    let (server, zk) = in_memory();
    let mut holder = zk.start("create -e /a");
    holder.line();
    holder.note();

    server.cut_connections();

    assert!(holder.note().starts_with("zk: cut off from the server (connection closed or refused), /a is there until"));
    assert_eq!(holder.note(), "zk: connected again, /a is there");
    assert!(server.get("/a").is_some());
}

#[test]
fn every_command_closes_its_session() {
    let (server, zk) = in_memory();
    zk.ok("create /a");
    zk.run("get /none").fails(3, &[]);
    zk.ok("ls -R /");

    assert!(server.sessions().is_empty());
}
