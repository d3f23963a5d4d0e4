//! What the recipes of others leave on the server while they are used: what ours must understand, and make alike.

use zk_blocking::{Client, Wait};

use crate::{
    ground::Ground,
    languages::Library::{self, Curator, Kazoo},
};

/// What is different every time: `9` is a digit, `x` one of sixteen.
const UNIQUE: [(&str, &str); 4] = [
    ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "<uuid>"),
    ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "<32 digits>"),
    ("UTC\":9999999999999", "UTC\":<time>"),
    ("9999-99-99T99:99:99", "<time>"),
];

fn without_unique(text: &str) -> String {
    let matches = |pattern: &str, at: usize| {
        let text = text.get(at..at + pattern.len())?;
        let is_digit = |(digit, expected): (char, char)| match expected {
            '9' => digit.is_ascii_digit(),
            'x' => digit.is_ascii_digit() || ('a'..='f').contains(&digit),
            other => digit == other,
        };
        text.chars().zip(pattern.chars()).all(is_digit).then_some(pattern.len())
    };
    let mut result = String::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        match UNIQUE.iter().find_map(|(pattern, name)| Some((matches(pattern, at)?, name))) {
            Some((length, name)) => {
                result.push_str(name);
                at += length;
            }
            None => {
                result.push(next);
                at += next.len_utf8();
            }
        }
    }
    result
}

/// Returns text as it is, and other bytes as digits.
fn shown(data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        // What Curator writes by default.
        Ok(text) if text.parse::<std::net::IpAddr>().is_ok() => "<address>".to_owned(),
        Ok(text) if !text.contains(char::is_control) => without_unique(text),
        Ok(_) | Err(_) => data.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Returns a node and all that is below it, with what it contains: `path = data`, with an `E` where it is ephemeral.
fn tree(client: &Client, path: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(parent) = open.pop() {
        let (data, stat) = client.get_data(&parent).wait().unwrap();
        let kind = if stat.ephemeral_owner.0 == 0 { "" } else { " E" };
        lines.push(format!("{}{kind} = {}", without_unique(&parent), shown(&data)).trim_end().to_owned());
        let (names, _) = client.get_children(&parent).wait().unwrap();
        open.extend(names.iter().map(|name| format!("{parent}/{name}")));
    }
    lines.sort();
    lines
}

/// Asks for some things, and compares what they leave at `/r`.
#[track_caller]
fn leaves(library: Library, requests: &[&str], expected: &[&str]) {
    let ground = Ground::new();
    let peer = ground.peer(library);
    for request in requests {
        peer.ask(request);
    }
    assert_eq!(tree(&ground.ours(), "/r"), expected, "{library:?} behind {requests:?}");
}

#[test]
fn of_locks_and_elections() {
    leaves(Curator, &["lock acquire /r"], &["/r =", "/r/_c_<uuid>-lock-0000000000 E = <address>"]);
    leaves(Curator, &["selector stand /r me", "selector lead /r"], &["/r =", "/r/_c_<uuid>-lock-0000000000 E = me"]);
    leaves(Curator, &["latch stand /r me", "latch lead /r"], &["/r =", "/r/_c_<uuid>-latch-0000000000 E = me"]);
    leaves(Kazoo, &["lock acquire /r me"], &["/r =", "/r/<32 digits>__lock__0000000000 E = me"]);
    let election = ["election stand /r me", "election lead /r"];
    leaves(Kazoo, &election, &["/r =", "/r/<32 digits>__lock__0000000000 E = me"]);
}

#[test]
fn of_locks_for_readers_and_writers() {
    leaves(Curator, &["read acquire /r"], &["/r =", "/r/_c_<uuid>-__READ__0000000000 E = <address>"]);
    leaves(Curator, &["write acquire /r"], &["/r =", "/r/_c_<uuid>-__WRIT__0000000000 E = <address>"]);
    leaves(Kazoo, &["read acquire /r me"], &["/r =", "/r/<32 digits>__rlock__0000000000 E = me"]);
    leaves(Kazoo, &["write acquire /r me"], &["/r =", "/r/<32 digits>__lock__0000000000 E = me"]);
}

#[test]
fn of_semaphores() {
    let leases = ["/r =", "/r/leases =", "/r/leases/_c_<uuid>-lease-0000000000 E = <address>", "/r/locks ="];
    leaves(Curator, &["semaphore acquire /r 3"], &leases);
    leaves(Curator, &["semaphore-mutex acquire /r"], &leases);
    let beside = ["/r =", "/r/s = 3", "/r/s-__lock__ =", "/r/s/<32 digits> E = me"];
    leaves(Kazoo, &["semaphore acquire /r/s 3 me"], &beside);
}

#[test]
fn of_barriers() {
    leaves(Curator, &["barrier set /r"], &["/r = <address>"]);
    leaves(Kazoo, &["barrier set /r"], &["/r ="]);
    leaves(Curator, &["double enter /r 1"], &["/r =", "/r/<uuid> E = <address>", "/r/ready = <address>"]);
    leaves(Kazoo, &["double enter /r 1"], &["/r =", "/r/<32 digits> E = kazoo", "/r/ready ="]);
}

#[test]
fn of_values() {
    leaves(Curator, &["count start /r 7"], &["/r = 00000007"]);
    leaves(Curator, &["value start /r text"], &["/r = text"]);
    leaves(Curator, &["long add /r 7"], &["/r = 0000000000000007"]);
    leaves(Curator, &["integer add /r -2"], &["/r = fffffffe"]);
    leaves(Kazoo, &["counter add /r 7"], &["/r = 7"]);
    leaves(Kazoo, &["curator-counter add /r 7"], &["/r = 00000007"]);
}

#[test]
fn of_queues() {
    let simple = ["simple offer /r a", "simple offer /r b"];
    leaves(Curator, &simple, &["/r =", "/r/qn-0000000000 = a", "/r/qn-0000000001 = b"]);
    let framed = "00010001010000000568656c6c6f02";
    let queue = ["queue open /r", "queue put /r hello"];
    leaves(Curator, &queue, &["/r = <address>", &format!("/r/queue-0000000000 = {framed}")]);
    let claimed = ["queue consume /r/q /r/l", "queue put /r/q hello", "queue next /r/q"];
    let entry = format!("/r/q/queue-0000000000 = {framed}");
    let claim = "/r/l/queue-0000000000 E = <address>";
    leaves(Curator, &claimed, &["/r =", "/r/l = <address>", claim, "/r/q = <address>", &entry]);
    let priority = ["priority open /r", "priority put /r a 5", "priority put /r b -1"];
    let urgent = "/r/queue-0FFFFFFFF0000000001 = 0001000101000000016202";
    let normal = "/r/queue-1000000050000000000 = 0001000101000000016102";
    leaves(Curator, &priority, &["/r = <address>", urgent, normal]);
    let delayed = "/r/queue-|1A1EE565E00|0000000000 = 0001000101000000016102";
    leaves(Curator, &["delay open /r", "delay put /r a 1795000000000"], &["/r = <address>", delayed]);
    let named = "/r/queue-|my_id|0000000000 = 0001000101000000016102";
    leaves(Curator, &["id open /r", "id put /r a my/id"], &["/r = <address>", named]);

    let entries = ["/r =", "/r/entry-005-0000000001 = b", "/r/entry-100-0000000000 = a"];
    leaves(Kazoo, &["queue put /r a", "queue put /r b 5"], &entries);
    let taken = [
        "/r =",
        "/r/entries =",
        "/r/entries/entry-003-0000000001 = b",
        "/r/entries/entry-100-0000000000 = a",
        "/r/taken =",
        "/r/taken/entry-003-0000000001 E = <32 digits>",
    ];
    leaves(Kazoo, &["locking put /r a", "locking put /r b 3", "locking get /r"], &taken);
}

#[test]
fn of_groups_and_kept_nodes() {
    leaves(Curator, &["group join /r me here"], &["/r =", "/r/me E = here"]);
    leaves(Curator, &["node keep /r here"], &["/r E = here"]);
    leaves(Kazoo, &["party join /r me"], &["/r =", "/r/<32 digits>__party__ E = me"]);
    leaves(Kazoo, &["shallow join /r me"], &["/r =", "/r/<32 digits>-me E = me"]);
}

#[test]
fn of_services() {
    let described = |kind: &str| {
        format!(
            r#"{{"name":"web","id":"one","address":"host","port":80,"sslPort":null,"payload":"text","registrationTimeUTC":<time>,"serviceType":"{kind}","uriSpec":{{"parts":[{{"value":"http://","variable":false}},{{"value":"address","variable":true}},{{"value":":","variable":false}},{{"value":"port","variable":true}}]}},"enabled":true}}"#
        )
    };
    let dynamic = format!("/r/web/one E = {}", described("DYNAMIC"));
    leaves(Curator, &["service register /r web one host 80 text"], &["/r =", "/r/web =", &dynamic]);
    let fixed = format!("/r/web/one = {}", described("STATIC"));
    leaves(Curator, &["service register /r web one host 80 text static"], &["/r =", "/r/web =", &fixed]);
}

#[test]
fn of_leases() {
    let holder = r#"lease_holder = {"version": 1, "holder": "me", "end": "<time>"}"#;
    leaves(Kazoo, &["lease obtain /r me 60"], &["/r =", &format!("/r/{holder}")]);
    leaves(Kazoo, &["lease obtain-one-of /r 2 me 60"], &["/r =", "/r/0 =", &format!("/r/0/{holder}")]);
}
