//! Reproducible chance.

/// A source of random numbers: bytes that were given, and then splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    told: Vec<u8>,
    /// How many of them are used up.
    used: usize,
    state: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { told: Vec::new(), used: 0, state: seed }
    }

    /// Falls as the bytes say, and as if by chance when they are used up.
    pub(crate) fn told(bytes: &[u8]) -> Self {
        let state = bytes.iter().fold(bytes.len() as u64, |state, byte| state.rotate_left(8) ^ u64::from(*byte));
        Self { told: bytes.to_vec(), used: 0, state }
    }

    /// Returns how many of the bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.told.len() - self.used
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let wanted = if n <= 1 << 8 { 1 } else { 3 };
        match self.told[self.used..].split_at_checked(wanted) {
            Some((bytes, _)) => {
                self.used += wanted;
                bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) % n
            }
            None => (self.next() % n as u64) as usize,
        }
    }

    /// Returns true once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn choose<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub(crate) fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed.iter_mut().for_each(|byte| *byte = (self.next() % 256) as u8);
        seed
    }
}
