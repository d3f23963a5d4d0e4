//! A session behind TLS, and whatever its server says: garbage instead of TLS, garbage within it, true records that were changed
//! on their way. Nothing of it panics, and who is not certified is not believed.
//!
//! The first byte of the input chooses which. Then come pieces, each with a byte before it that says how long it is, or, with its
//! highest bit, that something else happens.

use std::{
    io::{Read, Write},
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use rustls::{
    ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use zk_proto::{
    Config, ConnectString, Instant, LinkId, Machine, Session, Wants,
    session::{Event, State},
    tls::{Secured, Tls},
};
use zk_testing::{Authority, Identity};

/// Certificates take longer to make than anything else here.
static CERTIFICATES: LazyLock<(Authority, Identity)> = LazyLock::new(|| {
    let authority = Authority::new("fuzz");
    let identity = authority.issue(["localhost"]);
    (authority, identity)
});

/// What the client may have to say at a time: one handshake, some requests.
const SAID_BYTES: usize = 256 << 10;

/// Checks one input.
pub fn check(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let mut world = World::new(first % 2 == 0);
    while let Some((&op, after)) = rest.split_first() {
        world.dial();
        if op < 0x80 {
            let (piece, after) = after.split_at(usize::from(op).min(after.len()));
            rest = after;
            world.say(piece);
        } else {
            rest = after;
            match op % 8 {
                0 => world.hang_up(),
                1 => world.pass(Duration::from_millis(u64::from(op & 0x7F) * 50)),
                2..5 => world.spoil(op),
                _ => world.carry(usize::MAX),
            }
        }
        world.carry(usize::from(op) * 16 + 1);
        world.look();
    }
}

struct World {
    machine: Secured<Session<u32>>,
    /// Whether the server has a certificate and speaks TLS.
    is_certified: bool,
    link: Option<(LinkId, Option<ServerConnection>)>,
    /// On its way to the client.
    down: BytesMut,
    input: BytesMut,
    now: Instant,
    is_connected: bool,
}

impl World {
    fn new(is_certified: bool) -> Self {
        let (authority, _) = &*CERTIFICATES;
        let tls = Tls::builder().roots(authority.pem()).build().expect("the options fit");
        let config = Config::from("tls://localhost".parse::<ConnectString>().expect("a server"));
        Self {
            machine: Secured::new(Session::new(config, [7; 32]), Some(tls)),
            is_certified,
            link: None,
            down: BytesMut::new(),
            input: BytesMut::new(),
            now: Instant::ORIGIN,
            is_connected: false,
        }
    }

    fn dial(&mut self) {
        match self.machine.wants() {
            Wants::Link { id, .. } if self.link.as_ref().is_none_or(|(link, _)| *link != id) => {
                (self.down, self.input) = Default::default();
                self.link = Some((id, self.is_certified.then(server)));
                self.machine.handle_connected(id, self.now);
                self.hear();
            }
            Wants::Link { .. } => {}
            Wants::Offline | Wants::Nothing(_) => self.link = None,
        }
    }

    /// Has the server say something, by TLS if it can.
    fn say(&mut self, bytes: &[u8]) {
        match &mut self.link {
            Some((_, Some(tls))) => {
                // Before the handshake is over it is kept until then; after a failure nothing is taken any more.
                _ = tls.writer().write_all(bytes);
            }
            Some((_, None)) => self.down.extend_from_slice(bytes),
            None => {}
        }
        self.hear();
    }

    /// Changes a bit of what is on its way.
    fn spoil(&mut self, op: u8) {
        let len = self.down.len();
        if len > 0 {
            self.down[usize::from(op) * 7 % len] ^= 1 << (op % 8);
        }
    }

    /// Lets the client have some bytes, and the server what the client says to them.
    fn carry(&mut self, most: usize) {
        let Some((id, _)) = &self.link else { return };
        let id = *id;
        let piece = self.down.split_to(most.min(self.down.len()));
        self.input.unsplit(piece);
        self.machine.handle_input(id, &mut self.input, self.now);
        self.hear();
    }

    /// Lets the server have what the client says, and collects its answer.
    fn hear(&mut self) {
        let Some((id, tls)) = &mut self.link else { return };
        let mut said = 0;
        while let Some(mut transmit) = self.machine.poll_transmit(*id, self.now) {
            let bytes = transmit.copy_to_bytes(transmit.remaining());
            said += bytes.len();
            assert!(said <= SAID_BYTES, "{said} bytes at a time");
            let Some(tls) = tls else { continue };
            let mut rest = &bytes[..];
            // What the client was told may have been spoilt, so that its answer is no good either.
            while !rest.is_empty() && tls.read_tls(&mut rest).is_ok() && tls.process_new_packets().is_ok() {
                let mut heard = [0; 4096];
                while matches!(tls.reader().read(&mut heard), Ok(1..)) {}
            }
        }
        if let Some(tls) = tls {
            let mut out = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut out).expect("memory takes everything");
            }
            self.down.extend_from_slice(&out);
        }
    }

    fn hang_up(&mut self) {
        if let Some((id, _)) = self.link.take() {
            self.machine.handle_disconnected(id, self.now);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.machine.handle_timeout(self.now);
        let due = self.machine.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now), "due at {due:?} although it is {:?}", self.now);
    }

    fn look(&mut self) {
        while let Some(event) = self.machine.get_mut().poll_event() {
            self.is_connected |= matches!(event, Event::State(State::Connected { .. }));
        }
        assert!(!self.is_connected || self.is_certified, "a server without a certificate is believed");
    }
}

fn server() -> ServerConnection {
    static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
        let (_, identity) = &*CERTIFICATES;
        let chain = CertificateDer::pem_slice_iter(identity.certificates.as_bytes());
        let chain = chain.collect::<Result<_, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("the provider has what it takes");
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).expect("the key is the certificate's"))
    });
    ServerConnection::new(CONFIG.clone()).expect("the configuration is good")
}
