//! The crate `zookeeper`, whose calls block: a window is as many threads.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use bench_harness::{
    BIG, BIG_BYTES, BIG_WINDOW, FIRE, IDLE_TIMEOUT_MS, Latencies, Measure, Order, PINGS, SMALL, SMALL_DATA, Sampled,
    TASKS, Workload, cpu_time, raise_file_limit, resident_bytes, tell, thread_count, watched_path,
};
use zookeeper::{WatchedEvent, Watcher, ZooKeeper};

struct Ignore;

impl Watcher for Ignore {
    fn handle(&self, _: WatchedEvent) {}
}

fn main() {
    let order = Order::from_args();
    match order.workload {
        Workload::OneByOne => one_by_one(&connect(&order), &order),
        // As many threads as do it some good.
        Workload::Reads | Workload::Crowd => {
            small(&order, |client| _ = client.get_data(SMALL, false).expect("it is there"))
        }
        Workload::Writes => {
            small(&order, |client| _ = client.set_data(SMALL, SMALL_DATA.to_vec(), None).expect("it succeeds"));
        }
        Workload::BigReads => big(&order, |client| _ = client.get_data(BIG, false).expect("it is there")),
        Workload::BigWrites => {
            big(&order, |client| _ = client.set_data(BIG, vec![b'z'; BIG_BYTES], None).expect("it succeeds"));
        }
        Workload::Watches => watches(&order),
        Workload::Idle => idle(&order),
        _ => order.refuse(),
    }
}

fn connect(order: &Order) -> ZooKeeper {
    connect_for(order, Duration::from_secs(30))
}

fn connect_for(order: &Order, timeout: Duration) -> ZooKeeper {
    ZooKeeper::connect(&order.server, timeout, Ignore).expect("a server is there")
}

fn one_by_one(client: &ZooKeeper, order: &Order) {
    let read = || client.get_data(SMALL, false).expect("it is there");
    for _ in 0..order.warm_up() {
        read();
    }
    let mut latencies = Latencies::with_capacity(order.operations);
    let measure = Measure::begin();
    for _ in 0..order.operations {
        let began = Instant::now();
        read();
        latencies.note(began.elapsed());
    }
    measure.tell_per_operation(order.operations);
    latencies.tell();
}

fn small(order: &Order, call: impl Fn(&ZooKeeper) + Sync) {
    let client = connect(order);
    crowd(&client, TASKS, order.warm_up(), &call);
    let measure = Measure::begin();
    let latencies = crowd(&client, TASKS, order.operations, &call);
    measure.tell_per_operation(order.operations);
    if order.workload == Workload::Crowd {
        latencies.tell();
    }
}

fn big(order: &Order, call: impl Fn(&ZooKeeper) + Sync) {
    let client = connect(order);
    crowd(&client, BIG_WINDOW, order.warm_up(), &call);
    let measure = Measure::begin();
    crowd(&client, BIG_WINDOW, order.operations, &call);
    measure.tell_per_megabyte(order.operations * BIG_BYTES);
}

fn crowd(client: &ZooKeeper, threads: usize, count: usize, call: &(impl Fn(&ZooKeeper) + Sync)) -> Latencies {
    let member = || {
        let mut sampled = Sampled::default();
        for _ in 0..count / threads {
            sampled.begin();
            call(client);
            sampled.end();
        }
        sampled.into_latencies()
    };
    thread::scope(|scope| {
        let members: Vec<_> = (0..threads).map(|_| scope.spawn(member)).collect();
        let mut latencies = Latencies::default();
        members.into_iter().for_each(|member| latencies.merge(member.join().expect("a thread does not panic")));
        latencies
    })
}

fn watches(order: &Order) {
    static EVENTS: AtomicUsize = AtomicUsize::new(0);
    let client = connect(order);
    let paths: Vec<String> = (0..order.operations).map(watched_path).collect();
    let (client, next) = (&client, &AtomicUsize::new(0));
    let resident = resident_bytes();
    let measure = Measure::begin();
    thread::scope(|scope| {
        for _ in 0..TASKS {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Relaxed)) {
                    let count = |_: WatchedEvent| _ = EVENTS.fetch_add(1, Relaxed);
                    client.get_data_w(path, count).expect("it is there");
                }
            });
        }
    });
    let (cpu, _) = measure.end();
    tell("register_cpu_us", cpu.as_secs_f64() * 1e6 / order.operations as f64);
    tell("bytes_per_watch", resident_bytes().saturating_sub(resident) as f64 / order.operations as f64);
    let measure = Measure::begin();
    let began = Instant::now();
    client.set_data(FIRE, Vec::new(), None).expect("it succeeds");
    while EVENTS.load(Relaxed) < order.operations && began.elapsed() < Duration::from_secs(30) {
        thread::sleep(Duration::from_millis(1));
    }
    let (cpu, wall) = measure.end();
    tell("event_cpu_us", cpu.as_secs_f64() * 1e6 / order.operations as f64);
    tell("events_per_s", order.operations as f64 / wall.as_secs_f64());
    tell("events", EVENTS.load(Relaxed));
}

fn idle(order: &Order) {
    raise_file_limit();
    let before = resident_bytes();
    let timeout = Duration::from_millis(IDLE_TIMEOUT_MS);
    let clients: Vec<_> = (0..order.operations).map(|_| connect_for(order, timeout)).collect();
    thread::sleep(Duration::from_secs(1));
    let pings_before = pings(&clients[0]);
    let began = cpu_time();
    thread::sleep(Duration::from_secs(5));
    let cpu = cpu_time() - began;
    let pings = pings(&clients[0]) - pings_before;
    tell("cpu_us_per_ping", cpu.as_secs_f64() * 1e6 / pings);
    tell("cpu_ms_per_s", cpu.as_secs_f64() * 1e3 / 5.0);
    tell("bytes_per_session", (resident_bytes() - before) as f64 / order.operations as f64);
    tell("threads", thread_count());
    // Closing a thousand of them takes long.
    std::process::exit(0);
}

fn pings(client: &ZooKeeper) -> f64 {
    let told = client.get_data(PINGS, false).expect("it is there").0;
    str::from_utf8(&told).ok().and_then(|text| text.parse().ok()).expect("the server counts")
}
