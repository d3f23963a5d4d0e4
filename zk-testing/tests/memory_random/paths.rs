//! Paths: a few that are mostly there, and a few strange ones.

use bytes::Bytes;
use zk_proto::wire::Text;
use zk_testing::Server;

use crate::dice::Dice;

/// Where quotas are.
pub(crate) const QUOTA: &str = "/zookeeper/quota";

/// What tells of an ensemble.
pub(crate) const CONFIG: &str = "/zookeeper/config";

/// What has a quota.
pub(crate) const COUNTED: &str = "/q";

const USUAL: [&str; 22] = [
    "/a", "/a", "/b", "/b", "/c", "/d", "/a/a", "/a/b", "/a/c", "/b/a", "/b/b", "/c/a", "/a/a/a", "/a/a/b", "/a/b/a",
    "/b/a/a", "/a/a/a/a", "/q", "/q/a", "/q/b", "/q/a/a", "/ab",
];

const QUOTAS: [&str; 6] = [
    "/zookeeper/quota/q",
    "/zookeeper/quota/q/zookeeper_limits",
    "/zookeeper/quota/q/zookeeper_stats",
    "/zookeeper/quota/q/a",
    "/zookeeper/quota/q/a/zookeeper_limits",
    "/zookeeper/quota/q/a/zookeeper_stats",
];

const STRANGE: [&str; 24] = [
    "/",
    "/",
    "/",
    "",
    "a",
    "a/b",
    "/a/",
    "//",
    "/a//a",
    "/a/./a",
    "/a/..",
    "/.",
    "/...",
    "/a\0a",
    "/é",
    "/😀",
    "/a/\u{1}",
    "/a/\u{7f}",
    "/a/\u{e000}",
    "/a/\u{fff0}",
    "/zookeeper",
    CONFIG,
    QUOTA,
    "/zookeeper/",
];

const UNDER_QUOTA: [&str; 8] = ["/q", "/q/a", "/q/b", "/q/c", "/q/d", "/q/e", "/q/a/a", "/q/a/b"];

/// Draws any path, or null.
pub(crate) fn path(dice: &mut Dice, server: &Server) -> Option<Text> {
    if server.options().enforce_quota && dice.chance(65) {
        let paths: &[&str] = if dice.chance(20) { &QUOTAS } else { &UNDER_QUOTA };
        return Some(Text::from(dice.pick(paths)));
    }
    match dice.below(100) {
        0..60 => Some(Text::from(dice.pick(&USUAL))),
        60..80 => existing(dice, server),
        80..86 => Some(Text::from(dice.pick(&QUOTAS))),
        86..88 => None,
        88 => Some(Text::from_wire(Bytes::from_static(b"/a\xFF"))),
        89 => Some(Text::from_wire(Bytes::from_static(b"/\xED\xA0\xBD\xED\xB8\x80"))),
        _ => Some(Text::from(dice.pick(&STRANGE))),
    }
}

/// Draws the path of a node that is there.
pub(crate) fn existing(dice: &mut Dice, server: &Server) -> Option<Text> {
    walk(dice, server, 30)
}

/// Draws the path of a node without children.
pub(crate) fn leaf(dice: &mut Dice, server: &Server) -> Option<Text> {
    walk(dice, server, 0)
}

/// Goes down from the root, and stops with that many percent at each node.
fn walk(dice: &mut Dice, server: &Server, stop: usize) -> Option<Text> {
    let mut path = String::new();
    loop {
        let mut children = server.children(if path.is_empty() { "/" } else { &path }).unwrap_or_default();
        children.retain(|child| !path.is_empty() || child != "zookeeper");
        if children.is_empty() || !path.is_empty() && dice.chance(stop) {
            return Some(Text::from(if path.is_empty() { "/" } else { path.as_str() }));
        }
        path = format!("{path}/{}", dice.pick(&children));
    }
}
