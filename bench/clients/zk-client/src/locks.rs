//! Locks, by how often one waits for the server.

use std::{
    env,
    time::{Duration, Instant},
};

use bench_harness::{Order, tell};
use zk_proto::{client::Client, recipes::Lock};

use crate::Runtime;

/// What the server adds to each reply, and so what a round trip takes, all but exactly.
fn round_trip() -> f64 {
    let delay = env::var("BENCH_DELAY_MS").ok().and_then(|text| text.parse().ok());
    f64::from(delay.unwrap_or(5_u32)) / 1e3
}

/// One that nobody else wants.
pub(crate) async fn uncontended(client: &Client, order: &Order) {
    let lock = Lock::new(client, "/lock").expect("a good path");
    // The first makes the lock's node.
    lock.acquire().await.expect("it is free").release().await.expect("it was held");
    let (mut acquire, mut release) = (Vec::new(), Vec::new());
    for _ in 0..order.operations {
        let began = Instant::now();
        let held = lock.acquire().await.expect("it is free");
        acquire.push(began.elapsed());
        let began = Instant::now();
        held.release().await.expect("it was held");
        release.push(began.elapsed());
    }
    tell("acquire_round_trips", median(acquire) / round_trip());
    tell("release_round_trips", median(release) / round_trip());
}

/// One that many want, who pass it on at once.
pub(crate) async fn chain<R: Runtime>(client: &Client, order: &Order) {
    let first = Lock::new(client, "/lock").expect("a good path").acquire().await.expect("it is free");
    let contenders: Vec<_> = (0..order.operations)
        .map(|_| {
            let lock = Lock::new(client, "/lock").expect("a good path");
            R::spawn(async move { lock.acquire().await.expect("it is its turn").release().await.expect("it was held") })
        })
        .collect();
    // All are in line by then.
    R::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    first.release().await.expect("it was held");
    for contender in contenders {
        contender.await;
    }
    tell("handover_round_trips", began.elapsed().as_secs_f64() / order.operations as f64 / round_trip());
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}
