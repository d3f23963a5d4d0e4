use bytes::{Bytes, BytesMut};
use zk_proto::{
    Instant,
    record::{ConnectRequest, ConnectResponse},
    wire::{Decoder, split_frame},
};

use super::traffic::request;
use crate::{
    server::{
        ConnectionId, Options, Server,
        testing::{frame, greeting},
    },
    sim::{
        dice::Dice,
        ensemble::{Endpoint, Ensemble, EnsembleOptions},
    },
};

#[test]
fn an_ensemble_of_one_answers_as_a_server_alone() {
    let mut answered = 0;
    for seed in 0..150 {
        let mut pair = Pair::new(seed);
        for _ in 0..150 {
            pair.step();
            pair.compare(seed);
        }
        answered += pair.answered;
    }
    assert!(answered > 20_000, "only {answered} frames were compared");
}

/// A server alone and an ensemble of one, to both of which happens the same.
struct Pair {
    server: Server,
    ensemble: Ensemble,
    dice: Dice,
    now: Instant,
    clients: Vec<Client>,
    sessions: Vec<ConnectResponse>,
    answered: usize,
    xid: i32,
}

struct Client {
    connections: (ConnectionId, Endpoint),
    inputs: (BytesMut, BytesMut),
    outputs: (BytesMut, BytesMut),
    is_greeted: bool,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let server = Options { output_pause_bytes: 2000, ..Options::default() };
        let options = EnsembleOptions { servers: 1, server: server.clone(), ..EnsembleOptions::default() };
        Self {
            server: Server::new(server, seed),
            ensemble: Ensemble::new(options, seed),
            dice: Dice::new(seed),
            now: Instant::ORIGIN,
            clients: Vec::new(),
            sessions: Vec::new(),
            answered: 0,
            xid: 0,
        }
    }

    fn step(&mut self) {
        match self.dice.below(12) {
            0 if self.clients.len() < 4 => self.connect(),
            1 if !self.clients.is_empty() => {
                let client = self.dice.below(self.clients.len());
                let (connection, at) = self.clients.remove(client).connections;
                self.server.handle_disconnected(connection);
                self.ensemble.handle_disconnected(at);
            }
            2 => {
                let due = self.server.poll_timeout().unwrap_or(self.now);
                let time = self.dice.millis(1, 3000);
                self.now = if self.dice.once_in(2) { self.now.max(due) } else { self.now + time };
                self.server.handle_timeout(self.now);
                self.ensemble.handle_timeout(self.now);
            }
            _ if self.clients.is_empty() => self.connect(),
            _ => {
                let client = self.dice.below(self.clients.len());
                let mut input = BytesMut::new();
                for _ in 0..self.dice.between(1, 6) {
                    self.xid += 1;
                    input.unsplit(request(&mut self.dice, self.xid));
                }
                self.input(client, &input);
            }
        }
    }

    fn connect(&mut self) {
        let peer = ([127, 0, 0, 1], 50_000).into();
        let connections =
            (self.server.connect(peer, self.now), self.ensemble.connect(0, peer, self.now).expect("it listens"));
        self.clients.push(Client {
            connections,
            inputs: Default::default(),
            outputs: Default::default(),
            is_greeted: false,
        });
        let session = match self.sessions.is_empty() || self.dice.once_in(2) {
            true => greeting(),
            false => {
                let session = &self.sessions[self.dice.below(self.sessions.len())];
                let (session_id, passwd) = (session.session_id, session.passwd.clone());
                ConnectRequest { session_id, passwd, ..greeting() }
            }
        };
        let last_zxid_seen = zk_proto::Zxid(i64::from(self.dice.once_in(10)) << 20);
        let timeout_ms = i32::try_from(self.dice.between(500, 8000)).unwrap();
        let request = ConnectRequest { last_zxid_seen, timeout_ms, ..session };
        self.input(self.clients.len() - 1, &frame(|out| out.put(&request)));
    }

    fn input(&mut self, client: usize, bytes: &[u8]) {
        let client = &mut self.clients[client];
        client.inputs.0.extend_from_slice(bytes);
        client.inputs.1.extend_from_slice(bytes);
        self.server.handle_input(client.connections.0, &mut client.inputs.0, self.now);
        self.ensemble.handle_input(client.connections.1, &mut client.inputs.1, self.now);
    }

    fn compare(&mut self, seed: u64) {
        while let Some(at) = self.ensemble.poll_ready() {
            assert_eq!(self.server.poll_ready(), Some(at.connection), "seed {seed}");
        }
        assert_eq!(self.server.poll_ready(), None, "seed {seed}");
        for client in &mut self.clients {
            let (connection, at) = client.connections;
            while let Some(bytes) = self.server.poll_transmit(connection) {
                client.outputs.0.extend_from_slice(&bytes);
            }
            while let Some(bytes) = self.ensemble.poll_transmit(at) {
                client.outputs.1.extend_from_slice(&bytes);
            }
            assert_eq!(client.outputs.0, client.outputs.1, "seed {seed}");
            assert_eq!(client.inputs, (client.inputs.1.clone(), client.inputs.0.clone()), "seed {seed}");
            let asks = [
                (self.server.wants_input(connection), self.ensemble.wants_input(at)),
                (self.server.wants_close(connection), self.ensemble.wants_close(at)),
                (self.server.wants_drop(connection), self.ensemble.wants_drop(at)),
            ];
            assert!(asks.iter().all(|(one, other)| one == other), "seed {seed}: {asks:?}");
            let frames: Vec<_> =
                std::iter::from_fn(|| split_frame(&mut client.outputs.0, usize::MAX).expect("frames")).collect();
            client.outputs.1.clear();
            self.answered += frames.len();
            if let Some(answer) = frames.first().filter(|_| !client.is_greeted) {
                client.is_greeted = true;
                let answer = Decoder::new(Bytes::clone(answer)).get::<ConnectResponse>().expect("an answer");
                if answer.timeout_ms > 0 {
                    self.sessions.push(answer);
                }
            }
        }
        assert_eq!(self.server.poll_timeout(), self.ensemble.poll_timeout(), "seed {seed}");
        assert_eq!((self.server.zxid(), self.server.dump("/")), (self.ensemble.zxid(), dump(&self.ensemble)));
        assert_eq!(self.server.watches(), self.ensemble.watches(0), "seed {seed}");
        assert_eq!(self.server.sessions().len(), self.ensemble.sessions().len(), "seed {seed}");
    }
}

fn dump(ensemble: &Ensemble) -> Vec<crate::server::NodeInfo> {
    ensemble.paths().iter().filter_map(|path| ensemble.node(path)).collect()
}

#[test]
fn time_to_handle_is_never_named_again() {
    let mut pair = Pair::new(7);
    for _ in 0..300 {
        pair.step();
        if let Some(due) = pair.ensemble.poll_timeout() {
            pair.ensemble.handle_timeout(due);
            assert!(pair.ensemble.poll_timeout().is_none_or(|next| next > due));
        }
    }
}
