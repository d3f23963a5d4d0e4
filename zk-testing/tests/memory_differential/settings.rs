//! What depends on the server's settings.

use zk_proto::{
    code::{AddWatchMode, CreateMode, OpCode},
    record::*,
};
use zk_testing::{ensemble, server::Options};

use crate::{
    compare,
    memory_client::{create, trace::Run},
    requests::*,
};

#[test]
fn features_that_are_off_are_refused_as_by_a_real_server() {
    let real = ensemble::Builder::new()
        .property("extendedTypesEnabled", "false")
        .property("reconfigEnabled", "true")
        .property("jute.maxbuffer", "2000")
        .system_property("jute.maxbuffer", "2000")
        .four_letter_words("ruok");
    let options = |options: &mut Options| {
        options.extended_types = false;
        options.reconfig_enabled = true;
        options.jute_max_buffer = 2000;
        options.four_letter_words = Some(vec!["srvr".into(), "ruok".into()]);
    };
    compare(
        real,
        |builder| builder.options(options),
        |run, _| {
            run.connect("a");
            run.call("a", OpCode::Reconfig, &ReconfigRequest::default());
            for mode in 0..8 {
                run.call("a", OpCode::Create, &create(&format!("/m{mode}"), "", CreateMode::from(mode)));
                run.call("a", OpCode::CreateTtl, &ttl(&format!("/t{mode}"), CreateMode::from(mode), 1000));
            }
            run.call(
                "a",
                OpCode::Multi,
                &multi([(OpCode::CreateTtl, MultiOp::CreateTtl(ttl("/mt", CreateMode::PersistentWithTtl, 1000)))]),
            );
            run.call("a", OpCode::SetData, &set("/", &"x".repeat(1900), -1));
            run.client("a").send(OpCode::SetData, |out| out.put(&set("/", &"x".repeat(2000), -1)));
            run.hang_up("a", "too long");
            for word in ["ruok", "srvr", "stat", "isro", "mntr", "conf", "nono"] {
                let text = run.word(word);
                run.note(format!("{word}: {}", if word == "srvr" { "" } else { &text }));
            }
        },
    );
}

#[test]
fn quotas_are_kept_and_enforced_as_by_a_real_server() {
    for enforced in ["true", "false"] {
        let real = ensemble::Builder::new()
            .property("enforceQuota", enforced)
            .system_property("zookeeper.enforceQuota", enforced);
        let options = |options: &mut Options| options.enforce_quota = enforced == "true";
        compare(
            real,
            |builder| builder.options(options),
            |run, _| {
                run.connect("a");
                let stats = |run: &mut Run| {
                    for path in ["/zookeeper/quota/q/zookeeper_stats", "/zookeeper/quota/q/in/zookeeper_stats"] {
                        run.call("a", OpCode::GetData, &get(path, false));
                    }
                };
                let make = |run: &mut Run, path: &str, data: &str| {
                    run.call("a", OpCode::Create, &create(path, data, CreateMode::Persistent))
                };
                make(run, "/q", "12345");
                make(run, "/q/x", "123");
                make(run, "/zookeeper/quota/q", "");
                run.call("a", OpCode::GetData, &get("/zookeeper/quota/q/zookeeper_stats", true));
                run.call("a", OpCode::AddWatch, &watch("/zookeeper", AddWatchMode::PersistentRecursive));
                make(run, "/zookeeper/quota/q/zookeeper_limits", "count=1,bytes=1=;byteHardLimit=20;countHardLimit=4");
                make(run, "/zookeeper/quota/q/zookeeper_stats", "count=0,bytes=0");
                stats(run);
                make(run, "/q/y", "1234");
                stats(run);
                make(run, "/q/y/z", "1");
                make(run, "/q/y/w", "1");
                stats(run);
                run.call("a", OpCode::SetData, &set("/q", "123456789012345", -1));
                run.call("a", OpCode::SetData, &set("/q", "123456789012", 7));
                run.call("a", OpCode::SetData, &set("/q", "123456789012", -1));
                run.call("a", OpCode::SetData, &set("/q", "1", -1));
                stats(run);
                run.call("a", OpCode::Delete, &delete("/q/y/z", -1));
                stats(run);
                run.call(
                    "a",
                    OpCode::Multi,
                    &multi([
                        (OpCode::Create, MultiOp::Create(create("/q/m1", "", CreateMode::Persistent))),
                        (OpCode::Create, MultiOp::Create(create("/q/m2", "", CreateMode::Persistent))),
                        (OpCode::Create, MultiOp::Create(create("/q/m3", "", CreateMode::Persistent))),
                    ]),
                );
                stats(run);
                run.call(
                    "a",
                    OpCode::Multi,
                    &multi([(OpCode::Create, MultiOp::Create(create("/q/m1", "", CreateMode::Persistent)))]),
                );
                stats(run);
                make(run, "/zookeeper/quota/q/in", "");
                make(run, "/q/in", "");
                run.call("a", OpCode::Delete, &delete("/q/x", -1));
                make(run, "/q/in", "");
                make(run, "/zookeeper/quota/q/in/zookeeper_limits", "count=-1,bytes=-1=;countHardLimit=2");
                make(run, "/zookeeper/quota/q/in/zookeeper_stats", "");
                stats(run);
                make(run, "/q/in/1", "11");
                make(run, "/q/in/2", "");
                stats(run);
                run.call("a", OpCode::Delete, &delete("/zookeeper/quota/q/in/zookeeper_limits", -1));
                make(run, "/q/in/3", "");
                stats(run);
                run.call("a", OpCode::Delete, &delete("/zookeeper/quota/q/zookeeper_limits", -1));
                make(run, "/q/in/4", "");
                stats(run);
            },
        );
    }
}
