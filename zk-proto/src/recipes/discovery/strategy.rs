//! Which of several instances to take: plain functions over what there is.

use super::{ServiceInstance, directory::DiscoveredInstance};
use crate::Zxid;

/// How one of several instances is picked.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// Any, each as likely as the other.
    Random,
    /// One after the other, by their ids.
    #[default]
    RoundRobin,
    /// The same as long as it is there; then any. One that has registered anew is another one.
    Sticky,
    /// Any, as likely as the weight that the function gives it. When all weights are 0, each as likely as the other.
    Weighted(fn(&ServiceInstance) -> u32),
    /// By the key of [`pick_for`](super::ServiceProvider::pick_for): everybody who has the same key and sees the same instances picks
    /// the same one, and when one goes, only its keys go to others. Without a key: any.
    RendezvousHash,
}

/// What a strategy remembers from one time to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// How often was picked. 64 bits do not come to their end, where Curator's 32 do.
    pub(super) count: u64,
    /// Which one was picked last: its node's name and creation.
    pub(super) last: Option<(String, Zxid)>,
}

/// Picks one of several, by its position.
pub(super) fn pick(
    strategy: Strategy,
    instances: &[&DiscoveredInstance],
    key: Option<&[u8]>,
    memory: &mut Memory,
    mut random: impl FnMut() -> u64,
) -> Option<usize> {
    let count = u64::try_from(instances.len()).ok().filter(|count| *count > 0)?;
    let picked = match (strategy, key) {
        (Strategy::Random, _) | (Strategy::RendezvousHash, None) => below(random(), count),
        (Strategy::RoundRobin, _) => {
            let turn = memory.count % count;
            memory.count = memory.count.wrapping_add(1);
            turn
        }
        (Strategy::Sticky, _) => {
            let is_last = |one: &&DiscoveredInstance| {
                memory.last.as_ref().is_some_and(|(name, created)| one.is_node(name, *created))
            };
            match instances.iter().position(is_last) {
                Some(same) => return Some(same),
                None => below(random(), count),
            }
        }
        (Strategy::Weighted(weight), _) => {
            let weights = || instances.iter().map(|one| u64::from(weight(one)));
            match weights().sum() {
                0 => below(random(), count),
                total => {
                    let mut left = below(random(), total);
                    return weights().position(|weight| {
                        let is_it = left < weight;
                        left = left.saturating_sub(weight);
                        is_it
                    });
                }
            }
        }
        (Strategy::RendezvousHash, Some(key)) => {
            return (0..instances.len()).max_by_key(|index| hash(key, instances[*index].id.as_bytes()));
        }
    };
    let index = usize::try_from(picked).ok()?;
    if let Strategy::Sticky = strategy {
        memory.last = instances.get(index).map(|one| one.identity());
    }
    Some(index)
}

/// Makes a number below `limit` of a random one.
fn below(random: u64, limit: u64) -> u64 {
    // The upper half of the product: even, but for one part in 2⁶⁴ / limit.
    u64::try_from((u128::from(random) * u128::from(limit)) >> 64).unwrap_or(0)
}

/// Hashes a key with the id of an instance, in the same way everywhere and for ever: FNV-1a, with its bits mixed well at the end.
fn hash(key: &[u8], id: &[u8]) -> u64 {
    // Something between them that is in neither by itself: their lengths.
    let length = u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes();
    let bytes = length.iter().chain(key).chain(id);
    let mut hash = bytes
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3));
    for factor in [0xFF51_AFD7_ED55_8CCD, 0xC4CE_B9FE_1A85_EC53_u64] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn instances(ids: &[&str]) -> Vec<DiscoveredInstance> {
        let created = |id: &str| id.bytes().map(i64::from).sum();
        ids.iter()
            .map(|id| DiscoveredInstance::of(ServiceInstance::new("svc", id).port(1), Zxid(created(id))))
            .collect()
    }

    /// Picks, and returns the ids.
    fn picks(strategy: Strategy, ids: &[&str], keys: &[Option<&[u8]>], memory: &mut Memory) -> Vec<String> {
        let all = instances(ids);
        let all: Vec<&DiscoveredInstance> = all.iter().collect();
        let mut seed = 1_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed
        };
        let one =
            |key: &Option<&[u8]>| pick(strategy, &all, *key, memory, &mut random).map(|index| all[index].id.clone());
        keys.iter().filter_map(one).collect()
    }

    #[test]
    fn nothing_is_picked_of_nothing() {
        for strategy in [
            Strategy::Random,
            Strategy::RoundRobin,
            Strategy::Sticky,
            Strategy::Weighted(|_| 1),
            Strategy::RendezvousHash,
        ] {
            assert_eq!(picks(strategy, &[], &[None, Some(b"key")], &mut Memory::default()), [""; 0], "{strategy:?}");
        }
    }

    #[test]
    fn round_robin_takes_one_after_the_other_also_where_its_counter_wraps() {
        let ids = ["a", "b", "c"];
        assert_eq!(picks(Strategy::RoundRobin, &ids, &[None; 5], &mut Memory::default()), ["a", "b", "c", "a", "b"]);
        for count in [u64::from(u32::MAX) / 2, u64::from(u32::MAX), u64::MAX] {
            let mut memory = Memory { count, last: None };
            assert_eq!(picks(Strategy::RoundRobin, &ids, &[None; 2], &mut memory).len(), 2, "{count}");
        }
    }

    #[test]
    fn sticky_stays_until_its_instance_goes_or_is_another_one() {
        let mut memory = Memory::default();
        let first = picks(Strategy::Sticky, &["a", "b", "c"], &[None; 9], &mut memory);
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 1);
        let id = first[0].clone();
        assert_eq!(picks(Strategy::Sticky, &["x", "y", &id], &[None], &mut memory), [id.as_str()]);

        let again = DiscoveredInstance::of(ServiceInstance::new("svc", &id), Zxid(9_999));
        let other = DiscoveredInstance::of(ServiceInstance::new("svc", "other"), Zxid(1));
        pick(Strategy::Sticky, &[&other, &again], None, &mut memory, || 0);
        assert_eq!(memory.last.as_ref().map(|(id, _)| id.as_str()), Some("other"), "it has registered anew");
    }

    #[test]
    fn weights_are_kept_and_zero_is_never() {
        let weight = |instance: &ServiceInstance| match instance.id.as_str() {
            "a" => 0,
            "b" => 1,
            _ => 3,
        };
        let picked = picks(Strategy::Weighted(weight), &["a", "b", "c"], &[None; 4_000], &mut Memory::default());
        let count = |id: &str| picked.iter().filter(|picked| *picked == id).count();
        assert_eq!(count("a"), 0);
        assert!((2_800..3_200).contains(&count("c")), "{}", count("c"));
        let picked = picks(Strategy::Weighted(|_| 0), &["a", "b"], &[None; 100], &mut Memory::default());
        assert_eq!(picked.into_iter().collect::<BTreeSet<_>>().len(), 2);
    }

    #[test]
    fn by_hash_only_the_keys_of_one_that_goes_move() {
        let keys: Vec<[u8; 2]> = (0..1_000_u16).map(u16::to_be_bytes).collect();
        let keys: Vec<Option<&[u8]>> = keys.iter().map(|key| Some(&key[..])).collect();
        let all = picks(Strategy::RendezvousHash, &["a", "b", "c", "d"], &keys, &mut Memory::default());
        let fewer = picks(Strategy::RendezvousHash, &["d", "a", "c"], &keys, &mut Memory::default());
        for (before, after) in all.iter().zip(&fewer) {
            assert!(before == "b" || before == after, "{before}, {after}");
        }
        for id in ["a", "b", "c", "d"] {
            let share = all.iter().filter(|picked| *picked == id).count();
            assert!((180..320).contains(&share), "{id}: {share}");
        }
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        assert_eq!(hash(b"key", b"id"), 0xE1C0_F68D_B4BB_7292);
        assert_ne!(hash(b"a", b"bc"), hash(b"ab", b"c"));
    }
}
