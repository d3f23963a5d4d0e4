//! A session of another library.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{languages::Library, process::Process};

static PEERS: AtomicUsize = AtomicUsize::new(0);

/// Somebody who uses another library, with a session of his own. He does one thing after the other.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    worker: String,
    process: Host,
}

/// The process he lives in.
#[derive(Clone, Debug)]
enum Host {
    Shared(&'static Process),
    Own(Arc<Process>),
}

impl Deref for Host {
    type Target = Process;

    fn deref(&self) -> &Process {
        match self {
            Self::Shared(process) => process,
            Self::Own(process) => process,
        }
    }
}

/// How long a session of somebody lives who is not to lose it, and of somebody who is.
const LONG_MS: u32 = 30_000;
const SHORT_MS: u32 = 3_000;

impl Peer {
    /// Opens a session in the process that all tests share.
    #[track_caller]
    pub(crate) fn open(library: Library, servers: &str) -> Self {
        Self::with(Host::Shared(library.shared()), servers, LONG_MS)
    }

    /// Opens a session, which does not live long, in a process that may be killed.
    #[track_caller]
    pub(crate) fn open_mortal(library: Library, servers: &str) -> Self {
        Self::with(Host::Own(Arc::new(library.start())), servers, SHORT_MS)
    }

    #[track_caller]
    fn with(process: Host, servers: &str, timeout_ms: u32) -> Self {
        let peer = Self { worker: format!("w{}", PEERS.fetch_add(1, Ordering::Relaxed)), process };
        peer.ask(&format!("session open {servers} {timeout_ms}"));
        peer
    }

    /// Asks for something, and waits for the answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: &str) -> String {
        self.begin(request).answer()
    }

    /// Asks for something that may take its time.
    pub(crate) fn begin(&self, request: &str) -> Asked {
        let number = self.process.send(&format!("{} {request}", self.worker));
        Asked { process: self.process.clone(), number, request: request.to_owned() }
    }

    /// Kills the process, with all who live in it. The server learns of it when the session expires.
    pub(crate) fn kill(self) {
        match &self.process {
            Host::Own(process) => process.kill(),
            Host::Shared(_) => panic!("others live in that process"),
        }
    }
}

/// What a peer was asked for.
#[derive(Debug)]
#[must_use]
pub(crate) struct Asked {
    process: Host,
    number: u64,
    request: String,
}

impl Asked {
    /// Waits until the peer is done, or waits for something to happen, and returns whether it waits.
    #[track_caller]
    pub(crate) fn is_waiting(&self) -> bool {
        let number = self.process.send(&format!("? {}", self.number));
        let state = self.process.answer(number, &format!("? {}", self.request));
        state == "waiting"
    }

    /// Waits until the peer waits for something to happen, and panics when it is done instead.
    #[track_caller]
    pub(crate) fn waits(&self) {
        if !self.is_waiting() {
            let answer = self.process.outcome(self.number, &self.request);
            panic!("`{}` does not wait: {answer:?}", self.request);
        }
    }

    /// Waits for the answer.
    #[track_caller]
    pub(crate) fn answer(self) -> String {
        self.process.answer(self.number, &self.request)
    }

    /// Waits for the answer that it cannot be done, and returns why.
    #[track_caller]
    pub(crate) fn failure(self) -> String {
        match self.process.outcome(self.number, &self.request) {
            Ok(words) => panic!("`{}` succeeds: {words}", self.request),
            Err(why) => why,
        }
    }
}
