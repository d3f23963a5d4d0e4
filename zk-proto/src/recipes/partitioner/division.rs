//! Who is to have what, by what everybody knows.
//!
//! Each pair of a member and a partition has a score, which is as good as random and the same for everybody. The pairs are gone
//! through from the best one on, and a member gets a partition that nobody has yet as long as its share is not full. So one who comes or goes
//! changes little of what the others have.
//!
//! All members have to compute the same, so none of this may change without another layout on the server.

use std::sync::Arc;

/// Returns whose each partition is to be: the place of a member. The names of both are in the same order for everybody, and there
/// is at least one member.
pub(super) fn divide<P: AsRef<str>, M: AsRef<str>>(partitions: &[P], members: &[M]) -> Vec<usize> {
    let mut pairs: Vec<(u64, usize, usize)> = (0..members.len())
        .flat_map(|member| (0..partitions.len()).map(move |partition| (partition, member)))
        .map(|(partition, member)| (score(members[member].as_ref(), partitions[partition].as_ref()), partition, member))
        .collect();
    pairs.sort_unstable();

    let least = partitions.len() / members.len().max(1);
    // So many members have one more.
    let mut surplus = partitions.len() % members.len().max(1);
    let mut loads = vec![0; members.len()];
    let mut owners = vec![None; partitions.len()];
    for (_, partition, member) in pairs {
        let needs_surplus = loads[member] == least;
        let has_room = loads[member] < least || (needs_surplus && surplus > 0);
        if has_room && owners[partition].is_none() {
            owners[partition] = Some(member);
            loads[member] += 1;
            surplus -= usize::from(needs_surplus);
        }
    }
    // None is left over: for each, some member has had room when it came to that pair.
    owners.into_iter().flatten().collect()
}

/// Returns what tells a set from others, for members to compare.
pub(super) fn fingerprint(partitions: &[Arc<str>]) -> String {
    let hash = hash(partitions.iter().map(|name| &**name));
    format!("{} partitions, {hash:016x}", partitions.len())
}

fn score(member: &str, partition: &str) -> u64 {
    hash([member, partition].into_iter())
}

/// FNV-1a of all the words, with a byte between them that no text has, and stirred at the end as in `MurmurHash3`, for words that
/// differ in the last byte only.
fn hash<'a>(words: impl Iterator<Item = &'a str>) -> u64 {
    let bytes = words.flat_map(|word| word.bytes().chain([0xff]));
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kind: &str, count: usize) -> Vec<Arc<str>> {
        (0..count).map(|number| format!("{kind}-{number:03}").into()).collect()
    }

    fn sizes(owners: &[usize], members: usize) -> Vec<usize> {
        (0..members).map(|member| owners.iter().filter(|owner| **owner == member).count()).collect()
    }

    /// Returns how many partitions have another owner, and how many must have one at least, when the last member comes or goes.
    fn moved(partitions: &[Arc<str>], members: &[Arc<str>]) -> (usize, usize) {
        let (with, without) = (divide(partitions, members), divide(partitions, &members[..members.len() - 1]));
        let moved = with.iter().zip(&without).filter(|(one, other)| one != other).count();
        (moved, with.iter().filter(|owner| **owner == members.len() - 1).count())
    }

    #[test]
    fn every_partition_is_that_of_one_member_and_shares_differ_by_one_at_most() {
        for count in 0..25 {
            for members in 1..9 {
                let owners = divide(&names("p", count), &names("m", members));
                assert_eq!(owners.len(), count, "{count} among {members}");
                let sizes = sizes(&owners, members);
                let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
                assert!(most - least <= 1, "{count} among {members}: {sizes:?}");
            }
        }
    }

    #[test]
    fn among_nobody_nothing_is_divided() {
        assert_eq!(divide(&names("p", 3), &names("m", 0)), [0; 0]);
    }

    /// Members of all versions must agree, so this is not to be changed.
    #[test]
    fn who_has_what_is_the_same_for_ever() {
        let owners = divide(&["p0", "p1", "p2", "p3", "p4", "p5", "p6"], &["ann", "bob", "cleo"]);
        assert_eq!(owners, [2, 1, 0, 1, 0, 2, 0]);
        assert_eq!(fingerprint(&names("p", 2)), "2 partitions, d8f6495f84d26167");
    }

    #[test]
    fn who_comes_or_goes_changes_little() {
        let (mut all, mut least) = (0, 0);
        for count in [8, 16, 32, 64, 100, 256] {
            for members in 2..12 {
                let (moved, needed) = moved(&names("partition", count), &names("member", members));
                assert!(moved >= needed && moved <= 3 * needed + 3, "{count} among {members}: {moved} for {needed}");
                (all, least) = (all + moved, least + needed);
            }
        }
        assert!(4 * all < 5 * least, "{all} are moved, and {least} would do");
    }

    #[test]
    fn sets_are_told_apart() {
        let table =
            [vec![], vec!["a"], vec!["ab"], vec!["a", "b"], vec!["a", "bc"], vec!["ab", "c"], vec!["a", "b", "c"]];
        let fingerprints = table.map(|set| fingerprint(&set.into_iter().map(Arc::from).collect::<Vec<_>>()));
        for (place, one) in fingerprints.iter().enumerate() {
            assert!(!fingerprints[..place].contains(one), "{fingerprints:?}");
        }
    }
}
