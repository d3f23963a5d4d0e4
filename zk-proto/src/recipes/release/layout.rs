//! How releases are written.
//!
//! ```text
//! <path>/current                          0000000007-<32 hex> <32 hex>      the release that counts, and who said so
//! <path>/releases/0000000007-<32 hex>     published 2 1f0c…                 how many settings, and their checksum
//! <path>/releases/0000000007-<32 hex>/db%2Fhost                             a setting
//! <path>/releases/0000000008-<32 hex>     writing                           not yet complete
//! <path>/writing/0000000008-<32 hex>                                        ephemeral: somebody is at it
//! <path>/releases/0000000001-<32 hex>     leaving                           about to be deleted
//! ```

use std::fmt::Write;

use bytes::Bytes;

use super::{
    super::{guid::Guid, janitor::child, value::Unreadable},
    Settings,
};

/// How many bytes are written in one transaction, more or less.
const BATCH_BYTES: usize = 256 * 1024;

/// What a node costs in a transaction beside its name and its data, more or less.
const NODE_BYTES: usize = 256;

/// The paths of what belongs to releases.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) root: String,
    pub(super) current: String,
    pub(super) releases: String,
    pub(super) writing: String,
}

impl Paths {
    pub(super) fn new(root: &str) -> Self {
        let [current, releases, writing] = ["current", "releases", "writing"].map(|name| child(root, name));
        Self { root: root.to_string(), current, releases, writing }
    }

    /// Returns the path of a release.
    pub(super) fn release(&self, name: &str) -> String {
        child(&self.releases, name)
    }

    /// Returns the path of the node that shows that somebody is writing a release.
    pub(super) fn marker(&self, name: &str) -> String {
        child(&self.writing, name)
    }
}

/// Returns the name of the release behind those.
pub(super) fn next_name(names: &[String], guid: Guid) -> String {
    let last = names.iter().filter_map(|name| number(name)).max().unwrap_or_default();
    format!("{:010}-{}", last.saturating_add(1), guid.plain())
}

/// Returns the number of a release; `None` for the names of other things.
pub(super) fn number(name: &str) -> Option<u64> {
    let (number, guid) = name.split_once('-')?;
    let is_guid = guid.len() == 32 && guid.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = number.len() >= 10 && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_guid && is_number { number.parse().ok() } else { None }
}

/// Returns what the pointer contains when it points to a release. Nobody else writes the same.
pub(super) fn pointer(name: &str, guid: Guid) -> Bytes {
    format!("{name} {}", guid.plain()).into()
}

/// Returns to which release a pointer points.
pub(super) fn pointed(pointer: &[u8]) -> Result<&str, Unreadable> {
    let text = std::str::from_utf8(pointer).map_err(Unreadable::new)?;
    let name = text.split_ascii_whitespace().next().unwrap_or_default();
    if number(name).is_some() { Ok(name) } else { Err(Unreadable::new(format!("{text:?} is no release"))) }
}

/// How a release stands, as its node says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Writing,
    /// It will not change any more.
    Published(Manifest),
    /// It is about to be deleted.
    Leaving,
}

/// What a complete release contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) settings: usize,
    pub(super) checksum: u64,
}

impl Manifest {
    pub(super) fn of(settings: &Settings) -> Self {
        Self { settings: settings.len(), checksum: checksum(settings) }
    }
}

impl Standing {
    pub(super) fn write(self) -> Bytes {
        match self {
            Self::Writing => Bytes::from_static(b"writing"),
            Self::Published(Manifest { settings, checksum }) => format!("published {settings} {checksum:016x}").into(),
            Self::Leaving => Bytes::from_static(b"leaving"),
        }
    }

    /// Reads it; `None` where a node says something else.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(data).ok()?.split_ascii_whitespace();
        match words.next()? {
            "writing" => Some(Self::Writing),
            "leaving" => Some(Self::Leaving),
            "published" => {
                let settings = words.next()?.parse().ok()?;
                let checksum = u64::from_str_radix(words.next()?, 16).ok()?;
                Some(Self::Published(Manifest { settings, checksum }))
            }
            _ => None,
        }
    }
}

/// Sums up settings: FNV-1a of 64 bits over the keys, in order of their bytes, and their data, each behind its length in eight bytes,
/// the highest first. It notices what is missing or torn, and is no protection against anybody.
fn checksum(settings: &Settings) -> u64 {
    let mut sum = 0xCBF2_9CE4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        let length = (bytes.len() as u64).to_be_bytes();
        for byte in length.iter().chain(bytes) {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    };
    for (key, data) in settings {
        add(key.as_bytes());
        add(data);
    }
    sum
}

/// Returns the name of the node of a setting: the key, in which every byte but letters, digits, `_`, `-` and `.` is written as `%` and two
/// hexadecimal digits. Of the keys `.`, `..` and the empty one, which no node can have, the first becomes `%2E`, and so on, and the last `%`.
pub(super) fn node_name(key: &str) -> String {
    if key.is_empty() {
        return "%".into();
    }
    let is_dots = matches!(key, "." | "..");
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'.' if is_dots => name.push_str("%2E"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' => name.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => _ = write!(name, "%{byte:02X}"),
        }
    }
    name
}

/// Returns the key of a setting's node; `None` where it is none.
pub(super) fn key(name: &str) -> Option<String> {
    if name == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let key = String::from_utf8(bytes).ok()?;
    // What is written in another way is somebody else's.
    (node_name(&key) == name).then_some(key)
}

/// A setting, and the path of its node.
pub(super) type Part<'a> = (String, &'a Bytes);

/// Divides the nodes of a release into what is written in one transaction each.
pub(super) fn batches<'a>(release: &str, settings: &'a Settings, nodes: usize) -> Vec<Vec<Part<'a>>> {
    let (mut batches, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (key, data) in settings {
        let path = child(release, &node_name(key));
        let cost = NODE_BYTES + path.len() + data.len();
        if !batch.is_empty() && (batch.len() >= nodes || bytes + cost > BATCH_BYTES) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += cost;
        batch.push((path, data));
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0000000007-0123456789abcdef0123456789abcdef";

    #[test]
    fn a_release_is_known_by_its_name_and_a_pointer_by_what_it_points_to() {
        let table = [
            (NAME, Some(7)),
            ("12345678901-0123456789abcdef0123456789abcdef", Some(12_345_678_901)),
            ("7-0123456789abcdef0123456789abcdef", None),
            ("0000000007", None),
            ("0000000007-0123456789abcdef", None),
            ("+000000007-0123456789abcdef0123456789abcdef", None),
            ("99999999999999999999999-0123456789abcdef0123456789abcdef", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(number(name), expected, "{name}");
        }
        assert_eq!(pointed(format!("{NAME} somebody").as_bytes()), Ok(NAME));
        assert_eq!(pointed(format!("{NAME}\n").as_bytes()), Ok(NAME), "as written by hand");
        for bad in [&b""[..], b" ", b"../x", b"\xFF", b"7"] {
            assert!(pointed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_standing_is_read_as_it_was_written_and_nothing_else_is() {
        let manifest = Manifest { settings: 12, checksum: 0x00AB_CDEF };
        for standing in [Standing::Writing, Standing::Leaving, Standing::Published(manifest)] {
            assert_eq!(Standing::read(&standing.write()), Some(standing));
        }
        for bad in [&b""[..], b"published", b"published 1", b"published x 1", b"published 1 x", b"\xFF", b"else"] {
            assert_eq!(Standing::read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_key_has_a_node_name_of_its_own() {
        let table = [
            ("host", "host"),
            ("db/host", "db%2Fhost"),
            ("100%", "100%25"),
            ("a.b-c_d", "a.b-c_d"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("...", "..."),
            ("", "%"),
            ("é", "%C3%A9"),
            ("\0", "%00"),
        ];
        for (text, name) in table {
            assert_eq!((node_name(text), key(name)), (name.to_string(), Some(text.to_string())));
        }
        for foreign in ["%2", "%zz", "%FF", "a b", "%2e", "%41", "%+1"] {
            assert_eq!(key(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_checksum_tells_what_belongs_to_which_key() {
        let sum = |settings: &[(&str, &'static str)]| {
            checksum(
                &settings.iter().map(|(key, data)| (key.to_string(), Bytes::from_static(data.as_bytes()))).collect(),
            )
        };
        let different =
            [sum(&[]), sum(&[("a", "bc")]), sum(&[("ab", "c")]), sum(&[("a", "b"), ("c", "")]), sum(&[("", "")])];
        for (index, one) in different.iter().enumerate() {
            assert!(!different[index + 1..].contains(one), "{different:?}");
        }
    }

    #[test]
    fn what_is_written_at_once_is_neither_too_many_nodes_nor_too_many_bytes() {
        let settings = |sizes: &[usize]| -> Settings {
            sizes.iter().enumerate().map(|(index, size)| (format!("{index:03}"), vec![0; *size].into())).collect()
        };
        let lengths = |sizes: &[usize], nodes| -> Vec<usize> {
            batches("/r", &settings(sizes), nodes).iter().map(Vec::len).collect()
        };
        assert_eq!(lengths(&[], 3), [0; 0]);
        assert_eq!(lengths(&[1; 3], 3), [3]);
        assert_eq!(lengths(&[1; 7], 3), [3, 3, 1]);
        assert_eq!(lengths(&[BATCH_BYTES * 2, 1, 1, BATCH_BYTES / 2, BATCH_BYTES / 2], 9), [1, 3, 1]);
        assert_eq!(lengths(&[1; 2], 0), [1, 1]);
    }
}
