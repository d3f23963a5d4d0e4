//! Watches: setting them, hearing them, losing them.

use std::{
    io::Write,
    process::exit,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Client, DROP, FIRE, Measure, Order, REWATCHED, WINDOW, client::windowed, resident_bytes, tell, watched_path,
};

/// Whoever has not set its watches again by then never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// So long a connection works before it is lost.
const LASTING: Duration = Duration::from_secs(3);

/// So often is asked.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) async fn watches<C: Client>(client: &C, order: &Order) {
    let paths = paths(order);
    let resident = resident_bytes();
    let measure = Measure::begin();
    let watchers = set(client, &paths).await;
    let (cpu, _) = measure.end();
    tell("register_cpu_us", cpu.as_secs_f64() * 1e6 / order.operations as f64);
    tell("bytes_per_watch", resident_bytes().saturating_sub(resident) as f64 / order.operations as f64);

    give_up_after(Duration::from_secs(30), || tell("events", 0));
    let measure = Measure::begin();
    client.start_write(FIRE, b"").await;
    let events = C::all_fired(watchers).await;
    let (cpu, wall) = measure.end();
    tell("event_cpu_us", cpu.as_secs_f64() * 1e6 / order.operations as f64);
    tell("events_per_s", order.operations as f64 / wall.as_secs_f64());
    tell("events", events);
}

pub(crate) async fn rewatch<C: Client>(client: &C, order: &Order) {
    let paths = paths(order);
    let watchers = set(client, &paths).await;
    // Who dials again at once does so after a connection that has lasted, and not in a hurry to be refused again.
    C::sleep(LASTING).await;
    give_up_after(PATIENCE + PATIENCE / 2, || {
        tell("rewatch_ms", f64::NAN);
        tell("events", 0);
    });
    let measure = Measure::begin();
    client.start_write(DROP, b"").await;
    let began = Instant::now();
    let time = loop {
        C::sleep(PAUSE).await;
        let told = client.read(REWATCHED).await;
        let time = str::from_utf8(told.as_ref()).ok().and_then(|text| text.parse::<f64>().ok());
        if time.is_some() || began.elapsed() > PATIENCE {
            break time;
        }
    };
    let (cpu, _) = measure.end();
    let Some(time) = time else {
        tell("rewatch_ms", f64::NAN);
        return tell("events", 0);
    };
    tell("rewatch_ms", time);
    tell("rewatch_cpu_ms", cpu.as_secs_f64() * 1e3);
    client.start_write(FIRE, b"").await;
    tell("events", C::all_fired(watchers).await);
}

fn paths(order: &Order) -> Vec<String> {
    (0..order.operations).map(watched_path).collect()
}

async fn set<C: Client>(client: &C, paths: &[String]) -> Vec<C::Watcher> {
    let mut watchers = Vec::with_capacity(paths.len());
    let mut paths = paths.iter();
    let count = paths.len();
    let call = || client.start_watch(paths.next().expect("as many calls as paths"));
    windowed::<C, _, _>(count, WINDOW, call, |watcher| watchers.push(watcher)).await;
    watchers
}

/// Ends the program after some time: there are clients that wait for ever.
fn give_up_after(time: Duration, tell: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        thread::sleep(time);
        tell();
        _ = std::io::stdout().flush();
        exit(0);
    });
}
