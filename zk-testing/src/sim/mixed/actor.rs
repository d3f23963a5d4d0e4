//! A task of an application: one thing after the other, by chance.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use zk_proto::{
    AuthInfo, SessionId, Zxid,
    acl::Perms,
    client::{Call, Client, Error, Pending},
    code::{AddWatchMode, CreateMode, WatcherType},
    record::{Acl, Stat},
    request::{CheckWatches, Create, Create2, GetChildren, Op, OpResult, ReadResult, Request, Version},
    session::Sent,
};

use super::{
    Shared,
    armory::{Armory, Knows},
    call::{Came, Manner, Style, make},
    ledger::Fate,
    odd::Unknown,
    stream::Stream,
};
use crate::sim::{Phase, Process, Violation, names};

/// The nodes that everybody uses, as seen from the root and from `/a`.
const PATHS: [&str; 6] = ["/a", "/b", "/a/x", "/a/y", "/a/x/1", "/b/z"];
const PATHS_BELOW: [&str; 4] = ["/", "/x", "/y", "/x/1"];
/// A node that not everybody may read. Nobody watches it.
const SECRET: &str = "/secret";
/// How many watches a process keeps.
const WATCHES: usize = 12;

/// What was known when a read was asked for.
struct Before {
    session: Option<SessionId>,
    zxid: Zxid,
}

pub(super) struct Actor {
    process: Process,
    client: Client,
    shared: Rc<RefCell<Shared>>,
    armory: Rc<RefCell<Armory>>,
}

/// What a task does next.
enum Next {
    GoOn,
    /// The task has seen enough.
    Leave,
}

impl Actor {
    pub(super) fn new(
        process: Process,
        client: Client,
        shared: Rc<RefCell<Shared>>,
        armory: Rc<RefCell<Armory>>,
    ) -> Self {
        Self { process, client, shared, armory }
    }

    pub(super) async fn run(self) {
        // So that there is something to do something with, while nobody deletes it.
        let paths = if self.client.root().is_none() { &PATHS[..] } else { &PATHS_BELOW[1..] };
        let sent: Vec<_> = paths.iter().map(|path| self.client.create(path, "").send()).collect();
        sent.into_iter().for_each(Pending::detach);
        while self.process.phase() == Phase::Trouble {
            let pause =
                self.process.dice(|dice| if dice.once_in(3) { dice.millis(0, 2_000) } else { dice.millis(0, 60) });
            if self.client.sleep(pause).await.is_err() {
                return;
            }
            if let Next::Leave = self.step().await {
                return;
            }
        }
    }

    async fn step(&self) -> Next {
        let path = self.path();
        match self.process.dice(|dice| dice.below(100)) {
            0..12 => self.create(&path).await,
            12..24 => self.set_data(&path).await,
            24..27 => self.delete(&path).await,
            27..40 => self.get_data(&path).await,
            40..45 => self.exists(&path).await,
            45..51 => self.get_children(&path).await,
            51..54 => self.multi(&path).await,
            54..57 => self.multi_read(&path).await,
            57..65 => self.watch(&path).await,
            65..71 => self.watch_for_good(&path).await,
            71..74 => self.unwatch(),
            74..79 => self.pipeline().await,
            79..83 => self.read_behind_sync(&path).await,
            83..86 => self.secret().await,
            86..95 => self.seldom(&path).await,
            95..98 => self.burst(&path).await,
            _ => return self.leave().await,
        }
        Next::GoOn
    }

    /// Returns one of the paths, as the client names it.
    fn path(&self) -> String {
        let paths = if self.client.root().is_none() { &PATHS[..] } else { &PATHS_BELOW[..] };
        self.process.dice(|dice| dice.choose(paths)).to_owned()
    }

    fn server_path(&self, path: &str) -> String {
        self.client.root().to_server(path).into_owned()
    }

    /// Returns data that nobody else writes, mostly small.
    fn payload(&self) -> Bytes {
        let number = self.shared.borrow_mut().ledger.number();
        let more =
            self.process.dice(|dice| if dice.once_in(10) { dice.between(100, 9_000) } else { dice.between(0, 20) });
        let mut payload = BytesMut::with_capacity(8 + more);
        payload.put_u64(number);
        payload.put_bytes(b'.', more);
        payload.freeze()
    }

    fn manner(&self) -> Manner {
        self.process.dice(Manner::thrown)
    }

    fn count_error(&self, error: &Error) {
        self.process.count_in("error", names::error(error));
        if let Some(code) = error.code() {
            self.process.count_in("code", names::code(code));
        }
    }

    /// Makes a call, and keeps book of it.
    async fn call<R: Request, T>(&self, what: &str, call: Call<'_, R, T>, manner: Manner) -> Came<T> {
        let begun = self.process.now();
        let number = self.shared.borrow_mut().ledger.begin(self.process.number(), what, begun);
        let came = make(&self.client, call, manner).await;
        self.shared.borrow_mut().ledger.end(number);
        if !self.process.has_paused_since(begun) {
            self.process.expect(check_time(what, manner.timeout, self.process.now().saturating_since(begun)));
        }
        if let Came::Back(Err(error)) = &came {
            self.count_error(error);
            self.process.note(|| format!("{what}: {error}"));
        }
        came
    }

    /// Makes a write whose payload tells whether it was carried out.
    async fn write<R: Request, T>(
        &self,
        what: String,
        payload: &Bytes,
        call: Call<'_, R, T>,
        manner: Manner,
    ) -> Option<T> {
        self.shared.borrow_mut().ledger.write(self.process.number(), payload, &what);
        self.process.note(|| format!("{what}, {:?}", manner.style));
        let (fate, result) = match self.call(&what, call, manner).await {
            Came::Back(result) => (Fate::of(&result), result.ok()),
            Came::TakenBack => {
                self.process.count("write taken back");
                (Fate::NotApplied, None)
            }
            Came::Unheard => {
                let name = if manner.style == Style::Detach { "write detached" } else { "write abandoned" };
                self.process.count(name);
                (Fate::InDoubt, None)
            }
        };
        let found = self.process.truth(|truth| self.shared.borrow_mut().ledger.settle(payload, fate, truth));
        self.process.expect(found);
        result
    }

    async fn create(&self, path: &str) {
        let payload = self.payload();
        let (kind, number) = self.process.dice(|dice| (dice.below(10), dice.below(3)));
        let below = if path == "/" { format!("/n{number}") } else { format!("{path}/n{number}") };
        let client = &self.client;
        let (path, call) = match kind {
            0..=3 => (path, client.create(path, payload.clone())),
            4 => (path, client.create(path, payload.clone()).ephemeral()),
            5 => (&below[..], client.create(&below, payload.clone()).ephemeral().sequential()),
            6 => (&below[..], client.create(&below, payload.clone()).sequential()),
            7 => (path, client.create(path, payload.clone()).container()),
            8 => (&below[..], client.create(&below, payload.clone()).ttl(Duration::from_millis(700))),
            _ => (&below[..], client.create(&below, payload.clone()).ephemeral()),
        };
        let manner = self.manner();
        if let Some((created, stat)) = self.write(format!("create {path}"), &payload, call, manner).await {
            self.shown(&created, Some(&stat), Some(&payload), &Before { session: None, zxid: Zxid(0) });
        }
    }

    async fn set_data(&self, path: &str) {
        let payload = self.payload();
        let version = self.process.dice(|dice| dice.once_in(3).then(|| dice.below(4)));
        let call = self.client.set_data(path, payload.clone());
        let (what, call) = match version.and_then(|version| i32::try_from(version).ok()) {
            Some(version) => (format!("set {path} at version {version}"), call.version(version)),
            None => (format!("set {path}"), call),
        };
        let before = self.before();
        if let Some(stat) = self.write(what, &payload, call, self.manner()).await {
            self.shown(path, Some(&stat), Some(&payload), &before);
        }
    }

    async fn delete(&self, path: &str) {
        let version = self.process.dice(|dice| if dice.once_in(3) { Version::from(1) } else { Version::Any });
        let call = self.client.delete(path).version(version);
        self.call(&format!("delete {path}"), call, self.manner()).await;
    }

    fn before(&self) -> Before {
        Before { session: self.client.session(), zxid: self.client.last_zxid() }
    }

    /// A read has shown a node, or that there is none: it must have been so at some time since `before`.
    fn shown(&self, path: &str, stat: Option<&Stat>, data: Option<&[u8]>, before: &Before) {
        let path = self.server_path(path);
        let is_same_session = before.session.is_some() && before.session == self.client.session();
        let from = if is_same_session { before.zxid } else { Zxid(0) };
        let found = self.process.truth(|truth| {
            let states = truth.states(&path, from, truth.last());
            let is_true = states.iter().any(|state| match (state, stat) {
                (None, None) => true,
                (Some(state), Some(stat)) => {
                    state.is_shown_by(stat) && data.is_none_or(|data| state.data.as_deref().unwrap_or_default() == data)
                }
                (None, Some(_)) | (Some(_), None) => false,
            });
            if is_true {
                return Ok(());
            }
            Err(Violation::new("reads", format!("{path} is shown as {stat:?}, since {from} it was {states:?}")))
        });
        self.process.expect(found);
        if let Some(stat) = stat {
            let mut armory = self.armory.borrow_mut();
            let heard = armory.hear(&self.process, self.client.session());
            self.process.expect(heard);
            let found = self.process.truth(|truth| armory.check_shown(&path, stat, truth));
            self.process.expect(found);
        }
    }

    async fn get_data(&self, path: &str) {
        let before = self.before();
        let call = self.client.get_data(path);
        let call = if self.process.dice(|dice| dice.once_in(3)) { call.resend() } else { call };
        match self.call(&format!("get {path}"), call, self.manner()).await {
            Came::Back(Ok((data, stat))) => self.shown(path, Some(&stat), Some(&data), &before),
            Came::Back(Err(Error::Server(zk_proto::code::ErrorCode::NoNode))) => self.shown(path, None, None, &before),
            Came::Back(Err(_)) | Came::TakenBack | Came::Unheard => {}
        }
    }

    async fn exists(&self, path: &str) {
        let before = self.before();
        let call = self.client.exists(path);
        let call = if self.process.dice(|dice| dice.once_in(3)) { call.resend() } else { call };
        if let Came::Back(Ok(stat)) = self.call(&format!("exists {path}"), call, self.manner()).await {
            self.shown(path, stat.as_ref(), None, &before);
        }
    }

    async fn get_children(&self, path: &str) {
        let before = self.before();
        if let Came::Back(Ok((children, stat))) =
            self.call(&format!("list {path}"), self.client.get_children(path).resend(), self.manner()).await
        {
            self.shown(path, Some(&stat), None, &before);
            if usize::try_from(stat.num_children) != Ok(children.len()) {
                let what = format!("{path} is shown with {} children and {stat:?}", children.len());
                self.process.expect(Err(Violation::new("reads", what)));
            }
        }
    }

    async fn multi(&self, path: &str) {
        let (payload, other) = (self.payload(), self.payload());
        let below = if path == "/" { "/m".to_owned() } else { format!("{path}/m") };
        let (kind, version) = self.process.dice(|dice| (dice.below(5), dice.below(3)));
        let version = i32::try_from(version).unwrap_or_default();
        let multi = self.client.multi();
        let call = match kind {
            0 => multi.check(path, version).set_data(path, payload.clone(), None),
            1 => multi.create(&below, payload.clone()).set_data(&below, other.clone(), 0).delete(&below, None),
            2 => multi
                .set_data(path, payload.clone(), None)
                .create_with(Create2::new(&below, other.clone()).mode(CreateMode::EphemeralSequential)),
            3 => multi.set_data(path, payload.clone(), None).delete(&below, None),
            _ => multi
                .op(Op::Create(Create2::new(&below, payload.clone()).mode(CreateMode::Container)))
                .check(path, None),
        };
        if kind == 1 || kind == 2 {
            self.shared.borrow_mut().ledger.write(self.process.number(), &other, "a part of a multi");
        }
        let results = self.write(format!("multi {kind} on {path}"), &payload, call, self.manner()).await;
        if let Some(results) = results {
            let is_done = results.iter().all(|result| !matches!(result, OpResult::DataSet(stat) if stat.version == 0));
            if !is_done || results.is_empty() {
                let what = format!("multi {kind} on {path} is answered by {results:?}");
                self.process.expect(Err(Violation::new("reads", what)));
            }
        }
    }

    async fn multi_read(&self, path: &str) {
        let before = self.before();
        let other = self.path();
        let call = self.client.multi_read().get_data(path).get_children(&other).get_data("/none");
        if let Came::Back(Ok(results)) = self.call(&format!("multi read {path}"), call, self.manner()).await {
            match &results[..] {
                [first, _, ReadResult::Error(_)] => match first {
                    ReadResult::Data(node) => {
                        let data = node.data.clone().unwrap_or_default();
                        self.shown(path, Some(&node.stat), Some(&data), &before);
                    }
                    ReadResult::Error(_) => self.shown(path, None, None, &before),
                    ReadResult::Children(_) => self.process.expect(Err(Violation::new("reads", "children for data"))),
                    _ => {}
                },
                results => {
                    self.process.expect(Err(Violation::new("reads", format!("a multi read gives {results:?}"))));
                }
            }
        }
    }

    /// Makes room for one more watch.
    fn make_room(&self) {
        while self.armory.borrow().len() >= WATCHES {
            self.unwatch();
        }
    }

    fn unwatch(&self) {
        let watcher = self.armory.borrow_mut().disarm_oldest();
        drop(watcher);
    }

    async fn watch(&self, path: &str) {
        self.make_room();
        let (kind, manner) = (self.process.dice(|dice| dice.below(3)), self.manner());
        let before = self.before();
        match kind {
            0 => {
                let call = self.client.get_data(path).watch();
                if let Came::Back(Ok((data, stat, watcher))) =
                    self.call(&format!("watch data of {path}"), call, manner).await
                {
                    self.armory.borrow_mut().arm(&self.client, path, watcher, Knows::Data(stat.mzxid));
                    self.shown(path, Some(&stat), Some(&data), &before);
                }
            }
            1 => {
                let call = self.client.exists(path).watch();
                if let Came::Back(Ok((stat, watcher))) = self.call(&format!("watch {path}"), call, manner).await {
                    let knows = match &stat {
                        Some(stat) => Knows::Data(stat.mzxid),
                        None => Knows::Missing(self.client.last_zxid()),
                    };
                    self.armory.borrow_mut().arm(&self.client, path, watcher, knows);
                    self.shown(path, stat.as_ref(), None, &before);
                }
            }
            _ => {
                let call = self.client.get_children(path).watch();
                if let Came::Back(Ok((_, stat, watcher))) =
                    self.call(&format!("watch children of {path}"), call, manner).await
                {
                    self.armory.borrow_mut().arm(&self.client, path, watcher, Knows::Children(stat.czxid, stat.pzxid));
                    self.shown(path, Some(&stat), None, &before);
                }
            }
        }
    }

    async fn watch_for_good(&self, path: &str) {
        self.make_room();
        let is_recursive = self.process.dice(|dice| dice.once_in(2));
        let mode = if is_recursive { AddWatchMode::PersistentRecursive } else { AddWatchMode::Persistent };
        let call = self.client.add_watch(path, mode);
        if let Came::Back(Ok(watcher)) = self.call(&format!("add watch on {path}"), call, self.manner()).await {
            let (path_there, covered) = (self.server_path(path), self.client.last_zxid());
            let stream = self.process.truth(|truth| Stream::new(&path_there, is_recursive, covered, truth));
            self.armory.borrow_mut().arm(&self.client, path, watcher, Knows::Everything(stream));
        }
    }

    /// Sends many requests at once, and looks whether they come back in order.
    async fn pipeline(&self) {
        let what = "pipeline";
        let number = self.shared.borrow_mut().ledger.begin(self.process.number(), what, self.process.now());
        let count = self.process.dice(|dice| dice.between(2, 9));
        let mut sent: Vec<(Bytes, Pending<Stat>)> = Vec::new();
        for _ in 0..count {
            let (path, payload) = (self.path(), self.payload());
            self.shared.borrow_mut().ledger.write(self.process.number(), &payload, "set in a pipeline");
            sent.push((payload.clone(), self.client.set_data(&path, payload).send()));
        }
        let unknown = self.process.dice(|dice| dice.once_in(12)).then(|| self.client.request(Unknown).send());
        let mut last: Option<(usize, Zxid)> = None;
        // Backwards: when the last one is there, all before it must be.
        for (index, (payload, mut pending)) in sent.into_iter().enumerate().rev() {
            let result = match last {
                None => pending.await,
                Some((later, _)) => match Pin::new(&mut pending).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(result) => result,
                    Poll::Pending => {
                        let what = format!("request {later} of a pipeline was answered before request {index}");
                        self.process.expect(Err(Violation::new("order", what)));
                        break;
                    }
                },
            };
            let found =
                self.process.truth(|truth| self.shared.borrow_mut().ledger.settle(&payload, Fate::of(&result), truth));
            self.process.expect(found);
            match &result {
                Ok(stat) => {
                    if let Some((later, _)) = last.filter(|(_, mzxid)| *mzxid <= stat.mzxid) {
                        let what = format!("request {later} of a pipeline was carried out before request {index}");
                        self.process.expect(Err(Violation::new("order", what)));
                    }
                    last = Some((index, stat.mzxid));
                    self.process.count("pipeline");
                }
                Err(error) => self.count_error(error),
            }
        }
        if let Some(unknown) = unknown {
            if let Err(error) = unknown.await {
                self.count_error(&error);
            }
        }
        self.shared.borrow_mut().ledger.end(number);
    }

    /// A read behind a sync sees all that was committed before.
    async fn read_behind_sync(&self, path: &str) {
        let committed = self.process.truth(|truth| truth.last());
        let number = self.shared.borrow_mut().ledger.begin(self.process.number(), "sync and read", self.process.now());
        let session = self.client.session();
        let sync = self.client.sync(path).send();
        let read = self.client.exists(path).send();
        let (sync, read) = (sync.await, read.await);
        self.shared.borrow_mut().ledger.end(number);
        match (sync, read) {
            (Ok(()), Ok(stat)) if session.is_some() && session == self.client.session() => {
                self.process.count("read behind a sync");
                self.shown(path, stat.as_ref(), None, &Before { session, zxid: committed });
            }
            (sync, read) => {
                sync.err().into_iter().chain(read.err()).for_each(|error| self.count_error(&error));
            }
        }
    }

    /// Something about a node that not everybody may read.
    async fn secret(&self) {
        if !self.client.root().is_none() {
            return;
        }
        let manner = self.manner();
        let client = &self.client;
        let ann = [Acl::new(Perms::ALL, "auth", "")];
        match self.process.dice(|dice| dice.below(6)) {
            0 => _ = self.call("create secret", client.create(SECRET, "").acl(&ann), manner).await,
            1 => _ = self.call("set secret ACL", client.set_acl(SECRET, &ann), manner).await,
            2 => {
                let open = Acl::open();
                _ = self.call("open secret", client.set_acl(SECRET, &open).version(0), manner).await;
            }
            3 => _ = self.call("get secret ACL", client.get_acl(SECRET), manner).await,
            4 => _ = self.call("delete secret", client.delete(SECRET), manner).await,
            _ => _ = self.call("get secret", client.get_data(SECRET), manner).await,
        }
    }

    /// What is asked seldom.
    async fn seldom(&self, path: &str) {
        let manner = self.manner();
        let client = &self.client;
        match self.process.dice(|dice| dice.below(16)) {
            0 => {
                let before = client.session();
                if let Came::Back(Ok(paths)) = self.call("get ephemerals", client.get_ephemerals("/"), manner).await {
                    self.check_ephemerals(before, &paths);
                }
            }
            1 => _ = self.call("count all", client.get_all_children_number(path), manner).await,
            2 => _ = self.call("who am I", client.who_am_i(), manner).await,
            3 => _ = self.call("get config", client.get_config(), manner).await,
            4 => _ = self.call("reconfig", client.reconfig().leaving("9"), manner).await,
            5 => {
                let check = CheckWatches { path, watcher_type: WatcherType::Any };
                _ = self.call("check watches", client.request(check), manner).await;
            }
            6 => _ = self.call("list plainly", client.request(GetChildren::new(path)), manner).await,
            7 => {
                let payload = self.payload();
                let create = Create(Create2::new(path, payload.clone()));
                _ = self.write(format!("create {path} plainly"), &payload, client.request(create), manner).await;
            }
            8 => _ = self.call("something invalid", client.get_data("no/path"), manner).await,
            9 => _ = self.call("two modes", client.create(path, "").container().ephemeral(), manner).await,
            10 => {
                let payload = Bytes::from(vec![7; 2 << 20]);
                _ = self.call("something large", client.set_data(path, payload), manner).await;
            }
            11 => {
                let pending = client.add_auth(AuthInfo::digest("bob", "secret"));
                if let Err(error) = pending.await {
                    self.count_error(&error);
                }
            }
            12 => {
                let missing = client.session().map(|session| SessionId(session.0 ^ 1)).unwrap_or_default();
                let payload = self.payload();
                let call = client.set_data(path, payload.clone()).pin(missing);
                _ = self
                    .write(
                        format!("set {path} in another session"),
                        &payload,
                        call,
                        Manner { is_pinned: false, ..manner },
                    )
                    .await;
            }
            13 => _ = self.call("the unknown", client.request(Unknown), manner).await,
            14 => _ = self.call("get ACL", client.get_acl(path), manner).await,
            _ => _ = self.call("sync", client.sync(path), manner).await,
        }
    }

    /// A session's ephemeral nodes are no others than the history has.
    fn check_ephemerals(&self, session: Option<SessionId>, paths: &[String]) {
        let session = session.filter(|session| self.client.session() == Some(*session));
        let Some(session) = session else { return };
        let found = self.process.truth(|truth| {
            let is_known = |path: &String| {
                let path = self.server_path(path);
                truth.states(&path, Zxid(0), truth.last()).iter().flatten().any(|state| state.owner == session)
            };
            match paths.iter().find(|path| !is_known(path)) {
                Some(path) => Err(Violation::new("reads", format!("{path} is shown as a node of {session}"))),
                None => Ok(()),
            }
        });
        self.process.expect(found);
    }

    /// More requests than there may be room for, without waiting.
    async fn burst(&self, path: &str) {
        let pending: Vec<_> = (0..12).map(|_| self.client.exists(path).send()).collect();
        let number = self.shared.borrow_mut().ledger.begin(self.process.number(), "burst", self.process.now());
        for pending in pending {
            if let Err(error) = pending.await {
                self.count_error(&error);
            }
        }
        self.shared.borrow_mut().ledger.end(number);
    }

    /// Ends this task, and perhaps the whole client.
    async fn leave(&self) -> Next {
        match self.process.dice(|dice| dice.below(8)) {
            0 => {
                self.process.count("close");
                self.client.close().await;
                Next::Leave
            }
            1 => {
                if let Some(credentials) = self.client.hand_over() {
                    self.process.count("hand over");
                    self.shared.borrow_mut().shelf.push(credentials);
                }
                Next::Leave
            }
            2 => {
                self.process.count("leave by dropping");
                self.armory.borrow_mut().ask_to_close();
                Next::Leave
            }
            _ => {
                let limit = self.process.dice(|dice| dice.millis(1, 500));
                if let Err(Error::TimedOut { sent: Sent::No }) =
                    self.client.timeout(limit, self.client.connected()).await
                {
                    self.process.note(|| "is not connected in time".to_owned());
                }
                Next::GoOn
            }
        }
    }
}

/// A call with a time limit is over in time, but for what a clock may be wrong.
fn check_time(what: &str, limit: Option<Duration>, took: Duration) -> Result<(), Violation> {
    match limit.filter(|limit| took > *limit * 11 / 10 + Duration::from_millis(10)) {
        None => Ok(()),
        Some(limit) => Err(Violation::new("time limits", format!("{what} took {took:?}, its limit is {limit:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_may_be_as_late_as_its_clock_is_slow() {
        let limit = Some(Duration::from_secs(1));
        for (took_ms, is_right) in [(1, true), (1_100, true), (1_200, false)] {
            assert_eq!(check_time("get", limit, Duration::from_millis(took_ms)).is_ok(), is_right, "{took_ms}");
            assert_eq!(check_time("get", None, Duration::from_millis(took_ms)), Ok(()));
        }
    }
}
