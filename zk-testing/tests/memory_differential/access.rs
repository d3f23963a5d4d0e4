//! Authentication and access control lists.

use zk_proto::{
    acl::Perms,
    code::{AddWatchMode, CreateMode, OpCode},
    record::*,
    wire::{Secret, Text},
};
use zk_testing::ensemble;

use crate::{
    compare,
    memory_client::{acl, create, text},
    requests::*,
};

#[test]
fn access_is_checked_as_by_a_real_server() {
    let digest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
    let real = ensemble::Builder::new().super_digest(digest);
    compare(
        real,
        |builder| builder.super_digest(digest),
        |run, version| {
            run.connect("a");
            run.call_raw("a", OpCode::WhoAmI, &[]);
            run.auth("a", "digest", b"alice:secret");
            run.auth("a", "digest", b"alice:secret");
            run.auth("a", "ip", b"");
            run.auth("a", "digest", b"");
            run.auth("a", "digest", b"nocolon");
            run.auth("a", "digest", "ümlaut:pä:ss".as_bytes());
            run.call_raw("a", OpCode::WhoAmI, &[]);
            run.connect("b");
            run.connect("s");
            run.auth("s", "digest", b"super:test");
            run.call_raw("s", OpCode::WhoAmI, &[]);

            run.note("-- lists".into());
            let lists: Vec<Vec<Acl>> = vec![
                vec![],
                Acl::open(),
                Acl::read_only(),
                Acl::creator_all(),
                vec![acl(Perms::NONE, "world", "anyone")],
                vec![acl(Perms(255), "world", "anyone"), acl(Perms(-1), "world", "anyone")],
                vec![acl(Perms::ALL, "world", "someone")],
                vec![acl(Perms::ALL, "world", "")],
                vec![acl(Perms::ALL, "nosuch", "x")],
                vec![acl(Perms::ALL, "", "x")],
                vec![acl(Perms::ALL, "super", "")],
                vec![acl(Perms::ALL, "sasl", "bob")],
                vec![acl(Perms::ALL, "x509", "CN=a")],
                vec![acl(Perms::ALL, "digest", "a:b"), acl(Perms::ALL, "digest", "a:b")],
                vec![acl(Perms::ALL, "digest", "a:")],
                vec![acl(Perms::ALL, "digest", "a:b:c")],
                vec![acl(Perms::ALL, "digest", ":b")],
                vec![acl(Perms::ALL, "digest", "a:b:")],
                vec![acl(Perms::ALL, "digest", ":")],
                vec![acl(Perms::ALL, "digest", "")],
                vec![acl(Perms::ALL, "digest", "a😀:b")],
                vec![acl(Perms::ALL, "ip", "127.0.0.1")],
                vec![acl(Perms::ALL, "ip", "127.0.0.0/8")],
                vec![acl(Perms::ALL, "ip", "10.0.0.0/0")],
                vec![acl(Perms::READ, "ip", "127.0.0.2/31")],
                vec![acl(Perms::ALL, "ip", "+127.0.0.001")],
                vec![acl(Perms::ALL, "ip", "127.0.0.1/33")],
                vec![acl(Perms::ALL, "ip", "127.0.0.1/-1")],
                vec![acl(Perms::ALL, "ip", "127.0.0.1/+8")],
                vec![acl(Perms::ALL, "ip", "127.0.0.1/")],
                vec![acl(Perms::ALL, "ip", "127.0.0")],
                vec![acl(Perms::ALL, "ip", "::1")],
                vec![acl(Perms::ALL, "ip", "localhost")],
                vec![
                    acl(Perms::ALL, "auth", "ignored"),
                    acl(Perms::READ, "world", "anyone"),
                    acl(Perms::WRITE, "auth", ""),
                ],
            ];
            for (number, list) in lists.into_iter().enumerate() {
                let path = format!("/acl{number}");
                for client in ["a", "b"] {
                    run.call(client, OpCode::Create, &with_acl(&format!("{path}{client}"), list.clone()));
                }
                for client in ["a", "b", "s"] {
                    run.call(client, OpCode::GetAcl, &GetAclRequest { path: text(&format!("{path}a")) });
                    run.call(client, OpCode::GetData, &get(&format!("{path}a"), false));
                }
            }
            run.call("a", OpCode::Create, &CreateRequest { acl: None, ..create("/acl", "", CreateMode::Persistent) });
            for (scheme, id) in [
                (None, None),
                (None, Some("x")),
                (Some("world"), None),
                (Some("digest"), None),
                (Some("ip"), None),
                (Some("nosuch"), None),
                (Some("auth"), None),
            ] {
                let id = Id { scheme: scheme.map(Text::from), id: id.map(Text::from) };
                run.call("a", OpCode::Create, &with_acl("/null", vec![Acl { perms: Perms::ALL, id }]));
            }

            run.note("-- permissions".into());
            for (name, perms) in [("none", 0), ("r", 1), ("w", 2), ("c", 4), ("d", 8), ("a", 16), ("all", 31)] {
                let path = format!("/perm-{name}");
                let mut list = vec![acl(Perms(perms), "world", "anyone")];
                list.push(acl(Perms::ALL, "digest", "alice:l2TZxH4JjMXxkLNBMgYFbKBqvmo="));
                run.call("s", OpCode::Create, &with_acl(&path, Acl::open()));
                run.call("s", OpCode::Create, &with_acl(&format!("{path}/child"), Acl::open()));
                run.call("s", OpCode::SetAcl, &SetAclRequest { path: text(&path), acl: Some(list), version: -1 });
                run.call("b", OpCode::AddWatch, &watch(&path, AddWatchMode::PersistentRecursive));
                run.call("b", OpCode::Exists, &get(&path, true));
                run.call("b", OpCode::GetData, &get(&path, true));
                run.call("b", OpCode::GetChildren, &get(&path, true));
                run.call("b", OpCode::GetChildren2, &get(&path, false));
                run.call("b", OpCode::GetAcl, &GetAclRequest { path: text(&path) });
                run.call("b", OpCode::GetAllChildrenNumber, &GetAllChildrenNumberRequest { path: text(&path) });
                run.call("b", OpCode::SetData, &set(&path, "b", 77));
                run.call("b", OpCode::SetData, &set(&path, "b", -1));
                run.call("s", OpCode::SetData, &set(&path, "s", -1));
                run.call("b", OpCode::Create, &create(&format!("{path}/b"), "", CreateMode::Persistent));
                run.call("s", OpCode::Create, &create(&format!("{path}/s"), "", CreateMode::Persistent));
                run.call("b", OpCode::Delete, &delete(&format!("{path}/child"), -1));
                run.call("b", OpCode::Delete, &delete(&format!("{path}/nothing"), -1));
                run.call("b", OpCode::Multi, &multi([(OpCode::Check, MultiOp::Check(check(&path, -1)))]));
                run.call("b", OpCode::MultiRead, &multi([(OpCode::GetData, MultiOp::GetData(get(&path, false)))]));
                run.call(
                    "b",
                    OpCode::SetAcl,
                    &SetAclRequest { path: text(&path), acl: Some(Acl::open()), version: 77 },
                );
                run.call(
                    "b",
                    OpCode::SetAcl,
                    &SetAclRequest { path: text(&path), acl: Some(Acl::open()), version: -1 },
                );
            }
            run.call("a", OpCode::SetData, &set("/zookeeper/config", "x", -1));
            run.call("s", OpCode::SetData, &set("/zookeeper/config", "x", -1));
            run.call("a", OpCode::GetData, &get("/zookeeper/config", false));

            run.note("-- refused".into());
            for (scheme, secret) in [
                ("nosuch", &b"x"[..]),
                ("world", b"anyone"),
                ("auth", b""),
                ("sasl", b"x"),
                ("super", b"super:test"),
                ("", b""),
            ] {
                run.connect("c");
                let body = packet(scheme, secret);
                run.call_last("c", OpCode::Auth, &body);
            }
            run.connect("c");
            run.call_last("c", OpCode::Auth, &[&[0, 0, 0, 0, 0, 0, 0, 6][..], b"digest", &[0xFF; 4]].concat());
            run.connect("c");
            run.call_last("c", OpCode::Auth, &[0, 0]);
            run.connect("c");
            run.call("c", OpCode::Sasl, &GetSaslRequest { token: Secret::from(Vec::new()) });
            run.call("c", OpCode::Sasl, &GetSaslRequest { token: Secret::from(vec![1, 2]) });
            run.call_last("c", OpCode::Sasl, &[0xFF; 4]);
            _ = version;
        },
    );
}

fn packet(scheme: &str, secret: &[u8]) -> Vec<u8> {
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0; 4][..], &len(scheme.as_bytes()), scheme.as_bytes(), &len(secret), secret].concat()
}
