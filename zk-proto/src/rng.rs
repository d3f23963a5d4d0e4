//! The dice of the core: a small generator, so that the same seed gives the same bytes.
//!
//! It is xoshiro256++, fast and evenly spread, and **not** cryptographic: who sees enough of its output can predict
//! the rest. It serves shuffling, jitter and names that must differ; secrecy must never rest on it.

/// A deterministic source of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng([u64; 4]);

impl Rng {
    /// Makes a generator from a seed. Any seed will do, all zeros included; different seeds give different streams.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut state = [0; 4];
        let mut carry = 0_u64;
        for (word, bytes) in state.iter_mut().zip(seed.chunks_exact(8)) {
            let bytes = bytes.try_into().expect("chunks of 32 bytes by 8 are 8 bytes long");
            carry = mix(carry.wrapping_add(GOLDEN).wrapping_add(u64::from_le_bytes(bytes)));
            *word = carry;
        }
        // Each step above can be undone, so exactly one seed gives the one state that xoshiro never leaves.
        if state == [0; 4] {
            state = [GOLDEN; 4];
        }
        let mut rng = Self(state);
        // The last word of the seed has met none of the others yet.
        for _ in 0..8 {
            rng.next_u64();
        }
        rng
    }

    /// Returns 64 random bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Returns a number below `n`, each equally likely; 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // Lemire's method: the high half of a product is the number, and the few low halves that would favour some
        // numbers are drawn again.
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            let low = product as u64;
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Returns a number from 0 inclusive to 1 exclusive.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly; more could round up to 1.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Puts the items into a random order, each order equally likely.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// Fills the buffer with random bytes.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// 2^64 divided by the golden ratio: the step of splitmix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finisher of splitmix64: one to one, and each bit of the input touches about half of the output.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut one, mut other) = (Rng::new([7; 32]), Rng::new([7; 32]));

        for _ in 0..100 {
            assert_eq!(one.next_u64(), other.next_u64());
        }
    }

    #[test]
    fn the_stream_never_changes_between_releases() {
        let mut rng = Rng::new([0; 32]);

        assert_eq!([rng.next_u64(), rng.next_u64()], [4_807_066_701_476_426_873, 971_230_515_770_282_912]);
    }

    #[test]
    fn the_step_is_xoshiro256_plus_plus() {
        let mut rng = Rng([1, 2, 3, 4]);

        // The values that the authors' own program gives for this state.
        let expected =
            [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386, 9_228_616_714_210_784_205];
        assert_eq!(expected.map(|_| rng.next_u64()), expected);
    }

    #[test]
    fn any_one_bit_of_the_seed_changes_the_whole_stream() {
        for bit in 0..256 {
            let mut seed = [0; 32];
            seed[bit / 8] |= 1 << (bit % 8);
            let (mut plain, mut flipped) = (Rng::new([0; 32]), Rng::new(seed));

            let differing: u32 = (0..64).map(|_| (plain.next_u64() ^ flipped.next_u64()).count_ones()).sum();

            assert!((1_800..2_300).contains(&differing), "bit {bit}: {differing} of 4096 bits differ");
        }
    }

    #[test]
    fn even_the_seed_that_would_mix_to_nothing_gives_numbers() {
        let mut seed = [0; 32];
        for word in seed.chunks_exact_mut(8) {
            word.copy_from_slice(&GOLDEN.wrapping_neg().to_le_bytes());
        }
        let mut rng = Rng::new(seed);

        assert!((0..16).any(|_| rng.next_u64() != 0));
    }

    #[test]
    fn numbers_below_a_bound_are_even_and_stay_below_it() {
        let mut rng = Rng::new([1; 32]);
        let mut seen = [0_u32; 7];

        for _ in 0..70_000 {
            seen[rng.below(7) as usize] += 1;
        }

        assert!(seen.iter().all(|count| (9_600..10_400).contains(count)), "{seen:?}");
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
    }

    #[test]
    fn a_bound_near_the_limit_is_unbiased_too() {
        // Three quarters of the range: a plain remainder would give the lowest third twice as often.
        let bound = 3 << 62;
        let mut rng = Rng::new([2; 32]);

        let low = (0..30_000).filter(|_| rng.below(bound) < 1 << 62).count();

        assert!((9_600..10_400).contains(&low), "{low}");
    }

    #[test]
    fn units_lie_in_the_half_open_interval() {
        let mut rng = Rng::new([3; 32]);
        let units: Vec<f64> = (0..10_000).map(|_| rng.unit()).collect();

        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        let mean = units.iter().sum::<f64>() / 10_000.0;
        assert!((0.49..0.51).contains(&mean), "{mean}");
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut rng = Rng::new([4; 32]);
        let mut seen = [0_u32; 27];

        for _ in 0..60_000 {
            let mut items = [0, 1, 2];
            rng.shuffle(&mut items);
            seen[items[0] * 9 + items[1] * 3 + items[2]] += 1;
        }

        let orders: Vec<u32> = seen.into_iter().filter(|count| *count > 0).collect();
        assert_eq!(orders.len(), 6);
        assert!(orders.iter().all(|count| (9_500..10_500).contains(count)), "{orders:?}");
    }

    #[test]
    fn a_buffer_of_any_length_is_filled_to_the_end() {
        for len in 0..40 {
            let mut rng = Rng::new([5; 32]);
            let mut merged = [0_u8; 40];

            // Any one byte may be zero by chance, but not in twenty fillings.
            for _ in 0..20 {
                let mut buffer = [0_u8; 40];
                rng.fill(&mut buffer[..len]);
                merged.iter_mut().zip(buffer).for_each(|(merged, byte)| *merged |= byte);
            }

            assert!(merged[..len].iter().all(|byte| *byte != 0));
            assert!(merged[len..].iter().all(|byte| *byte == 0));
        }
    }
}
