//! Where a test meets its peers: a part of a real server.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use zk_blocking::Client;
use zk_testing::ensemble::{Proxy, shared};

use crate::{languages::Library, ours::soon, peer::Peer, process::PATIENCE};

/// How long a session of ours lives that is to expire.
const SHORT: Duration = Duration::from_secs(3);

/// A part of the shared server that belongs to one test. All that was opened in it is closed with it.
pub(crate) struct Ground {
    chroot: String,
    peers: RefCell<Vec<Peer>>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self { chroot: shared().chroot("peers").expect("the server makes a node"), peers: RefCell::default() }
    }

    fn servers(&self) -> String {
        format!("{}{}", shared().connect_string(), self.chroot)
    }

    /// Connects one of ours.
    #[track_caller]
    pub(crate) fn ours(&self) -> Client {
        zk_blocking::connect(&self.servers()).expect("the server is there")
    }

    /// Connects one of ours who will vanish.
    #[track_caller]
    pub(crate) fn mortal(&self) -> Mortal {
        let proxy = Proxy::start(shared().address()).expect("a port is free");
        let servers = format!("{}{}", proxy.address(), self.chroot);
        let client = zk_blocking::builder(&servers).expect("these are servers").session_timeout(SHORT);
        Mortal { client: soon(client.connect()).expect("the server is there"), proxy }
    }

    /// Opens a session of another library.
    #[track_caller]
    pub(crate) fn peer(&self, library: Library) -> Peer {
        let peer = Peer::open(library, &self.servers());
        self.peers.borrow_mut().push(peer.clone());
        peer
    }

    #[track_caller]
    pub(crate) fn curator(&self) -> Peer {
        self.peer(Library::Curator)
    }

    #[track_caller]
    pub(crate) fn kazoo(&self) -> Peer {
        self.peer(Library::Kazoo)
    }

    /// Opens a session in a process that may be killed.
    #[track_caller]
    pub(crate) fn victim(&self, library: Library) -> Peer {
        Peer::open_mortal(library, &self.servers())
    }

    /// Waits until so many sessions watch the data of a node.
    #[track_caller]
    pub(crate) fn wait_for_watches(&self, path: &str, sessions: usize) {
        let path = format!("{}{path}", self.chroot);
        let deadline = Instant::now() + PATIENCE;
        let watching = || {
            let watches = shared().four_letter("wchp").expect("the server answers");
            // Behind each path a line for each session, indented.
            let of_path = watches.lines().skip_while(|line| *line != path).skip(1);
            of_path.take_while(|line| line.starts_with('\t')).count()
        };
        while watching() != sessions {
            assert!(Instant::now() < deadline, "not {sessions} sessions watch {path}");
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for peer in self.peers.take() {
            // A worker that is in the middle of something takes the rest of the requests to the end of the process.
            _ = peer.begin("session close");
        }
    }
}

/// One of ours whose process may be killed, as far as the server can tell.
pub(crate) struct Mortal {
    pub(crate) client: Client,
    proxy: Proxy,
}

impl Mortal {
    /// Is not heard of again. The server learns of it when the session expires.
    pub(crate) fn vanish(&self) {
        self.proxy.refuse();
        self.proxy.cut();
    }
}
