//! From hex to frames, and through records back to the same bytes.

use bytes::{Bytes, BytesMut};
use zk_proto::{
    record::{RecordType, Value},
    wire::{Decoder, Encoder, split_frame},
};

/// Reads hex digits of either case.
pub(super) fn unhex(text: &str) -> Option<Bytes> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    if digits.len() % 2 != 0 {
        return None;
    }
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

/// Writes hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes the single frame out of bytes that should be just that.
pub(super) fn only_frame(bytes: &Bytes) -> Result<Bytes, String> {
    let mut input = BytesMut::from(&bytes[..]);
    let frame = split_frame(&mut input, usize::MAX).map_err(|error| format!("hex: {error}"))?;
    let frame = frame.ok_or_else(|| match bytes.first_chunk::<4>() {
        Some(length) => {
            format!("hex: the length says {}, {} bytes follow", i32::from_be_bytes(*length), bytes.len() - 4)
        }
        None => format!("hex: {} bytes, not even a length", bytes.len()),
    })?;
    if !input.is_empty() {
        return Err(format!("hex: the length says {}, {} bytes follow", frame.len(), bytes.len() - 4));
    }
    Ok(frame)
}

/// Decodes one record after the other; returns what is left over, too.
pub(super) fn decode(frame: &Bytes, records: &[&RecordType]) -> Result<(Vec<Value>, Bytes), String> {
    let mut input = Decoder::new(frame.clone());
    let values = records
        .iter()
        .map(|record| record.decode(&mut input).map_err(|error| format!("{} does not decode: {error}", record.name)))
        .collect::<Result<_, _>>()?;
    let rest = frame.slice(frame.len() - input.remaining()..);
    Ok((values, rest))
}

/// Encodes the records and checks that they give `frame`.
pub(super) fn check_encoding<'a>(
    records: impl IntoIterator<Item = (&'a RecordType, &'a Value)>,
    frame: &[u8],
) -> Result<(), String> {
    let mut out = BytesMut::new();
    for (record, value) in records {
        let mut encoder = Encoder::new(&mut out);
        record.encode(value, &mut encoder).map_err(|error| format!("{} does not encode: {error}", record.name))?;
    }
    if out == frame {
        return Ok(());
    }
    let at = out.iter().zip(frame).take_while(|(ours, theirs)| ours == theirs).count();
    let shown = |bytes: &[u8]| match &bytes[at..] {
        [] => "the end".to_owned(),
        rest => hex(&rest[..rest.len().min(16)]),
    };
    Err(format!("encodes differently from byte {at} on: expected {}, found {}", shown(frame), shown(&out)))
}
