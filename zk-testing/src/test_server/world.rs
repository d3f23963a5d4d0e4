//! The machine, its sockets and its clock: all that the serving thread and the hooks share.

use std::{collections::BTreeSet, io, net::SocketAddr, time::Duration};

use mio::{
    Events, Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use zk_proto::Instant;

use super::socket::{Gone, Socket};
use crate::server::{ConnectionId, Server};

pub(super) const WAKER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);

/// So much is read at once.
const SCRATCH_BYTES: usize = 64 * 1024;

/// So many pieces of a connection are moved before it is the turn of others.
const STEPS_A_TURN: usize = 8;

/// How long to wait before trying again to take connections for which there was no room.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

pub(super) struct World {
    pub(super) server: Server,
    /// Whether nothing is read, written or accepted.
    pub(super) is_paused: bool,
    /// Whether new connections are closed at once.
    pub(super) is_refusing: bool,
    /// How long replies and events are held back.
    pub(super) delay: Duration,
    frame_limit: usize,
    clock: std::time::Instant,
    registry: Registry,
    listener: Option<TcpListener>,
    address: SocketAddr,
    /// By the index of the connection.
    sockets: Vec<Option<Socket>>,
    /// Who has bytes to go out later.
    delayed: BTreeSet<(Instant, usize)>,
    /// Who has more to move than was his turn.
    unfinished: Vec<usize>,
    is_accepting: bool,
    scratch: Vec<u8>,
    #[cfg(feature = "tls")]
    pub(super) secure: Option<super::secure::Secure>,
}

impl World {
    pub(super) fn new(mut server: Server, address: SocketAddr, registry: Registry) -> io::Result<Self> {
        let mut listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        server.set_client_port(address.port());
        Ok(Self {
            frame_limit: server.options().jute_max_buffer,
            server,
            is_paused: false,
            is_refusing: false,
            delay: Duration::ZERO,
            clock: std::time::Instant::now(),
            registry,
            listener: Some(listener),
            address,
            sockets: Vec::new(),
            delayed: BTreeSet::new(),
            unfinished: Vec::new(),
            is_accepting: true,
            scratch: vec![0; SCRATCH_BYTES],
            #[cfg(feature = "tls")]
            secure: None,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn now(&self) -> Instant {
        Instant::ORIGIN + self.clock.elapsed()
    }

    /// Ends it all. The serving thread leaves at its next turn.
    pub(super) fn stop(&mut self) {
        self.listener = None;
        self.sockets.clear();
    }

    /// Returns how long to wait for events, if at all; `None` when it is over.
    pub(super) fn timeout(&self) -> Option<Option<Duration>> {
        self.listener.as_ref()?;
        if self.is_paused {
            return Some(None);
        }
        let now = self.now();
        let delayed = self.delayed.first().map(|(due, _)| *due);
        let accept = self.is_accepting.then(|| now + ACCEPT_PAUSE);
        let due = [self.server.poll_timeout(), delayed, accept].into_iter().flatten().min();
        let due = if self.unfinished.is_empty() { due } else { Some(now) };
        Some(due.map(|due| due.saturating_since(now)))
    }

    pub(super) fn turn(&mut self, events: &Events) {
        let mut touched = std::mem::take(&mut self.unfinished);
        for event in events {
            match event.token() {
                WAKER => {}
                LISTENER => self.is_accepting = true,
                Token(index) => {
                    if let Some(Some(socket)) = self.sockets.get_mut(index) {
                        socket.is_readable |= event.is_readable() || event.is_error();
                        socket.is_writable |= event.is_writable() || event.is_error();
                        touched.push(index);
                    }
                }
            }
        }
        if self.is_paused {
            return;
        }
        self.accept();
        touched.into_iter().for_each(|index| self.work(index));
        let now = self.now();
        while let Some((due, index)) = self.delayed.first().copied().filter(|(due, _)| *due <= now) {
            self.delayed.remove(&(due, index));
            self.work(index);
        }
        // Bytes before time: who has just spoken is not too late.
        if self.server.poll_timeout().is_some_and(|due| due <= now) {
            self.server.handle_timeout(now);
        }
        self.settle();
    }

    /// Lets take effect what the machine has to say. Paused, it can only close connections.
    pub(super) fn settle(&mut self) {
        while let Some(id) = self.server.poll_ready() {
            if !self.is_paused {
                self.work(id.index());
            }
            self.close_if_wanted(id);
        }
    }

    /// Goes on after a pause. Time has passed: sessions that were not heard of are over before anything is read.
    pub(super) fn resume(&mut self) {
        self.is_paused = false;
        self.is_accepting = true;
        let now = self.now();
        self.server.handle_timeout(now);
        for index in 0..self.sockets.len() {
            self.work(index);
        }
    }

    fn accept(&mut self) {
        while self.is_accepting {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((stream, peer)) if !self.is_refusing => self.add(stream, peer),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_accepting = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Out of descriptors, most likely. The connection waits, and so do we.
                Err(_) => return,
            }
        }
    }

    fn add(&mut self, mut stream: TcpStream, peer: SocketAddr) {
        _ = stream.set_nodelay(true);
        let id = self.server.connect(peer, self.now());
        let index = id.index();
        if self.registry.register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE).is_err() {
            return self.server.handle_disconnected(id);
        }
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "TLS changes it"))]
        let mut socket = Socket::new(id, stream);
        #[cfg(feature = "tls")]
        if let Some(channel) = self.secure.as_ref().and_then(|secure| secure.accept().ok()) {
            socket.secure(channel);
        }
        self.sockets[index] = Some(socket);
        self.work(index);
    }

    /// Moves the bytes of a connection as far as they go.
    fn work(&mut self, index: usize) {
        let Some(Some(socket)) = self.sockets.get(index) else { return };
        let id = socket.id;
        for _ in 0..STEPS_A_TURN {
            match self.step(index, id) {
                Ok(true) => {}
                Ok(false) => return self.close_if_wanted(id),
                Err(Gone) => return self.forget(index, id),
            }
        }
        self.unfinished.push(index);
        self.close_if_wanted(id);
    }

    /// Reads a piece and writes what it brings. Returns whether anything moved.
    fn step(&mut self, index: usize, id: ConnectionId) -> Result<bool, Gone> {
        let now = Instant::ORIGIN + self.clock.elapsed();
        let Some(Some(socket)) = self.sockets.get_mut(index) else { return Ok(false) };
        let mut has_moved = false;
        if self.server.wants_input(id) {
            has_moved |= socket.read(&mut self.scratch, self.frame_limit)?;
        }
        #[cfg(feature = "tls")]
        if let Some(subject) = socket.take_subject() {
            self.server.certified(id, &subject);
        }
        if !socket.input.is_empty() && self.server.wants_input(id) {
            let before = socket.input.len();
            self.server.handle_input(id, &mut socket.input, now);
            has_moved |= socket.input.len() != before;
        }
        while socket.has_room() {
            let Some(bytes) = self.server.poll_transmit(id) else { break };
            socket.push(now + self.delay, bytes);
        }
        has_moved |= socket.write(now)?;
        if let Some(due) = socket.next_due().filter(|due| *due > now) {
            self.delayed.insert((due, index));
        }
        Ok(has_moved)
    }

    fn close_if_wanted(&mut self, id: ConnectionId) {
        let Some(Some(socket)) = self.sockets.get(id.index()) else { return };
        let is_due = socket.is_flushed() && self.server.wants_close(id) || self.server.wants_drop(id);
        if socket.id == id && is_due {
            self.forget(id.index(), id);
        }
    }

    fn forget(&mut self, index: usize, id: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(index).and_then(Option::take) {
            socket.close(&mut self.scratch);
        }
        self.server.handle_disconnected(id);
    }
}
