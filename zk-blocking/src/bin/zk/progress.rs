//! How far a long walk has come, on standard error, if that is a terminal.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use zk_blocking::Wait;

use crate::session::Session;

/// What is quicker than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
const INTERVAL: Duration = Duration::from_millis(100);
const WIDTH: u64 = 30;

/// A line that is written again and again. Dropping it takes it away.
pub(crate) struct Progress {
    verb: &'static str,
    done: u64,
    total: Option<u64>,
    /// When the line is due; `None` where there is nobody to see it.
    due: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Begins, with nothing known about the end.
    pub(crate) fn new(verb: &'static str) -> Self {
        let due = io::stderr().is_terminal().then(|| Instant::now() + PATIENCE);
        Self { verb, done: 0, total: None, due, is_shown: false }
    }

    /// Begins a walk that prints on the way. On a terminal, what is printed shows how far it has come.
    pub(crate) fn beside_output(verb: &'static str, session: &Session, path: &str) -> Self {
        if session.output.is_terminal() {
            return Self { verb, done: 0, total: None, due: None, is_shown: false };
        }
        Self::of_walk(verb, session, path)
    }

    /// Begins a walk; the server is asked how many nodes there are, if anybody wants to know.
    pub(crate) fn of_walk(verb: &'static str, session: &Session, path: &str) -> Self {
        let mut progress = Self::new(verb);
        if progress.due.is_some() {
            // A server that cannot count (before 3.6) leaves the end unknown.
            let below = session.client.get_all_children_number(path).timeout(session.limit).wait();
            progress.total = below.ok().and_then(|below| u64::try_from(below).ok()).map(|below| below + 1);
        }
        progress
    }

    /// One more is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        let Some(due) = self.due else { return };
        let now = Instant::now();
        if now >= due {
            self.due = Some(now + INTERVAL);
            self.is_shown = true;
            _ = write!(io::stderr(), "\r\x1b[K{}", line(self.verb, self.done, self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(verb: &str, done: u64, total: Option<u64>) -> String {
    match total {
        // A tree may have grown since it was counted.
        Some(total) if total >= done => {
            let filled = usize::try_from(done * WIDTH / total.max(1)).unwrap_or_default();
            format!("{verb} [{:<width$}] {done} of {total}", "#".repeat(filled), width = WIDTH as usize)
        }
        Some(_) | None => format!("{verb} {done}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_up_and_a_count_does_without() {
        assert_eq!(line("deleting", 0, Some(10)), format!("deleting [{}] 0 of 10", " ".repeat(30)));
        assert_eq!(line("deleting", 5, Some(10)), format!("deleting [{}{}] 5 of 10", "#".repeat(15), " ".repeat(15)));
        assert_eq!(line("deleting", 10, Some(10)), format!("deleting [{}] 10 of 10", "#".repeat(30)));
        assert_eq!(line("deleting", 11, Some(10)), "deleting 11");
        assert_eq!(line("importing", 7, None), "importing 7");
    }
}
