//! Serves a ZooKeeper in memory until it is interrupted.
//!
//! ```text
//! cargo run -p zk-testing --example serve -- 127.0.0.1:2181
//! ```
//!
//! Without an address it takes a free port. It keeps nothing on disk.

use std::{env, error::Error, thread};

use zk_testing::TestServer;

fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = TestServer::builder();
    if let Some(address) = env::args().nth(1) {
        builder = builder.address(address.parse()?);
    }
    let server = builder.start()?;
    println!("{}", server.connect_string());
    loop {
        thread::park();
    }
}
