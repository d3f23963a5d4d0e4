//! Several workers of which one works at a time: the leader, until it crashes, and then the next.
//!
//! ```text
//! cargo run -q -p zk-tokio --example leader_worker
//! ```

use std::{error::Error, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time};
use zk_testing::TestServer;
use zk_tokio::{
    SessionId,
    recipes::{LeaderLatch, Led, Term},
};

/// How many pieces of work there are.
const WORK: usize = 6;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start()?;
    let client = zk_tokio::connect(&server.connect_string()).await?;
    client.create("/done", b"").await?;

    let (report, mut reports) = mpsc::unbounded_channel();
    let mut workers = JoinSet::new();
    for name in ["anna", "bert", "cleo"] {
        workers.spawn(worker(name, server.connect_string(), report.clone()));
    }
    drop(report);

    // The leader is cut off while it works, and its session expires, as if its machine had lost power.
    while let Some((piece, session)) = reports.recv().await {
        if piece == WORK / 2 {
            println!("      the leader's session expires");
            server.expire_session(session);
        }
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    let (done, _) = client.get_children("/done").await?;
    println!("      {} pieces are done: {}", done.len(), done.to_sorted().join(" "));
    Ok(())
}

/// Stands for election until everything is done.
async fn worker(
    name: &'static str,
    servers: String,
    report: mpsc::UnboundedSender<(usize, SessionId)>,
) -> Result<(), zk_tokio::Error> {
    let client = zk_tokio::connect(&servers).await?;
    let candidacy = LeaderLatch::new(&client, "/leader")?.data(name.as_bytes()).stand();
    let work = |term: Term| {
        let (candidacy, client, report) = (&candidacy, &client, &report);
        async move {
            println!("{name}  leads, with token {}", term.fencing_token());
            loop {
                // What the leaders before have left.
                let (done, _) = client.get_children("/done").await?;
                let piece = done.len();
                if piece == WORK {
                    return Ok::<(), zk_tokio::Error>(());
                }
                time::sleep(Duration::from_millis(20)).await;
                // Nothing is done twice: this is refused where another one leads by now.
                candidacy.transaction(&term).create(&format!("/done/{piece}"), name.as_bytes()).await?;
                println!("{name}  has done piece {piece}");
                _ = report.send((piece, term.session()));
            }
        }
    };
    loop {
        // The work is dropped where it is when the term ends, and that is where the next leader goes on.
        match candidacy.lead(work).await? {
            Led::Done(Ok(())) => return Ok(()),
            Led::Done(Err(error)) => println!("{name}  fails: {error}"),
            Led::Lost(why) => println!("{name}  leads no more: {why:?}"),
        }
    }
}
