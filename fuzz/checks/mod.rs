//! What each fuzz target checks, apart from the fuzzer: `zk-proto/tests/fuzz_seeds` runs the same on the committed corpus.

pub mod admin;
pub mod client_server;
pub mod connect_string;
pub mod decode;
pub mod frame;
pub mod path_and_chroot;
pub mod roundtrip;
pub mod sasl;
pub mod server;
pub mod session;
pub mod tls_link;
