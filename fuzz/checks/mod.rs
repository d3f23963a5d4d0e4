//! What each fuzz target checks, apart from the fuzzer: `zk-proto/tests/fuzz_seeds.rs` runs the same on the committed corpus.

pub mod connect_string;
pub mod decode;
pub mod frame;
pub mod roundtrip;
