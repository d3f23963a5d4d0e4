//! The client without any runtime: tasks on an executor of this program's own, which waits in `poll(2)`, and one on a plain
//! thread. `docs/embedding/own-executor.md` explains it.
//!
//! They all count in one node, each by reading it and writing only if nobody else has written meanwhile.
//!
//! ```text
//! cargo run -q -p zk-proto --example toy_executor                              # on a server in memory
//! ZK_SERVERS=localhost:2181 cargo run -q -p zk-proto --example toy_executor    # on yours
//! ```

#[cfg(unix)]
pub(crate) mod count;
#[cfg(unix)]
pub(crate) mod executor;
#[cfg(unix)]
pub(crate) mod io;

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Ok(servers) = std::env::var("ZK_SERVERS") {
        return count::run(&servers);
    }
    count::run(&zk_testing::TestServer::start()?.connect_string())
}

#[cfg(not(unix))]
fn main() {
    println!("this example waits in poll(2), which this system does not have");
}
