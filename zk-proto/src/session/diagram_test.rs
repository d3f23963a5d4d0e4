//! The picture of the phases shows the steps that there are, and no others.

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
};

use super::phase::TRANSITIONS;

const SOURCE: &str = include_str!("../../docs/session-phases.dot");
const PICTURE: &str = include_str!("../../docs/session-phases.svg");

#[test]
fn every_step_is_an_edge_with_a_label_and_every_edge_is_a_step() {
    let edges: BTreeSet<_> = SOURCE.lines().filter_map(edge).collect();
    let steps: BTreeSet<_> = TRANSITIONS.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect();
    assert_eq!(edges, steps);
}

#[test]
fn the_picture_is_drawn_from_the_source() {
    for (from, to) in TRANSITIONS {
        assert!(PICTURE.contains(&format!("<title>{from}&#45;&gt;{to}</title>")), "no edge from {from} to {to}");
    }
    assert_eq!(PICTURE.matches("class=\"edge\"").count(), TRANSITIONS.len());
    for label in SOURCE.lines().filter_map(label) {
        assert!(PICTURE.contains(&format!(">{label}</text>")), "no label {label:?}");
    }
}

#[test]
fn the_picture_can_stand_in_a_page() {
    assert!(PICTURE.starts_with("<svg ") && PICTURE.lines().next().is_some_and(|line| line.ends_with('>')));
    assert!(PICTURE.lines().all(|line| !line.trim().is_empty()), "a blank line ends a block of HTML in Markdown");
    assert!(!PICTURE.contains("black"), "colours are those of the page");
}

/// Reads `From -> To [taillabel="…"…];`.
fn edge(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let (from, rest) = line.split_once("->").filter(|_| !line.starts_with("//"))?;
    assert!(label(line).is_some_and(|label| !label.is_empty()), "no label: {line}");
    let to = rest.split('[').next()?;
    Some((from.trim().into(), to.trim().into()))
}

fn label(line: &str) -> Option<&str> {
    line.split_once("taillabel=\"")?.1.split('"').next()
}
