//! One server for all tests of a process.

use std::sync::OnceLock;

use super::server::Server;

static SHARED: OnceLock<Server> = OnceLock::new();

/// Returns the server that all tests of this process share, started by the first to ask and stopped when the process
/// ends.
///
/// Each test should keep to a [`chroot`](Server::chroot) of its own, and leave the server running. Under `cargo test`
/// the tests of one binary are threads of one process and share one server; under a runner that gives each test a process,
/// each has a server of its own, which costs a third of a second.
///
/// # Panics
///
/// Panics with the reason when the server cannot be started, as when it is not [installed](super#what-must-be-installed).
///
/// ```no_run
/// use zk_testing::ensemble::shared;
///
/// # fn main() -> std::io::Result<()> {
/// let connect_string = format!("{}{}", shared().connect_string(), shared().chroot("locks")?);
/// # Ok(())
/// # }
/// ```
pub fn shared() -> &'static Server {
    SHARED.get_or_init(|| match Server::start() {
        Ok(server) => server,
        Err(error) => panic!("no shared ZooKeeper server: {error}"),
    })
}
