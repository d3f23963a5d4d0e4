//! The connections that run through a proxy, and the gates that hold them up.
//!
//! A connection is two sockets and two threads, each of which copies one way. Between a read and the write that goes
//! with it stands the gate of that way: while it is closed the bytes wait, first here, then in the buffers of the
//! sockets, as they would for a network that loses every packet. When it opens they go on, none missing. The end of
//! a connection, orderly or not, waits at the gate like any byte.
//!
//! What was read in one piece goes on in one, or in such [`Pieces`] as the line is told.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::pieces::Pieces;
use super::proxy::Direction;

const DIAL_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Line {
    target: SocketAddr,
    state: Mutex<State>,
    /// Told when a gate opens or a connection goes.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    to_server: Gate,
    to_client: Gate,
    pieces: Pieces,
    connections: BTreeMap<u64, Connection>,
    last_id: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Open,
    Closed,
}

/// One that is still to be closed when the line is cut.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// How many of the two ways have seen their end.
    ended: usize,
}

/// What a thread needs to copy one way.
struct Way {
    id: u64,
    direction: Direction,
    from: TcpStream,
    to: TcpStream,
}

impl Line {
    pub(super) fn new(target: SocketAddr) -> Self {
        Self { target, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn connections(&self) -> usize {
        self.state().connections.len()
    }

    /// Connects a client with the server. The client is closed when the server cannot be reached.
    pub(super) fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect_timeout(&self.target, DIAL_PATIENCE)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = (client.try_clone()?, client.try_clone()?);
        let (from_server, to_server) = (server.try_clone()?, server.try_clone()?);
        let id = {
            let mut state = self.state();
            state.last_id += 1;
            let id = state.last_id;
            state.connections.insert(id, Connection { client, server, ended: 0 });
            id
        };
        for way in [
            Way { id, direction: Direction::ToServer, from: from_client, to: to_server },
            Way { id, direction: Direction::ToClient, from: from_server, to: to_client },
        ] {
            let line = Arc::clone(self);
            thread::spawn(move || line.copy(way));
        }
        Ok(())
    }

    pub(super) fn cut(&self) {
        for connection in std::mem::take(&mut self.state().connections).into_values() {
            connection.close();
        }
        self.changed.notify_all();
    }

    pub(super) fn close_gates(&self, direction: Direction) {
        self.set_gates(direction, Gate::Closed);
    }

    pub(super) fn open_gates(&self) {
        self.set_gates(Direction::Both, Gate::Open);
        self.changed.notify_all();
    }

    pub(super) fn set_pieces(&self, pieces: Pieces) {
        self.state().pieces = pieces;
    }

    fn set_gates(&self, direction: Direction, gate: Gate) {
        let mut state = self.state();
        match direction {
            Direction::ToServer => state.to_server = gate,
            Direction::ToClient => state.to_client = gate,
            Direction::Both => (state.to_server, state.to_client) = (gate, gate),
        }
    }

    /// Copies until the sender ends, and passes the end on. A failure ends both ways, once both may know of it.
    fn copy(&self, mut way: Way) {
        let is_over = match self.copy_all(&mut way).and_then(|()| way.to.shutdown(Shutdown::Write)) {
            Ok(()) => self.count_end(way.id),
            Err(_) => {
                self.wait(way.id, Direction::Both);
                true
            }
        };
        if is_over {
            self.close(way.id);
        }
    }

    fn copy_all(&self, way: &mut Way) -> io::Result<()> {
        let mut buffer = [0; 1 << 14];
        let mut cutter = self.state().pieces.cutter(way.id, way.direction);
        loop {
            let outcome = way.from.read(&mut buffer);
            self.wait(way.id, way.direction);
            match outcome? {
                0 => return Ok(()),
                len => cutter.write_all(&mut way.to, &buffer[..len])?,
            }
        }
    }

    /// Waits until the gates of `direction` are open or the connection is closed.
    fn wait(&self, id: u64, direction: Direction) {
        let mut state = self.state();
        while state.connections.contains_key(&id) && state.gate(direction) == Gate::Closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns whether the end of this way was the second.
    fn count_end(&self, id: u64) -> bool {
        match self.state().connections.get_mut(&id) {
            Some(connection) => {
                connection.ended += 1;
                connection.ended == 2
            }
            None => false,
        }
    }

    fn close(&self, id: u64) {
        if let Some(connection) = self.state().connections.remove(&id) {
            connection.close();
        }
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn gate(&self, direction: Direction) -> Gate {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
            Direction::Both if self.to_server == Gate::Open => self.to_client,
            Direction::Both => Gate::Closed,
        }
    }
}

impl Connection {
    /// Ends both ways, which also wakes the threads that copy them.
    fn close(&self) {
        // A socket that the other side has closed is as closed as it need be.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}
