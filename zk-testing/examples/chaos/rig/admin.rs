//! A client that no fault is meant for: it lays the ground, and looks at what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use zk_blocking::{Client, Error, Wait};
use zk_proto::code::ErrorCode;
use zk_proto::recipes::{Queue, WorkQueue};

use super::history::{Mark, Rest};
use super::{EPHEMERALS, FIFO, LOCKS, NUMBERED, REGISTERS, TREE, WORK};

pub(crate) struct Admin {
    client: Client,
}

impl Admin {
    pub(crate) fn connect(servers: &str) -> io::Result<Self> {
        let builder = zk_blocking::builder(servers).map_err(io::Error::other)?;
        let connected = builder.session_timeout(Duration::from_secs(30)).connect().wait();
        Ok(Self { client: connected.map_err(io::Error::other)? })
    }

    /// Makes the nodes that are always there.
    pub(crate) fn lay_ground(&self, crews: usize, clients: u32) -> io::Result<()> {
        let mut paths: Vec<String> =
            ["/chaos", "/chaos/reg", TREE, EPHEMERALS, NUMBERED, "/chaos/own", "/chaos/locks", "/chaos/guarded"]
                .map(str::to_owned)
                .to_vec();
        paths.extend((0..REGISTERS).map(|register| format!("/chaos/reg/{register}")));
        paths.extend((0..crews).flat_map(|crew| (0..clients).map(move |client| format!("/chaos/own/{crew}-{client}"))));
        paths.extend(LOCKS.map(|(_, guarded)| guarded.to_owned()));
        for path in paths {
            match self.client.create(&path, b"0").wait() {
                Ok(_) => {}
                Err(error) if error.code() == Some(ErrorCode::NodeExists) => {}
                Err(error) => return Err(io::Error::other(format!("{path}: {error}"))),
            }
        }
        Ok(())
    }

    /// Looks at everything, when all clients rest. Gives what is left of locks and claims time to go.
    pub(crate) fn look(&self, patience: Duration) -> io::Result<Rest> {
        let mut rest = Rest::default();
        let deadline = Instant::now() + patience;
        for (lock, _) in LOCKS {
            let mut names = self.names(lock)?;
            while !names.is_empty() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(200));
                names = self.names(lock)?;
            }
            rest.names.insert(lock.to_owned(), names);
        }
        for path in [NUMBERED, EPHEMERALS] {
            rest.names.insert(path.to_owned(), self.names(path)?);
        }
        for root in ["/chaos/reg", "/chaos/own", "/chaos/guarded", TREE] {
            self.walk(root, &mut rest.nodes)?;
        }
        rest.items.insert(FIFO.to_owned(), self.take_all()?);
        rest.items.insert(WORK.to_owned(), self.work_off()?);
        Ok(rest)
    }

    /// Waits until no ephemeral node is left, and returns those that are.
    pub(crate) fn ephemerals(&self, patience: Duration) -> io::Result<BTreeSet<String>> {
        let deadline = Instant::now() + patience;
        loop {
            let names = self.names(EPHEMERALS)?;
            if names.is_empty() || Instant::now() >= deadline {
                return Ok(names);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns the names of a node's children as they are now; none where it is not there.
    fn names(&self, path: &str) -> io::Result<BTreeSet<String>> {
        self.client.sync(path).resend().wait().map_err(io::Error::other)?;
        match self.client.get_children(path).resend().wait() {
            Ok((names, _)) => Ok(names.iter().map(|name| name.to_string()).collect()),
            Err(error) if error.code() == Some(ErrorCode::NoNode) => Ok(BTreeSet::new()),
            Err(error) => Err(io::Error::other(format!("{path}: {error}"))),
        }
    }

    fn walk(&self, path: &str, nodes: &mut BTreeMap<String, Mark>) -> io::Result<()> {
        let (data, stat) = self.client.get_data(path).resend().wait().map_err(io::Error::other)?;
        let value = std::str::from_utf8(&data).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        let mark = Mark { czxid: stat.czxid.0, mzxid: stat.mzxid.0, version: stat.version, value };
        nodes.insert(path.to_owned(), mark);
        for name in self.names(path)? {
            self.walk(&format!("{path}/{name}"), nodes)?;
        }
        Ok(())
    }

    fn take_all(&self) -> io::Result<Vec<u64>> {
        let queue = Queue::new(&self.client, FIFO).map_err(io::Error::other)?;
        let mut items = Vec::new();
        while let Some(taken) = queue.try_take().wait().map_err(io::Error::other)? {
            items.push(number(&taken.into_item().data()));
        }
        Ok(items)
    }

    fn work_off(&self) -> io::Result<Vec<u64>> {
        let queue = WorkQueue::new(&self.client, WORK).map_err(io::Error::other)?;
        let mut items = Vec::new();
        while let Some(delivery) = queue.try_take().wait().map_err(io::Error::other)? {
            items.push(number(&delivery.item().data()));
            _ = delivery.ack().wait().map_err(|error: Error| io::Error::other(error))?;
        }
        Ok(items)
    }
}

fn number(data: &[u8]) -> u64 {
    std::str::from_utf8(data).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
