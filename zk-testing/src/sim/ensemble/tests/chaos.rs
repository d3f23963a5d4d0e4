use std::time::Duration;

use bytes::BytesMut;
use zk_proto::{
    Instant, SessionId, Zxid,
    record::{ConnectRequest, ConnectResponse},
    wire::{Decoder, split_frame},
};

use super::traffic::request;
use crate::{
    server::{
        ReadOnly,
        testing::{frame, greeting},
    },
    sim::{
        dice::Dice,
        ensemble::{Endpoint, Ensemble, EnsembleOptions},
    },
};

#[test]
fn whatever_happens_all_servers_come_to_the_same_state() {
    let mut met = Met::default();
    for seed in 0..200 {
        let mut chaos = Chaos::new(seed);
        for _ in 0..400 {
            chaos.step();
        }
        chaos.heal();
        chaos.check(seed);
        met.transactions += chaos.ensemble.history().len();
        met.epochs += usize::try_from(chaos.ensemble.zxid().0 >> 32).unwrap();
        met.resumed += chaos.resumed;
        met.local += chaos.local;
    }
    let is_wild = met.transactions > 10_000 && met.epochs > 500 && met.resumed > 500 && met.local > 50;
    assert!(is_wild, "all too calm: {met:?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in 0..20 {
        let run = || {
            let mut chaos = Chaos::new(seed);
            for _ in 0..200 {
                chaos.step();
            }
            (chaos.outputs, chaos.now, chaos.ensemble.take_history())
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}

/// How much there was of what makes it difficult.
#[derive(Debug, Default)]
struct Met {
    transactions: usize,
    epochs: usize,
    /// Sessions that were taken up again.
    resumed: usize,
    /// Sessions of one server.
    local: usize,
}

/// Random clients at random servers, to which random things happen.
struct Chaos {
    ensemble: Ensemble,
    dice: Dice,
    now: Instant,
    clients: Vec<Client>,
    sessions: Vec<ConnectResponse>,
    outputs: Vec<BytesMut>,
    xid: i32,
    resumed: usize,
    local: usize,
}

struct Client {
    at: Endpoint,
    input: BytesMut,
    output: BytesMut,
    is_greeted: bool,
    last: Zxid,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let read_only = dice.choose(&[None, Some(ReadOnly::LocalSessions), Some(ReadOnly::NoSessions)]);
        let lag = dice.choose(&[Duration::ZERO, Duration::from_millis(5), Duration::from_millis(300)]);
        let servers = dice.between(1, 5);
        let options = EnsembleOptions { servers, lag, read_only, ..EnsembleOptions::default() };
        Self {
            ensemble: Ensemble::new(options, seed),
            dice,
            now: Instant::ORIGIN,
            clients: Vec::new(),
            sessions: Vec::new(),
            outputs: Vec::new(),
            xid: 0,
            resumed: 0,
            local: 0,
        }
    }

    fn step(&mut self) {
        let server = self.dice.below(self.ensemble.len());
        match self.dice.below(100) {
            0 => self.ensemble.crash(server, self.now),
            1 | 2 => self.ensemble.restart(server, self.now),
            3 => self.ensemble.isolate(server, self.now),
            4 | 5 => self.ensemble.rejoin(server, self.now),
            6 => self.ensemble.change_leader(self.now),
            7 => {
                let lag = self.dice.millis(0, 500);
                self.ensemble.set_lag(server, lag);
            }
            8 if !self.sessions.is_empty() => {
                let session = self.sessions[self.dice.below(self.sessions.len())].session_id;
                self.ensemble.expire(session);
            }
            9..=20 => {
                let time = self.dice.millis(0, 1000);
                self.advance(time);
            }
            21..=30 if self.clients.len() < 6 => self.connect(server),
            31 if !self.clients.is_empty() => {
                let client = self.dice.below(self.clients.len());
                self.ensemble.handle_disconnected(self.clients.swap_remove(client).at);
            }
            _ if !self.clients.is_empty() => {
                let client = self.dice.below(self.clients.len());
                self.xid += 1;
                let request = request(&mut self.dice, self.xid);
                self.clients[client].input.extend_from_slice(&request);
                self.feed(client);
            }
            _ => {}
        }
        self.collect();
    }

    fn connect(&mut self, server: usize) {
        let Some(at) = self.ensemble.connect(server, ([127, 0, 0, 1], 50_000).into(), self.now) else { return };
        let mut request = ConnectRequest { read_only: Some(self.dice.once_in(3)), ..greeting() };
        if !self.sessions.is_empty() && !self.dice.once_in(3) {
            let session = &self.sessions[self.dice.below(self.sessions.len())];
            request.session_id = session.session_id;
            request.passwd = session.passwd.clone();
        }
        let input = frame(|out| out.put(&request));
        self.clients.push(Client { at, input, output: BytesMut::new(), is_greeted: false, last: Zxid(0) });
        self.feed(self.clients.len() - 1);
    }

    fn feed(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if self.ensemble.wants_input(client.at) {
            self.ensemble.handle_input(client.at, &mut client.input, self.now);
        }
    }

    fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.ensemble.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.ensemble.handle_timeout(self.now);
            assert!(self.ensemble.poll_timeout().is_none_or(|next| next > self.now), "time stands still");
            self.collect();
        }
        self.now = until;
    }

    fn collect(&mut self) {
        while let Some(at) = self.ensemble.poll_ready() {
            let Some(position) = self.clients.iter().position(|client| client.at == at) else { continue };
            let client = &mut self.clients[position];
            while let Some(bytes) = self.ensemble.poll_transmit(at) {
                client.output.extend_from_slice(&bytes);
                self.outputs.push(BytesMut::from(&bytes[..]));
            }
            while let Some(answer) = split_frame(&mut client.output, usize::MAX).unwrap() {
                if client.is_greeted {
                    let zxid = Zxid(i64::from_be_bytes(answer[4..12].try_into().unwrap()));
                    let is_reply = i32::from_be_bytes(answer[..4].try_into().unwrap()) > 0;
                    if is_reply && zxid.0 > 0 {
                        assert!(zxid >= client.last && zxid <= self.ensemble.zxid(), "{zxid} behind {}", client.last);
                        client.last = zxid;
                    }
                } else if answer.len() > 16 {
                    client.is_greeted = true;
                    let answer: ConnectResponse = Decoder::new(answer).get().unwrap();
                    if answer.session_id != SessionId(0) {
                        let is_known = self.sessions.iter().any(|known| known.session_id == answer.session_id);
                        self.resumed += usize::from(is_known);
                        self.local += usize::from(answer.read_only == Some(true));
                        self.sessions.push(answer);
                    }
                }
            }
            if self.ensemble.wants_close(at) {
                self.ensemble.handle_disconnected(at);
                self.clients.swap_remove(position);
            } else {
                self.feed(position);
            }
        }
    }

    /// Ends all troubles, and lets everything come to rest.
    fn heal(&mut self) {
        for server in 0..self.ensemble.len() {
            self.ensemble.restart(server, self.now);
            self.ensemble.rejoin(server, self.now);
            self.ensemble.set_lag(server, Duration::from_millis(5));
        }
        self.advance(Duration::from_secs(5));
    }

    fn check(&mut self, seed: u64) {
        assert!(self.ensemble.leader().is_some(), "seed {seed}");
        let truth: Vec<_> = self.ensemble.paths().iter().filter_map(|path| self.ensemble.node(path)).collect();
        let sessions = |sessions: Vec<crate::server::SessionInfo>| {
            sessions.into_iter().map(|session| (session.id, session.ephemerals)).collect::<Vec<_>>()
        };
        for member in &self.ensemble.members {
            let machine = &member.machine;
            assert_eq!(machine.zxid(), self.ensemble.zxid(), "seed {seed}, server {}", member.index);
            assert_eq!(machine.dump("/"), truth, "seed {seed}, server {}", member.index);
            assert_eq!(sessions(machine.sessions()), sessions(self.ensemble.sessions()), "seed {seed}");
        }
        let owned: usize = self.ensemble.sessions().iter().map(|session| session.ephemerals.len()).sum();
        let ephemeral = truth.iter().filter(|node| node.stat.ephemeral_owner != SessionId(0)).count();
        assert_eq!(owned, ephemeral, "seed {seed}");
        let history = self.ensemble.history();
        assert!(history.windows(2).all(|pair| pair[0].zxid < pair[1].zxid && pair[0].at <= pair[1].at), "seed {seed}");
        assert_eq!(self.ensemble.log.end(), history.len() as u64, "seed {seed}");
        self.advance(Duration::from_secs(30));
        assert!(self.ensemble.sessions().is_empty(), "seed {seed}: nobody has spoken");
        assert!(self.clients.is_empty(), "seed {seed}: {} connections are left", self.clients.len());
    }
}
