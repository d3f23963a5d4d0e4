//! TLS on one link.

use core::mem;

use bytes::{Buf, BytesMut};
use rustls::{
    InvalidMessage,
    client::{ClientConnectionData, UnbufferedClientConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError},
};

use super::{Tls, TlsError};
use crate::{Server, Transmit};

/// How long a record is at most, with its header: what `incoming` must hold to make progress.
const HEADER: usize = 5;

/// What TLS adds to a record, header included: at most so much, whatever the cipher.
const OVERHEAD: usize = 128;

/// How much goes into a record.
const FRAGMENT: usize = 16 * 1024;

/// TLS on one link.
pub(super) struct Channel {
    connection: UnbufferedClientConnection,
    /// Ciphertext that is not a whole record yet; it must not move while rustls is half through a message.
    incoming: BytesMut,
    /// Plaintext for the machine, and what it has left.
    pub(super) plain: BytesMut,
    /// What TLS itself has to say: the handshake, and answers to changes of keys.
    outgoing: BytesMut,
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
        let (incoming, plain, outgoing) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
        let mut channel = Self { connection, incoming, plain, outgoing, is_established: false };
        channel.proceed()?;
        Ok(channel)
    }

    /// Returns whether the handshake is over.
    pub(super) fn is_established(&self) -> bool {
        self.is_established
    }

    /// Takes ciphertext, all of it, and decrypts what is whole.
    pub(super) fn decrypt(&mut self, input: &mut BytesMut) -> Result<(), Broken> {
        loop {
            if self.incoming.is_empty() {
                // As it is, uncopied: nearly everything comes this way.
                mem::swap(&mut self.incoming, input);
            } else {
                // What is missing of the record at hand; or anything, when records depend on each other.
                let missing = missing(&self.incoming).unwrap_or(input.len()).min(input.len());
                self.incoming.extend_from_slice(&input[..missing]);
                input.advance(missing);
            }
            self.proceed()?;
            if self.incoming.is_empty() && input.is_empty() {
                // The buffer goes back to where it came from: an idle link keeps none.
                mem::swap(&mut self.incoming, input);
                self.incoming = BytesMut::new();
                return Ok(());
            }
            if input.is_empty() {
                return Ok(());
            }
        }
    }

    /// Lets rustls do what it can with what has come in. When that fails, there may still be something to say about it.
    fn proceed(&mut self) -> Result<(), Broken> {
        let result = self.advance();
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

    fn advance(&mut self) -> Result<(), Broken> {
        loop {
            let Self { connection, incoming, plain, outgoing, is_established } = self;
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
                        plain.extend_from_slice(record.payload);
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

    /// Encrypts what a machine has to say.
    pub(super) fn encrypt(&mut self, mut transmit: Transmit) -> Result<Transmit, Broken> {
        let len = transmit.remaining();
        let mut out = BytesMut::new();
        while transmit.has_remaining() {
            let chunk = transmit.chunk();
            let status = self.connection.process_tls_records(&mut self.incoming);
            match status.state.map_err(Broken::Rustls)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let bound = chunk.len() + (chunk.len() / FRAGMENT + 1) * OVERHEAD;
                    grow_and(&mut out, bound, |room| match traffic.encrypt(chunk, room) {
                        Err(EncryptError::InsufficientSize(size)) => Err(Some(size)),
                        Err(EncryptError::EncryptExhausted) => Err(None),
                        Ok(written) => Ok(written),
                    })?;
                }
                state => {
                    let what = format!("cannot write in state {state:?}, {len} bytes are left");
                    return Err(Broken::Rustls(rustls::Error::General(what)));
                }
            }
            let count = chunk.len();
            transmit.advance(count);
        }
        Ok(out.freeze().into())
    }
}

/// Writes what TLS has to say.
fn encode(mut data: EncodeTlsData<'_, ClientConnectionData>, outgoing: &mut BytesMut) -> Result<(), Broken> {
    grow_and(outgoing, 0, |room| match data.encode(room) {
        Err(EncodeError::InsufficientSize(size)) => Err(Some(size)),
        Err(EncodeError::AlreadyEncoded) => Err(None),
        Ok(written) => Ok(written),
    })
}

/// Has something written to the end of a buffer, which may need more room than was thought.
fn grow_and(
    buffer: &mut BytesMut,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), Broken> {
    let len = buffer.len();
    loop {
        buffer.resize(len + room, 0);
        match write(&mut buffer[len..]) {
            Ok(written) => {
                buffer.truncate(len + written);
                return Ok(());
            }
            Err(Some(size)) if size.required_size > room => room = size.required_size,
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
