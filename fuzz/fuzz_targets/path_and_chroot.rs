#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zk_fuzz::path_and_chroot::check(data));
