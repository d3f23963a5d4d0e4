//! What to tell a server so that it has all watches again.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};

use super::{List, Registry, Stage, Watch, bit, can_carry};
use crate::{
    Zxid,
    broken::broken,
    code::OpCode,
    record::SetWatches,
    request::WatchKind,
    wire::{Encoder, Text},
};

/// One frame's worth of watches to set again, without header.
#[derive(Debug)]
pub(in super::super) struct Chunk {
    pub(in super::super) op: OpCode,
    pub(in super::super) body: Bytes,
}

/// How far a replay has come: up to this path, and so many of its kinds.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct ReplayCursor(Option<(Arc<str>, usize)>);

impl<W: Clone> Registry<W> {
    /// Returns the next frame of watches to set again, or `None` when all have been.
    ///
    /// A frame with its header stays below `limit_bytes`, unless a single path is longer than that.
    pub(in super::super) fn next_chunk(
        &mut self,
        cursor: &mut ReplayCursor,
        relative: Zxid,
        limit_bytes: usize,
    ) -> Option<Chunk> {
        // Header (8), zxid (8) and five counts (20), and the length in front.
        let mut room = limit_bytes.saturating_sub(40);
        let mut lists: [(i32, BytesMut); 5] = Default::default();
        if cursor.0.is_some() && broken!("loses the last chunk of set-watches") {
            return None;
        }
        let (begun, done) = cursor.0.clone().unzip();
        let from = begun.clone().map_or(Bound::Unbounded, Bound::Included);
        for (path, watches) in self.by_path.range_mut((from, Bound::Unbounded)) {
            let (mut kinds, mut needs_carrier) = (0, false);
            for slot in watches.slots() {
                let Some(watch) = &self.slots[*slot as usize].watch else { continue };
                let is_forgotten = watch.kind.is_persistent() && broken!("forgets persistent watches on reconnect");
                if matches!(watch.stage, Stage::Set(_)) && !is_forgotten {
                    kinds |= bit(watch.kind);
                }
                needs_carrier |= watch.counts_on_another();
            }
            // Who should carry it went with the link, and its request says nothing of a watch.
            if needs_carrier && !can_carry(kinds, WatchKind::Data) && !self.without_persistent {
                kinds |= bit(WatchKind::Persistent);
            }
            // A server before 3.9 sets the lists of a frame in their order, and the last mode wins.
            for slot in watches.slots() {
                if let Some(watch @ Watch { stage: Stage::Set(_), .. }) = &mut self.slots[*slot as usize].watch {
                    watch.carried = can_carry(kinds, watch.kind);
                }
            }
            let done = done.filter(|_| begun.as_ref() == Some(path)).unwrap_or(0);
            let (cost, mut left) = (4 + path.len(), None);
            for kind in WatchKind::ALL.into_iter().skip(done).filter(|kind| kinds & bit(*kind) != 0) {
                if cost > room && lists.iter().any(|(count, _)| *count > 0) {
                    left = Some(kind as usize);
                    break;
                }
                room = room.saturating_sub(cost);
                let (count, list) = &mut lists[kind as usize];
                *count += 1;
                Encoder::new(list).text(path);
                watches.on_server |= List::of(kind).bit();
            }
            cursor.0 = Some((path.clone(), left.unwrap_or(WatchKind::ALL.len())));
            if left.is_some() {
                break;
            }
        }
        if lists.iter().all(|(count, _)| *count == 0) {
            return None;
        }
        let persistent = lists[3].0 + lists[4].0 > 0;
        let mut body = BytesMut::with_capacity(28 + lists.iter().map(|(_, list)| list.len()).sum::<usize>());
        body.put_i64(relative.0);
        for (count, list) in &lists[..if persistent { 5 } else { 3 }] {
            body.put_i32(*count);
            body.put_slice(list);
        }
        let op = if persistent { OpCode::SetWatches2 } else { OpCode::SetWatches };
        Some(Chunk { op, body: body.freeze() })
    }
}

/// Writes the record that sets a watch on one path again, as [`OpCode::SetWatches`] has it.
pub(in super::super) fn set_one(path: &str, kind: WatchKind, relative: Zxid, out: &mut Encoder<'_>) {
    let list = |of| Some(if of == kind { alloc::vec![Some(Text::from(path))] } else { Vec::new() });
    out.put(&SetWatches {
        relative_zxid: relative,
        data_watches: list(WatchKind::Data),
        exist_watches: list(WatchKind::Exist),
        child_watches: list(WatchKind::Child),
    });
}
