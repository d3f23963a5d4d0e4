//! A lock around a critical section, and what keeps out a holder who does not know that it holds the lock no more.
//!
//! One process takes the lock and is paused, for so long that its session expires. Another one takes the lock and works. Then the first
//! wakes up and goes on where it was. No lock service can prevent that; it can be seen to that it does no harm.
//!
//! ```text
//! cargo run -q -p zk-tokio --example fenced_lock
//! ```

use std::error::Error;

use zk_testing::TestServer;
use zk_tokio::{
    Client,
    recipes::{FencingToken, Held, Lock},
};

/// A service that is not ZooKeeper, such as a disk: it refuses whoever comes with a token older than one it has seen.
#[derive(Default)]
struct Disk {
    contents: String,
    newest: Option<FencingToken>,
}

impl Disk {
    fn write(&mut self, contents: &str, token: FencingToken) -> Result<(), String> {
        if self.newest.is_some_and(|newest| token < newest) {
            return Err(format!("token {token} is old"));
        }
        (self.contents, self.newest) = (contents.to_owned(), Some(token));
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start()?;
    let [first, second] =
        [zk_tokio::connect(&server.connect_string()).await?, zk_tokio::connect(&server.connect_string()).await?];
    first.create("/balance", b"100").await?;
    let mut disk = Disk::default();

    let held = Lock::new(&first, "/locks/balance")?.acquire().await?;
    println!("first   has the lock, with token {}", held.fencing_token());

    println!("first   is paused, for longer than its session lives");
    server.expire_session(held.session());

    let successor = Lock::new(&second, "/locks/balance")?.acquire().await?;
    println!("second  has the lock, with token {}", successor.fencing_token());
    withdraw(&second, &successor, 30).await?;
    disk.write("balance is 70", successor.fencing_token())?;
    println!("second  has withdrawn 30");

    println!("first   wakes up, and goes on with what it had read: 100");
    let refused = held.transaction().set_data("/balance", b"90", None).await;
    println!("first   is refused by ZooKeeper: {}", refused.expect_err("its lock is gone"));
    let refused = disk.write("balance is 90", held.fencing_token());
    println!("first   is refused by the disk: {}", refused.expect_err("its token is old"));
    println!("first   could have known: its lock is {:?}, valid until {:?}", held.tenure(), held.valid_until());

    successor.release().await?;
    let (balance, _) = second.get_data("/balance").await?;
    println!("in the end, the balance is {}, and on disk: {}", String::from_utf8_lossy(&balance), disk.contents);
    Ok(())
}

/// The critical section: what was read is still so when it is written, because only the holder writes.
async fn withdraw(client: &Client, held: &Held, amount: i64) -> Result<(), Box<dyn Error>> {
    let (balance, _) = client.get_data("/balance").await?;
    let balance: i64 = std::str::from_utf8(&balance)?.parse()?;
    let left = (balance - amount).to_string();
    // Carried out only if the lock is held at the moment that the server gets to it.
    held.transaction().set_data("/balance", left.as_bytes(), None).await?;
    Ok(())
}
