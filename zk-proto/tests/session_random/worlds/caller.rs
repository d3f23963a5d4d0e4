//! Somebody who asks for whatever comes to mind, and changes their mind about some of it.

use std::time::Duration;

use zk_proto::{
    Root,
    code::AddWatchMode,
    request::{AddWatch, Create2, Delete, Exists, GetChildren2, GetData, Request, SetData, Version, Watched},
    session::SubmitOptions,
};

use super::{
    ledger::{Open, Read},
    world::{PATHS, World},
};

impl World {
    pub(crate) fn ask(&mut self) {
        let path = self.dice.choose(&PATHS);
        match self.dice.below(12) {
            0 => self.submit(&Create2::new(path, b"new"), None),
            1 => self.submit(&Delete { path, version: Version::Any }, None),
            2 => self.submit(&SetData { path, data: (&[7; 50]).into(), version: Version::Any }, None),
            3 | 4 => self.submit(&GetData::new(path), Some((Read::Data, path))),
            5 => self.submit(&GetData::new("no path"), None),
            6 | 7 => self.submit_watched(&GetData::new(path), Some(Read::Data)),
            8 => self.submit_watched(&Exists::new(path), Some(Read::Exists)),
            9 => self.submit_watched(&GetChildren2::new(path), Some(Read::Children)),
            10 => self.submit_watched(&AddWatch { path, mode: AddWatchMode::Persistent }, None),
            _ => self.submit_watched(&AddWatch { path, mode: AddWatchMode::PersistentRecursive }, None),
        }
    }

    fn options(&mut self, is_read: bool) -> SubmitOptions {
        let root = self.dice.once_in(4).then(|| Root::new("/app").expect("a path"));
        let timeout = self.dice.once_in(4).then(|| Duration::from_millis(self.dice.below(5000) as u64));
        let pin = self.session.id().filter(|_| self.dice.once_in(8));
        SubmitOptions { root, timeout, pin, resend: is_read && self.dice.once_in(3) }
    }

    pub(crate) fn submit<R: Request>(&mut self, request: &R, read: Option<(Read, &str)>) {
        let (tag, options) = (self.tag(), self.options(read.is_some()));
        let read = read.map(|(read, path)| (read, self.server_path(&options, path)));
        if let Ok(id) = self.session.submit(request, tag, options) {
            self.ledger.took(tag, Open { id: Some(id), read, watch: None });
        }
    }

    fn submit_watched<R: Watched>(&mut self, request: &R, read: Option<Read>) {
        let (tag, options) = (self.tag(), self.options(read.is_some()));
        let path = self.server_path(&options, request.path());
        if let Ok((id, watch)) = self.session.submit_watched(request, tag, tag, options) {
            self.ledger.set(tag, watch, path.clone(), request.kind());
            let read = read.map(|read| (read, path));
            self.ledger.took(tag, Open { id: Some(id), read, watch: Some(tag) });
        }
    }

    fn server_path(&self, options: &SubmitOptions, path: &str) -> String {
        options.root.as_ref().unwrap_or(&self.session.config().root).to_server(path).into_owned()
    }

    pub(crate) fn tag(&mut self) -> u32 {
        self.next_tag += 1;
        self.next_tag
    }

    pub(crate) fn take_back(&mut self) {
        let open: Vec<_> = self.ledger.open.iter().filter_map(|(tag, open)| Some((*tag, open.id?))).collect();
        if !open.is_empty() {
            let (tag, id) = self.dice.choose(&open);
            if let Some(taken) = self.session.withdraw(id) {
                assert_eq!(taken, tag);
                self.ledger.withdrew(tag);
            }
        }
    }

    pub(crate) fn give_up(&mut self) {
        let watches: Vec<_> = self.ledger.watches.iter().map(|(name, watch)| (*name, watch.id)).collect();
        if !watches.is_empty() {
            let (name, id) = self.dice.choose(&watches);
            // None where it fired, or ended with its request, and the event is still in the queue.
            if let Some(handle) = self.session.unwatch(id) {
                assert_eq!(handle, name);
                self.ledger.gave_up(name);
            }
        }
    }
}
