//! How members are named, so that clients in other languages see them.

use bytes::Bytes;

use super::super::guid::Guid;

/// The nodes below a group.
///
/// | layout | name | data | ids |
/// |---|---|---|---|
/// | `Curator` | `<id>` | the payload | legal in a path; each once |
/// | `KazooParty` | `<32 digits>__party__` | the id; there is no payload | any, also twice |
/// | `KazooShallowParty` | `<32 digits>-<id>` | the payload, where kazoo has the id | legal in a path, also twice |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupLayout {
    /// As Apache Curator's `GroupMember`.
    #[default]
    Curator,
    /// As kazoo's `Party`.
    KazooParty,
    /// As kazoo's `ShallowParty`.
    KazooShallowParty,
}

/// What kazoo puts behind the digits.
const PARTY: &str = "__party__";

impl GroupLayout {
    /// Returns what a member's node is called.
    pub(super) fn name(self, id: &str, guid: Guid) -> String {
        match self {
            Self::Curator => id.to_string(),
            Self::KazooParty => format!("{}{PARTY}", guid.plain()),
            Self::KazooShallowParty => format!("{}-{id}", guid.plain()),
        }
    }

    /// Returns what a member's node contains.
    pub(super) fn data<'a>(self, id: &'a str, payload: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Curator | Self::KazooShallowParty => payload,
            Self::KazooParty => id.as_bytes(),
        }
    }

    /// Reads a node as a member: his id and payload. `None` where it is something else.
    pub(super) fn read(self, name: &str, data: &Bytes) -> Option<(String, Bytes)> {
        match self {
            Self::Curator => Some((name.to_string(), data.clone())),
            Self::KazooParty if name.contains(PARTY) => {
                Some((String::from_utf8_lossy(data).into_owned(), Bytes::new()))
            }
            Self::KazooParty => None,
            Self::KazooShallowParty => name.split_once('-').map(|(_, id)| (id.to_string(), data.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_clients_are_read_as_members() {
        let table = [
            (GroupLayout::Curator, "worker-1", "here", Some(("worker-1", "here"))),
            (GroupLayout::KazooParty, "2df2301d2b0546b1a40cb7594efb1a35__party__", "ann", Some(("ann", ""))),
            (GroupLayout::KazooParty, "2df2301d2b0546b1a40cb7594efb1a35__lock__0000000000", "ann", None),
            (
                GroupLayout::KazooShallowParty,
                "2df2301d2b0546b1a40cb7594efb1a35-ann-2",
                "ann-2",
                Some(("ann-2", "ann-2")),
            ),
            (GroupLayout::KazooShallowParty, "stranger", "", None),
        ];
        for (layout, name, data, expected) in table {
            let expected = expected.map(|(id, payload)| (id.to_string(), Bytes::from(payload)));
            assert_eq!(layout.read(name, &Bytes::from(data)), expected, "{layout:?} {name}");
        }
    }
}
