//! What the service does besides: greets its visitors, and echoes what they say.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read, Write},
};

use bytes::{Buf, Bytes, BytesMut};
use mio::{
    Interest, Registry, Token,
    event::Event,
    net::{TcpListener, TcpStream},
};

use super::{LISTENER, VISITORS};

/// How much may wait for a visitor who does not read. Then it is not listened to either.
const LIMIT_BYTES: usize = 16 * 1024;

pub(crate) struct Greeter {
    listener: TcpListener,
    visitors: BTreeMap<usize, Visitor>,
    next: usize,
    greeting: Bytes,
}

struct Visitor {
    stream: TcpStream,
    is_readable: bool,
    is_writable: bool,
    is_greeted: bool,
    output: BytesMut,
}

impl Greeter {
    pub(crate) fn new(registry: &Registry, listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { listener, visitors: BTreeMap::new(), next: VISITORS, greeting: Bytes::new() })
    }

    /// Lets in all who wait.
    pub(crate) fn accept(&mut self, registry: &Registry) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    registry.register(&mut stream, Token(self.next), Interest::READABLE | Interest::WRITABLE)?;
                    self.visitors.insert(self.next, Visitor::new(stream));
                    self.next += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Notes that mio says something of a visitor's socket.
    pub(crate) fn note_ready(&mut self, event: &Event) {
        if let Some(visitor) = self.visitors.get_mut(&event.token().0) {
            visitor.is_readable |= event.is_readable();
            visitor.is_writable |= event.is_writable();
        }
    }

    /// Tells everybody the greeting if it is a new one, and goes on with what they said. Before there is one, they wait. Returns
    /// whether there may be more to do.
    pub(crate) fn serve(&mut self, greeting: &Bytes) -> bool {
        if self.greeting != greeting {
            self.greeting = greeting.clone();
            self.visitors.values_mut().for_each(|visitor| visitor.is_greeted = false);
        }
        let mut is_busy = false;
        if !self.greeting.is_empty() {
            self.visitors.retain(|_, visitor| {
                let served = visitor.serve(&self.greeting);
                is_busy |= served.as_ref().is_ok_and(|is_busy| *is_busy);
                served.is_ok()
            });
        }
        is_busy
    }
}

impl Visitor {
    fn new(stream: TcpStream) -> Self {
        Self { stream, is_readable: true, is_writable: true, is_greeted: false, output: BytesMut::new() }
    }

    /// Reads and writes once, and returns whether there may be more. Fails when the visitor has gone.
    fn serve(&mut self, greeting: &[u8]) -> io::Result<bool> {
        let mut buffer = [0; 1024];
        if self.is_readable && self.output.len() < LIMIT_BYTES {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.output.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if !self.is_greeted && self.output.len() < LIMIT_BYTES {
            self.output.extend_from_slice(greeting);
            self.output.extend_from_slice(b"\n");
            self.is_greeted = true;
        }
        if self.is_writable && self.output.has_remaining() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.output.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.is_writable && (self.is_readable || self.output.has_remaining()))
    }
}
