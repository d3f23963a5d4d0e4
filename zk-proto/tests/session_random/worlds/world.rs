//! A world: a session, an ensemble, links between them that break, and somebody who does whatever comes to mind.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use bytes::{Buf, BytesMut};
use zk_proto::{
    AuthInfo, Backoff, Config, Instant, LinkId, Machine, Root, Session, Wants, request::WhoAmI, session::End,
    wire::split_frame,
};

use super::{
    dice::Dice,
    ensemble::{Connection, Ensemble},
    ledger::{Ledger, Open},
    support::servers,
};

pub(crate) const PATHS: [&str; 8] = ["/a", "/b", "/a/x", "/a/y", "/a/x/deep", "/b/z", "/", "/app"];
const STEPS: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    Honest,
    /// Servers' bytes are changed on their way, or made up.
    Hostile,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    manners: Manners,
    pub(crate) session: Session<u32, u32>,
    ensemble: Ensemble,
    links: BTreeMap<LinkId, Link>,
    pub(crate) ledger: Ledger,
    now: Instant,
    pub(crate) next_tag: u32,
    /// All that the session has said.
    transcript: String,
}

#[derive(Default)]
struct Link {
    is_open: bool,
    connection: Connection,
    /// On its way to the server.
    sent: BytesMut,
    /// Arrived at the client.
    input: BytesMut,
}

impl World {
    pub(crate) fn new(mut dice: Dice, manners: Manners) -> Self {
        let config = config(&mut dice);
        let (session, ensemble) = (Session::new(config, dice.seed()), Ensemble::new(dice.once_in(2)));
        let ledger = Ledger::new(manners == Manners::Honest);
        let (links, now, next_tag, transcript) = (BTreeMap::new(), Instant::ORIGIN, 0, String::new());
        Self { dice, manners, session, ensemble, links, ledger, now, next_tag, transcript }
    }

    /// Lets the world run, heals it, ends it, and returns all that the session has said.
    pub(crate) fn run(mut self) -> String {
        // Who tells the dice how to fall, tells when that is enough, too.
        let is_told = self.dice.left() > 0;
        for _ in 0..STEPS {
            if is_told && self.dice.left() == 0 {
                break;
            }
            self.step();
            self.look();
        }
        self.heal();
        self.finish();
        self.transcript
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..18 => self.ask(),
            18..21 => self.take_back(),
            21..25 => self.give_up(),
            25..33 => self.fetch(),
            33..40 => self.write(),
            40..44 => self.serve(),
            44..52 => self.read(),
            52..55 => self.connect(),
            55..80 => self.turn(),
            80..86 => self.wait(),
            86..94 => self.change_something(),
            94..95 => self.break_link(),
            95..97 => self.stray(),
            _ => self.rarely(),
        }
    }

    /// Fetches some events, or all.
    fn fetch(&mut self) {
        for _ in 0..self.dice.choose(&[1, 3, usize::MAX]) {
            let Some(event) = self.session.poll_event() else { return self.ledger.drained() };
            let _ = writeln!(self.transcript, "{event:?}");
            self.ledger.told(event);
        }
    }

    /// Hands some bytes out.
    fn write(&mut self) {
        for link in self.wanted() {
            for _ in 0..self.dice.choose(&[1, 10]) {
                let Some(mut helping) = self.session.poll_transmit(link, self.now) else { break };
                let bytes = helping.copy_to_bytes(helping.remaining());
                let _ = writeln!(self.transcript, "{link:?} {bytes:?}");
                self.links.entry(link).or_default().sent.extend_from_slice(&bytes);
            }
        }
    }

    /// Lets the server read some frames.
    fn serve(&mut self) {
        for link in self.wanted() {
            let link = self.links.entry(link).or_default();
            for _ in 0..self.dice.choose(&[1, 3, 100]) {
                let Some(frame) = split_frame(&mut link.sent, usize::MAX).expect("good lengths") else { break };
                self.ensemble.take(&mut link.connection, frame);
            }
        }
    }

    /// Lets some bytes arrive.
    fn read(&mut self) {
        for id in self.wanted() {
            let link = self.links.entry(id).or_default();
            let most = self.dice.choose(&[1, 20, 100, 10_000]).min(link.connection.said.len());
            let mut piece = link.connection.said.split_to(most);
            if self.manners == Manners::Hostile && !piece.is_empty() && self.dice.once_in(8) {
                let at = self.dice.below(piece.len());
                piece[at] ^= 1 << self.dice.below(8);
            }
            link.input.extend_from_slice(&piece);
            if link.is_open && (self.session.wants_input() || self.dice.once_in(4)) {
                self.session.handle_input(id, &mut link.input, self.now);
            }
            if link.connection.is_closed() && link.connection.said.is_empty() && self.dice.once_in(3) {
                self.session.handle_disconnected(id, self.now);
            }
        }
    }

    fn connect(&mut self) {
        for id in self.wanted() {
            let link = self.links.entry(id).or_default();
            if !link.is_open {
                link.is_open = !self.dice.once_in(5);
                if link.is_open {
                    self.session.handle_connected(id, self.now);
                } else {
                    self.session.handle_disconnected(id, self.now);
                }
            }
        }
    }

    fn wait(&mut self) {
        let wait = match self.dice.below(6) {
            0 => 0,
            1..4 => self.dice.below(100),
            4 => self.dice.below(3_000),
            _ => self.dice.below(20_000),
        };
        self.now = self.now + Duration::from_millis(wait as u64);
        self.tick();
    }

    fn tick(&mut self) {
        self.session.handle_timeout(self.now);
        let next = self.session.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "due at {next:?} although it is {:?}", self.now);
    }

    /// Another client changes something.
    fn change_something(&mut self) {
        let [path, other] = [(); 2].map(|()| {
            let root = self.dice.choose(&["", "/app"]);
            format!("{root}{}", self.dice.choose(&PATHS[..6]))
        });
        let mut nobody = Connection::default();
        let link = self.wanted().first().copied();
        let connection =
            link.and_then(|link| self.links.get_mut(&link)).map_or(&mut nobody, |link| &mut link.connection);
        let _ = match self.dice.below(5) {
            0 | 1 => self.ensemble.set_data(connection, &path, b"other"),
            4 => {
                let _ = self.ensemble.set_data(connection, &path, b"both");
                self.ensemble.same_transaction();
                self.ensemble.set_data(connection, &other, b"both")
            }
            2 => self.ensemble.create(connection, &path, b"other"),
            _ => self.ensemble.delete(connection, &path),
        };
    }

    fn break_link(&mut self) {
        for id in self.wanted() {
            self.session.handle_disconnected(id, self.now);
        }
    }

    /// Calls that come at the wrong time, or for the wrong link.
    fn stray(&mut self) {
        let known: Vec<_> = self.links.keys().copied().collect();
        if known.is_empty() {
            return;
        }
        let id = self.dice.choose(&known);
        let is_old = !self.wanted().contains(&id);
        let earlier = Instant::from_nanos(self.now.as_nanos() / 2);
        let over = self.ledger.over.clone();
        match self.dice.below(6) {
            0 => self.session.handle_timeout(earlier),
            5 if !over.is_empty() => assert!(self.session.unwatch(self.dice.choose(&over)).is_none(), "an old name"),
            1 if is_old => self.session.handle_connected(id, earlier),
            2 if is_old => self.session.handle_disconnected(id, earlier),
            3 if is_old => assert!(self.session.poll_transmit(id, earlier).is_none(), "bytes for an old link"),
            _ if is_old || self.manners == Manners::Hostile => {
                let garbage: Vec<u8> = (0..self.dice.below(40)).map(|_| self.dice.below(256) as u8).collect();
                let mut input = BytesMut::from(&[&[0, 0, 0, 30][..], &garbage].concat()[..]);
                self.session.handle_input(id, &mut input, earlier);
            }
            _ => {}
        }
    }

    fn rarely(&mut self) {
        match self.dice.below(100) {
            0..3 => self.session.close(),
            3..12 => self.session.set_servers(servers(self.dice.choose(&["a", "a,b", "b,c,d", "a,b,c,d,e"]))),
            12..20 => {
                let tag = self.tag();
                if self.session.add_auth(AuthInfo::digest("bob", "secret"), tag).is_ok() {
                    self.ledger.took(tag, Open::default());
                }
            }
            20..30 => self.ensemble.expire(),
            40..55 => {
                self.ensemble.is_cut_off ^= self.session.config().read_only;
                self.break_link();
            }
            30..40 => self.submit(&WhoAmI, None),
            _ if matches!(self.session.wants(), Wants::Nothing(End::Expired)) => {
                self.fetch_all();
                assert!(self.session.renew(), "an expired session is renewed");
            }
            _ => {}
        }
    }

    fn fetch_all(&mut self) {
        while let Some(event) = self.session.poll_event() {
            let _ = writeln!(self.transcript, "{event:?}");
            self.ledger.told(event);
        }
        self.ledger.drained();
    }

    /// Notes what can be seen from outside, and that it is within bounds.
    fn look(&mut self) {
        let (wants, probe, deadline) = (self.session.wants(), self.session.wants_probe(), self.session.poll_timeout());
        let numbers = (self.session.backlog_len(), self.session.in_flight_len(), self.session.watch_count());
        let _ =
            writeln!(self.transcript, "{wants:?} {probe:?} {deadline:?} {numbers:?} {:?}", self.session.valid_until());
        let limits = &self.session.config().limits;
        assert!(numbers.1 <= limits.in_flight_requests + 100, "{} in flight", numbers.1);
        assert!(numbers.2 <= limits.watches);
    }

    /// One turn of a loop as it should be, with servers that are there.
    fn turn(&mut self) {
        for id in self.wanted() {
            let link = self.links.entry(id).or_default();
            if !link.is_open {
                link.is_open = true;
                self.session.handle_connected(id, self.now);
            }
        }
        self.write();
        for id in self.wanted() {
            let link = self.links.entry(id).or_default();
            while let Some(frame) = split_frame(&mut link.sent, usize::MAX).expect("good lengths") {
                self.ensemble.take(&mut link.connection, frame);
            }
            let said = link.connection.said.split();
            link.input.extend_from_slice(&said);
            self.session.handle_input(id, &mut link.input, self.now);
            if link.connection.is_closed() && link.input.is_empty() {
                self.session.handle_disconnected(id, self.now);
            }
        }
        self.probe();
        self.now = self.now + Duration::from_millis(20);
        self.tick();
    }

    /// Another server is asked whether it is writable.
    fn probe(&mut self) {
        let Some((probe, _)) = self.session.wants_probe() else { return };
        self.session.handle_connected(probe, self.now);
        if self.session.poll_transmit(probe, self.now).is_some() {
            self.ensemble.is_cut_off &= self.dice.once_in(2);
            let answer = if self.ensemble.is_cut_off { "ro" } else { "rw" };
            self.session.handle_input(probe, &mut BytesMut::from(answer), self.now);
        }
    }

    /// Lets nothing go wrong for long enough.
    fn heal(&mut self) {
        if self.manners == Manners::Hostile {
            self.break_link();
        }
        for _ in 0..2_000 {
            self.fetch_all();
            if let Wants::Nothing(_) = self.session.wants() {
                return;
            }
            self.turn();
        }
    }

    /// What is left must be what there should be.
    fn finish(&mut self) {
        if !matches!(self.session.wants(), Wants::Nothing(_)) {
            if self.manners == Manners::Honest {
                assert!(self.ledger.open.is_empty(), "unanswered: {:?}", self.ledger.open);
                self.compare_watches();
            }
            self.session.close();
            for _ in 0..200 {
                self.turn();
                self.fetch_all();
            }
        }
        self.fetch_all();
        assert!(self.ledger.ended && self.ledger.open.is_empty(), "closed, and yet {:?}", self.ledger.open);
        assert_eq!((self.session.watch_count(), self.session.poll_timeout()), (0, None));
    }

    /// Every watch that somebody hears is at the server, and no other.
    fn compare_watches(&self) {
        let link = self.wanted();
        let connection = &self.links[link.first().expect("a healed session has a link")].connection;
        assert_eq!(self.ledger.watched(), connection.watched(), "those of the client, those of the server");
        for watch in self.ledger.watches.values() {
            assert!(connection.hears(&watch.path, watch.kind), "the server has forgotten {watch:?}");
        }
        assert_eq!(self.session.watch_count(), self.ledger.watches.len());
    }

    /// Returns the links that are wanted: the session's own first.
    fn wanted(&self) -> Vec<LinkId> {
        match self.session.wants() {
            Wants::Link { id, .. } => vec![id],
            Wants::Offline | Wants::Nothing(_) => Vec::new(),
        }
    }
}

/// Limits that are soon met, more often than not.
fn config(dice: &mut Dice) -> Config {
    let mut config = Config::new(servers(dice.choose(&["a", "a,b,c"])));
    config.session_timeout = Duration::from_secs(9);
    config.backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_secs(1) };
    if dice.once_in(3) {
        config.root = Root::new("/app").expect("a path");
    }
    config.read_only = dice.once_in(3);
    if dice.once_in(4) {
        config.auth.push(AuthInfo::digest("bob", "secret"));
    }
    let limits = &mut config.limits;
    limits.events = dice.choose(&[1, 3, 4096]);
    limits.helping_bytes = dice.choose(&[1, 100, 100_000]);
    limits.in_flight_requests = dice.choose(&[1, 5, 1000]);
    limits.backlog_requests = dice.choose(&[5, 1000]);
    limits.backlog_bytes = dice.choose(&[500, 1_000_000]);
    limits.watch_chunk_bytes = dice.choose(&[1, 60, 100_000]);
    limits.watches = dice.choose(&[5, 1000]);
    config
}
