//! The workloads, for clients whose calls are futures.

use std::{collections::VecDeque, future::Future, time::Duration, time::Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::{
    BIG, BIG_BYTES, BIG_WINDOW, Latencies, Measure, Order, SMALL, SMALL_DATA, Sampled, TASKS, WINDOW, Workload, idle,
    watching,
};

/// A client whose calls are futures. What fails ends the program: only what works is measured.
pub trait Client: Clone + Send + Sync + 'static {
    /// Whether a call is on its way before it is awaited. If not, a window needs something that polls all that is in it.
    const EAGER: bool;
    /// What a read gives.
    type Data: AsRef<[u8]> + Send;
    /// A watch that was set.
    type Watcher: Send;

    /// Opens a session.
    fn connect(server: &str, timeout: Duration) -> impl Future<Output = Self> + Send;
    /// Reads a node, as one does who waits for it.
    fn read<'a>(&'a self, path: &'a str) -> impl Future<Output = Self::Data> + Send + 'a;
    /// Reads a node, as one does who does not wait.
    fn start_read<'a>(&'a self, path: &'a str) -> impl Future<Output = Self::Data> + Unpin + Send + 'a;
    /// Writes a node.
    fn start_write<'a>(&'a self, path: &'a str, data: &'static [u8]) -> impl Future<Output = ()> + Unpin + Send + 'a;
    /// Reads a node and leaves a watch for one event.
    fn start_watch<'a>(&'a self, path: &'a str) -> impl Future<Output = Self::Watcher> + Unpin + Send + 'a;
    /// Waits until all have fired; returns how many have. May wait for ever.
    fn all_fired(watchers: Vec<Self::Watcher>) -> impl Future<Output = usize> + Send;

    /// Runs something beside the caller, and returns what awaits its end.
    fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;
    /// Sleeps.
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
}

/// Does what is ordered, and tells the results.
pub async fn run<C: Client>(order: Order) {
    const TIMEOUT: Duration = Duration::from_secs(30);
    if order.workload == Workload::Idle {
        return idle::run::<C>(&order).await;
    }
    let client = C::connect(&order.server, TIMEOUT).await;
    match order.workload {
        Workload::OneByOne => one_by_one(&client, &order).await,
        Workload::Reads | Workload::TlsReads => {
            reads(&client, SMALL, order.warm_up(), WINDOW).await;
            let measure = Measure::begin();
            reads(&client, SMALL, order.operations, WINDOW).await;
            measure.tell_per_operation(order.operations);
        }
        Workload::Writes => {
            writes(&client, SMALL, &SMALL_DATA, order.warm_up(), WINDOW).await;
            let measure = Measure::begin();
            writes(&client, SMALL, &SMALL_DATA, order.operations, WINDOW).await;
            measure.tell_per_operation(order.operations);
        }
        Workload::Crowd => crowd(&client, &order).await,
        Workload::BigReads | Workload::TlsBigReads => {
            reads(&client, BIG, order.warm_up(), BIG_WINDOW).await;
            let measure = Measure::begin();
            reads(&client, BIG, order.operations, BIG_WINDOW).await;
            measure.tell_per_megabyte(order.operations * BIG_BYTES);
        }
        Workload::BigReadsKept => big_reads_kept(&client, &order).await,
        Workload::BigWrites | Workload::TlsBigWrites => {
            let data = vec![b'z'; BIG_BYTES].leak();
            writes(&client, BIG, data, order.warm_up(), BIG_WINDOW).await;
            let measure = Measure::begin();
            writes(&client, BIG, data, order.operations, BIG_WINDOW).await;
            measure.tell_per_megabyte(order.operations * BIG_BYTES);
        }
        Workload::Watches => watching::watches(&client, &order).await,
        Workload::Rewatch => watching::rewatch(&client, &order).await,
        Workload::Idle | Workload::Lock | Workload::LockChain => order.refuse(),
    }
}

async fn one_by_one<C: Client>(client: &C, order: &Order) {
    for _ in 0..order.warm_up() {
        client.read(SMALL).await;
    }
    let mut latencies = Latencies::with_capacity(order.operations);
    let measure = Measure::begin();
    for _ in 0..order.operations {
        let began = Instant::now();
        client.read(SMALL).await;
        latencies.note(began.elapsed());
    }
    measure.tell_per_operation(order.operations);
    latencies.tell();
}

async fn crowd<C: Client>(client: &C, order: &Order) {
    async fn member<C: Client>(client: C, count: usize) -> Latencies {
        let mut sampled = Sampled::default();
        for _ in 0..count {
            sampled.begin();
            client.read(SMALL).await;
            sampled.end();
        }
        sampled.into_latencies()
    }

    async fn all<C: Client>(client: &C, count: usize) -> Latencies {
        let members: Vec<_> = (0..TASKS).map(|_| C::spawn(member(client.clone(), count / TASKS))).collect();
        let mut latencies = Latencies::default();
        for member in members {
            latencies.merge(member.await);
        }
        latencies
    }

    all(client, order.warm_up()).await;
    let measure = Measure::begin();
    let latencies = all(client, order.operations).await;
    measure.tell_per_operation(order.operations);
    latencies.tell();
}

async fn big_reads_kept<C: Client>(client: &C, order: &Order) {
    let measure = Measure::begin();
    let mut kept = Vec::with_capacity(order.operations);
    let call = || client.start_read(BIG);
    windowed::<C, _, _>(order.operations, BIG_WINDOW, call, |data| kept.push(data)).await;
    measure.tell_per_megabyte(order.operations * BIG_BYTES);
    assert!(kept.iter().all(|data| data.as_ref().len() == BIG_BYTES), "a payload is short");
}

async fn reads<C: Client>(client: &C, path: &str, count: usize, window: usize) {
    windowed::<C, _, _>(count, window, || client.start_read(path), drop).await;
}

async fn writes<C: Client>(client: &C, path: &str, data: &'static [u8], count: usize, window: usize) {
    windowed::<C, _, _>(count, window, || client.start_write(path, data), drop).await;
}

/// Makes so many calls, with so many on their way.
pub(crate) async fn windowed<C: Client, F: Future<Output = T> + Unpin, T>(
    count: usize,
    window: usize,
    mut call: impl FnMut() -> F,
    mut take: impl FnMut(T),
) {
    let mut started = 0;
    if C::EAGER {
        let mut calls = VecDeque::with_capacity(window);
        loop {
            while started < count && calls.len() < window {
                calls.push_back(call());
                started += 1;
            }
            match calls.pop_front() {
                Some(call) => take(call.await),
                None => break,
            }
        }
    } else {
        let mut calls = FuturesUnordered::new();
        loop {
            while started < count && calls.len() < window {
                calls.push(call());
                started += 1;
            }
            match calls.next().await {
                Some(output) => take(output),
                None => break,
            }
        }
    }
}
