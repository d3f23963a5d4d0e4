//! A session, TLS, and a server in memory: bytes go from hand to hand, in pieces of any size.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use zk_proto::{
    Config, ConnectString, Instant, LinkId, Machine, Session, Wants,
    request::{GetData, SetData, Version},
    session::{Event, RequestError, State, SubmitOptions},
    tls::{Secured, Tls},
};
use zk_testing::{
    Authority, Identity, Server,
    server::{ConnectionId, Options},
};

/// How the server speaks.
pub(crate) enum Speech {
    Tls(Arc<ServerConfig>),
    Plain,
    /// These bytes, whatever is said to it.
    Says(Vec<u8>),
}

/// Returns how a server speaks that shows an identity, and demands one of its clients if there is an authority for that.
pub(crate) fn showing(identity: &Identity, clients: Option<&Authority>) -> Speech {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        }
    };
    let chain = CertificateDer::pem_slice_iter(identity.certificates.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    Speech::Tls(Arc::new(config.with_single_cert(chain, key).unwrap()))
}

/// What the other end of a link is.
struct Peer {
    tls: Option<ServerConnection>,
    connection: ConnectionId,
    /// What the session behind TLS has said, and the server's machine has not taken yet.
    heard: BytesMut,
    to_client: BytesMut,
}

pub(crate) struct World {
    pub(crate) machine: Secured<Session<u32>>,
    speech: Speech,
    server: Server,
    peer: Option<(LinkId, Peer)>,
    /// What came to the client and was not taken.
    input: BytesMut,
    pub(crate) now: Instant,
    /// How many bytes are handed over at a time.
    pub(crate) piece: usize,
    /// What a server was told by TLS when that failed.
    pub(crate) server_complaint: Option<String>,
    /// What the client was told of the last failure.
    pub(crate) failure: Option<String>,
    pub(crate) is_connected: bool,
    /// What was read, by the number of the request.
    pub(crate) read: Vec<(u32, Bytes)>,
    /// The requests that write, until they are answered.
    writes: HashSet<u32>,
    pub(crate) failed: Vec<(u32, RequestError)>,
    /// How many times a turn the client may hand something out, and the most that it has handed out at once.
    pub(crate) transmits_a_turn: usize,
    pub(crate) longest_transmit: usize,
}

/// A node that every server has.
const PATH: &str = "/zookeeper/quota";

impl World {
    pub(crate) fn new(servers: &str, tls: Option<Tls>, speech: Speech) -> Self {
        let config = Config::from(servers.parse::<ConnectString>().unwrap());
        Self {
            machine: Secured::new(Session::new(config, [7; 32]), tls),
            speech,
            server: Server::new(Options::default(), 1),
            peer: None,
            input: BytesMut::new(),
            now: Instant::ORIGIN,
            piece: usize::MAX,
            server_complaint: None,
            failure: None,
            is_connected: false,
            read: Vec::new(),
            writes: HashSet::new(),
            failed: Vec::new(),
            transmits_a_turn: usize::MAX,
            longest_transmit: 0,
        }
    }

    pub(crate) fn submit_read(&mut self, number: u32) {
        let session = self.machine.get_mut();
        session.submit(&GetData::new(PATH), number, SubmitOptions::default()).map_err(|_| ()).unwrap();
    }

    pub(crate) fn submit_write(&mut self, number: u32, data: &Bytes) {
        let request = SetData { path: PATH, data: data.into(), version: Version::Any };
        self.machine.get_mut().submit(&request, number, SubmitOptions::default()).map_err(|_| ()).unwrap();
        self.writes.insert(number);
    }

    /// Returns the link that there is.
    pub(crate) fn link(&self) -> LinkId {
        self.peer.as_ref().expect("it is connected").0
    }

    /// Has the server say something of its own accord.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let (_, peer) = self.peer.as_mut().unwrap();
        peer.tls.as_mut().unwrap().writer().write_all(bytes).unwrap();
    }

    /// Has the server change its keys, and demand the same of the client.
    pub(crate) fn change_keys(&mut self) {
        let (_, peer) = self.peer.as_mut().unwrap();
        peer.tls.as_mut().unwrap().refresh_traffic_keys().unwrap();
    }

    /// Makes a request, and changes what the server answers, on its way to the client.
    pub(crate) fn submit_and_tamper(&mut self, number: u32, change: impl FnOnce(&mut BytesMut)) {
        self.submit_read(number);
        // The request goes to the server, and nothing comes back yet.
        let piece = std::mem::replace(&mut self.piece, 0);
        self.run();
        self.piece = piece;
        change(&mut self.peer.as_mut().unwrap().1.to_client);
    }

    /// Turns the wheel until nothing moves, or the session is connected and all is said.
    pub(crate) fn run(&mut self) {
        for _ in 0..200_000 {
            if !self.turn() || self.failure.is_some() {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// Runs, and lets time pass where nothing moves, until something has failed.
    pub(crate) fn run_to_failure(&mut self) -> String {
        for _ in 0..1_000 {
            self.run();
            if let Some(failure) = self.failure.clone() {
                return failure;
            }
            self.now = self.now + Duration::from_millis(100);
        }
        panic!("nothing fails");
    }

    pub(crate) fn turn(&mut self) -> bool {
        let mut has_moved = false;
        if let Some(failure) = self.machine.last_failure().filter(|failure| self.failure.as_deref() != Some(failure)) {
            self.failure = Some(failure.to_owned());
        }
        match self.machine.wants() {
            Wants::Link { id, .. } if self.peer.as_ref().is_none_or(|(link, _)| *link != id) => {
                self.dial(id);
                has_moved = true;
            }
            Wants::Offline | Wants::Nothing(_) => self.peer = None,
            Wants::Link { .. } => {}
        }
        has_moved |= self.pump_client();
        has_moved |= self.pump_server();
        if self.machine.poll_timeout().is_some_and(|due| due <= self.now) {
            self.machine.handle_timeout(self.now);
            has_moved = true;
        }
        while let Some(event) = self.machine.get_mut().poll_event() {
            match event {
                Event::State(State::Connected { .. }) => self.is_connected = true,
                Event::State(_) => self.is_connected = false,
                Event::Reply { tag, result: Err(error) } => self.failed.push((tag, error)),
                Event::Reply { tag, .. } if self.writes.remove(&tag) => {}
                Event::Reply { tag, result: Ok(reply) } => {
                    self.read.push((tag, reply.decode::<GetData>().unwrap().data.unwrap_or_default()));
                }
                _ => {}
            }
        }
        has_moved
    }

    fn dial(&mut self, link: LinkId) {
        let tls = match &self.speech {
            Speech::Tls(config) => {
                let mut tls = ServerConnection::new(config.clone()).unwrap();
                tls.set_buffer_limit(None);
                Some(tls)
            }
            Speech::Plain | Speech::Says(_) => None,
        };
        let to_client = match &self.speech {
            Speech::Says(bytes) => BytesMut::from(&bytes[..]),
            Speech::Tls(_) | Speech::Plain => BytesMut::new(),
        };
        let connection = self.server.connect(([127, 0, 0, 1], 50_000).into(), self.now);
        self.input.clear();
        self.peer = Some((link, Peer { tls, connection, heard: BytesMut::new(), to_client }));
        self.machine.handle_connected(link, self.now);
    }

    /// Gives the client what is there, piece by piece, and takes what it has to say.
    fn pump_client(&mut self) -> bool {
        let Some((link, peer)) = &mut self.peer else { return false };
        let mut has_moved = false;
        let count = self.piece.min(peer.to_client.len());
        if count > 0 {
            self.input.extend_from_slice(&peer.to_client.split_to(count));
            self.machine.handle_input(*link, &mut self.input, self.now);
            has_moved = true;
        }
        for _ in 0..self.transmits_a_turn {
            let Some(mut transmit) = self.machine.poll_transmit(*link, self.now) else { break };
            self.longest_transmit = self.longest_transmit.max(transmit.remaining());
            let bytes = transmit.copy_to_bytes(transmit.remaining());
            has_moved = true;
            match &mut peer.tls {
                None => peer.heard.extend_from_slice(&bytes),
                Some(tls) => {
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        tls.read_tls(&mut rest).unwrap();
                        if let Err(error) = tls.process_new_packets() {
                            self.server_complaint.get_or_insert(error.to_string());
                            break;
                        }
                        let mut piece = [0; 20_000];
                        while let Ok(count @ 1..) = tls.reader().read(&mut piece) {
                            peer.heard.extend_from_slice(&piece[..count]);
                        }
                    }
                }
            }
        }
        has_moved
    }

    fn pump_server(&mut self) -> bool {
        let Some((_, peer)) = &mut self.peer else { return false };
        if matches!(self.speech, Speech::Says(_)) {
            return false;
        }
        let before = (peer.heard.len(), peer.to_client.len());
        self.server.handle_input(peer.connection, &mut peer.heard, self.now);
        while let Some(bytes) = self.server.poll_transmit(peer.connection) {
            match &mut peer.tls {
                None => peer.to_client.extend_from_slice(&bytes),
                Some(tls) => tls.writer().write_all(&bytes).unwrap(),
            }
        }
        if let Some(tls) = &mut peer.tls {
            let mut secret = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut secret).unwrap();
            }
            peer.to_client.extend_from_slice(&secret);
        }
        before != (peer.heard.len(), peer.to_client.len())
    }
}
