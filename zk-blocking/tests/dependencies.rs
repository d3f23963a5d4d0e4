//! What a program takes on with this crate.

use std::{env, process::Command};

#[test]
fn there_is_no_async_runtime_among_the_dependencies() {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--edges=normal", "--prefix=none", "--format={p}", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));

    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();

    assert!(names.contains(&"zk-blocking") && names.contains(&"mio"), "{names:?}");
    for runtime in ["tokio", "async-std", "smol", "async-executor", "async-io", "async-global-executor", "glommio"] {
        assert!(!names.contains(&runtime), "{runtime} is among {names:?}");
    }
}
