//! The client of this crate in a program on smol: the driver runs in a task of smol's, on async-std's sockets.
//!
//! ```text
//! cargo run -q -p zk-async-std --example under_smol                              # on a server in memory
//! ZK_SERVERS=localhost:2181 cargo run -q -p zk-async-std --example under_smol    # on yours
//! ```

use std::{env, error::Error, sync::Arc};

use smol::Executor;
use zk_async_std::{AsyncStd, Driver, ErrorCode, Runtime, WatchedEventKind, drive};
use zk_testing::TestServer;

/// An executor of smol's, for the driver to run on.
#[derive(Clone)]
pub(crate) struct OnSmol(pub(crate) Arc<Executor<'static>>);

impl Runtime for OnSmol {
    fn seed(&self) -> [u8; 32] {
        AsyncStd.seed()
    }

    fn start(&self, driver: Driver) {
        self.0.spawn(drive(driver)).detach();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(servers) = env::var("ZK_SERVERS") {
        return run(&servers);
    }
    run(&TestServer::start()?.connect_string())
}

/// Makes, watches, changes and deletes a node. One thread polls the program and the driver alike.
pub(crate) fn run(servers: &str) -> Result<(), Box<dyn Error>> {
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(async {
        let client = zk_async_std::builder(servers)?.with_runtime(OnSmol(executor.clone())).connect().await?;
        let (path, _) = client.create("/under-smol-", b"hello").ephemeral().sequential().await?;
        let (data, stat, mut watcher) = client.get_data(&path).watch().await?;
        println!("read     {:?} from {path}", String::from_utf8_lossy(&data));
        assert_eq!((&data[..], stat.version), (&b"hello"[..], 0));

        // Another task of the same executor, with the same client.
        let writer = executor.spawn({
            let (client, path) = (client.clone(), path.clone());
            async move { client.set_data(&path, b"hello, smol").version(0).await }
        });
        let event = watcher.changed().await?;
        println!("heard    {:?} of {}", event.kind, event.path);
        assert_eq!((event.kind, &event.path[..]), (WatchedEventKind::NodeDataChanged, &path[..]));
        assert_eq!(writer.await?.version, 1);

        client.delete(&path).version(1).await?;
        let gone = client.get_data(&path).await.expect_err("it was deleted");
        assert_eq!(gone.code(), Some(ErrorCode::NoNode));
        client.close().await;
        println!("closed   and nothing is left behind");
        Ok(())
    }))
}
