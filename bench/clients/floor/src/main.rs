//! The floor: a program that writes prepared requests to a blocking socket and counts the replies, knowing nothing of what they
//! say. No client can do with less. Over TLS, it is what rustls costs for the same bytes.

mod requests;
mod threads;
mod tls;
mod wire;

use std::{
    io::{self, Read, Write},
    thread,
    time::{Duration, Instant},
};

use bench_harness::{
    BIG, BIG_BYTES, BIG_WINDOW, DROP, FIRE, IDLE_TIMEOUT_MS, Latencies, Measure, Order, PINGS, REWATCHED, SMALL,
    SMALL_DATA, TASKS, WINDOW, Workload, cpu_time, raise_file_limit, resident_bytes, tell, thread_count, watched_path,
};

use crate::wire::Wire;

/// A replay of watches is made in frames of so many paths, as other clients' of 128 kB.
const PATHS_A_FRAME: usize = 5900;

fn main() -> io::Result<()> {
    let order = Order::from_args();
    match order.workload {
        Workload::OneByOne => one_by_one(&order),
        Workload::Reads => windowed(&order, &requests::get_data(SMALL, false), WINDOW),
        Workload::Crowd if order.flavour == "threads" => threads::run(&order, &requests::get_data(SMALL, false)),
        Workload::Crowd => windowed(&order, &requests::get_data(SMALL, false), TASKS),
        Workload::Writes => windowed(&order, &requests::set_data(SMALL, &SMALL_DATA), WINDOW),
        Workload::BigReads => big(&order, &requests::get_data(BIG, false)),
        Workload::BigReadsKept => big_kept(&order),
        Workload::BigWrites => big(&order, &requests::set_data(BIG, &vec![b'z'; BIG_BYTES])),
        Workload::Watches => watches(&order),
        Workload::Idle => idle(&order),
        Workload::Rewatch => rewatch(&order),
        Workload::TlsReads => {
            let mut wire = Wire::greet(tls::connect(&order.server)?)?;
            run_window(&mut wire, &order, &requests::get_data(SMALL, false), WINDOW)
        }
        Workload::TlsBigReads => {
            let mut wire = Wire::greet(tls::connect(&order.server)?)?;
            run_big(&mut wire, &order, &requests::get_data(BIG, false))
        }
        Workload::TlsBigWrites => {
            let mut wire = Wire::greet(tls::connect(&order.server)?)?;
            run_big(&mut wire, &order, &requests::set_data(BIG, &vec![b'z'; BIG_BYTES]))
        }
        Workload::Lock | Workload::LockChain => order.refuse(),
    }
}

fn one_by_one(order: &Order) -> io::Result<()> {
    let mut wire = Wire::connect(&order.server)?;
    let request = requests::get_data(SMALL, false);
    wire.window(&request, order.warm_up(), 1)?;
    let mut latencies = Latencies::with_capacity(order.operations);
    let measure = Measure::begin();
    for _ in 0..order.operations {
        let began = Instant::now();
        wire.window(&request, 1, 1)?;
        latencies.note(began.elapsed());
    }
    measure.tell_per_operation(order.operations);
    latencies.tell();
    Ok(())
}

fn windowed(order: &Order, request: &[u8], window: usize) -> io::Result<()> {
    run_window(&mut Wire::connect(&order.server)?, order, request, window)
}

fn run_window<S: Read + Write>(wire: &mut Wire<S>, order: &Order, request: &[u8], window: usize) -> io::Result<()> {
    wire.window(request, order.warm_up(), window)?;
    let measure = Measure::begin();
    wire.window(request, order.operations, window)?;
    measure.tell_per_operation(order.operations);
    Ok(())
}

fn big(order: &Order, request: &[u8]) -> io::Result<()> {
    run_big(&mut Wire::connect(&order.server)?, order, request)
}

/// As [`big`], each reply in memory of its own: what the system takes for memory that was never used.
fn big_kept(order: &Order) -> io::Result<()> {
    let mut wire = Wire::connect_small(&order.server)?;
    let measure = Measure::begin();
    let kept = wire.keep_all(&requests::get_data(BIG, false), order.operations, BIG_WINDOW)?;
    measure.tell_per_megabyte(order.operations * BIG_BYTES);
    assert!(kept.iter().all(|reply| reply.len() >= BIG_BYTES), "a payload is short");
    Ok(())
}

fn run_big<S: Read + Write>(wire: &mut Wire<S>, order: &Order, request: &[u8]) -> io::Result<()> {
    wire.window(request, order.warm_up(), BIG_WINDOW)?;
    let measure = Measure::begin();
    wire.window(request, order.operations, BIG_WINDOW)?;
    measure.tell_per_megabyte(order.operations * BIG_BYTES);
    Ok(())
}

fn watches(order: &Order) -> io::Result<()> {
    let mut wire = Wire::connect(&order.server)?;
    let register: Vec<u8> =
        (0..order.operations).flat_map(|number| requests::get_data(&watched_path(number), true)).collect();
    let resident = resident_bytes();
    let measure = Measure::begin();
    wire.stream_all(&register, order.operations, WINDOW)?;
    let (cpu, _) = measure.end();
    tell("register_cpu_us", cpu.as_secs_f64() * 1e6 / order.operations as f64);
    tell("bytes_per_watch", resident_bytes().saturating_sub(resident) as f64 / order.operations as f64);
    let measure = Measure::begin();
    wire.send(&requests::set_data(FIRE, b""))?;
    wire.receive(order.operations + 1)?;
    let (cpu, wall) = measure.end();
    tell("event_cpu_us", cpu.as_secs_f64() * 1e6 / order.operations as f64);
    tell("events_per_s", order.operations as f64 / wall.as_secs_f64());
    tell("events", order.operations);
    Ok(())
}

fn idle(order: &Order) -> io::Result<()> {
    raise_file_limit();
    let before = resident_bytes();
    let mut wires = Vec::with_capacity(order.operations);
    for _ in 0..order.operations {
        wires.push(Wire::connect_small(&order.server)?);
    }
    let pings = wires[0].number(PINGS)?.unwrap_or_default();
    let began = cpu_time();
    for _ in 0..5 {
        let round = Instant::now();
        for wire in &mut wires {
            wire.send(requests::PING)?;
            wire.receive(1)?;
        }
        thread::sleep(Duration::from_millis(IDLE_TIMEOUT_MS / 3).saturating_sub(round.elapsed()));
    }
    let cpu = cpu_time() - began;
    let pings = wires[0].number(PINGS)?.unwrap_or_default() - pings;
    tell("cpu_us_per_ping", cpu.as_secs_f64() * 1e6 / pings);
    tell("bytes_per_session", (resident_bytes() - before) as f64 / order.operations as f64);
    tell("threads", thread_count());
    Ok(())
}

fn rewatch(order: &Order) -> io::Result<()> {
    let mut wire = Wire::connect(&order.server)?;
    let paths: Vec<String> = (0..order.operations).map(watched_path).collect();
    let register: Vec<u8> = paths.iter().flat_map(|path| requests::get_data(path, true)).collect();
    wire.stream_all(&register, order.operations, WINDOW)?;
    let again: Vec<Vec<u8>> = paths.chunks(PATHS_A_FRAME).map(requests::set_watches).collect();
    let measure = Measure::begin();
    wire.window(&requests::set_data(DROP, b""), 1, 1)?;
    let mut wire = Wire::connect(&order.server)?;
    wire.stream_all(&again.concat(), again.len(), again.len())?;
    let (cpu, _) = measure.end();
    tell("rewatch_ms", wire.number(REWATCHED)?.unwrap_or(f64::NAN));
    tell("rewatch_cpu_ms", cpu.as_secs_f64() * 1e3);
    wire.send(&requests::set_data(FIRE, b""))?;
    wire.receive(order.operations + 1)?;
    tell("events", order.operations);
    Ok(())
}
