//! What stands in a multi: mostly what belongs there.

use zk_proto::code::OpCode;
use zk_testing::{Server, server::Version};

use crate::{draw::Draw, step::Body};

/// Draws a few writes, and rarely something else among them.
pub(crate) fn writes(draw: &mut Draw, server: &Server) -> Vec<(OpCode, Body)> {
    let weights = [
        (20, OpCode::Create),
        (20, OpCode::Create2),
        (8, OpCode::CreateContainer),
        (8, OpCode::CreateTtl),
        (16, OpCode::Delete),
        (20, OpCode::SetData),
        (20, OpCode::Check),
    ];
    let strangers = [OpCode::GetData, OpCode::SetAcl, OpCode::Exists, OpCode::Sync, OpCode::GetAcl];
    let mut parts = parts(draw, server, &weights, &strangers);
    // 3.8 stumbles over a null path half-way, and leaves a gap in the transaction numbers.
    if server.options().version == Version::V3_8 {
        parts.retain(|(_, part)| !part.has_null_path());
    }
    // What is created by a name other than its own is one thing to those behind it, and another one in the end.
    parts.retain(|(op, part)| !part.is_ephemeral_container(*op));
    parts
}

/// Draws a few reads, and rarely something else among them.
pub(crate) fn reads(draw: &mut Draw, server: &Server) -> Vec<(OpCode, Body)> {
    let weights = [(20, OpCode::GetData), (20, OpCode::GetChildren)];
    parts(draw, server, &weights, &[OpCode::SetData, OpCode::GetChildren2, OpCode::Exists, OpCode::Check])
}

fn parts(draw: &mut Draw, server: &Server, weights: &[(usize, OpCode)], strangers: &[OpCode]) -> Vec<(OpCode, Body)> {
    let len = draw.dice.weighted(&[(3, 0), (40, 1), (30, 2), (20, 3), (10, 5), (2, 9)]);
    let part = |draw: &mut Draw| {
        let op = if draw.dice.chance(1) { draw.dice.pick(strangers) } else { draw.dice.weighted(weights) };
        (op, draw.body(op, server))
    };
    (0..len).map(|_| part(draw)).collect()
}
