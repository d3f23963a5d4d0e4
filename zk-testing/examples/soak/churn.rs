//! Everything that a client can be put through, and dropped in the middle of.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use smol::{Timer, future};
use zk_proto::{
    Backoff,
    client::{Builder, Client, Error, Runtime},
    code::AddWatchMode,
    recipes::{Lock, TreeCache},
};
use zk_testing::{TestServer, ensemble::Proxy};

/// Shorter than this a real server with a tick of half a second grants none.
const SESSION_TIMEOUT: Duration = Duration::from_secs(1);

/// What the clients of all adapters share.
pub(crate) struct Ground<'a> {
    /// A connect string.
    pub(crate) servers: String,
    /// The same server, behind a proxy that cuts it off.
    pub(crate) proxy: &'a Proxy,
    /// The server, where it is one that does things on demand.
    pub(crate) on_demand: Option<&'a TestServer>,
    pub(crate) until: Instant,
    /// What was done, by kind.
    pub(crate) done: &'a [AtomicU64; ACTS.len()],
}

/// What is done, and what it is called.
pub(crate) const ACTS: [&str; 8] =
    ["dropped connecting", "dropped lazy", "watches", "cancels", "expiries", "cuts", "locks", "caches"];

/// Small random numbers, the same for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.roll(most))
    }
}

/// Does one thing after the other until the time is over. Errors are what faults lead to; what was not done is not counted.
pub(crate) async fn churn<R: Runtime + Clone>(runtime: R, ground: &Ground<'_>, mut dice: Dice, name: &str) {
    while Instant::now() < ground.until {
        let act = dice.roll(ACTS.len() as u64) as usize;
        // In boxes, as all of them in one future are too much for a small stack.
        let work: Pin<Box<dyn Future<Output = Result<(), Error>> + '_>> = match act {
            0 => Box::pin(drop_while_connecting(&runtime, ground, &mut dice)),
            1 => Box::pin(drop_lazy(&runtime, ground, &mut dice)),
            2 => Box::pin(watches(&runtime, ground, &mut dice, name)),
            3 => Box::pin(cancels(&runtime, ground, &mut dice, name)),
            4 => Box::pin(expiry(&runtime, ground, &mut dice, name)),
            5 => Box::pin(cut(&runtime, ground, &mut dice)),
            6 => Box::pin(locks(&runtime, ground, &mut dice, name)),
            _ => Box::pin(cache(&runtime, ground, &mut dice, name)),
        };
        // Also a thing that hangs is dropped.
        if let Some(Ok(())) = within(Duration::from_secs(5), work).await {
            ground.done[act].fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    future::or(async { Some(work.await) }, async {
        Timer::after(limit).await;
        None
    })
    .await
}

fn builder<R: Runtime + Clone>(runtime: &R, servers: &str) -> Builder<R> {
    let backoff = Backoff { initial: Duration::from_millis(5), max: Duration::from_millis(50) };
    let builder = Builder::new(servers).expect("an address").session_timeout(SESSION_TIMEOUT).backoff(backoff);
    builder.with_runtime(runtime.clone())
}

async fn connect<R: Runtime + Clone>(runtime: &R, ground: &Ground<'_>) -> Result<Client, Error> {
    builder(runtime, &ground.servers).connect().await
}

async fn drop_while_connecting<R: Runtime + Clone>(
    runtime: &R,
    ground: &Ground<'_>,
    dice: &mut Dice,
) -> Result<(), Error> {
    for _ in 0..4 {
        let limit = Duration::from_micros(dice.roll(2000));
        within(limit, connect(runtime, ground)).await.transpose()?;
    }
    Ok(())
}

async fn drop_lazy<R: Runtime + Clone>(runtime: &R, ground: &Ground<'_>, dice: &mut Dice) -> Result<(), Error> {
    let client = builder(runtime, &ground.servers).connect_lazy();
    let kept: Vec<_> = (0..dice.roll(20)).map(|_| client.get_data("/").send()).collect();
    let watched = client.get_data("/").watch().send();
    Timer::after(Duration::from_micros(dice.roll(3000))).await;
    drop((client, kept));
    drop(watched);
    Ok(())
}

async fn watches<R: Runtime + Clone>(
    runtime: &R,
    ground: &Ground<'_>,
    dice: &mut Dice,
    name: &str,
) -> Result<(), Error> {
    let client = connect(runtime, ground).await?;
    let (node, _) = client.create(&format!("/{name}-watched-"), b"0").ephemeral().sequential().await?;
    let (mut once, mut stay) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        once.push(client.get_data(&node).watch().await?.2);
        once.push(client.exists(&format!("{node}-{}", dice.roll(10))).watch().await?.1);
        let mode = [AddWatchMode::Persistent, AddWatchMode::PersistentRecursive][dice.roll(2) as usize];
        stay.push(client.add_watch(&node, mode).await?);
    }
    once.truncate(dice.roll(40) as usize);
    stay.truncate(dice.roll(20) as usize);
    client.set_data(&node, b"1").await?;
    if let Some(watcher) = stay.first_mut() {
        watcher.next().await;
    }
    Ok(())
}

async fn cancels<R: Runtime + Clone>(
    runtime: &R,
    ground: &Ground<'_>,
    dice: &mut Dice,
    name: &str,
) -> Result<(), Error> {
    let client = connect(runtime, ground).await?;
    let (node, _) = client.create(&format!("/{name}-cancelled-"), b"0").ephemeral().sequential().await?;
    let data = vec![7; 10_000];
    for _ in 0..10 {
        let sent: Vec<_> = (0..20).map(|_| client.set_data(&node, &data).send()).collect();
        let read = client.get_data(&node).watch();
        within(dice.millis(2), async { read.await.map(drop) }).await.transpose()?;
        for (index, pending) in sent.into_iter().enumerate() {
            if index as u64 % 2 == dice.roll(2) {
                within(dice.millis(3), pending).await.transpose()?;
            }
        }
    }
    Ok(())
}

async fn expiry<R: Runtime + Clone>(
    runtime: &R,
    ground: &Ground<'_>,
    dice: &mut Dice,
    name: &str,
) -> Result<(), Error> {
    let Some(server) = ground.on_demand else { return drop_lazy(runtime, ground, dice).await };
    let client = connect(runtime, ground).await?;
    let lock = Lock::new(&client, &format!("/{name}-expired"))?;
    let held = lock.acquire().await?;
    let _watcher = client.exists("/nothing").watch().await?;
    if let Some(session) = client.session() {
        server.expire_session(session);
    }
    if dice.roll(2) == 0 {
        held.lost().await;
        client.connected().await?;
        client.sync("/").await?;
    }
    Ok(())
}

async fn cut<R: Runtime + Clone>(runtime: &R, ground: &Ground<'_>, dice: &mut Dice) -> Result<(), Error> {
    let client = builder(runtime, &ground.proxy.connect_string()).connect().await?;
    let _watcher = client.add_watch("/", AddWatchMode::Persistent).await?;
    let reads: Vec<_> = (0..50).map(|_| client.get_children("/").resend().send()).collect();
    ground.proxy.cut();
    if dice.roll(2) == 0 {
        for read in reads {
            read.await.ok();
        }
        client.connected().await?;
    }
    Ok(())
}

async fn locks<R: Runtime + Clone>(runtime: &R, ground: &Ground<'_>, dice: &mut Dice, name: &str) -> Result<(), Error> {
    let (one, two) = (connect(runtime, ground).await?, connect(runtime, ground).await?);
    let path = format!("/{name}-lock");
    let (first, second) = (Lock::new(&one, &path)?, Lock::new(&two, &path)?);
    for _ in 0..3 {
        let held = first.acquire().await?;
        within(dice.millis(10), second.acquire()).await.transpose()?;
        if dice.roll(2) == 0 {
            held.release().await.ok();
        } else {
            drop(held);
        }
        second.acquire().await?.release().await.ok();
    }
    Ok(())
}

async fn cache<R: Runtime + Clone>(runtime: &R, ground: &Ground<'_>, dice: &mut Dice, name: &str) -> Result<(), Error> {
    let client = connect(runtime, ground).await?;
    let (node, _) = client.create(&format!("/{name}-tree-"), b"root").sequential().await?;
    let cache = TreeCache::new(&client, &node)?;
    let known = cache.synced().await?;
    for child in 0..5 {
        client.create(&format!("{node}/{child}"), b"child").await?;
    }
    cache.changed(&known).await?;
    if dice.roll(2) == 0 {
        drop(cache);
    }
    for child in 0..5 {
        client.delete(&format!("{node}/{child}")).await?;
    }
    client.delete(&node).await
}
