//! Sessions that do nothing.

use std::time::Duration;

use crate::{Client, IDLE_TIMEOUT_MS, Order, PINGS, cpu_time, raise_file_limit, resident_bytes, tell, thread_count};

/// So long is looked.
const TIME: Duration = Duration::from_secs(5);

pub(crate) async fn run<C: Client>(order: &Order) {
    raise_file_limit();
    let before = resident_bytes();
    let mut clients = Vec::with_capacity(order.operations);
    for _ in 0..order.operations {
        clients.push(C::connect(&order.server, Duration::from_millis(IDLE_TIMEOUT_MS)).await);
    }
    C::sleep(Duration::from_secs(1)).await;
    let pings_before = pings(&clients[0]).await;
    let began = cpu_time();
    C::sleep(TIME).await;
    let cpu = cpu_time() - began;
    let pings = pings(&clients[0]).await - pings_before;
    tell("cpu_us_per_ping", cpu.as_secs_f64() * 1e6 / pings);
    tell("cpu_ms_per_s", cpu.as_secs_f64() * 1e3 / TIME.as_secs_f64());
    tell("bytes_per_session", (resident_bytes() - before) as f64 / order.operations as f64);
    tell("threads", thread_count());
}

async fn pings<C: Client>(client: &C) -> f64 {
    let told = client.read(PINGS).await;
    str::from_utf8(told.as_ref()).ok().and_then(|text| text.parse().ok()).expect("the server counts")
}
