//! The pages that explain the examples show what is in them.

use std::{fs, path::Path};

#[test]
fn every_snippet_of_a_page_is_in_its_example() {
    for (page, examples) in [
        ("one-thread", &["one_thread.rs"][..]),
        ("mio", &["mio_loop/main.rs", "mio_loop/zookeeper.rs", "mio_loop/greeter.rs"]),
        ("own-executor", &["toy_executor/count.rs", "toy_executor/executor.rs", "toy_executor/io.rs"]),
        ("runtime", &["smol_io.rs"]),
    ] {
        let examples: Vec<_> = examples.iter().map(|name| lines(&read("../zk-proto/examples", name))).collect();
        let snippets = snippets(&read("../docs/embedding", &format!("{page}.md")));

        assert!(snippets.len() >= 2, "{page} shows code");
        for snippet in snippets {
            let is_shown = examples.iter().any(|example| example.windows(snippet.len()).any(|part| part == snippet));
            assert!(is_shown, "{page} shows what is not in the example:\n{}", snippet.join("\n"));
        }
    }
}

#[test]
fn the_index_names_every_page_and_every_example() {
    let index = read("../docs/embedding", "README.md");

    for page in fs::read_dir(folder("../docs/embedding")).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || index.contains(&format!("({name})")), "{name}");
    }
    for example in ["one_thread", "mio_loop", "smol_io", "toy_executor"] {
        assert!(index.contains(&format!("`{example}`")), "{example}");
    }
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(folder_name: &str, name: &str) -> String {
    let path = folder(folder_name).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the lines without their indentation.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// Returns the Rust snippets of a page.
fn snippets(page: &str) -> Vec<Vec<String>> {
    let lines = lines(page);
    let begins = lines.iter().enumerate().filter(|(_, line)| *line == "```rust").map(|(index, _)| index + 1);
    begins.map(|begin| lines[begin..].iter().take_while(|line| *line != "```").cloned().collect()).collect()
}
