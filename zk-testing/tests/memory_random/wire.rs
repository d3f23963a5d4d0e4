//! A connection to a real server: bytes out, frames in, and an end that is seen.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use zk_proto::{
    record::ReplyHeader,
    wire::{Decoder, split_frame},
};

use crate::memory_client::Frame;

/// Beyond any reply in this test.
const FRAME_LIMIT: usize = 16 << 20;

const HEADER_BYTES: usize = 16;

pub(crate) struct Wire {
    stream: TcpStream,
    input: BytesMut,
}

/// What came next.
pub(crate) enum Next {
    Frame(Bytes),
    End,
    /// Nothing, for longer than it should.
    Silence,
}

impl Wire {
    pub(crate) fn dial(address: SocketAddr, patience: Duration) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes options");
        stream.set_read_timeout(Some(patience)).expect("a socket takes options");
        Self { stream, input: BytesMut::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // The server may have hung up already, which the next read tells.
        _ = self.stream.write_all(bytes);
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&mut self) {
        _ = self.stream.shutdown(Shutdown::Write);
    }

    pub(crate) fn receive(&mut self) -> Next {
        loop {
            if let Some(frame) = split_frame(&mut self.input, FRAME_LIMIT).expect("a server sends no huge frames") {
                return Next::Frame(frame);
            }
            let mut piece = [0; 1 << 14];
            match self.stream.read(&mut piece) {
                Ok(0) => return Next::End,
                Ok(count) => self.input.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Next::End,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Next::Silence;
                }
                Err(error) => panic!("no frame: {error}"),
            }
        }
    }
}

/// Returns the frame with its header apart.
pub(crate) fn parsed(mut body: Bytes) -> Frame {
    let header = body.split_to(HEADER_BYTES.min(body.len()));
    let header: ReplyHeader = Decoder::new(header).get().expect("a frame has a header");
    Frame { header, body }
}
