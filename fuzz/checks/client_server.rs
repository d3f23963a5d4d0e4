//! A session and the server in memory, with a network between them that delivers what it likes when it likes, and breaks: every
//! request is answered once, a read shows what belongs to its path, and no watch is lost.
//!
//! The input is what would be left to chance.

use std::{collections::BTreeSet, time::Duration};

use bytes::{Buf, BufMut, BytesMut};
use zk_proto::{
    Config, ConnectString, Instant, LinkId, Machine, Session, Wants,
    code::{AddWatchMode, CreateMode, OpCode},
    record::{Acl, ConnectRequest, CreateRequest, DeleteRequest, RequestHeader, SetDataRequest},
    request::{AddWatch, Create2, Delete, Exists, GetChildren2, GetData, Request, SetData, Sync, Version, Watched},
    session::{Event, State, SubmitOptions},
    wire::{Encoder, Jute, Text},
};
use zk_testing::server::{self, ConnectionId, Options, Server};

use super::session::worlds::{Dice, Ledger, Open, Read};

const PATHS: [&str; 6] = ["/a", "/b", "/a/x", "/a/y", "/b/z", "/e"];

/// Checks one input.
pub fn check(data: &[u8]) {
    let mut world = World::new(Dice::told(data));
    while world.dice.left() > 0 {
        world.step();
    }
    world.heal();
    world.assert_nothing_was_missed();
    world.close();
}

struct World {
    dice: Dice,
    session: Session<u32, u32>,
    server: Server,
    link: Option<Link>,
    ledger: Ledger,
    now: Instant,
    next_tag: u32,
}

/// A transport of the session's, with what is on its way.
struct Link {
    id: LinkId,
    connection: ConnectionId,
    up: BytesMut,
    down: BytesMut,
    /// What the server was given and has left.
    heard: BytesMut,
    /// What the session was given and has left.
    input: BytesMut,
}

impl World {
    fn new(mut dice: Dice) -> Self {
        let mut config = Config::from("a,b".parse::<ConnectString>().expect("two servers"));
        config.session_timeout = Duration::from_secs(9);
        config.limits.events = dice.choose(&[1, 4096]);
        config.limits.helping_bytes = dice.choose(&[1, 100_000]);
        config.limits.in_flight_requests = dice.choose(&[1, 3, 1000]);
        config.limits.watch_chunk_bytes = dice.choose(&[1, 60, 100_000]);
        let mut options = Options::default();
        options.version = dice.choose(&[server::Version::V3_8, server::Version::V3_9]);
        Self {
            session: Session::new(config, dice.seed()),
            server: Server::new(options, 7),
            dice,
            link: None,
            ledger: Ledger::new(true),
            now: Instant::ORIGIN,
            next_tag: 0,
        }
    }

    fn step(&mut self) {
        match self.dice.below(16) {
            0..5 => self.ask(),
            5 => self.give_up(),
            6 => self.write(),
            7 => self.carry_up(),
            8 | 9 => self.carry_down(),
            10 => self.fetch(),
            11 | 12 => self.turn(),
            13 => self.wait(),
            14 => self.other_writes(),
            _ => self.trouble(),
        }
        self.dial();
    }

    fn ask(&mut self) {
        let path = self.dice.choose(&PATHS);
        match self.dice.below(12) {
            0 => self.submit(&Create2::new(path, path.as_bytes()), None),
            1 => self.submit(&Create2::new(path, path.as_bytes()).mode(CreateMode::Ephemeral), None),
            2 => self.submit(&Delete { path, version: Version::Any }, None),
            3 => self.submit(&SetData { path, data: path.as_bytes().into(), version: Version::Any }, None),
            4 => self.submit(&GetData::new(path), Some((Read::Data, path))),
            5 => self.submit(&Exists::new(path), Some((Read::Exists, path))),
            6 => self.submit(&Sync::new(path), None),
            7 => self.submit_watched(&GetData::new(path), Some(Read::Data)),
            8 => self.submit_watched(&Exists::new(path), Some(Read::Exists)),
            9 => self.submit_watched(&GetChildren2::new(path), Some(Read::Children)),
            10 => self.submit_watched(&AddWatch { path, mode: AddWatchMode::Persistent }, None),
            _ => self.submit_watched(&AddWatch { path, mode: AddWatchMode::PersistentRecursive }, None),
        }
    }

    fn submit<R: Request>(&mut self, request: &R, read: Option<(Read, &str)>) {
        let tag = self.tag();
        let read = read.map(|(read, path)| (read, path.to_owned()));
        let options = SubmitOptions { resend: read.is_some() && tag % 2 == 0, ..SubmitOptions::default() };
        if let Ok(id) = self.session.submit(request, tag, options) {
            self.ledger.took(tag, Open { id: Some(id), read, watch: None });
        }
    }

    fn submit_watched<R: Watched>(&mut self, request: &R, read: Option<Read>) {
        let (tag, path) = (self.tag(), request.path().to_owned());
        if let Ok((id, watch)) = self.session.submit_watched(request, tag, tag, SubmitOptions::default()) {
            self.ledger.set(tag, watch, path.clone(), request.kind());
            self.ledger.took(tag, Open { id: Some(id), read: read.map(|read| (read, path)), watch: Some(tag) });
        }
    }

    fn tag(&mut self) -> u32 {
        self.next_tag += 1;
        self.next_tag
    }

    fn give_up(&mut self) {
        let watches: Vec<_> = self.ledger.watches.iter().map(|(name, watch)| (*name, watch.id)).collect();
        if watches.is_empty() {
            return;
        }
        let (name, id) = self.dice.choose(&watches);
        if let Some(handle) = self.session.unwatch(id) {
            assert_eq!(handle, name);
            self.ledger.gave_up(name);
        }
    }

    /// Opens the link that is wanted, and lets go of any other.
    fn dial(&mut self) {
        let wanted = match self.session.wants() {
            Wants::Link { id, .. } => Some(id),
            Wants::Offline | Wants::Nothing(_) => None,
        };
        if self.link.as_ref().map(|link| link.id) == wanted {
            return;
        }
        if let Some(link) = self.link.take() {
            self.server.handle_disconnected(link.connection);
        }
        if let Some(id) = wanted {
            let connection = self.server.connect(([127, 0, 0, 1], 50_000).into(), self.now);
            let [up, down, heard, input] = Default::default();
            self.link = Some(Link { id, connection, up, down, heard, input });
            self.session.handle_connected(id, self.now);
        }
    }

    fn write(&mut self) {
        let Some(link) = &mut self.link else { return };
        while let Some(helping) = self.session.poll_transmit(link.id, self.now) {
            link.up.put(helping);
        }
    }

    fn carry_up(&mut self) {
        let most = self.dice.choose(&[1, 7, 100, usize::MAX]);
        let Some(link) = &mut self.link else { return };
        let piece = link.up.split_to(most.min(link.up.len()));
        link.heard.unsplit(piece);
        self.server.handle_input(link.connection, &mut link.heard, self.now);
        self.collect();
    }

    fn carry_down(&mut self) {
        let most = self.dice.choose(&[1, 7, 100, usize::MAX]);
        let Some(link) = &mut self.link else { return };
        let piece = link.down.split_to(most.min(link.down.len()));
        link.input.unsplit(piece);
        self.session.handle_input(link.id, &mut link.input, self.now);
    }

    /// Takes what the server has to send.
    fn collect(&mut self) {
        while let Some(id) = self.server.poll_ready() {
            while let Some(bytes) = self.server.poll_transmit(id) {
                if let Some(link) = self.link.as_mut().filter(|link| link.connection == id) {
                    link.down.extend_from_slice(&bytes);
                }
            }
            if self.server.wants_close(id) {
                self.server.handle_disconnected(id);
            }
        }
        let is_gone = |link: &Link| !self.server.connections().contains(&link.connection);
        if self.link.as_ref().is_some_and(|link| is_gone(link) && link.down.is_empty()) {
            self.break_link();
        }
    }

    fn break_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        self.server.handle_disconnected(link.connection);
        self.session.handle_disconnected(link.id, self.now);
    }

    fn fetch(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if let Event::Reply { tag, result: Ok(reply) } = &event {
                if let Some((Read::Data, path)) = &self.ledger.open[tag].read {
                    let node = reply.clone().decode::<GetData<'_>>().expect("an honest server");
                    assert_eq!(node.data.as_deref(), Some(path.as_bytes()), "what was read from {path}");
                }
            }
            self.ledger.told(event);
        }
        self.ledger.drained();
    }

    fn wait(&mut self) {
        let millis = self.dice.choose(&[0, 1, 50, 1000, 3000, 12_000]);
        self.pass(Duration::from_millis(millis));
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.server.handle_timeout(self.now);
        self.collect();
        self.session.handle_timeout(self.now);
    }

    /// One turn of a loop as it should be.
    fn turn(&mut self) {
        self.dial();
        self.write();
        if let Some(link) = &mut self.link {
            let sent = link.up.split();
            link.heard.unsplit(sent);
            self.server.handle_input(link.connection, &mut link.heard, self.now);
        }
        self.collect();
        if let Some(link) = &mut self.link {
            let said = link.down.split();
            link.input.unsplit(said);
            self.session.handle_input(link.id, &mut link.input, self.now);
        }
        self.collect();
        self.pass(Duration::from_millis(20));
    }

    /// Somebody else changes a node.
    fn other_writes(&mut self) {
        let path = self.dice.choose(&PATHS);
        let name = || Some(Text::from(path));
        let data = || Some(path.as_bytes().to_vec().into());
        let mut input = BytesMut::new();
        put(&mut input, None, &ConnectRequest { timeout_ms: 10_000, read_only: Some(false), ..Default::default() });
        match self.dice.below(3) {
            0 => {
                let (acl, mode) = (Some(Acl::open()), CreateMode::Persistent);
                put(&mut input, Some(OpCode::Create), &CreateRequest { path: name(), data: data(), acl, mode });
            }
            1 => put(&mut input, Some(OpCode::Delete), &DeleteRequest { path: name(), version: -1 }),
            _ => put(&mut input, Some(OpCode::SetData), &SetDataRequest { path: name(), data: data(), version: -1 }),
        }
        let connection = self.server.connect(([127, 0, 0, 2], 50_000).into(), self.now);
        self.server.handle_input(connection, &mut input, self.now);
        assert!(!input.has_remaining(), "the server has taken all");
        self.collect();
        self.server.handle_disconnected(connection);
    }

    fn trouble(&mut self) {
        match self.dice.below(7) {
            0..3 => self.break_link(),
            3 => self.server.cut_all(),
            4 => self.server.restart(self.now),
            5 => {
                if let Some(id) = self.session.id() {
                    self.server.expire(id);
                }
            }
            _ => {
                self.fetch();
                self.session.renew();
            }
        }
        self.collect();
    }

    /// Lets nothing go wrong until all is answered.
    fn heal(&mut self) {
        for _ in 0..5_000 {
            self.turn();
            self.fetch();
            if let Wants::Nothing(_) = self.session.wants() {
                assert!(self.session.renew(), "an expired session is renewed");
                self.fetch();
            }
            if self.ledger.open.is_empty() && self.session.in_flight_len() == 0 && self.has_session() {
                return;
            }
        }
        panic!("after all that time there is no answer to {:?} in {:?}", self.ledger.open, self.session);
    }

    fn has_session(&self) -> bool {
        matches!(self.session.state(), State::Connected { .. })
    }

    /// What is read now is what the watches told, and the server holds the watches that the client counts on.
    fn assert_nothing_was_missed(&mut self) {
        for path in PATHS {
            self.submit(&Exists::new(path), Some((Read::Exists, path)));
            self.submit(&GetChildren2::new(path), Some((Read::Children, path)));
            self.submit(&GetData::new(path), Some((Read::Data, path)));
        }
        self.heal();
        let id = self.session.id().expect("there is a session");
        let held = self.server.watches().into_iter().filter(|watch| watch.session == id).map(|watch| watch.path);
        let held: BTreeSet<_> = held.collect();
        let counted: BTreeSet<_> = self.ledger.watched().into_iter().map(str::to_owned).collect();
        assert_eq!(counted, held, "what the client counts on, and what the server watches");
    }

    fn close(&mut self) {
        let id = self.session.id();
        self.session.close();
        for _ in 0..500 {
            self.turn();
            self.fetch();
            if let Wants::Nothing(_) = self.session.wants() {
                break;
            }
        }
        assert!(self.ledger.ended && self.ledger.open.is_empty(), "closed, and yet {:?}", self.ledger.open);
        assert!(self.server.sessions().iter().all(|session| Some(session.id) != id), "the server was not told");
    }
}

/// Writes a frame: a greeting, or a request.
fn put<T: Jute>(out: &mut BytesMut, op: Option<OpCode>, record: &T) {
    let mut body = BytesMut::new();
    let mut encoder = Encoder::new(&mut body);
    if let Some(op) = op {
        encoder.put(&RequestHeader { xid: 1, op });
    }
    encoder.put(record);
    out.put_u32(u32::try_from(body.len()).expect("a small frame"));
    out.unsplit(body);
}
