//! Paths are judged alike by every function, and what a chroot puts before one it takes off again.
//!
//! The input is two texts with a zero byte between them: a path, and a chroot.

use std::str;

use zk_proto::{
    Root,
    path::{CONFIG_NODE, ancestors, name, parent, validate, validate_name, validate_sequential},
};

/// Checks one input.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (path, root) = text.split_once('\0').unwrap_or((text, ""));
    judged_alike(path);
    if let Ok(root) = Root::new(root) {
        seen_from_below(&root, path);
    }
}

fn judged_alike(path: &str) {
    assert_eq!(validate_sequential(path).is_ok(), validate(&format!("{path}0")).is_ok(), "{path:?}");
    let is_name = !path.is_empty() && !path.contains('/') && validate(&format!("/{path}")).is_ok();
    assert_eq!(validate_name(path).is_ok(), is_name, "{path:?}");
    if let Err(error) = validate(path) {
        assert_eq!(error.path(), path);
        // Messages name what is wrong with a path, and do not grow with it.
        assert!((1..1000).contains(&error.to_string().len()), "{path:?}: {error}");
        return;
    }
    for node in ancestors(path) {
        assert!(validate(node).is_ok(), "{node:?} above {path:?}");
        match parent(node) {
            None => assert_eq!(node, "/"),
            Some("/") => assert_eq!(format!("/{}", name(node)), node),
            Some(above) => assert_eq!(format!("{above}/{}", name(node)), node),
        }
        assert!(node == "/" || validate_name(name(node)).is_ok(), "{node:?}");
    }
    assert_eq!(ancestors(path).last(), Some("/"));
}

fn seen_from_below(root: &Root, path: &str) {
    if validate(path).is_err() {
        return;
    }
    let server_path = root.to_server(path);
    assert!(validate(&server_path).is_ok(), "{path:?} under {root:?} is {server_path:?}");
    // The one node that is the same under every chroot lies outside of it, as a rule.
    if path != CONFIG_NODE {
        assert_eq!(root.to_client(&server_path), Some(path), "{path:?} under {root:?}");
    }
    let (first, second) = root.server_parts(path);
    assert_eq!(format!("{first}{second}"), server_path, "{path:?} under {root:?}");
    // Taken for a path of the server, it is below the root, or there is nothing to see.
    if let Some(seen) = root.to_client(path) {
        assert!(validate(seen).is_ok(), "{path:?} is {seen:?} under {root:?}");
        let is_same = root.to_server(seen) == path || seen == CONFIG_NODE;
        assert!(is_same, "{path:?} is {seen:?} under {root:?}");
    }
    let deeper = root.join(path).expect("a path below a root is a root");
    let expected = if path == "/" { root.as_str().to_owned() } else { format!("{}{path}", root.as_str()) };
    assert_eq!(deeper.as_str(), expected);
}
