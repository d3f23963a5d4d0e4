//! Whatever bytes come, they cost at most their connection.

mod memory_client;

use bytes::{Buf, BytesMut};
use memory_client::{create, greeting, text};
use zk_proto::{
    Instant,
    code::{CreateMode, OpCode},
    record::{GetDataRequest, MultiEntry, MultiHeader, MultiOp, MultiRequest, RequestHeader},
    wire::{Encoder, Jute},
};
use zk_testing::server::{ConnectionId, Options, Server, Version};

/// A stream of numbers from a seed: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((bits ^ (bits >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }
}

const VERSIONS: [Version; 5] = [Version::Keeper, Version::V3_4, Version::V3_5, Version::V3_8, Version::V3_9];

struct World {
    server: Server,
    now: Instant,
}

impl World {
    fn new(version: Version) -> Self {
        let mut options = Options::default();
        options.version = version;
        options.output_limit_bytes = 1 << 20;
        Self { server: Server::new(options, 7), now: Instant::ORIGIN }
    }

    fn dial(&mut self) -> ConnectionId {
        self.server.connect(([127, 0, 0, 1], 1).into(), self.now)
    }

    fn connect(&mut self) -> ConnectionId {
        let connection = self.dial();
        assert!(self.input(connection, &frame(|out| out.put(&greeting(10_000)))) > 0);
        connection
    }

    /// Hands in bytes, and returns how many come back. A connection that is over is closed.
    fn input(&mut self, connection: ConnectionId, bytes: &[u8]) -> usize {
        let mut input = BytesMut::from(bytes);
        let mut output = 0;
        loop {
            let before = input.len();
            self.server.handle_input(connection, &mut input, self.now);
            while let Some(ready) = self.server.poll_ready() {
                while let Some(bytes) = self.server.poll_transmit(ready) {
                    output += bytes.len();
                }
                if self.server.wants_close(ready) {
                    self.server.handle_disconnected(ready);
                }
            }
            if input.len() == before || input.is_empty() {
                return output;
            }
        }
    }

    /// Returns whether a well-behaved client is served.
    fn is_well(&mut self) -> bool {
        let connection = self.connect();
        let read = GetDataRequest { path: text("/"), watch: false };
        let is_served = self.input(connection, &request(OpCode::GetData, &read)) > 80;
        self.input(connection, &request(OpCode::CloseSession, &None::<bool>));
        is_served
    }
}

#[test]
fn noise_costs_at_most_its_connection() {
    for seed in 0..2000 {
        let mut dice = Dice(seed);
        let mut world = World::new(VERSIONS[usize::try_from(seed % 5).unwrap()]);
        let connection = if seed % 3 == 0 { world.dial() } else { world.connect() };
        for _ in 0..20 {
            let mut bytes: Vec<u8> = (0..dice.roll(200)).map(|_| byte(&mut dice)).collect();
            // Mostly with a length in front that fits, or nothing would get past the framing.
            if dice.roll(8) > 0 {
                let len = u32::try_from(bytes.len()).unwrap();
                bytes.splice(0..0, len.to_be_bytes());
            }
            world.input(connection, &bytes);
        }
        assert!(world.is_well(), "seed {seed}");
    }
}

#[test]
fn spoilt_requests_cost_at_most_their_connection() {
    let samples = samples();
    for seed in 0..4000 {
        let mut dice = Dice(seed);
        let mut world = World::new(VERSIONS[usize::try_from(seed % 5).unwrap()]);
        let mut connection = world.connect();
        for _ in 0..40 {
            if world.server.wants_close(connection) {
                connection = world.connect();
            }
            let mut bytes = samples[dice.roll(samples.len())].to_vec();
            for _ in 0..dice.roll(4) {
                let place = 4 + dice.roll(bytes.len() - 4);
                bytes[place] = byte(&mut dice);
            }
            if dice.roll(4) == 0 {
                bytes.truncate(4 + dice.roll(bytes.len() - 4));
                let len = u32::try_from(bytes.len() - 4).unwrap();
                bytes[..4].copy_from_slice(&len.to_be_bytes());
            }
            world.input(connection, &bytes);
            world.now = world.now + std::time::Duration::from_millis(u64::try_from(dice.roll(500)).unwrap());
            world.server.handle_timeout(world.now);
        }
        assert!(world.is_well(), "seed {seed}");
    }
}

#[test]
fn every_truncation_of_a_good_request_is_survived() {
    for sample in samples() {
        for len in 0..sample.len() - 4 {
            let mut world = World::new(Version::V3_9);
            let connection = world.connect();
            let bytes = [&u32::try_from(len).unwrap().to_be_bytes()[..], &sample[4..4 + len]].concat();
            world.input(connection, &bytes);
            assert!(world.is_well());
        }
    }
}

#[test]
fn a_small_request_for_gigabytes_costs_the_connection() {
    let mut world = World::new(Version::V3_9);
    let connection = world.connect();
    let data = "x".repeat(100_000);
    world.input(connection, &request(OpCode::Create, &create("/large", &data, CreateMode::Persistent)));
    let header = MultiHeader { op: OpCode::GetData, done: false, ..MultiHeader::END };
    let read = MultiOp::GetData(GetDataRequest { path: text("/large"), watch: false });
    let entry = MultiEntry { header, body: read };
    let entries = vec![entry; 10_000];

    world.input(connection, &request(OpCode::MultiRead, &MultiRequest { entries, end: MultiHeader::END }));

    assert!(world.server.wants_close(connection));
    assert!(world.is_well());
}

#[test]
fn the_same_calls_give_the_same_outputs() {
    let samples = samples();
    let run = || {
        let mut dice = Dice(5);
        let mut world = World::new(Version::V3_9);
        let connections = [world.connect(), world.connect(), world.connect()];
        let mut output = Vec::new();
        for _ in 0..2000 {
            let connection = connections[dice.roll(3)];
            let mut input = BytesMut::from(&samples[dice.roll(samples.len())][..]);
            world.server.handle_input(connection, &mut input, world.now);
            while let Some(ready) = world.server.poll_ready() {
                while let Some(mut bytes) = world.server.poll_transmit(ready) {
                    output.extend_from_slice(&bytes);
                    bytes.advance(bytes.len());
                }
            }
        }
        output
    };

    let (one, two) = (run(), run());

    assert!(one.len() > 10_000 && one == two);
}

/// Returns a byte that means something more often than not.
fn byte(dice: &mut Dice) -> u8 {
    const LIKELY: [u8; 12] = [0, 0, 0, 1, 2, 4, 14, b'/', b'a', 0x7F, 0xFE, 0xFF];
    match dice.roll(3) {
        0 => u8::try_from(dice.roll(256)).unwrap(),
        _ => LIKELY[dice.roll(LIKELY.len())],
    }
}

/// Returns a good request for each operation.
fn samples() -> Vec<BytesMut> {
    use zk_proto::record::*;
    let multi = |op, body| {
        let header = MultiHeader { op, done: false, ..MultiHeader::END };
        let entries = vec![MultiEntry { header, body }];
        MultiRequest { entries, end: MultiHeader::END }
    };
    let node = create("/a", "data", CreateMode::Persistent);
    let read = GetDataRequest { path: text("/a"), watch: true };
    let paths = || Some(vec![text("/a"), text("/b")]);
    let watches = SetWatches2 {
        relative_zxid: zk_proto::Zxid(1),
        data_watches: paths(),
        exist_watches: paths(),
        child_watches: paths(),
        persistent_watches: paths(),
        persistent_recursive_watches: paths(),
    };
    let CreateRequest { path, data, acl, .. } = node.clone();
    let ttl = CreateTtlRequest { path, data, acl, mode: CreateMode::PersistentWithTtl, ttl: 1000 };
    vec![
        request(OpCode::Create, &node),
        request(OpCode::Create2, &create("/a/x-", "", CreateMode::EphemeralSequential)),
        request(OpCode::CreateContainer, &create("/c", "", CreateMode::Container)),
        request(OpCode::CreateTtl, &ttl),
        request(OpCode::Delete, &DeleteRequest { path: text("/a"), version: -1 }),
        request(OpCode::SetData, &SetDataRequest { path: text("/a"), data: None, version: -1 }),
        request(OpCode::GetData, &read),
        request(OpCode::Exists, &read),
        request(OpCode::GetChildren, &read),
        request(OpCode::GetChildren2, &read),
        request(OpCode::GetAcl, &GetAclRequest { path: text("/a") }),
        request(OpCode::SetAcl, &SetAclRequest { path: text("/a"), acl: Some(Acl::open()), version: -1 }),
        request(OpCode::Sync, &SyncRequest { path: text("/a") }),
        request(OpCode::Multi, &multi(OpCode::Create, MultiOp::Create(node))),
        request(OpCode::MultiRead, &multi(OpCode::GetData, MultiOp::GetData(read))),
        request(OpCode::Reconfig, &ReconfigRequest::default()),
        request(OpCode::AddWatch, &AddWatchRequest { path: text("/a"), mode: 1.into() }),
        request(OpCode::CheckWatches, &CheckWatchesRequest { path: text("/a"), watcher_type: 3.into() }),
        request(OpCode::RemoveWatches, &RemoveWatchesRequest { path: text("/a"), watcher_type: 3.into() }),
        request(OpCode::SetWatches2, &watches),
        request(OpCode::GetEphemerals, &GetEphemeralsRequest { prefix_path: text("/") }),
        request(OpCode::GetAllChildrenNumber, &GetAllChildrenNumberRequest { path: text("/") }),
        request(OpCode::WhoAmI, &None::<bool>),
        request(OpCode::Ping, &None::<bool>),
        request(OpCode::Auth, &AuthPacket { auth_type: 0, scheme: text("digest"), auth: "a:b".into() }),
        request(OpCode::Sasl, &GetSaslRequest { token: "token".into() }),
    ]
}

fn request<T: Jute>(op: OpCode, body: &T) -> BytesMut {
    frame(|out| {
        out.put(&RequestHeader { xid: 1, op });
        out.put(body);
    })
}

fn frame(write: impl FnOnce(&mut Encoder<'_>)) -> BytesMut {
    let mut frame = BytesMut::from(&[0; 4][..]);
    write(&mut Encoder::new(&mut frame));
    let len = u32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&len.to_be_bytes());
    frame
}
