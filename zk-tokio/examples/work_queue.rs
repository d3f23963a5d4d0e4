//! Work that is done although workers crash in the middle of it: an item is deleted when it is done, not when it is taken.
//!
//! ```text
//! cargo run -q -p zk-tokio --example work_queue
//! ```

use std::{collections::BTreeMap, error::Error, sync::Arc};

use tokio::{sync::Mutex, task::JoinSet};
use zk_testing::TestServer;
use zk_tokio::{
    Client,
    recipes::{Delivery, Put, Settled, WorkQueue},
};

const ITEMS: usize = 8;

/// What was done, by whom. Outside, where another worker sees it too.
type Done = Arc<Mutex<BTreeMap<String, &'static str>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start()?;
    let client = zk_tokio::connect(&server.connect_string()).await?;
    let queue = WorkQueue::new(&client, "/queues/orders")?;
    for number in 0..ITEMS {
        if queue.put(format!("order {number}").as_bytes()).await? != Put::Done {
            return Err("nobody knows whether it is there".into());
        }
    }
    println!("      {ITEMS} orders are waiting");

    // One takes an order, begins, and loses its session, as if its machine had lost power.
    let crashing = zk_tokio::connect(&server.connect_string()).await?;
    let begun = WorkQueue::new(&crashing, "/queues/orders")?.take().await?;
    println!("anna  begins with {}, and crashes", text(&begun));
    server.expire_session(crashing.session().ok_or("there is a session")?);

    let done = Done::default();
    let mut workers = JoinSet::new();
    for name in ["bert", "cleo"] {
        workers.spawn(work(name, zk_tokio::connect(&server.connect_string()).await?, done.clone()));
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }

    // The one that had crashed wakes up, and would finish what it began: it is told that it is not its order any more.
    match begun.ack().await? {
        Settled::Done => return Err("two have done the same order".into()),
        settled => println!("anna  wakes up, and may not say that it is done: {settled:?}"),
    }
    let done = done.lock().await;
    println!("      {} of {ITEMS} orders are done: {done:?}", done.len());
    Ok(())
}

/// Works until everything is done.
async fn work(name: &'static str, client: Client, done: Done) -> Result<(), zk_tokio::Error> {
    let queue = WorkQueue::new(&client, "/queues/orders")?;
    while done.lock().await.len() < ITEMS {
        let Some(delivery) = queue.try_take().await? else {
            // What is left is somebody else's, for now.
            tokio::task::yield_now().await;
            continue;
        };
        let order = text(&delivery);
        match delivery.ack().await? {
            Settled::Done => {
                println!("{name}  has done {order}");
                _ = done.lock().await.insert(order, name);
            }
            settled => println!("{name}  has worked on {order} for nothing: {settled:?}"),
        }
    }
    Ok(())
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.item().data()).into_owned()
}
