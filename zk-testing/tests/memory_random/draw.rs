//! Which step comes next: any, but mostly one that makes sense.
//!
//! There are few paths and few clients, so that they meet. Versions are mostly right and nodes mostly there, so that
//! requests succeed about as often as they fail.

use bytes::Bytes;
use zk_proto::{
    SessionId,
    code::{AddWatchMode, CreateMode, OpCode, WatcherType},
    record::*,
    wire::{Secret, Text},
};
use zk_testing::{
    Server,
    server::{WatchList, WatchMode},
};

use crate::{
    dice::Dice,
    lists, multis,
    pair::{CLIENTS, Pair},
    paths,
    step::{Action, Body, Damage, Greeting, Step, Version, Wanted, since},
};

/// The length of a request's header.
const HEADER_BYTES: usize = 8;

/// The longest TTL there is.
const MAX_TTL_MS: i64 = (1 << 40) - 1;

/// What is sent by clients that are not let in, each as often as any other.
const REFUSED: [OpCode; 25] = [
    OpCode::Create,
    OpCode::Create2,
    OpCode::CreateContainer,
    OpCode::CreateTtl,
    OpCode::Delete,
    OpCode::SetData,
    OpCode::SetAcl,
    OpCode::Exists,
    OpCode::GetData,
    OpCode::GetChildren,
    OpCode::GetChildren2,
    OpCode::GetAcl,
    OpCode::GetAllChildrenNumber,
    OpCode::GetEphemerals,
    OpCode::Sync,
    OpCode::Multi,
    OpCode::MultiRead,
    OpCode::AddWatch,
    OpCode::CheckWatches,
    OpCode::RemoveWatches,
    OpCode::SetWatches,
    OpCode::SetWatches2,
    OpCode::Ping,
    OpCode::WhoAmI,
    OpCode::CloseSession,
];

/// Draws steps for a pair of servers.
pub(crate) struct Draw {
    pub(crate) dice: Dice,
    /// Whether the real server is cut off from an ensemble: refusals overtake other replies there, and it has a configuration.
    pub(crate) is_cut_off: bool,
    client: usize,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), is_cut_off: false, client: 0 }
    }

    pub(crate) fn step(&mut self, pair: &Pair) -> Step {
        if self.dice.chance(15) {
            self.client = self.dice.below(CLIENTS);
        }
        let client = self.client;
        if !pair.is_open(client) {
            return Step { client, action: Action::Greet(self.greeting(pair)), is_alone: true };
        }
        match self.dice.below(1000) {
            0..4 => return Step { client, action: Action::HangUp, is_alone: true },
            4..7 => return Step { client, action: Action::Nonsense(self.nonsense(&pair.memory)), is_alone: true },
            _ => {}
        }
        let (op, body) = self.call(pair);
        let damage = self.damage(op, &body);
        let is_alone = self.is_cut_off || is_alone(op, &body, &damage, pair, client);
        Step { client, action: Action::Call { op, body, damage }, is_alone }
    }

    fn greeting(&mut self, pair: &Pair) -> Greeting {
        let again = Wanted::Again { number: self.dice.below(pair.sessions()), has_password: true };
        let session = match self.dice.below(100) {
            0..30 => again,
            // The one that came last may still be there.
            30..60 => Wanted::Again { number: pair.sessions().saturating_sub(1), has_password: true },
            60..64 => Wanted::Again { number: self.dice.below(pair.sessions()), has_password: false },
            64..67 => Wanted::Unknown(self.dice.pick(&[1, -1, i64::MAX, 0x1234])),
            67..70 => Wanted::New(self.dice.pick(&[None, Some(vec![]), Some(vec![7; 40])])),
            _ => Wanted::New(Some(vec![0; 16])),
        };
        let timeout_ms = if self.dice.chance(70) { 60_000 } else { self.dice.pick(&[100_000, 599_999, i32::MAX]) };
        let read_only = self.dice.pick(&[None, Some(false), Some(true)]);
        let ahead = self.dice.weighted(&[(80, None), (15, Some(0)), (5, Some(1))]);
        Greeting { session, timeout_ms, read_only, ahead }
    }

    /// Draws a frame that no server takes.
    fn nonsense(&mut self, server: &Server) -> Vec<u8> {
        let longest = i32::try_from(server.options().jute_max_buffer).unwrap_or(i32::MAX);
        let len: i32 = self.dice.pick(&[-1, i32::MIN, i32::MAX, longest + 1, 0, 1, 7]);
        let body = vec![0; usize::try_from(len).unwrap_or(0).min(8)];
        [&len.to_be_bytes()[..], &body].concat()
    }

    fn call(&mut self, pair: &Pair) -> (OpCode, Body) {
        let server = &pair.memory;
        let is_refused = !server.options().required_auth.is_empty() && !pair.has_auth(self.client);
        if is_refused && self.dice.chance(40) {
            return (OpCode::Auth, Body::Auth(packet("digest", b"alice:secret")));
        }
        let op = if is_refused { self.dice.pick(&REFUSED) } else { self.operation(server) };
        // Somebody has to mend what nobody else may touch any more.
        if self.client == 0 && !is_refused && self.dice.chance(15) {
            return self.mend(server);
        }
        if matches!(op, OpCode::CheckWatches | OpCode::RemoveWatches) {
            return (op, self.watches(server, pair.session_id(self.client)));
        }
        (op, self.body(op, server))
    }

    fn operation(&mut self, server: &Server) -> OpCode {
        let deletes = if server.node_count() > 60 { 250 } else { 80 };
        self.dice.weighted(&[
            (120, OpCode::Create),
            (60, OpCode::Create2),
            (45, OpCode::CreateContainer),
            (45, OpCode::CreateTtl),
            (deletes, OpCode::Delete),
            (100, OpCode::SetData),
            (40, OpCode::SetAcl),
            (60, OpCode::Exists),
            (80, OpCode::GetData),
            (40, OpCode::GetChildren),
            (40, OpCode::GetChildren2),
            (30, OpCode::GetAcl),
            (15, OpCode::GetAllChildrenNumber),
            (15, OpCode::GetEphemerals),
            (15, OpCode::Sync),
            (8, OpCode::WhoAmI),
            (5, OpCode::Ping),
            (80, OpCode::Multi),
            (30, OpCode::MultiRead),
            (40, OpCode::AddWatch),
            (25, OpCode::CheckWatches),
            (35, OpCode::RemoveWatches),
            (15, OpCode::SetWatches),
            (20, OpCode::SetWatches2),
            (12, OpCode::Auth),
            (4, OpCode::CloseSession),
            (14, OpCode::Reconfig),
            (10, OpCode::Sasl),
            (8, OpCode::Check),
            (1, OpCode::Notification),
            (1, OpCode::Error),
            (1, OpCode::Unknown(99)),
        ])
    }

    pub(crate) fn body(&mut self, op: OpCode, server: &Server) -> Body {
        match op {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer => Body::Create(self.create(op, server)),
            OpCode::CreateTtl => Body::CreateTtl(self.create_ttl(server)),
            OpCode::Delete => {
                let mut path =
                    if self.dice.chance(60) { paths::leaf(&mut self.dice, server) } else { self.path(server) };
                // Limits are there for a while.
                if path.as_ref().is_some_and(|path| path.starts_with(paths::QUOTA)) && self.dice.chance(85) {
                    path = Some(Text::from(paths::COUNTED));
                }
                Body::Versioned(path, self.version())
            }
            OpCode::Check => Body::Versioned(self.path(server), self.version()),
            OpCode::SetData => {
                let path = self.path(server);
                let data = self.data(&path);
                Body::SetData(path, data, self.version())
            }
            OpCode::SetAcl => Body::SetAcl(self.path(server), lists::list(&mut self.dice), self.version()),
            OpCode::Exists | OpCode::GetData | OpCode::GetChildren | OpCode::GetChildren2 => {
                Body::Read(GetDataRequest { path: self.path(server), watch: self.dice.chance(50) })
            }
            OpCode::GetAcl | OpCode::GetAllChildrenNumber | OpCode::GetEphemerals | OpCode::Sync => {
                Body::Path(GetAclRequest { path: self.path(server) })
            }
            OpCode::AddWatch => {
                let mode = if self.dice.chance(95) { self.dice.below(2) } else { self.dice.below(5) + 2 };
                let mode = AddWatchMode::from(i32::try_from(mode).unwrap_or_default());
                Body::AddWatch(AddWatchRequest { path: self.path(server).or(fallback()), mode })
            }
            OpCode::CheckWatches | OpCode::RemoveWatches => self.watches(server, None),
            OpCode::SetWatches => {
                let SetWatches2 { relative_zxid, data_watches, exist_watches, child_watches, .. } =
                    self.set_watches(server);
                Body::SetWatches(SetWatches { relative_zxid, data_watches, exist_watches, child_watches })
            }
            OpCode::SetWatches2 => Body::SetWatches2(self.set_watches(server)),
            OpCode::Multi => Body::Multi(multis::writes(self, server)),
            OpCode::MultiRead => Body::Multi(multis::reads(self, server)),
            OpCode::Reconfig => Body::Reconfig(ReconfigRequest::default()),
            OpCode::Auth => Body::Auth(self.auth()),
            OpCode::Sasl => {
                let token = self.dice.pick(&[Some(vec![]), Some(vec![1, 2]), None]);
                Body::Sasl(GetSaslRequest { token: token.map_or(Secret(None), Secret::from) })
            }
            OpCode::Notification | OpCode::Error | OpCode::Ping | OpCode::WhoAmI => Body::Nothing,
            OpCode::CreateSession | OpCode::CloseSession | OpCode::DeleteContainer => Body::Nothing,
            _ => Body::Nothing,
        }
    }

    pub(crate) fn path(&mut self, server: &Server) -> Option<Text> {
        let path = paths::path(&mut self.dice, server);
        path.filter(|path| !self.is_cut_off || &**path != paths::CONFIG)
    }

    fn version(&mut self) -> Version {
        self.dice.weighted(&[
            (30, Version::Any),
            (45, Version::Right(0)),
            (5, Version::Right(1)),
            (3, Version::Right(-1)),
            (2, Version::Exactly(0)),
            (1, Version::Exactly(-2)),
            (1, Version::Exactly(i32::MAX)),
            (1, Version::Exactly(i32::MIN)),
        ])
    }

    /// Draws data, of which there are the limits and the figures of quotas where those are kept.
    fn data(&mut self, path: &Option<Text>) -> Option<Bytes> {
        if path.as_ref().is_some_and(|path| path.starts_with(paths::QUOTA)) {
            let limits = self.dice.weighted(&[
                (4, "count=3,bytes=40=;byteHardLimit=20;countHardLimit=3"),
                (2, "count=-1,bytes=-1=;countHardLimit=2"),
                (5, "count=-1,bytes=-1=;byteHardLimit=15"),
                (1, "count=5,bytes=50"),
                (1, "count=0,bytes=0"),
                (1, ""),
            ]);
            return Some(Bytes::copy_from_slice(limits.as_bytes()));
        }
        match self.dice.below(20) {
            0 => None,
            1 => Some(Bytes::new()),
            2 => Some(Bytes::from(vec![0xFF; self.dice.below(200)])),
            3 => Some(Bytes::from(vec![b'l'; self.dice.below(3000)])),
            _ => Some(Bytes::from(vec![b'd'; self.dice.below(12)])),
        }
    }

    fn create(&mut self, op: OpCode, server: &Server) -> CreateRequest {
        let mode = match op {
            OpCode::CreateContainer => {
                self.dice.weighted(&[(80, 4), (5, 0), (5, 1), (4, 2), (2, 3), (2, 5), (2, 6), (1, 7), (1, -1)])
            }
            _ => self.dice.weighted(&[(45, 0), (20, 1), (15, 2), (10, 3), (4, 4), (2, 5), (1, 6), (1, 7), (1, -1)]),
        };
        let path = self.path(server);
        let data = self.data(&path);
        CreateRequest { path, data, acl: lists::list(&mut self.dice), mode: CreateMode::from(mode) }
    }

    fn create_ttl(&mut self, server: &Server) -> CreateTtlRequest {
        let path = self.path(server);
        let data = self.data(&path);
        let mode = CreateMode::from(self.dice.weighted(&[(60, 5), (30, 6), (2, 0), (2, 1), (2, 2), (2, 4), (2, 7)]));
        let ttl = self.dice.weighted(&[
            (80, 1_000_000),
            (5, 0),
            (5, -1),
            (5, MAX_TTL_MS),
            (5, MAX_TTL_MS + 1),
            (2, i64::MAX),
            (2, i64::MIN),
        ]);
        // A negative one with a mode that has none is what real servers never recover from.
        let ttl = if mode.has_ttl() { ttl } else { ttl.max(0) };
        CreateTtlRequest { path, data, acl: lists::list(&mut self.dice), mode, ttl }
    }

    /// Draws a question for watches, mostly for those of a session.
    fn watches(&mut self, server: &Server, session: Option<SessionId>) -> Body {
        let mut watches = server.watches();
        if self.dice.chance(60) {
            watches.retain(|watch| Some(watch.session) == session);
        }
        let any = self.dice.weighted(&[(30, 3), (20, 1), (20, 2), (15, 4), (15, 5), (1, 0), (1, 6), (1, -1)]);
        let (path, kind) = if watches.is_empty() || self.dice.chance(20) {
            (self.path(server), any)
        } else {
            let watch = self.dice.pick(&watches);
            let kind = match (watch.mode, watch.list) {
                (WatchMode::OneShot, WatchList::Children) => 1,
                (WatchMode::OneShot, WatchList::Data) => 2,
                (WatchMode::Persistent, _) => 4,
                (WatchMode::PersistentRecursive, _) => 5,
            };
            (Some(Text::from(watch.path.as_str())), if self.dice.chance(40) { kind } else { any })
        };
        Body::Watches(CheckWatchesRequest { path, watcher_type: WatcherType::from(kind) })
    }

    fn set_watches(&mut self, server: &Server) -> SetWatches2 {
        let transactions = self.dice.pick(&[0, 1, 3, 10, 30, 100, i64::MAX]);
        SetWatches2 {
            relative_zxid: since(server, transactions),
            data_watches: self.list(server),
            exist_watches: self.list(server),
            child_watches: self.list(server),
            persistent_watches: without_null(self.list(server)),
            persistent_recursive_watches: without_null(self.list(server)),
        }
    }

    fn list(&mut self, server: &Server) -> Option<Vec<Option<Text>>> {
        let len = self.dice.below(4);
        (!self.dice.chance(2)).then(|| (0..len).map(|_| self.path(server)).collect())
    }

    fn auth(&mut self) -> AuthPacket {
        let (scheme, secret): (_, &[u8]) = match self.dice.below(100) {
            0..45 => ("digest", b"alice:secret"),
            45..75 => ("digest", b"bob:secret"),
            75..80 => ("ip", b""),
            80..84 => ("digest", b"no colon"),
            84..88 => ("digest", b""),
            88..91 => ("digest", b"\xFF\xFE:x:y"),
            91..93 => ("digest", b"super:wrong"),
            93..95 => ("world", b"anyone"),
            95..97 => ("sasl", b"x"),
            97..98 => ("auth", b""),
            _ => ("nosuch", b"x"),
        };
        packet(scheme, secret)
    }

    /// Draws something that gives a node back to everybody, or the power to do so.
    fn mend(&mut self, server: &Server) -> (OpCode, Body) {
        if self.dice.chance(20) {
            return (OpCode::Auth, Body::Auth(packet("digest", b"super:test")));
        }
        let path = self.dice.weighted(&[(30, None), (5, Some(Text::from("/")))]);
        let path = path.or_else(|| paths::existing(&mut self.dice, server));
        (OpCode::SetAcl, Body::SetAcl(path, Some(Acl::open()), Version::Any))
    }

    fn damage(&mut self, op: OpCode, body: &Body) -> Damage {
        // Another mode or TTL could be one that real servers never recover from, and limits have to be numbers; which of
        // several faults in a multi they see first, they alone know.
        let may_flip = !matches!(op, OpCode::CreateTtl | OpCode::Multi) && !body.touches(paths::QUOTA);
        match self.dice.below(100) {
            _ if body.may_stumble() => Damage::None,
            0..2 => Damage::Cut(self.dice.below(1000)),
            2..4 if may_flip => Damage::Flip(self.dice.below(1000), 1 << self.dice.below(7)),
            4..6 => Damage::More(vec![0xAB; self.dice.below(9)]),
            _ => Damage::None,
        }
    }
}

/// Returns a path in place of null: real servers with a persistent watch on null do not get rid of the connection any more.
fn fallback() -> Option<Text> {
    Some(Text::from("/a"))
}

fn without_null(list: Option<Vec<Option<Text>>>) -> Option<Vec<Option<Text>>> {
    list.map(|list| list.into_iter().map(|path| path.or(fallback())).collect())
}

fn packet(scheme: &str, secret: &[u8]) -> AuthPacket {
    AuthPacket { auth_type: 0, scheme: Some(Text::from(scheme)), auth: Secret::from(secret.to_vec()) }
}

/// Returns whether a request must not be in flight together with others.
fn is_alone(op: OpCode, body: &Body, damage: &Damage, pair: &Pair, client: usize) -> bool {
    use OpCode::*;
    let options = pair.memory.options();
    // What ends the connection, or is answered out of order.
    let is_outside =
        matches!(op, Auth | Sasl | CloseSession | CreateSession | Notification | Error | Unknown(_) | Check);
    // Real servers look at access lists and quotas before earlier requests are carried out.
    let is_ahead = op == SetAcl || options.enforce_quota && may_count(body, damage);
    let is_refused = !options.required_auth.is_empty() && !pair.has_auth(client);
    let is_too_long = body.encoded(op, damage, &pair.memory, 0).len() + HEADER_BYTES > options.jute_max_buffer;
    is_outside || is_too_long || is_ahead || body.may_stumble() || body.is_ephemeral_container(op) || is_refused
}

fn may_count(body: &Body, damage: &Damage) -> bool {
    body.touches(paths::QUOTA) || body.touches(paths::COUNTED) || !matches!(damage, Damage::None)
}
