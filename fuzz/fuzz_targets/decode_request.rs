#![no_main]

use zk_fuzz::decode::{CLIENT, check};

libfuzzer_sys::fuzz_target!(|data: &[u8]| check(CLIENT, data));
