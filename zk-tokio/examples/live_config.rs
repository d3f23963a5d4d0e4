//! A setting that running programs heed as soon as it changes, and that nobody breaks by writing nonsense.
//!
//! ```text
//! cargo run -q -p zk-tokio --example live_config
//! ```

use std::error::Error;

use bytes::Bytes;
use tokio::task::JoinSet;
use zk_testing::TestServer;
use zk_tokio::recipes::{Outcome, SharedValue, Unreadable, ValueCodec};

/// How many requests a second are served, from one to ten thousand.
struct Rate;

impl ValueCodec for Rate {
    type Value = u32;

    fn read(&self, data: &Bytes) -> Result<u32, Unreadable> {
        let text = std::str::from_utf8(data).map_err(Unreadable::new)?;
        let rate: u32 = text.trim().parse().map_err(Unreadable::new)?;
        if (1..=10_000).contains(&rate) { Ok(rate) } else { Err(Unreadable::new(format!("{rate} a second"))) }
    }

    fn write(&self, rate: &u32) -> Bytes {
        rate.to_string().into()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start()?;
    let client = zk_tokio::connect(&server.connect_string()).await?;
    let rate = SharedValue::new(&client, "/config/rate", Rate)?;
    // What is set already stays.
    _ = rate.seed(&100).await?;
    let mut first = rate.ready().await?;
    while first.value().is_none() {
        first = rate.changed(&first).await?;
    }

    let mut services = JoinSet::new();
    for name in ["alpha", "beta"] {
        services.spawn(service(name, server.connect_string()));
    }

    // An operator changes it, and another one who has seen the old value comes too late.
    if let Outcome::Applied(_) = rate.compare_and_set(&first, &250).await? {
        println!("ops    has set it to 250");
    }
    if let Outcome::NotApplied(why) = rate.compare_and_set(&first, &50).await? {
        println!("ops    does not set it to 50, for it is not what was seen: {why:?}");
    }
    // Somebody writes by hand what it cannot be.
    client.set_data("/config/rate", b"a lot").await?;
    println!("ops    writes nonsense");
    let mut seen = rate.current();
    while seen.rejected().is_none() {
        seen = rate.changed(&seen).await?;
    }
    println!("ops    is told: {}; {:?} stays", seen.rejected().expect("it was rejected"), seen.value());
    _ = rate.set(&1_000).await?;
    println!("ops    has set it to 1000");

    while let Some(service) = services.join_next().await {
        service??;
    }
    Ok(())
}

/// Serves with the rate of the moment, until that is 1,000.
async fn service(name: &'static str, servers: String) -> Result<(), zk_tokio::Error> {
    let client = zk_tokio::connect(&servers).await?;
    let rate = SharedValue::new(&client, "/config/rate", Rate)?;
    let mut seen = rate.ready().await?;
    loop {
        match (seen.value(), seen.rejected()) {
            (Some(rate), None) => println!("{name:6} serves {rate} a second"),
            (Some(rate), Some(why)) => println!("{name:6} goes on with {rate} a second: {why}"),
            (None, _) => println!("{name:6} has no rate yet"),
        }
        if seen.value() == Some(&1_000) {
            return Ok(());
        }
        seen = rate.changed(&seen).await?;
    }
}
