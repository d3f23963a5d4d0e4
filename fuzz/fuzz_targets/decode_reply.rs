#![no_main]

use zk_fuzz::decode::{SERVER, check};

libfuzzer_sys::fuzz_target!(|data: &[u8]| check(SERVER, data));
