//! Rounds of coming and going, with quiet points between.

use std::{
    array,
    net::SocketAddr,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use zk_async_std::AsyncStd;
use zk_blocking::{Blocking, Wait};
use zk_proto::client::Client;
use zk_testing::{
    TestServer,
    ensemble::{self, Proxy},
};
use zk_tokio::Tokio;

use super::{
    args::{Args, Leak},
    churn::{ACTS, Dice, Ground, churn},
    gauge::{self, Counted, Sample},
};

/// So long the server may need to forget the sessions that were left to expire.
const PATIENCE: Duration = Duration::from_secs(8);

/// At most so many tasks do something at a time on each adapter.
const TASKS: u64 = 3;

enum Server {
    Memory(TestServer),
    Real(Box<ensemble::Server>),
}

impl Server {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Memory(server) => server.address(),
            Self::Real(server) => server.address(),
        }
    }
}

/// Runs for as long as was asked for, and returns what was seen.
pub(crate) fn run(args: &Args, allocated: impl Fn() -> usize) -> Vec<Sample> {
    let server = match args.real {
        false => Server::Memory(TestServer::builder().start().expect("a port of this machine")),
        true => Server::Real(Box::new(ensemble::Server::start().expect("a real server"))),
    };
    let proxy = Proxy::start(server.address()).expect("a port of this machine");
    let done: [AtomicU64; ACTS.len()] = array::from_fn(|_| AtomicU64::new(0));
    let (mut samples, mut leaked) = (Vec::with_capacity(room(args)), Leaked::default());
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");

    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < args.duration {
        let ground = Ground {
            servers: server.address().to_string(),
            proxy: &proxy,
            on_demand: if let Server::Memory(server) = &server { Some(server) } else { None },
            until: Instant::now() + args.round,
            done: &done,
        };
        let take = |is_quiet, counted| gauge::sample(begun.elapsed(), is_quiet, allocated(), counted);
        thread::scope(|scope| {
            let (over, is_over) = mpsc::channel::<()>();
            for task in 0..TASKS {
                let (ground, tokio, number) = (&ground, &tokio, 3 * (TASKS * rounds + task));
                let ends = [over.clone(), over.clone(), over.clone()];
                let [first, second, third] = ends;
                scope.spawn(move || {
                    let _end = first;
                    tokio.block_on(churn(Tokio, ground, Dice(number), &format!("tokio-{task}")));
                });
                scope.spawn(move || {
                    let _end = second;
                    async_std::task::block_on(churn(AsyncStd, ground, Dice(number + 1), &format!("async-std-{task}")));
                });
                scope.spawn(move || {
                    let _end = third;
                    Box::pin(churn(Blocking, ground, Dice(number + 2), &format!("blocking-{task}"))).wait();
                });
            }
            drop(over);
            while is_over.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Ok(counted) = gauge::ask(server.address()) {
                    samples.push(take(false, counted));
                }
            }
        });
        let counted = quiet(server.address(), leaked.clients.len() as u64);
        samples.push(take(true, counted));
        leaked.more(args.leak, &ground.servers, &tokio);
        rounds += 1;
        status(rounds, &samples, &done);
    }
    samples
}

/// Returns how many samples there may be, so that keeping them takes no more memory later.
fn room(args: &Args) -> usize {
    usize::try_from(args.duration.as_secs()).unwrap_or(0) * 3 + 100
}

/// Waits until the server has forgotten all sessions but so many.
fn quiet(server: SocketAddr, left: u64) -> Counted {
    let begun = Instant::now();
    loop {
        match gauge::ask(server) {
            // The connection that asks is one too.
            Ok(counted)
                if begun.elapsed() > PATIENCE || (counted.sessions <= left && counted.connections <= left + 1) =>
            {
                // Threads and descriptors of the last ones to go take a moment.
                thread::sleep(Duration::from_millis(200));
                return gauge::ask(server).unwrap_or(counted);
            }
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// What was leaked on purpose. It is kept here, which is as good as forgotten.
#[derive(Default)]
struct Leaked {
    memory: Vec<Vec<u8>>,
    clients: Vec<Client>,
}

impl Leaked {
    fn more(&mut self, leak: Option<Leak>, servers: &str, tokio: &tokio::runtime::Runtime) {
        match leak {
            None => {}
            Some(Leak::Memory) => self.memory.push(vec![1; 256 << 10]),
            Some(Leak::Client) => {
                let _inside = tokio.enter();
                let client = zk_proto::client::Builder::new(servers).expect("an address").with_runtime(Tokio);
                self.clients.push(tokio.block_on(client.connect()).expect("the server is there"));
            }
        }
    }
}

fn status(rounds: u64, samples: &[Sample], done: &[AtomicU64; ACTS.len()]) {
    let Some(Sample { at, resident_bytes, allocated_bytes, descriptors, threads, watches, sessions, .. }) =
        samples.last()
    else {
        return;
    };
    let counts = ACTS.iter().zip(done).map(|(name, count)| format!("{} {name}", count.load(Ordering::Relaxed)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    eprintln!(
        "{at:.0} s, round {rounds}: {:.1} MiB resident, {:.0} KiB allocated, {descriptors} descriptors, {threads} threads; \
         on the server {sessions} sessions, {watches} watches; {counts}",
        resident_bytes / 1_048_576.0,
        allocated_bytes / 1024.0,
    );
}
