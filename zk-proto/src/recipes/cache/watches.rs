//! Many one-shot watches, of which those are looked at that have something to tell.

use core::{
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Wake,
};

use futures_core::Stream;

use super::mirror::What;
use crate::client::Watcher;

/// What a watch is about.
type Subject = (Arc<str>, What);

/// A set of watches, by what they are about.
#[derive(Debug, Default)]
pub(super) struct Watches {
    watchers: BTreeMap<Subject, Watcher>,
    board: Arc<Board>,
}

/// Whose bell has rung.
#[derive(Debug, Default)]
struct Board(Mutex<Rung>);

#[derive(Debug, Default)]
struct Rung {
    subjects: Vec<Subject>,
    waker: Option<Waker>,
}

struct Bell {
    subject: Subject,
    board: Arc<Board>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, subject: Subject) {
        let waker = {
            let mut rung = self.lock();
            rung.subjects.push(subject);
            rung.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.board.ring(self.subject.clone());
    }
}

impl Watches {
    /// Adds a watch, in place of an earlier one.
    pub(super) fn insert(&mut self, path: Arc<str>, what: What, watcher: Watcher) {
        self.watchers.insert((path.clone(), what), watcher);
        // It is looked at for the first time, so that it knows whom to wake.
        self.board.ring((path, what));
    }

    /// Takes the watches of a node off.
    pub(super) fn remove(&mut self, path: &Arc<str>) {
        for what in [What::Node, What::Children] {
            self.watchers.remove(&(path.clone(), what));
        }
    }

    /// Takes all watches off.
    pub(super) fn clear(&mut self) {
        self.watchers.clear();
    }

    /// Waits until one of them tells something, which is its end.
    pub(super) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Subject> {
        loop {
            let subject = {
                let mut rung = self.board.lock();
                match rung.subjects.pop() {
                    Some(subject) => subject,
                    None => {
                        rung.waker = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
            };
            let Some(watcher) = self.watchers.get_mut(&subject) else { continue };
            let bell = Arc::new(Bell { subject: subject.clone(), board: self.board.clone() });
            let told = Pin::new(watcher).poll_next(&mut Context::from_waker(&Waker::from(bell)));
            match told {
                Poll::Pending => {}
                Poll::Ready(told) => {
                    self.watchers.remove(&subject);
                    // Where it has ended with its session, the next one begins with reading everything.
                    if let Some(Ok(_)) = told {
                        return Poll::Ready(subject);
                    }
                }
            }
        }
    }
}
