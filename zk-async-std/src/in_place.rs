//! The rest of a large frame, read to where it stays.

use std::{io, mem};

use async_std::net::TcpStream;
use bytes::{Bytes, BytesMut};
use rustix::{
    buffer::spare_capacity,
    io::Errno,
    net::{RecvFlags, recv},
};

/// What begins with so much is a large frame.
const LARGE_BYTES: usize = 64 * 1024;

/// Reads what there is to the end of `input` if that is the beginning of a large frame. `None`: it is not, or there is nothing.
///
/// The system can be lent memory that was never written to only as a vector's, without unsafe code. `input` becomes one and
/// back without being moved, as long as nobody else holds a slice of its memory.
pub(crate) fn recv_large(stream: &TcpStream, input: &mut BytesMut) -> Option<io::Result<usize>> {
    if input.len() < LARGE_BYTES {
        return None;
    }
    let room = input.capacity() - input.len();
    let mut memory = Vec::from(mem::take(input));
    memory.reserve(room);
    let received = recv(stream, spare_capacity(&mut memory), RecvFlags::DONTWAIT);
    *input = BytesMut::from(Bytes::from(memory));
    match received {
        Ok((count, _)) => Some(Ok(count)),
        Err(Errno::WOULDBLOCK) => None,
        Err(error) => Some(Err(error.into())),
    }
}
