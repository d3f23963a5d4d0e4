//! Greetings, and whatever is no proper request.

use zk_proto::{
    SessionId, Zxid,
    code::{CreateMode, OpCode},
    record::*,
    wire::Secret,
};
use zk_testing::{ensemble, server::Version};

use crate::{
    compare,
    memory_client::{Client, create, greeting},
    requests::*,
    same,
};

#[test]
fn connections_and_malformed_requests_are_treated_as_by_a_real_server() {
    compare(ensemble::Builder::new(), same, |run, version| {
        run.part("greetings");
        for timeout in [i32::MIN, -1, 0, 1, 999, 1000, 1001, 30_000, 60_000, 60_001, i32::MAX] {
            run.greet("t", &greeting(timeout));
            run.close("t");
        }
        for read_only in [None, Some(false), Some(true)] {
            run.greet("t", &ConnectRequest { read_only, ..greeting(5000) });
            run.close("t");
        }
        for passwd in [Secret(None), Secret::from(vec![]), Secret::from(vec![7; 40])] {
            run.greet("t", &ConnectRequest { passwd, ..greeting(5000) });
            run.close("t");
        }
        run.greet("t", &ConnectRequest { protocol_version: 77, last_zxid_seen: Zxid(-5), ..greeting(5000) });
        run.close("t");
        run.greet("t", &ConnectRequest { last_zxid_seen: Zxid(1 << 40), ..greeting(5000) });
        run.greet("t", &ConnectRequest { session_id: SessionId(0x1234), ..greeting(5000) });
        run.hang_up("t", "unknown session");
        run.greet("t", &ConnectRequest { session_id: SessionId(0x1234), read_only: None, ..greeting(5000) });
        run.hang_up("t", "unknown session");

        run.part("taking a session up again");
        run.connect("a");
        run.call("a", OpCode::Create, &create("/e", "", CreateMode::Ephemeral));
        run.call("a", OpCode::GetData, &get("/e", true));
        run.greet_again("a", "b", |request| request.timeout_ms = 3000);
        run.hang_up("a", "replaced");
        run.call("b", OpCode::SetData, &set("/e", "1", -1));
        run.call("b", OpCode::GetEphemerals, &GetEphemeralsRequest { prefix_path: None });
        run.greet_again("b", "c", |request| request.passwd = Secret::from(vec![1; 16]));
        run.hang_up("c", "wrong password");
        run.hang_up("b", "cut by a stranger");
        run.connect("x");
        run.call("x", OpCode::GetData, &get("/e", false));
        run.close("x");

        run.part("operations that are none");
        for op in [0, -1, 10, 20, 23, 99, 108, 1000, i32::MIN, i32::MAX] {
            // deleteContainer is the one that servers in memory refuse on purpose.
            if op == 20 {
                continue;
            }
            run.connect("a");
            run.call_last("a", OpCode::from(op), &[]);
        }
        run.connect("a");
        run.call_raw("a", OpCode::CreateSession, &[]);
        run.call_raw("a", OpCode::Ping, &[1, 2, 3]);
        run.call("a", OpCode::Reconfig, &ReconfigRequest::default());
        run.call_raw("a", OpCode::Reconfig, &[]);
        if version == Version::V3_8 {
            run.call("a", OpCode::Check, &check("/none", -1));
            run.call("a", OpCode::Check, &check("/", 7));
            run.call("a", OpCode::Check, &check("bad", -1));
            run.call_raw("a", OpCode::Check, &[]);
            run.call_unanswered("a", OpCode::Check, &check("/", -1));
            run.call("a", OpCode::GetData, &get("/", false));
        } else {
            run.call_last("a", OpCode::Check, &[0, 0, 0, 1, b'/', 0xFF, 0xFF, 0xFF, 0xFF]);
        }

        run.part("bodies that are none");
        run.connect("a");
        for op in OpCode::NAMED {
            use OpCode::*;
            if matches!(
                op,
                Notification
                    | Error
                    | DeleteContainer
                    | Auth
                    | Sasl
                    | CloseSession
                    | Check
                    | Ping
                    | WhoAmI
                    | CreateSession
            ) {
                continue;
            }
            run.call_raw("a", *op, &[]);
            run.call_raw("a", *op, &[0, 0]);
            run.call_raw("a", *op, &[0, 0, 0, 1]);
            run.call_raw("a", *op, &[0, 0, 0, 1, b'/']);
            run.call_raw("a", *op, &[0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 0]);
            run.call_raw("a", *op, &[0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
        }
        run.call_raw("a", OpCode::GetData, &[0, 0, 0, 1, b'/', 0, 1, 2, 3, 4, 5]);
        run.call_raw("a", OpCode::Create, &[&[0, 0, 0, 2][..], b"/v", &[0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF]].concat());
        run.call_raw("a", OpCode::Create, &[&[0, 0, 0, 2][..], b"/v", &[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFE]].concat());

        run.part("frames that are none");
        for bytes in [
            &[0xFF, 0xFF, 0xFF, 0xFF][..],
            &[0, 0x10, 0, 0],
            &[0, 0, 0, 0],
            &[0, 0, 0, 4, 0, 0, 0, 1],
            b"ruok",
            b"srvr",
        ] {
            run.connect("a");
            run.client("a").send_bytes(bytes);
            run.hang_up("a", "no frame");
        }
        run.connect("a");
        run.client("a").send_bytes(&[0, 0xF, 0xFF, 0xFF]);
        run.client("a")
            .send_bytes(&[&[0, 0, 0, 9, 0, 0, 0, 4, 0, 0, 0, 1, b'/', 0][..], &vec![0; 0xF_FFFF - 14]].concat());
        let frame = run.client("a").receive().map(|frame| (frame.header.xid, frame.header.err));
        run.note(format!("the longest frame: {frame:?}"));
        for bytes in [&[0xFF, 0xFF, 0xFF, 0xFF][..], &[0, 0x10, 0, 0], &[0, 0, 0, 4, 0, 0, 0, 1], b"nono"] {
            let mut client = Client::dial(run.address());
            client.send_bytes(bytes);
            run.note(format!("{bytes:02x?} as a greeting: hung up {}", client.is_hung_up()));
        }

        // What is sent behind the end, a real server drops or answers with `SessionExpired`, as its threads happen to run.
        run.part("the end of a session comes behind what was sent before");
        run.connect("a");
        run.client("a").send(OpCode::Exists, |out| out.put(&get("/", false)));
        run.client("a").send(OpCode::CloseSession, |_| {});
        run.hang_up("a", "close");
    });
}
