//! Just enough of ZooKeeper's protocol to look after servers without a client library.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CREATE: i32 = 1;
const EXISTS: i32 = 3;
const CLOSE_SESSION: i32 = -11;

const NO_NODE: i32 = -101;
const NODE_EXISTS: i32 = -110;

const ALL_PERMISSIONS: i32 = 31;

/// Beyond any answer to the requests below.
const FRAME_LIMIT: usize = 1 << 16;

/// Sends a four-letter word and returns the answer. `patience` is for each step.
pub(super) fn four_letter(address: SocketAddr, word: &str, patience: Duration) -> io::Result<String> {
    let mut stream = connect(address, patience)?;
    stream.write_all(word.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A session of a few requests, one at a time.
pub(super) struct Session {
    stream: TcpStream,
    last_xid: i32,
}

impl Session {
    pub(super) fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let mut stream = connect(address, patience)?;
        let mut request = Frame::new();
        request.int(0); // protocol version
        request.long(0); // last zxid seen
        request.int(10_000); // timeout in ms
        request.long(0); // a new session
        request.buffer(&[0; 16]); // with no password yet
        request.bytes.push(0); // not on a read-only server
        request.send(&mut stream)?;
        let response = receive(&mut stream)?;
        match response.get(4..8) {
            // 16 bytes are a read-only server's refusal, a timeout of zero is anybody's.
            Some(timeout) if response.len() > 16 && timeout != [0; 4] => Ok(Self { stream, last_xid: 0 }),
            _ => Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("{address} refused a session"))),
        }
    }

    /// Creates an empty persistent node open to all, unless it is there.
    pub(super) fn create(&mut self, path: &str) -> io::Result<()> {
        let mut request = self.request(CREATE);
        request.buffer(path.as_bytes());
        request.buffer(b"");
        request.int(1); // one entry in the ACL
        request.int(ALL_PERMISSIONS);
        request.buffer(b"world");
        request.buffer(b"anyone");
        request.int(0); // persistent
        match self.call(&request)? {
            0 | NODE_EXISTS => Ok(()),
            code => Err(io::Error::other(format!("error {code} on creating {path}"))),
        }
    }

    pub(super) fn exists(&mut self, path: &str) -> io::Result<bool> {
        let mut request = self.request(EXISTS);
        request.buffer(path.as_bytes());
        request.bytes.push(0); // no watch
        match self.call(&request)? {
            0 => Ok(true),
            NO_NODE => Ok(false),
            code => Err(io::Error::other(format!("error {code} on looking for {path}"))),
        }
    }

    pub(super) fn close(mut self) -> io::Result<()> {
        let request = self.request(CLOSE_SESSION);
        self.call(&request)?;
        Ok(())
    }

    fn request(&mut self, operation: i32) -> Frame {
        self.last_xid += 1;
        let mut frame = Frame::new();
        frame.int(self.last_xid);
        frame.int(operation);
        frame
    }

    /// Returns the error code of the reply, zero for none.
    fn call(&mut self, request: &Frame) -> io::Result<i32> {
        request.send(&mut self.stream)?;
        let reply = receive(&mut self.stream)?;
        // xid, zxid, error code.
        match reply.get(12..16) {
            Some(code) => Ok(i32::from_be_bytes(code.try_into().expect("the range is four bytes long"))),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "a reply without a header")),
        }
    }
}

struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    fn int(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn long(&mut self, value: i64) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn buffer(&mut self, bytes: &[u8]) {
        self.int(length(bytes));
        self.bytes.extend(bytes);
    }

    fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut bytes = length(&self.bytes).to_be_bytes().to_vec();
        bytes.extend(&self.bytes);
        stream.write_all(&bytes)
    }
}

fn length(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).expect("no test names a node with 2 GiB")
}

fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn connect(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
