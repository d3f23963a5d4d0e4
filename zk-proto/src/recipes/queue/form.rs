//! What the entries of a queue are called, and in which order they come.

use std::borrow::Cow;

use super::super::line::Number;
use crate::{broken::broken, code::CreateMode};

/// The priority of who names none, in kazoo's queues.
const KAZOO_DEFAULT: i64 = 100;

/// How many characters a UUID with dashes has.
const GUID_LENGTH: usize = 36;

/// How many characters a priority has: a digit for its sign, and eight hexadecimal ones.
const PRIORITY_LENGTH: usize = 9;

/// How the names of entries are made up. Each ends with the server's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `e-<uuid>-`
    Native,
    /// `e-<priority>-<uuid>-`
    NativePriority,
    /// `qn-`
    Simple,
    /// `entry-<three digits>-`
    Kazoo,
    /// `queue-`
    Curator,
    /// `queue-<priority>`
    CuratorPriority,
    /// `queue-|<milliseconds>|`
    Delay,
    /// `queue-|<id>|`
    Id,
}

/// What a name says besides the number and what makes it unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label<'a> {
    Nothing,
    /// What comes first: a lower priority, or an earlier time.
    Rank(i64),
    Id(&'a str),
}

impl Label<'_> {
    fn rank(self) -> Option<i64> {
        match self {
            Self::Rank(rank) => Some(rank),
            Self::Nothing | Self::Id(_) => None,
        }
    }
}

/// A name, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) label: Label<'a>,
    number: Number,
}

impl Form {
    /// Returns what the name of a new entry begins with; the server appends the number.
    pub(super) fn prefix(self, label: Label<'_>, guid: &str) -> String {
        let rank = |default| label.rank().unwrap_or(default);
        match self {
            Self::Native => format!("e-{guid}-"),
            Self::NativePriority => format!("e-{}-{guid}-", written(rank(0))),
            Self::Simple => "qn-".to_string(),
            Self::Kazoo => format!("entry-{:03}-", rank(KAZOO_DEFAULT).clamp(0, 999)),
            Self::Curator => "queue-".to_string(),
            Self::CuratorPriority => format!("queue-{}", written(rank(0))),
            Self::Delay => format!("queue-|{:08X}|", rank(0).max(0)),
            Self::Id => match label {
                Label::Id(id) => format!("queue-|{}|", as_written(id)),
                Label::Nothing | Label::Rank(_) => "queue-||".to_string(),
            },
        }
    }

    /// Returns whether a name with that GUID is nobody else's.
    pub(super) fn is_unique(self) -> bool {
        match self {
            Self::Native | Self::NativePriority => true,
            Self::Simple | Self::Kazoo | Self::Curator | Self::CuratorPriority | Self::Delay | Self::Id => false,
        }
    }

    /// Returns how nodes above entries and claims are made. They have to stay when they are empty unless names are unique: if they
    /// went, numbers would begin anew, and who is about to take an entry could take another one of that name for it. And a worker
    /// of kazoo's that waits there fails when they go.
    pub(super) fn above(self) -> CreateMode {
        if self.is_unique() { CreateMode::Container } else { CreateMode::Persistent }
    }

    /// Returns whether a newcomer may come before those that are there.
    pub(super) fn is_ranked(self) -> bool {
        match self {
            Self::NativePriority | Self::Kazoo | Self::CuratorPriority | Self::Delay => true,
            Self::Native | Self::Simple | Self::Curator | Self::Id => false,
        }
    }

    /// Returns whether the data is in Curator's frames.
    pub(super) fn is_framed(self) -> bool {
        match self {
            Self::Curator | Self::CuratorPriority | Self::Delay | Self::Id => true,
            Self::Native | Self::NativePriority | Self::Simple | Self::Kazoo => false,
        }
    }

    /// Reads a name; nothing where it is not one of these.
    pub(super) fn entry(self, name: &str) -> Option<Entry<'_>> {
        let (label, number) = match self {
            Self::Native => (Label::Nothing, behind_guid(name.strip_prefix("e-")?)?),
            Self::NativePriority => {
                let (priority, rest) = name.strip_prefix("e-")?.split_once('-')?;
                (Label::Rank(read(priority)?), behind_guid(rest)?)
            }
            Self::Simple => (Label::Nothing, name.strip_prefix("qn-")?),
            Self::Kazoo => {
                let (priority, number) = name.strip_prefix("entry-")?.split_once('-')?;
                let is_number = priority.bytes().all(|byte| byte.is_ascii_digit());
                (Label::Rank(priority.parse().ok().filter(|_| is_number)?), number)
            }
            Self::Curator => (Label::Nothing, name.strip_prefix("queue-")?),
            Self::CuratorPriority => {
                let (priority, number) = name.strip_prefix("queue-")?.split_at_checked(PRIORITY_LENGTH)?;
                (Label::Rank(read(priority)?), number)
            }
            Self::Delay => {
                let (time, number) = name.strip_prefix("queue-|")?.split_once('|')?;
                (Label::Rank(read_hex(time)?), number)
            }
            Self::Id => {
                let (id, number) = name.strip_prefix("queue-|")?.split_once('|')?;
                (Label::Id(id), number)
            }
        };
        Some(Entry { name, label, number: Number::parse(number)? })
    }

    /// Understands names and sorts them: who comes first is to be taken first. Others are left out.
    ///
    /// Where the counter has stuck at its end (ZOOKEEPER-3249), the order among equal numbers is lost.
    pub(super) fn in_order<'a>(self, names: impl Iterator<Item = &'a str>) -> Vec<Entry<'a>> {
        let mut entries: Vec<_> = names.filter_map(|name| self.entry(name)).collect();
        if let Some(any) = entries.first().map(|entry| entry.number) {
            entries.sort_by_key(|entry| (entry.rank(), entry.number.behind(any)));
        }
        entries
    }
}

impl Entry<'_> {
    fn rank(&self) -> i64 {
        let rank = self.label.rank().unwrap_or(0);
        if broken!("queue: compares priorities as text without a sign") {
            return rank & i64::from(u32::MAX);
        }
        rank
    }
}

/// Returns an id as it is found in names.
pub(super) fn as_written(id: &str) -> Cow<'_, str> {
    if id.contains(['/', '|']) { id.replace(['/', '|'], "_").into() } else { id.into() }
}

/// Writes a priority so that it sorts as text: a digit for the sign, and the number in two's complement.
fn written(priority: i64) -> String {
    let priority = i32::try_from(priority).unwrap_or(if priority < 0 { i32::MIN } else { i32::MAX });
    format!("{}{priority:08X}", u8::from(priority >= 0))
}

/// Reads what [`written`] writes.
fn read(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at_checked(1)?;
    let number = u32::try_from(read_hex(digits)?).ok().filter(|_| digits.len() == PRIORITY_LENGTH - 1)?;
    let priority = i32::from_be_bytes(number.to_be_bytes());
    let is_consistent = sign == if priority < 0 { "0" } else { "1" };
    is_consistent.then_some(i64::from(priority))
}

fn read_hex(text: &str) -> Option<i64> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    i64::from_str_radix(text, 16).ok().filter(|_| is_hex)
}

/// Returns what follows a UUID and a dash.
fn behind_guid(text: &str) -> Option<&str> {
    let (guid, rest) = text.split_at_checked(GUID_LENGTH)?;
    let is_guid = guid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    rest.strip_prefix('-').filter(|_| is_guid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "3be498f4-e420-4aaa-bb40-031367eba665";

    const FORMS: [Form; 8] = [
        Form::Native,
        Form::NativePriority,
        Form::Simple,
        Form::Kazoo,
        Form::Curator,
        Form::CuratorPriority,
        Form::Delay,
        Form::Id,
    ];

    #[test]
    fn names_are_those_that_other_clients_give() {
        let table = [
            (Form::Native, Label::Nothing, "e-3be498f4-e420-4aaa-bb40-031367eba665-0000000007"),
            (Form::NativePriority, Label::Rank(-1), "e-0FFFFFFFF-3be498f4-e420-4aaa-bb40-031367eba665-0000000007"),
            (Form::Simple, Label::Nothing, "qn-0000000007"),
            (Form::Kazoo, Label::Rank(5), "entry-005-0000000007"),
            (Form::Curator, Label::Nothing, "queue-0000000007"),
            (Form::CuratorPriority, Label::Rank(5), "queue-1000000050000000007"),
            (Form::CuratorPriority, Label::Rank(-1), "queue-0FFFFFFFF0000000007"),
            (Form::Delay, Label::Rank(0x1A2_0296_A473), "queue-|1A20296A473|0000000007"),
            (Form::Id, Label::Id("my_id"), "queue-|my_id|0000000007"),
        ];
        for (form, label, name) in table {
            assert_eq!(form.prefix(label, GUID) + "0000000007", name);
            let entry = form.entry(name).unwrap_or_else(|| panic!("{name} is one of {form:?}"));
            assert_eq!((entry.label, Some(entry.number)), (label, Number::parse("0000000007")));
        }
    }

    #[test]
    fn what_has_no_label_of_its_kind_gets_the_usual_one() {
        let table = [
            (Form::NativePriority, Label::Nothing, Label::Rank(0)),
            (Form::Kazoo, Label::Nothing, Label::Rank(100)),
            (Form::Kazoo, Label::Rank(-5), Label::Rank(0)),
            (Form::Kazoo, Label::Rank(1_000), Label::Rank(999)),
            (Form::CuratorPriority, Label::Nothing, Label::Rank(0)),
            (Form::Id, Label::Id("a/b|c"), Label::Id("a_b_c")),
            (Form::Id, Label::Nothing, Label::Id("")),
            (Form::Simple, Label::Rank(7), Label::Nothing),
        ];
        for (form, label, written) in table {
            let name = form.prefix(label, GUID) + "0000000007";
            assert_eq!(form.entry(&name).map(|entry| entry.label), Some(written), "{name}");
        }
    }

    #[test]
    fn names_of_others_are_no_entries() {
        let table = [
            (Form::Native, "e-0000000007"),
            (Form::Native, "e-zbe498f4-e420-4aaa-bb40-031367eba665-0000000007"),
            (Form::NativePriority, "e-1FFFFFFFF-3be498f4-e420-4aaa-bb40-031367eba665-0000000007"),
            (Form::NativePriority, "e-3be498f4-e420-4aaa-bb40-031367eba665-0000000007"),
            (Form::Simple, "qn-7"),
            (Form::Kazoo, "entry-0000000007"),
            (Form::Kazoo, "entry-+05-0000000007"),
            (Form::Kazoo, "entry--0000000007"),
            (Form::Curator, "queue-1000000050000000007"),
            (Form::CuratorPriority, "queue-0000000007"),
            (Form::CuratorPriority, "queue-2000000050000000007"),
            (Form::CuratorPriority, "queue-1+00000050000000007"),
            (Form::CuratorPriority, "queue-1é"),
            (Form::Delay, "queue-||0000000007"),
            (Form::Delay, "queue-|-1|0000000007"),
            (Form::Id, "queue-0000000007"),
        ];
        for (form, name) in table {
            assert_eq!(form.entry(name), None, "{form:?}: {name}");
        }
        for form in FORMS {
            for name in ["", "config", "receipts", "0000000007", "e-", "entry-", "queue-", "queue-|"] {
                assert_eq!(form.entry(name), None, "{form:?}: {name}");
            }
        }
    }

    #[test]
    fn lower_priorities_and_earlier_times_come_first_then_lower_numbers() {
        let named = |form: Form, rank, number| form.prefix(Label::Rank(rank), GUID) + number;
        for form in [Form::NativePriority, Form::CuratorPriority] {
            let ranks = [i64::from(i32::MIN), -1, 0, 5, i64::from(i32::MAX)];
            let expected: Vec<_> = ranks.iter().map(|rank| named(form, *rank, "0000000003")).collect();
            assert!(expected.is_sorted(), "other clients sort them as text: {expected:?}");
            let reversed = expected.iter().rev().map(String::as_str);
            let order: Vec<_> = form.in_order(reversed).iter().map(|entry| entry.name).collect();
            assert_eq!(order, expected);
        }
        // Compared as numbers: these are of different lengths.
        let (early, late) = (named(Form::Delay, 0xFFFF_FFFF, "0000000009"), named(Form::Delay, 1 << 32, "0000000001"));
        let order = Form::Delay.in_order([late.as_str(), "config", early.as_str()].into_iter());
        assert_eq!(order.iter().map(|entry| entry.name).collect::<Vec<_>>(), [&early, &late]);
    }

    #[test]
    fn a_counter_beyond_its_end_is_behind_what_came_before() {
        let names = ["qn--2147483648", "qn-2147483647", "qn-2147483646"];
        let order: Vec<_> = Form::Simple.in_order(names.into_iter()).iter().map(|entry| entry.name).collect();
        // The other two are equals: their order is lost.
        assert_eq!(order, ["qn-2147483646", "qn--2147483648", "qn-2147483647"]);
    }
}
