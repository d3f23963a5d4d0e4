//! What watches tell.
//!
//! A watch tells a change before any reply shows it. So between two reads of a node, as many changes must have been told by the time of
//! the later one as its versions are apart; unless the watch has said that it may have missed some. And a change that was told is one that
//! the next read shows.

use super::super::history::{History, Told};
use super::Violation;

/// Checks what persistent, recursive and one-shot watches have told against what was read.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> usize {
    let mut looked_at = 0;
    for told in &history.told {
        match told {
            Told::Watched { path, from, to, before, events, .. } => {
                looked_at += 1;
                let changes = to.wrapping_sub(*from);
                if *events < changes {
                    let what = format!("{path} has changed {changes} times, and the watch has told {events}");
                    violations.push(Violation::told("watches", what, told));
                }
                if *before > changes {
                    let what = format!("{path} has changed {changes} times, and the watch had told {before} before");
                    violations.push(Violation::told("watches", what, told));
                }
            }
            Told::Once { path, left, read, fired, what, .. } => {
                looked_at += 1;
                if !fired && left != read {
                    let what = format!("{path} has changed since a watch was left on its {what}, which is silent");
                    violations.push(Violation::told("watches", what, told));
                }
            }
            Told::Holds { .. }
            | Told::Lost { .. }
            | Told::Over { .. }
            | Told::State { .. }
            | Told::Cached { .. }
            | Told::Wrong { .. } => {}
        }
    }
    looked_at
}

#[cfg(test)]
mod tests {
    use super::super::fabricate::{Fabricated, expect};
    use super::*;

    fn watched(from: i32, to: i32, before: i32, events: i32) -> Told {
        Told::Watched { who: 1, at: 1, session: 1, path: "/a".to_owned(), recursive: false, from, to, before, events }
    }

    fn once(left: (i64, i64), read: (i64, i64), fired: bool) -> Told {
        Told::Once { who: 1, at: 1, session: 1, path: "/a".to_owned(), what: "data".to_owned(), left, read, fired }
    }

    #[test]
    fn a_watch_that_tells_every_change_is_fine() {
        let mut history = Fabricated::default();
        history.told(watched(3, 3, 0, 0)).told(watched(3, 5, 2, 2)).told(watched(3, 7, 3, 6));
        history.told(once((1, 1), (1, 1), false)).told(once((1, 1), (1, 2), true)).told(once((0, 0), (0, 0), true));

        expect(0, check, &history);
    }

    #[test]
    fn a_persistent_watch_that_misses_a_change_is_noticed() {
        let mut history = Fabricated::default();
        history.told(watched(3, 5, 0, 1));

        expect(1, check, &history);
    }

    #[test]
    fn a_persistent_watch_that_tells_a_change_twice_is_noticed() {
        let mut history = Fabricated::default();
        history.told(watched(3, 5, 3, 3));

        expect(1, check, &history);
    }

    #[test]
    fn a_one_shot_watch_that_stays_silent_is_noticed() {
        let mut history = Fabricated::default();
        history.told(once((1, 1), (1, 2), false));

        expect(1, check, &history);
    }
}
