//! Four-letter words: the same lines, but for their numbers and for what a server in memory does not have.

use zk_proto::code::{AddWatchMode, CreateMode, OpCode};
use zk_testing::ensemble;

use crate::{
    compare,
    memory_client::{create, trace::Run},
    requests::*,
    same,
};

/// Puts a `#` for every number, and sorts lines that are in no order.
fn shape(text: &str) -> String {
    let is_digit = |character: char| character.is_ascii_digit();
    let mut shape = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let number = rest.strip_prefix("0x").map_or_else(
            || rest.find(|character| !is_digit(character)).unwrap_or(rest.len()),
            |digits| 2 + digits.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(digits.len()),
        );
        match number {
            0 => shape.push(character),
            _ => shape.push('#'),
        }
        rest = &rest[number.max(character.len_utf8())..];
    }
    shape
}

/// Returns what stands before the first of these characters in each line.
fn keys(text: &str, separator: char) -> Vec<&str> {
    text.lines().map(|line| line.split(separator).next().unwrap_or_default()).collect()
}

#[test]
fn words_are_answered_as_by_a_real_server() {
    compare(ensemble::Builder::new(), same, |run: &mut Run, _| {
        for word in ["wchs", "wchc", "wchp", "dump"] {
            let text = run.word(word);
            run.note(format!("{word} at first: {}", shape(&text)));
        }
        run.connect("a");
        run.call("a", OpCode::Create, &create("/e", "", CreateMode::Ephemeral));
        run.call("a", OpCode::GetData, &get("/e", true));
        run.call("a", OpCode::AddWatch, &watch("/e", AddWatchMode::Persistent));
        run.call("a", OpCode::Exists, &get("/none", true));
        run.call("a", OpCode::GetChildren, &get("/", true));
        for word in ["ruok", "isro", "wchs", "wchc", "wchp", "cons", "srvr", "stat", "crst", "srst", "dirs", "gtmk"] {
            let text = run.word(word);
            let text = shape(&text);
            let told: Vec<_> = text.lines().filter(|line| !line.starts_with("Zookeeper version: ")).collect();
            let mut told = told.join("\n");
            // The order of connections and of watched paths is one of hashes, and the interest of a socket is what it is.
            if matches!(word, "wchc" | "wchp" | "stat" | "cons") {
                let mut lines: Vec<_> = told.lines().collect();
                lines.sort_unstable();
                told = lines.join("\n");
            }
            run.note(format!("{word}: {told} ({})", text.ends_with('\n')));
        }
        let conf = run.word("conf");
        run.note(format!("conf: {:?}", keys(&conf, '=')));
        let envi = run.word("envi");
        run.note(format!("envi: {:?}", &keys(&envi, '=')[..3]));
        let mntr = run.word("mntr");
        for name in [
            "version",
            "server_state",
            "znode_count",
            "ephemerals_count",
            "watch_count",
            "num_alive_connections",
            "global_sessions",
            "outstanding_requests",
            "min_latency",
            "max_latency",
            "avg_latency",
            "uptime",
        ] {
            run.note(format!("mntr {name}: {}", keys(&mntr, '\t').contains(&&*format!("zk_{name}"))));
        }
        for name in ["znode_count", "ephemerals_count", "watch_count", "global_sessions"] {
            let line = mntr.lines().find(|line| line.contains(name));
            run.note(format!("mntr {line:?}"));
        }
    });
}
