//! A tour of the client in one program: nodes, versions, watches, a multi, a lock.
//!
//! ```text
//! cargo run -q -p zk-tokio --example quickstart                              # on a server in memory
//! ZK_SERVERS=localhost:2181 cargo run -q -p zk-tokio --example quickstart    # on yours
//! ```

use std::{env, process::ExitCode, time::Duration};

use zk_testing::TestServer;
use zk_tokio::{AddWatchMode, Client, CreateMode, Error, ErrorCode, State, recipes::Lock, request::Create2};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match env::var("ZK_SERVERS") {
        Ok(servers) => run(&servers).await,
        Err(_) => {
            let server = TestServer::start().expect("a port of the loopback interface is free");
            println!("server        in memory, on {} (set ZK_SERVERS to use yours)", server.connect_string());
            run(&server.connect_string()).await
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(servers: &str) -> Result<(), Error> {
    let client = zk_tokio::builder(servers)?.connect_timeout(Duration::from_secs(10)).connect().await?;
    if let (Some(server), State::Connected { session, timeout, .. }) = (client.server(), client.state()) {
        println!("connected     {server}, session {session}, timeout {timeout:?}");
    }

    // A node of our own to work below, and a client for which it is the root. The server appends a number to the name, so
    // that two of these programs do not meet.
    let (base, _) = client.create("/quickstart-", b"").sequential().await?;
    println!("created       {base}");
    let outcome = tour(&client.chroot(&base)?).await;

    clean_up(&client, &base).await?;
    client.close().await;
    println!("closed        and nothing is left behind");
    outcome
}

async fn tour(client: &Client) -> Result<(), Error> {
    // A persistent watch hears of everything below the root, until it is dropped.
    let mut tree = client.add_watch("/", AddWatchMode::PersistentRecursive).await?;

    // Writing with a version: the second writer is too late, and learns it.
    let (path, stat) = client.create("/greeting", b"hello").await?;
    println!("created       {path} at version {}", stat.version);
    let stat = client.set_data("/greeting", b"hello, world").version(stat.version).await?;
    println!("written       {path}, now version {}", stat.version);
    match client.set_data("/greeting", b"too late").version(0).await {
        Err(error) if error.code() == Some(ErrorCode::BadVersion) => println!("conflict      {error}"),
        other => println!("no conflict?  {other:?}"),
    }

    // Reading, with a watch that fires once. The session belongs to us: its ephemeral nodes go when it goes.
    let (data, stat, mut watcher) = client.get_data("/greeting").watch().await?;
    println!("read          {:?}, {} bytes", String::from_utf8_lossy(&data), stat.data_length);
    let (member, _) = client.create("/member-", b"").ephemeral().sequential().await?;
    println!("joined        {member}");

    // All or nothing. A failure says which operation was to blame.
    let done = client
        .multi()
        .check("/greeting", 1)
        .set_data("/greeting", b"changed by a multi", None)
        .create_with(Create2::new("/jobs", b"").mode(CreateMode::Container))
        .create("/jobs/one", b"")
        .await?;
    println!("multi         {} operations as one", done.len());
    let failed = client.multi().create("/jobs/two", b"").delete("/nowhere", None).await;
    println!("multi         {}", failed.expect_err("there is no /nowhere"));
    println!("one-shot      {:?}", watcher.changed().await?.kind);

    // Requests that are sent before the first is awaited share their way to the server and back.
    let pending = ["/jobs/three", "/jobs/four", "/jobs/five"].map(|path| client.create(path, b"").send());
    for created in pending {
        created.await?;
    }
    let (children, _) = client.get_children("/jobs").await?;
    println!("children      {}", children.to_sorted().join(" "));

    // An event comes before the reply to whatever is asked later, so by now all of them are there.
    while let Some(event) = tree.next().await.transpose()? {
        println!("watched       {:?} {}", event.kind, event.path);
        if event.path == "/jobs/five" {
            break;
        }
    }

    // One holder at a time, whichever process asks. What is written in its transaction is refused once it holds no more.
    let lock = Lock::new(client, "/locks/report")?;
    let held = lock.acquire().await?;
    held.transaction().set_data("/greeting", b"written by the holder", None).await?;
    println!("locked        {} with fencing token {}", lock.path(), held.fencing_token());
    println!("locked        another one gets {:?}", lock.try_acquire().await?.map(|held| held.fencing_token()));
    held.release().await?;
    Ok(())
}

/// Deletes the node and all below it, children first.
async fn clean_up(client: &Client, base: &str) -> Result<(), Error> {
    let (children, _) = client.get_children(base).await?;
    for child in &children {
        Box::pin(clean_up(client, &format!("{base}/{child}"))).await?;
    }
    client.delete(base).await
}
