//! Requests as bytes. All bear the same number, for nobody looks at it.

/// A heartbeat.
pub(crate) const PING: &[u8] = &[0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 11];

const XID: i32 = 1;

pub(crate) fn greeting() -> Vec<u8> {
    // Version 0, no transaction seen, 3 s, no session yet, a password of zeros.
    framed(&[&[0; 12], &3000_i32.to_be_bytes(), &[0; 8], &16_i32.to_be_bytes(), &[0; 16], &[0]])
}

pub(crate) fn get_data(path: &str, watch: bool) -> Vec<u8> {
    request(XID, 4, &[&length(path.as_bytes()), path.as_bytes(), &[u8::from(watch)]])
}

pub(crate) fn set_data(path: &str, data: &[u8]) -> Vec<u8> {
    request(XID, 5, &[&length(path.as_bytes()), path.as_bytes(), &length(data), data, &(-1_i32).to_be_bytes()])
}

/// Sets watches for data.
pub(crate) fn set_watches(paths: &[String]) -> Vec<u8> {
    let list: Vec<u8> = paths.iter().flat_map(|path| [&length(path.as_bytes()), path.as_bytes()].concat()).collect();
    let count = i32::try_from(paths.len()).expect("a frame of them");
    request(-8, 101, &[&1_i64.to_be_bytes(), &count.to_be_bytes(), &list, &[0; 8]])
}

fn request(xid: i32, op: i32, body: &[&[u8]]) -> Vec<u8> {
    framed(&[&xid.to_be_bytes(), &op.to_be_bytes(), &body.concat()])
}

fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&length(&body), &body[..]].concat()
}

fn length(bytes: &[u8]) -> [u8; 4] {
    i32::try_from(bytes.len()).expect("requests are small").to_be_bytes()
}
