//! Two instances of a service that register, and a client that finds one of them for each request, whichever is there and works.
//!
//! ```text
//! cargo run -q -p zk-tokio --features discovery --example registry
//! ```

use std::{collections::BTreeMap, error::Error};

use zk_testing::TestServer;
use zk_tokio::{
    Client,
    recipes::discovery::{Discovery, ServiceInstance, ServiceProvider, ServiceRegistration, Strategy},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start()?;
    let connect = async || zk_tokio::connect(&server.connect_string()).await;
    let [north, south, user] = [connect().await?, connect().await?, connect().await?];

    let north = (register(&north, "north", 9_001).await?, north);
    let south = (register(&south, "south", 9_002).await?, south);

    let directory = Discovery::new(&user, "/services")?.directory("search")?;
    let provider = directory.provider(Strategy::RoundRobin);
    let mut view = provider.synced().await?;
    println!("{} instances: {:?}", view.len(), asked(&provider, 10));

    // An instance that fails is left alone for a while.
    let failing = provider.pick().ok_or("there is an instance")?;
    println!("{} fails", failing.id);
    for _ in 0..8 {
        provider.note_error(&failing);
    }
    println!("{} instances, one is down: {:?}", view.len(), asked(&provider, 10));

    // One that leaves is gone at once, and one that crashes when its session has expired. Who only loses the session is back soon.
    north.0.unregister().await?;
    println!("north leaves");
    while view.len() > 1 {
        view = directory.changed(&view).await?;
    }
    println!("{} instance: {:?}", view.len(), asked(&provider, 10));
    let created = view.iter().next().map(|instance| instance.created);
    println!("south loses its session, and registers in the next");
    server.expire_session(south.1.session().ok_or("there is a session")?);
    while view.iter().next().map(|instance| instance.created).is_none_or(|now| Some(now) == created) {
        view = directory.changed(&view).await?;
    }
    println!("{} instance: {:?}", view.len(), asked(&provider, 10));
    Ok(())
}

/// Registers an instance, and keeps it registered: through lost connections, and in the next session when one expires.
async fn register(client: &Client, id: &str, port: u16) -> Result<ServiceRegistration, Box<dyn Error>> {
    let instance = ServiceInstance::new("search", id).address("127.0.0.1").port(port);
    let registration = Discovery::new(client, "/services")?.register(&instance)?;
    registration.registered().await?;
    println!("{id} is registered");
    Ok(registration)
}

/// Who gets so many requests.
fn asked(provider: &ServiceProvider, requests: usize) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for instance in (0..requests).filter_map(|_| provider.pick()) {
        *asked.entry(format!("{}:{}", instance.id, instance.port.unwrap_or_default())).or_default() += 1;
    }
    asked
}
