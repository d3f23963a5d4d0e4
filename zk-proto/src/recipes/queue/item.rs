//! What is put and taken, and how that went.

use bytes::Bytes;

use super::{
    form::{Form, Label},
    frame,
};
use crate::{Zxid, path, record::Stat, request::Version};

/// Something that was in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    path: String,
    form: Form,
    /// The node's data.
    raw: Bytes,
    parts: Vec<Bytes>,
    created: Zxid,
    version: i32,
}

impl Item {
    pub(super) fn new(path: String, form: Form, raw: Bytes, stat: &Stat) -> Self {
        let framed = if form.is_framed() { frame::decode(raw.clone()) } else { None };
        let parts = framed.unwrap_or_else(|| vec![raw.clone()]);
        Self { path, form, raw, parts, created: stat.czxid, version: stat.version }
    }

    /// Returns the data: of an entry with several [parts](Self::parts), the first.
    ///
    /// It is a slice of the read buffer, which it keeps alive: copy what is small and kept for long.
    pub fn data(&self) -> Bytes {
        self.parts.first().cloned().unwrap_or_default()
    }

    /// Returns all data: Curator's queues can have several items in an entry, which are taken together. What is in such a queue and
    /// not as Curator writes it is given as it is.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// Returns the path that its node has, or had.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the transaction that has put it there. Together with the [path](Self::path) no other item has it, at any time: what one
    /// may remember it by who must not do the same work twice. Items that were put [all at once](super::WorkQueue::put_all) have the same
    /// one, and one that was [put back](super::Queue::exact) or [requeued](super::Delivery::requeue_at_tail) has another than before.
    pub fn id(&self) -> Zxid {
        self.created
    }

    /// Returns its priority, where it has one.
    pub fn priority(&self) -> Option<i32> {
        match (self.form, self.label()) {
            (Form::NativePriority | Form::Kazoo | Form::CuratorPriority, Label::Rank(rank)) => i32::try_from(rank).ok(),
            _ => None,
        }
    }

    /// Returns the id that it was put with, where it was put with one, and as it is written in the node's name.
    pub fn key(&self) -> Option<&str> {
        match self.label() {
            Label::Id(id) => Some(id),
            Label::Nothing | Label::Rank(_) => None,
        }
    }

    pub(super) fn label(&self) -> Label<'_> {
        self.form.entry(path::name(&self.path)).map_or(Label::Nothing, |entry| entry.label)
    }

    pub(super) fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Notes that its data was set once more, to the same.
    pub(super) fn set_again(mut self) -> Self {
        self.version = self.version.wrapping_add(1);
        self
    }

    /// Returns how often its data was set.
    pub(super) fn changes(&self) -> i32 {
        self.version
    }

    /// Returns the version that its node had when it was read.
    pub(super) fn version(&self) -> Version {
        // −1 cannot be a condition, see ZOOKEEPER-4743.
        if self.version == -1 { Version::Any } else { Version::Exactly(self.version) }
    }
}

/// What came of putting something into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "it may not be in the queue"]
#[non_exhaustive]
pub enum Put {
    /// It was put there.
    Done,
    /// The link broke before the reply, and nobody can tell whether it was put there.
    Unknown,
    /// The queue is [full](WhenFull::Refuse). It was not put there.
    Full,
}

/// What is done where a queue has as many entries as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// Wait until there is room.
    Wait,
    /// Come back with [`Put::Full`].
    Refuse,
}

/// What was taken out of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it is out of the queue"]
pub enum Taken {
    /// This is ours, and nobody else's.
    Item(Item),
    /// This was about to be taken when the link broke, or the time was up. It is ours, or somebody else's, and nobody can tell.
    Unknown(Item),
}

impl Taken {
    /// Returns the item, whoever has taken it.
    pub fn into_item(self) -> Item {
        match self {
            Self::Item(item) | Self::Unknown(item) => item,
        }
    }

    /// Returns whether it is certainly ours.
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::Item(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(form: Form, name: &str, raw: &'static [u8]) -> Item {
        Item::new(format!("/q/{name}"), form, Bytes::from_static(raw), &Stat::default())
    }

    #[test]
    fn an_item_knows_what_its_name_says() {
        let priority = item(Form::CuratorPriority, "queue-0FFFFFFFE0000000001", b"");
        assert_eq!((priority.priority(), priority.key()), (Some(-2), None));
        let id = item(Form::Id, "queue-|me|0000000001", b"");
        assert_eq!((id.priority(), id.key()), (None, Some("me")));
        let delay = item(Form::Delay, "queue-|00000001|0000000001", b"");
        assert_eq!((delay.priority(), delay.key()), (None, None));
    }

    #[test]
    fn frames_are_opened_where_they_belong_and_are_in_order() {
        let framed = b"\x00\x01\x00\x01\x01\x00\x00\x00\x01a\x01\x00\x00\x00\x01b\x02";
        assert_eq!(item(Form::Curator, "queue-0000000001", framed).parts(), [&b"a"[..], b"b"]);
        assert_eq!(item(Form::Curator, "queue-0000000001", b"plain").parts(), [&b"plain"[..]]);
        assert_eq!(item(Form::Simple, "qn-0000000001", framed).parts(), [&framed[..]]);
        let empty = item(Form::Curator, "queue-0000000001", b"\x00\x01\x00\x01\x02");
        assert_eq!((empty.parts().len(), empty.data().len()), (0, 0));
    }
}
