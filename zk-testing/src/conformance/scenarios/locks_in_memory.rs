//! What a lock costs when a thousand want it, by the count of a server that nobody else uses.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    slice,
    task::Poll,
};

use zk_proto::{
    client::{Client, Error},
    code::OpCode,
    recipes::{Held, Lock},
};

use crate::{
    TestServer,
    conformance::{Ground, soon, words::monitored},
};

const CLIENTS: usize = 10;
const CONTENDERS: usize = 1_000;

/// How many hand-overs are counted one by one, of the longest line and of the shortest.
const COUNTED: usize = 20;

type Waiting = Pin<Box<dyn Future<Output = Result<Held, Error>> + Send>>;

pub async fn a_released_lock_wakes_one_of_a_thousand_and_costs_no_more_than_with_a_few(ground: Ground) {
    let server = ground.test_server();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(ground.connect(&server.address().to_string()).await);
    }
    let mut held = soon(Lock::new(&clients[0], "/lock").unwrap().acquire()).await.unwrap();
    // They get in line in this order, so that no two neighbours are of one session, which shares its watches.
    let mut waiting: Vec<Waiting> = Vec::new();
    for number in 1..CONTENDERS {
        let client = &clients[number % CLIENTS];
        let lock = Lock::new(client, "/lock").unwrap();
        let mut newcomer: Waiting = Box::pin(async move { lock.acquire().await });
        while server.children("/lock").unwrap().len() <= number {
            go_on(slice::from_mut(&mut newcomer)).await;
            soon(client.sync("/")).await.unwrap();
        }
        waiting.push(newcomer);
    }
    all_wait(&server, &clients, &mut waiting).await;
    assert_eq!(watched(&server), everyone_ahead(&server), "each looks at the one ahead, and the first at itself");

    let mut costs = Vec::new();
    while !waiting.is_empty() {
        let before = Traffic::of(&server);
        soon(held.release()).await.unwrap();
        held = next(&mut waiting).await;
        all_wait(&server, &clients, &mut waiting).await;
        costs.push(Traffic::of(&server).since(&before));
        if costs.len() == COUNTED {
            // The middle of the line gives up. It leaves in the background.
            waiting.drain(COUNTED..);
        }
    }
    soon(held.release()).await.unwrap();
    assert_eq!(server.children("/lock").unwrap(), [""; 0]);

    let once = BTreeMap::from([(OpCode::Delete, 1), (OpCode::GetChildren2, 1), (OpCode::GetData, 1)]);
    for (number, cost) in costs.iter().enumerate().filter(|(number, _)| *number != COUNTED) {
        assert_eq!(
            cost.requests, once,
            "hand-over {number}: given back, looked at by the next alone, watched over by it"
        );
        // A reply to each, and an event for the next and for who gave it back.
        assert!((4..=5).contains(&cost.sent), "hand-over {number}: {} frames sent", cost.sent);
    }
    assert!(costs.len() >= 2 * COUNTED, "{} hand-overs", costs.len());
}

/// Waits for the next of them to hold the lock.
async fn next(waiting: &mut Vec<Waiting>) -> Held {
    let one = poll_fn(|cx| {
        for place in 0..waiting.len() {
            if let Poll::Ready(held) = waiting[place].as_mut().poll(cx) {
                drop(waiting.remove(place));
                return Poll::Ready(held.unwrap());
            }
        }
        Poll::Pending
    });
    soon(one).await
}

/// Waits until every contender has a watch, which is the last that it asks for.
async fn all_wait(server: &TestServer, clients: &[Client], waiting: &mut [Waiting]) {
    loop {
        for client in clients {
            soon(client.sync("/")).await.unwrap();
        }
        go_on(waiting).await;
        if (server.children("/lock").unwrap().len(), server.watches().len()) == (waiting.len() + 1, waiting.len() + 1) {
            return;
        }
    }
}

/// Lets them take their next steps, which lead none of them to the lock.
async fn go_on(waiting: &mut [Waiting]) {
    poll_fn(|cx| {
        for waiting in waiting.iter_mut() {
            assert!(waiting.as_mut().poll(cx).is_pending(), "two hold the lock");
        }
        Poll::Ready(())
    })
    .await;
}

/// Returns the names of the nodes that are watched, sorted by their numbers.
fn watched(server: &TestServer) -> Vec<String> {
    let watches = server.watches();
    in_line(watches.iter().map(|watch| watch.path.strip_prefix("/lock/").expect("nothing else is watched").to_string()))
}

/// Returns the names of the nodes that the contenders have to look at: the first at its own, the others at that ahead.
fn everyone_ahead(server: &TestServer) -> Vec<String> {
    let mut line = in_line(server.children("/lock").unwrap());
    line.pop();
    line.insert(0, line[0].clone());
    line
}

fn in_line(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_unstable_by_key(|name| name[name.len() - 10..].to_string());
    names
}

/// What a server has received and sent, but for pings and what this scenario waits with.
struct Traffic {
    requests: BTreeMap<OpCode, u64>,
    sent: u64,
}

impl Traffic {
    fn of(server: &TestServer) -> Self {
        let mut requests = server.requests();
        let sent = u64::try_from(monitored(server.address(), "zk_packets_sent")).unwrap();
        let aside: u64 = [OpCode::Ping, OpCode::Sync].iter().filter_map(|op| requests.remove(op)).sum();
        Self { requests, sent: sent - aside }
    }

    fn since(self, before: &Self) -> Self {
        let more = |(op, count)| (op, count - before.requests.get(&op).copied().unwrap_or_default());
        let requests = self.requests.into_iter().map(more).filter(|(_, count)| *count > 0).collect();
        Self { requests, sent: self.sent - before.sent }
    }
}
