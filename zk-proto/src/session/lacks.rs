//! What the server of a link does not know, and how to do without.
//!
//! ZooKeeper answers an operation that it does not know with [`Unimplemented`](crate::code::ErrorCode::Unimplemented), ahead of
//! everything that it works on, and hangs up. So an old server is asked once: what it turned out to lack, and all that came
//! with later releases, is not sent to it again but refused here, with the same error. A create that asks for a `Stat` is sent
//! without asking for it.
//!
//! What was learnt belongs to one server and to nobody else: ensembles may be mixed. It is forgotten when the server could not
//! be reached, or was not spoken with for a while, since it may be a newer one then.
//!
//! ClickHouse Keeper does not answer an operation that it does not know: it hangs up, and as it takes up no session again, that is
//! the end of the session. But it can be told by its greeting, and says what it knows in a node of its own.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    Instant, Server, SessionId, Zxid,
    code::{CreateMode, OpCode},
    record::{MultiRequest, Stat},
    wire::{Decoder, Encoder, Jute},
};

/// How long something is remembered of a server that is not spoken with.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Of so many servers something is remembered.
const SERVERS: usize = 32;

/// Where ClickHouse Keeper says what it knows.
pub(super) const FEATURE_FLAGS: &str = "/keeper/feature_flags";

/// The length field and the header of a request.
const HEAD_BYTES: usize = 12;

/// The operations that not every server knows, by the release of ZooKeeper that brought them.
const LATER: [(OpCode, (u8, u8)); 12] = [
    (OpCode::Create2, (5, 0)),
    (OpCode::Reconfig, (5, 0)),
    (OpCode::CheckWatches, (5, 0)),
    (OpCode::RemoveWatches, (5, 0)),
    (OpCode::CreateContainer, (5, 1)),
    (OpCode::CreateTtl, (5, 3)),
    (OpCode::MultiRead, (6, 0)),
    (OpCode::GetEphemerals, (6, 0)),
    (OpCode::GetAllChildrenNumber, (6, 0)),
    (OpCode::SetWatches2, (6, 0)),
    (OpCode::AddWatch, (6, 0)),
    (OpCode::WhoAmI, (7, 0)),
];

/// What the flags of ClickHouse Keeper stand for: the number of the flag, and what it brings.
const FLAGS: [(usize, &[OpCode]); 3] = [
    (1, &[OpCode::MultiRead]),
    (7, &[OpCode::AddWatch, OpCode::SetWatches2, OpCode::RemoveWatches, OpCode::CheckWatches]),
    (8, &[OpCode::Create2]),
];

/// A set of operations that a server does not know: bits, in the order of [`LATER`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lacks(u16);

impl Lacks {
    pub(super) const NOTHING: Self = Self(0);
    pub(super) const CREATE2: Self = Self(1);
    const EVERYTHING: Self = Self((1 << LATER.len()) - 1);

    /// What a ZooKeeper lacks that does not know `op`: that, and whatever came with it or later.
    pub(super) fn with(op: OpCode) -> Self {
        let release = LATER.iter().find(|(later, _)| *later == op).map(|(_, release)| *release);
        let is_missing = |since: (u8, u8)| release.is_some_and(|release| since >= release);
        (0..)
            .zip(LATER)
            .filter(|(_, (_, since))| is_missing(*since))
            .fold(Self(0), |all, (bit, _)| Self(all.0 | 1 << bit))
    }

    /// What a ClickHouse Keeper lacks that has these flags.
    pub(super) fn of_keeper(flags: &[u8]) -> Self {
        let is_set = |flag: usize| flags.get(flag / 8).is_some_and(|byte| byte & (0x80 >> (flag % 8)) != 0);
        let known = FLAGS.into_iter().filter(|(flag, _)| is_set(*flag)).flat_map(|(_, ops)| ops);
        known.fold(Self::EVERYTHING, |lacks, op| Self(lacks.0 & !bit(*op)))
    }

    pub(super) fn contains(self, op: OpCode) -> bool {
        self.0 != 0 && self.0 & bit(op) != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether a frame of this operation needs a look before it is sent.
    pub(super) fn concerns(self, op: OpCode) -> bool {
        self.0 != 0 && (self.0 & bit(op) != 0 || (op == OpCode::Multi && self.0 & Self::CREATE2.0 != 0))
    }

    /// Makes a frame into one that this server understands: `None` where there is no such frame.
    pub(super) fn adapt(self, op: OpCode, frame: Vec<Bytes>) -> Option<Adapted> {
        match op {
            OpCode::Create2 => {
                let frame = flat(frame);
                let plain = Plain::of(&frame);
                Some(Adapted { op: OpCode::Create, frame: plainly(frame), plain })
            }
            OpCode::Multi => Some(Adapted { op, frame: self.adapt_multi(flat(frame))?, plain: None }),
            op if self.contains(op) => None,
            op => Some(Adapted { op, frame: flat(frame).freeze(), plain: None }),
        }
    }

    fn adapt_multi(self, frame: BytesMut) -> Option<Bytes> {
        let frame = frame.freeze();
        let Ok(mut request) = Decoder::new(frame.slice(HEAD_BYTES.min(frame.len())..)).get::<MultiRequest>() else {
            return Some(frame);
        };
        for entry in &mut request.entries {
            match entry.header.op {
                OpCode::Create2 => entry.header.op = OpCode::Create,
                op if self.contains(op) => return None,
                _ => {}
            }
        }
        let mut adapted = BytesMut::from(&frame[..HEAD_BYTES]);
        request.encode(&mut Encoder::new(&mut adapted));
        Some(adapted.freeze())
    }
}

fn bit(op: OpCode) -> u16 {
    LATER.iter().position(|(later, _)| *later == op).map_or(0, |index| 1 << index)
}

fn flat(frame: Vec<Bytes>) -> BytesMut {
    let mut flat = BytesMut::with_capacity(frame.iter().map(Bytes::len).sum());
    frame.iter().for_each(|chunk| flat.extend_from_slice(chunk));
    flat
}

/// The records of create and create2 are the same.
fn plainly(mut frame: BytesMut) -> Bytes {
    frame[8..HEAD_BYTES].copy_from_slice(&OpCode::Create.code().to_be_bytes());
    frame.freeze()
}

/// Returns what a server seems to lack that could not read this multi: the newest of its operations. For a create2 that is no more
/// than create2, as doing without harms nobody if it was for another reason.
pub(super) fn suspected(frame: &[Bytes]) -> Lacks {
    let mut frame = flat(frame.to_vec()).freeze();
    frame.advance(HEAD_BYTES.min(frame.len()));
    let Ok(request) = Decoder::new(frame).get::<MultiRequest>() else { return Lacks::NOTHING };
    let newest = request.entries.iter().map(|entry| entry.header.op).max_by_key(|op| bit(*op));
    match newest {
        Some(OpCode::Create2) => Lacks::CREATE2,
        Some(op) => Lacks::with(op).and(if bit(op) == 0 { Lacks::NOTHING } else { Lacks::CREATE2 }),
        None => Lacks::NOTHING,
    }
}

/// A frame for a server that lacks something.
#[derive(Debug)]
pub(super) struct Adapted {
    pub(super) op: OpCode,
    pub(super) frame: Bytes,
    pub(super) plain: Option<Plain>,
}

/// What is known beforehand of a node whose `Stat` the server does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    data_length: i32,
    ephemeral: bool,
}

impl Plain {
    fn of(frame: &[u8]) -> Option<Self> {
        let path = usize::try_from(int(frame, HEAD_BYTES)?).ok()?;
        let data_length = int(frame, HEAD_BYTES + 4 + path)?.max(0);
        let mode = CreateMode::from(int(frame, frame.len().checked_sub(4)?)?);
        Some(Self { data_length, ephemeral: mode.is_ephemeral() })
    }

    /// Makes the answer to a create into one to a create2. A node that has just been made has no secrets but the time, which
    /// is zero.
    pub(super) fn complete(self, path: &Bytes, zxid: Zxid, session: SessionId) -> Bytes {
        let stat = Stat {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            data_length: self.data_length,
            ephemeral_owner: if self.ephemeral { session } else { SessionId(0) },
            ..Stat::default()
        };
        let mut body = BytesMut::with_capacity(path.len() + 68);
        body.put_slice(path);
        stat.encode(&mut Encoder::new(&mut body));
        body.freeze()
    }
}

fn int(frame: &[u8], at: usize) -> Option<i32> {
    frame.get(at..)?.first_chunk().copied().map(i32::from_be_bytes)
}

/// What is remembered of servers.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Known>);

#[derive(Debug)]
struct Known {
    server: Server,
    lacks: Lacks,
    /// When it was last spoken with.
    at: Instant,
}

impl Memory {
    /// Returns what a server lacks with which a link begins.
    pub(super) fn recall(&self, server: &Server, now: Instant) -> Lacks {
        let known = self.0.iter().find(|known| known.server.same_place(server));
        known.filter(|known| now.saturating_since(known.at) < REMEMBERED).map_or(Lacks::NOTHING, |known| known.lacks)
    }

    /// Notes what a server lacks with which a link was up until now.
    pub(super) fn note(&mut self, server: &Server, lacks: Lacks, now: Instant) {
        self.forget(server);
        if lacks != Lacks::NOTHING {
            if self.0.len() >= SERVERS {
                self.0.remove(0);
            }
            self.0.push(Known { server: server.clone(), lacks, at: now });
        }
    }

    /// A server could not be reached: who comes back may know more.
    pub(super) fn forget(&mut self, server: &Server) {
        self.0.retain(|known| !known.server.same_place(server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_takes_all_later_things_with_it() {
        for (missing, all) in
            [(OpCode::Create2, 12), (OpCode::CreateTtl, 7), (OpCode::AddWatch, 6), (OpCode::WhoAmI, 1)]
        {
            let lacks = Lacks::with(missing);
            assert_eq!(lacks.0.count_ones(), all, "{missing}");
            assert!(lacks.contains(missing) && lacks.contains(OpCode::WhoAmI));
        }
        for op in [OpCode::Create, OpCode::GetData, OpCode::Multi, OpCode::SetWatches, OpCode::Ping] {
            assert_eq!(Lacks::with(op), Lacks::NOTHING, "{op}");
        }
        assert!(LATER.is_sorted_by_key(|(_, since)| *since));
    }

    #[test]
    fn the_first_flag_is_the_highest_bit_of_the_first_byte() {
        assert_eq!(Lacks::of_keeper(&[]), Lacks::EVERYTHING);
        assert_eq!(Lacks::of_keeper(&[0b1011_1110, 0b0111_1111]), Lacks::EVERYTHING);

        let multi_read = Lacks::of_keeper(&[0b0100_0000]);
        assert!(!multi_read.contains(OpCode::MultiRead) && multi_read.contains(OpCode::AddWatch));
        let watches = Lacks::of_keeper(&[1]);
        assert!(!watches.contains(OpCode::AddWatch) && !watches.contains(OpCode::RemoveWatches));
        let stats = Lacks::of_keeper(&[0, 0x80]);
        assert!(!stats.contains(OpCode::Create2) && stats.contains(OpCode::CreateTtl));
    }

    #[test]
    fn of_a_server_that_was_not_spoken_with_for_long_nothing_is_known() {
        let (old, other) = (Server::new("old", 1), Server::new("other", 1));
        let mut memory = Memory::default();
        let at = Instant::ORIGIN + Duration::from_secs(5);
        memory.note(&old, Lacks::CREATE2, at);

        assert_eq!(memory.recall(&old, at + (REMEMBERED - Duration::from_nanos(1))), Lacks::CREATE2);
        assert_eq!(memory.recall(&old, at + REMEMBERED), Lacks::NOTHING);
        assert_eq!(memory.recall(&other, at), Lacks::NOTHING);
        memory.forget(&old);
        assert_eq!(memory.recall(&old, at), Lacks::NOTHING);
    }

    #[test]
    fn no_more_is_remembered_than_of_some_servers() {
        let mut memory = Memory::default();
        for port in 1..=100 {
            memory.note(&Server::new("zk", port), Lacks::CREATE2, Instant::ORIGIN);
        }
        assert_eq!(memory.0.len(), SERVERS);
        assert_eq!(memory.recall(&Server::new("zk", 100), Instant::ORIGIN), Lacks::CREATE2);
    }
}
