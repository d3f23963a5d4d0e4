//! TLS on one link.

use core::mem;

use bytes::{Buf, Bytes, BytesMut};
use rustls::{
    InvalidMessage,
    client::{ClientConnectionData, UnbufferedClientConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError},
};

use super::{Tls, TlsError};
use crate::{Server, Transmit};

/// How long the header of a record is.
const HEADER: usize = 5;

/// What TLS adds to a record, header included: at most so much, whatever the cipher.
const OVERHEAD: usize = 128;

/// How much goes into a record.
const FRAGMENT: usize = 16 * 1024;

/// How much is encrypted at a time: what the transport takes next is still in the processor's cache.
const BITE: usize = 4 * FRAGMENT;

/// How much room is made for plaintext when none has been left over.
const PLAIN: usize = 4 * FRAGMENT;

/// TLS on one link.
pub(super) struct Channel {
    connection: UnbufferedClientConnection,
    /// Ciphertext that is not a whole record yet; all of it stays while rustls is half through a message.
    incoming: BytesMut,
    /// Plaintext for the machine, and what it has left.
    pub(super) plain: BytesMut,
    /// What TLS itself has to say: the handshake, and answers to changes of keys.
    outgoing: BytesMut,
    /// What the machine has to say and is not encrypted yet.
    unsaid: Transmit,
    /// Where the last bite was encrypted to: used again once the transport has let go of it.
    bite: Bytes,
    is_established: bool,
}

/// Why a link cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("TLS: {0}")]
    Options(#[from] TlsError),
    #[error("TLS: what the server says is not TLS: is this its port for plain text? ({0})")]
    NotTls(rustls::Error),
    #[error("TLS: {0}")]
    Rustls(rustls::Error),
    #[error("TLS: the server has said its farewell")]
    Closed,
    #[error("TLS: these keys have encrypted as much as they may")]
    Exhausted,
}

impl Channel {
    pub(super) fn new(tls: &Tls, server: &Server) -> Result<Self, Broken> {
        let (config, name) = (tls.source.config()?, tls.name_of(server)?);
        let connection = UnbufferedClientConnection::new(config, name).map_err(TlsError::from)?;
        let mut channel = Self {
            connection,
            incoming: BytesMut::new(),
            plain: BytesMut::new(),
            outgoing: BytesMut::new(),
            unsaid: Transmit::default(),
            bite: Bytes::new(),
            is_established: false,
        };
        channel.proceed(&mut |_| {})?;
        Ok(channel)
    }

    /// Returns whether the handshake is over.
    pub(super) fn is_established(&self) -> bool {
        self.is_established
    }

    /// Takes ciphertext, all of it, and decrypts what is whole.
    ///
    /// Where there is more than `plain` has room for, `take` is called in between: it takes what it can off the front, and may make
    /// room for the rest.
    pub(super) fn decrypt(&mut self, input: &mut BytesMut, take: &mut dyn FnMut(&mut BytesMut)) -> Result<(), Broken> {
        while !self.incoming.is_empty() && !input.is_empty() {
            // What is missing of the record at hand; or anything, when records depend on each other.
            let missing = missing(&self.incoming).unwrap_or(input.len()).min(input.len());
            self.incoming.extend_from_slice(&input[..missing]);
            input.advance(missing);
            self.proceed(take)?;
        }
        let mut result = Ok(());
        if !input.is_empty() {
            // As it is, where it is: nearly everything comes this way. The buffer stays with who reads to it, and what is left is part
            // of one record, as a rule.
            mem::swap(&mut self.incoming, input);
            result = self.proceed(take);
            mem::swap(&mut self.incoming, input);
            self.incoming.extend_from_slice(input);
            input.clear();
        }
        if self.incoming.is_empty() {
            // An idle link keeps none.
            self.incoming = BytesMut::new();
        }
        result
    }

    /// Lets rustls do what it can with what has come in. When that fails, there may still be something to say about it.
    fn proceed(&mut self, take: &mut dyn FnMut(&mut BytesMut)) -> Result<(), Broken> {
        let result = self.advance(take);
        if result.is_err() {
            // Only once: it is the alert that says why, if there is one.
            if let Ok(ConnectionState::EncodeTlsData(alert)) =
                self.connection.process_tls_records(&mut self.incoming).state
            {
                _ = encode(alert, &mut self.outgoing);
            }
        }
        result
    }

    fn advance(&mut self, take: &mut dyn FnMut(&mut BytesMut)) -> Result<(), Broken> {
        loop {
            let Self { connection, incoming, plain, outgoing, is_established, .. } = self;
            let arrived = incoming.len();
            let status = connection.process_tls_records(incoming);
            let mut discard = status.discard;
            let is_done = match status.state {
                Err(error @ rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) if !*is_established => {
                    return Err(Broken::NotTls(error));
                }
                Err(error) => return Err(Broken::Rustls(error)),
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(Broken::Rustls)?;
                        append(plain, record.payload, arrived, take);
                        discard += record.discard;
                    }
                    false
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(data, outgoing)?;
                    false
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    // It leaves before anything else does.
                    data.done();
                    false
                }
                Ok(ConnectionState::WriteTraffic(_)) => {
                    *is_established = true;
                    true
                }
                Ok(ConnectionState::BlockedHandshake) => true,
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => return Err(Broken::Closed),
                // Nobody asks for early data here, and states of later versions cannot be dealt with.
                Ok(state) => return Err(Broken::Rustls(rustls::Error::General(format!("unexpected state {state:?}")))),
            };
            incoming.advance(discard);
            if is_done {
                return Ok(());
            }
        }
    }

    /// Returns what TLS itself has to say.
    pub(super) fn poll_own(&mut self) -> Option<Transmit> {
        if self.outgoing.is_empty() { None } else { Some(self.outgoing.split().freeze().into()) }
    }

    /// Takes what a machine has to say, when it has been asked for all that it said before.
    pub(super) fn say(&mut self, transmit: Transmit) {
        self.unsaid = transmit;
    }

    /// Returns whether there is more to [`encrypt`](Self::encrypt).
    pub(super) fn has_more_to_say(&self) -> bool {
        self.unsaid.has_remaining()
    }

    /// Encrypts as much of what the machine has to say as is good to write at once.
    pub(super) fn encrypt(&mut self) -> Result<Transmit, Broken> {
        let Self { connection, incoming, unsaid, .. } = self;
        let mut left = unsaid.remaining().min(BITE);
        // All of it was written before: what is there need not be zeroed again.
        let mut out = mem::take(&mut self.bite).try_into_mut().unwrap_or_default();
        // A large payload is a chunk between two others.
        let room = left + (left / FRAGMENT + 3) * OVERHEAD;
        if out.len() < room {
            out.resize(room, 0);
        }
        let mut written = 0;
        while left > 0 {
            let chunk = &unsaid.chunk()[..left.min(unsaid.chunk().len())];
            match connection.process_tls_records(incoming).state.map_err(Broken::Rustls)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    written = grow_and(&mut out, written, |room| match traffic.encrypt(chunk, room) {
                        Err(EncryptError::InsufficientSize(size)) => Err(Some(size)),
                        Err(EncryptError::EncryptExhausted) => Err(None),
                        Ok(written) => Ok(written),
                    })?;
                }
                state => {
                    let what = format!("cannot write in state {state:?}, {} bytes are left", unsaid.remaining());
                    return Err(Broken::Rustls(rustls::Error::General(what)));
                }
            }
            let count = chunk.len();
            unsaid.advance(count);
            left -= count;
        }
        self.bite = out.freeze();
        Ok(self.bite.slice(..written).into())
    }

    /// Gives memory back: there is nothing to say.
    pub(super) fn rest(&mut self) {
        self.bite = Bytes::new();
    }
}

/// Appends to plaintext, which is not more than has arrived. Where it is full, some of it is taken first: if it grew, a large frame
/// would be moved, for the beginning of another one that came in the same record.
fn append(plain: &mut BytesMut, mut payload: &[u8], arrived: usize, take: &mut dyn FnMut(&mut BytesMut)) {
    let room = plain.capacity() - plain.len();
    if room < payload.len() && !plain.is_empty() {
        plain.extend_from_slice(&payload[..room]);
        payload = &payload[room..];
        take(plain);
    }
    if plain.is_empty() {
        plain.reserve(arrived.min(PLAIN));
    }
    plain.extend_from_slice(payload);
}

/// Writes what TLS has to say.
fn encode(mut data: EncodeTlsData<'_, ClientConnectionData>, outgoing: &mut BytesMut) -> Result<(), Broken> {
    let end = grow_and(outgoing, outgoing.len(), |room| match data.encode(room) {
        Err(EncodeError::InsufficientSize(size)) => Err(Some(size)),
        Err(EncodeError::AlreadyEncoded) => Err(None),
        Ok(written) => Ok(written),
    })?;
    outgoing.truncate(end);
    Ok(())
}

/// Has something written to a buffer from somewhere on, which may need more room than there is. Returns where that ends.
fn grow_and(
    buffer: &mut BytesMut,
    start: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<usize, Broken> {
    loop {
        match write(&mut buffer[start..]) {
            Ok(written) => return Ok(start + written),
            Err(Some(size)) if size.required_size > buffer.len() - start => {
                buffer.resize(start + size.required_size, 0);
            }
            Err(_) => return Err(Broken::Exhausted),
        }
    }
}

/// Returns how much of the first record is missing; nothing when it is there, and others with it.
fn missing(incoming: &[u8]) -> Option<usize> {
    let record = match incoming.get(HEADER - 2..HEADER) {
        None => HEADER,
        Some(length) => HEADER + usize::from(u16::from_be_bytes([length[0], length[1]])),
    };
    record.checked_sub(incoming.len()).filter(|missing| *missing > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_of_a_record_is_told_by_its_header() {
        for (incoming, expected) in [
            (&[23][..], Some(4)),
            (&[23, 3, 3, 0][..], Some(1)),
            (&[23, 3, 3, 0, 7][..], Some(7)),
            (&[23, 3, 3, 0, 2, 1][..], Some(1)),
            (&[23, 3, 3, 0, 2, 1, 1][..], None),
            (&[23, 3, 3, 0, 0][..], None),
        ] {
            assert_eq!(missing(incoming), expected, "{incoming:?}");
        }
    }
}
