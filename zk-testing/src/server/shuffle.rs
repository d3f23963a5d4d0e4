//! An order for what has none.

use super::options::Order;

pub(super) struct Shuffle {
    order: Order,
    state: u64,
}

impl Shuffle {
    pub(super) fn new(order: Order, seed: u64) -> Self {
        Self { order, state: seed }
    }

    /// Brings sorted items into the order that was chosen.
    pub(super) fn apply<T>(&mut self, items: &mut [T]) {
        match self.order {
            Order::Sorted => {}
            Order::Shuffled => {
                for end in (1..items.len()).rev() {
                    let bound = u64::try_from(end + 1).unwrap_or(u64::MAX);
                    let place = usize::try_from(self.next() % bound).unwrap_or(0);
                    items.swap(end, place);
                }
            }
        }
    }

    /// Steps SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_stays_sorted() {
        let mut items = [1, 2, 3];
        Shuffle::new(Order::Sorted, 1).apply(&mut items);
        assert_eq!(items, [1, 2, 3]);
    }

    #[test]
    fn the_seed_decides_the_order_and_nothing_is_lost() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..100).collect();
            Shuffle::new(Order::Shuffled, seed).apply(&mut items);
            items
        };

        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
        let mut sorted = shuffled(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
