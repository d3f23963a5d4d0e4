//! This project's client for threads.

use std::{
    collections::VecDeque,
    future::Future,
    thread,
    time::{Duration, Instant},
};

use bench_harness::{Latencies, Measure, Order, SMALL, SMALL_DATA, Sampled, TASKS, WINDOW, Workload};
use zk_blocking::{Client, Pending, Wait};
use zk_client::Runtime;

fn main() {
    let order = Order::from_args();
    match order.workload {
        Workload::OneByOne => one_by_one(&connect(&order), &order),
        Workload::Reads => {
            let client = connect(&order);
            pipeline(&order, || client.get_data(SMALL).send());
        }
        Workload::Writes => {
            let client = connect(&order);
            pipeline(&order, || client.set_data(SMALL, &SMALL_DATA).send());
        }
        Workload::Crowd => crowd(&connect(&order), &order),
        _ => zk_client::run::<Threads>(order).wait(),
    }
}

fn connect(order: &Order) -> Client {
    zk_blocking::connect(&order.server).expect("a server is there")
}

fn one_by_one(client: &Client, order: &Order) {
    let read = || client.get_data(SMALL).wait().expect("it is there");
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

/// One thread with a thousand requests on their way.
fn pipeline<T>(order: &Order, call: impl Fn() -> Pending<T>) {
    let run = |count| {
        let mut calls = VecDeque::with_capacity(WINDOW);
        let mut started = 0;
        loop {
            while started < count && calls.len() < WINDOW {
                calls.push_back(call());
                started += 1;
            }
            match calls.pop_front() {
                Some(call) => _ = call.wait().expect("it succeeds"),
                None => break,
            }
        }
    };
    run(order.warm_up());
    let measure = Measure::begin();
    run(order.operations);
    measure.tell_per_operation(order.operations);
}

fn crowd(client: &Client, order: &Order) {
    let run = |count: usize| {
        let member = || {
            let mut sampled = Sampled::default();
            for _ in 0..count / TASKS {
                sampled.begin();
                client.get_data(SMALL).wait().expect("it is there");
                sampled.end();
            }
            sampled.into_latencies()
        };
        thread::scope(|scope| {
            let members: Vec<_> = (0..TASKS).map(|_| scope.spawn(member)).collect();
            let mut latencies = Latencies::default();
            members.into_iter().for_each(|member| latencies.merge(member.join().expect("a thread does not panic")));
            latencies
        })
    };
    run(order.warm_up());
    let measure = Measure::begin();
    let latencies = run(order.operations);
    measure.tell_per_operation(order.operations);
    latencies.tell();
}

/// What is measured in one thread.
struct Threads;

impl Runtime for Threads {
    async fn connect(server: &str, timeout: Duration) -> Client {
        let builder = zk_blocking::builder(server).expect("a good address");
        builder.session_timeout(timeout).connect().await.expect("a server is there")
    }

    fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let thread = thread::spawn(move || Box::pin(work).wait());
        async move { thread.join().expect("a thread does not panic") }
    }

    async fn sleep(time: Duration) {
        thread::sleep(time);
    }
}
