//! Who comes before whom among sequential nodes.
//!
//! The server numbers the children of a node with a 32-bit counter, which is not quite what it seems:
//!
//! * Before 3.6 it wraps around, so a newcomer has a negative number. Compared as serial numbers, by their distance, numbers are in
//!   order as long as fewer than 2³¹ are alive.
//! * Since 3.6 it sticks at 2,147,483,647 (ZOOKEEPER-3249), so several nodes can have that number. While the server has several
//!   creates in hand, it goes on to the negative ones, and back to the ceiling when they are done: then a newcomer has a lower
//!   number than who was there before. So all that are at the ceiling or a little beyond count as equals. Among equals the one
//!   that was created first comes first, which only the nodes' own [`Stat`](crate::record::Stat)s tell.

use core::fmt;

/// The number of a sequential node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(i32);

/// How far beyond the ceiling the numbers of creates that are in hand can be at most.
const BEYOND: i32 = 1 << 20;

impl Number {
    /// Reads the end of a name: ten places, filled up with zeros behind the minus if there is one; eleven where they do not do.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_filled_up = text.len() == 10 || text.len() == 11 && digits.len() == 10 && !digits.starts_with('0');
        let is_number = is_filled_up && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse().ok().map(Self) } else { None }
    }

    /// Returns how many come after it before the counter is at its end.
    pub(crate) fn remaining(self) -> u32 {
        i32::MAX.abs_diff(self.rank())
    }

    /// Returns the number for a node that takes the place of the first one, whose number this is, and is made later: at the
    /// ceiling it must not be told from those behind it by its creation.
    pub(crate) fn for_successor(self) -> Self {
        if self.rank() == i32::MAX { Self(i32::MAX - 1) } else { self }
    }

    /// Returns how far it is behind another one.
    pub(crate) fn behind(self, other: Self) -> i32 {
        self.rank().wrapping_sub(other.rank())
    }

    /// Returns the number that all have that cannot be told apart from it.
    fn rank(self) -> i32 {
        if self.0 < i32::MIN + BEYOND { i32::MAX } else { self.0 }
    }
}

impl fmt::Display for Number {
    /// Writes it as the server does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}", self.0)
    }
}

/// A node in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contender<'a> {
    pub(crate) name: &'a str,
    pub(crate) number: Number,
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// It is not in line.
    Missing,
    First,
    /// Next behind this one.
    After(&'a str),
    /// Behind nobody for certain, but these have the same number.
    Tied(Vec<&'a str>),
}

/// Finds the place of the node called `own` among those that count; who is not counted does not matter to it.
pub(crate) fn place<'a>(own: &str, line: impl Iterator<Item = Contender<'a>> + Clone) -> Place<'a> {
    let Some(own) = line.clone().find(|contender| contender.name == own) else { return Place::Missing };
    let ahead = line.clone().filter(|other| other.number.behind(own.number) < 0);
    let tied: Vec<&str> =
        line.filter(|other| other.number.behind(own.number) == 0 && other.name != own.name).map(name).collect();
    match ahead.max_by_key(|other| other.number.behind(own.number)) {
        // Whoever of the equals comes before us, they all come behind this one.
        Some(next) if tied.is_empty() => Place::After(next.name),
        None if tied.is_empty() => Place::First,
        Some(_) | None => Place::Tied(tied),
    }
}

/// Finds the place among nodes of the same number, given when each was created; `behind` is who else comes first.
pub(crate) fn place_among_equals<'a>(own: i64, equals: &[(&'a str, i64)], behind: Option<&'a str>) -> Place<'a> {
    let ahead = equals.iter().filter(|(_, created)| *created < own).max_by_key(|(_, created)| *created);
    match (ahead, behind) {
        (Some((next, _)), _) => Place::After(next),
        (None, Some(next)) => Place::After(next),
        (None, None) => Place::First,
    }
}

/// Returns who is next before those of `own`'s number.
pub(crate) fn before_equals<'a>(own: Number, line: impl Iterator<Item = Contender<'a>>) -> Option<&'a str> {
    line.filter(|other| other.number.behind(own) < 0).max_by_key(|other| other.number.behind(own)).map(name)
}

/// Returns who comes first: one, or several of the same number, or nobody.
pub(crate) fn head<'a>(line: impl Iterator<Item = Contender<'a>> + Clone) -> Vec<&'a str> {
    let Some(any) = line.clone().next().map(|contender| contender.number) else { return Vec::new() };
    let lowest = line.clone().map(|other| other.number.behind(any)).min();
    line.filter(|other| Some(other.number.behind(any)) == lowest).map(name).collect()
}

/// Sorts names by their numbers, those without one left out.
pub(crate) fn in_order<'a>(line: impl Iterator<Item = Contender<'a>>) -> Vec<Contender<'a>> {
    let mut line: Vec<_> = line.collect();
    if let Some(any) = line.first().map(|contender| contender.number) {
        line.sort_by_key(|contender| contender.number.behind(any));
    }
    line
}

fn name<'a>(contender: Contender<'a>) -> &'a str {
    contender.name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(names: &'a [&'a str]) -> impl Iterator<Item = Contender<'a>> + Clone {
        names.iter().filter_map(|name| {
            let number = Number::parse(name.rsplit_once('#')?.1)?;
            Some(Contender { name, number })
        })
    }

    #[test]
    fn numbers_are_read_as_the_server_writes_them() {
        for (text, expected) in [
            ("0000000000", Some(0)),
            ("2147483647", Some(i32::MAX)),
            ("-2147483648", Some(i32::MIN)),
            ("2147483648", None),
            ("000000001", None),
            ("00000000001", None),
            ("-1000000000", Some(-1_000_000_000)),
            ("-999999999", Some(-999_999_999)),
            ("-000000007", Some(-7)),
            ("-0000000007", None),
            ("+000000001", None),
            ("", None),
            ("-", None),
            ("--00000000", None),
        ] {
            assert_eq!(Number::parse(text), expected.map(Number), "{text}");
            if let Some(number) = expected {
                assert_eq!(Number(number).to_string(), text);
            }
        }
    }

    #[test]
    fn each_waits_for_the_next_before_it_and_strangers_do_not_count() {
        let names = ["c#0000000007", "a#0000000003", "stranger", "b#0000000005", "x#5"];
        assert_eq!(place("a#0000000003", line(&names)), Place::First);
        assert_eq!(place("b#0000000005", line(&names)), Place::After("a#0000000003"));
        assert_eq!(place("c#0000000007", line(&names)), Place::After("b#0000000005"));
        assert_eq!(place("d#0000000009", line(&names)), Place::Missing);
        assert_eq!(place("stranger", line(&names)), Place::Missing);
    }

    #[test]
    fn a_counter_that_has_wrapped_goes_on_in_order() {
        let names = ["new#-2140000000", "old#2147483646", "newer#-2139999999"];
        assert_eq!(place("old#2147483646", line(&names)), Place::First);
        assert_eq!(place("new#-2140000000", line(&names)), Place::After("old#2147483646"));
        assert_eq!(place("newer#-2139999999", line(&names)), Place::After("new#-2140000000"));
        let order: Vec<_> = in_order(line(&names)).iter().map(|contender| contender.name).collect();
        assert_eq!(order, ["old#2147483646", "new#-2140000000", "newer#-2139999999"]);
    }

    #[test]
    fn at_the_ceiling_and_a_little_beyond_numbers_tell_nothing() {
        let names = ["a#2147483646", "b#-2147483648", "c#2147483647", "d#-2147483647", "e#-2140000000"];
        assert_eq!(place("a#2147483646", line(&names)), Place::First);
        assert_eq!(place("b#-2147483648", line(&names)), Place::Tied(vec!["c#2147483647", "d#-2147483647"]));
        assert_eq!(place("c#2147483647", line(&names)), Place::Tied(vec!["b#-2147483648", "d#-2147483647"]));
        assert_eq!(before_equals(Number(i32::MIN), line(&names)), Some("a#2147483646"));
        assert!(matches!(
            place("e#-2140000000", line(&names)),
            Place::After("b#-2147483648" | "c#2147483647" | "d#-2147483647")
        ));
    }

    #[test]
    fn a_successor_comes_before_all_who_were_behind_the_first() {
        for (number, successor) in
            [(7, 7), (i32::MAX - 1, i32::MAX - 1), (i32::MAX, i32::MAX - 1), (i32::MIN, i32::MAX - 1)]
        {
            assert_eq!(Number(number).for_successor(), Number(successor));
            let names = [format!("new#{}", Number(successor)), format!("behind#{}", Number(i32::MAX))];
            let names = [names[0].as_str(), names[1].as_str()];
            assert_eq!(place(names[1], line(&names)), Place::After(names[0]), "{number}");
        }
    }

    #[test]
    fn what_is_left_is_counted_from_the_number() {
        for (number, left) in [(0, 2_147_483_647), (i32::MAX - 3, 3), (i32::MAX, 0), (i32::MIN, 0)] {
            assert_eq!(Number(number).remaining(), left, "{number}");
        }
    }

    #[test]
    fn those_of_the_lowest_number_are_at_the_head() {
        assert_eq!(head(line(&["stranger"])), [""; 0]);
        assert_eq!(head(line(&["c#0000000007", "stranger", "b#0000000005"])), ["b#0000000005"]);
        assert_eq!(head(line(&["new#-2147483648", "old#2147483646"])), ["old#2147483646"]);
        // Those about the end of the counter are equals.
        assert_eq!(head(line(&["new#-2147483648", "old#2147483647"])), ["new#-2147483648", "old#2147483647"]);
        assert_eq!(head(line(&["a#2147483647", "b#2147483647"])), ["a#2147483647", "b#2147483647"]);
    }

    #[test]
    fn equals_are_told_apart_by_their_creation() {
        let names = ["a#2147483647", "b#2147483647", "c#2147483646"];
        assert_eq!(place("a#2147483647", line(&names)), Place::Tied(vec!["b#2147483647"]));
        let before = before_equals(Number(i32::MAX), line(&names));
        assert_eq!(before, Some("c#2147483646"));
        assert_eq!(place_among_equals(7, &[("b", 5), ("d", 6), ("e", 8)], before), Place::After("d"));
        assert_eq!(place_among_equals(4, &[("b", 5)], before), Place::After("c#2147483646"));
        assert_eq!(place_among_equals(4, &[("b", 5)], None), Place::First);
    }
}
