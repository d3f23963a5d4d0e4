//! What is counted.

use std::collections::BTreeMap;

use zk_proto::code::OpCode;

/// The smallest number of an operation.
const FIRST_OP: i32 = -11;

/// How many numbers from there on are counted each for itself.
const OPS: usize = 128;

pub(super) struct Statistics {
    /// Frames that came in.
    pub(super) received: u64,
    /// Frames that went out.
    pub(super) sent: u64,
    requests: [u64; OPS],
    unknown: u64,
}

impl Default for Statistics {
    fn default() -> Self {
        Self { received: 0, sent: 0, requests: [0; OPS], unknown: 0 }
    }
}

impl Statistics {
    pub(super) fn count(&mut self, op: OpCode) {
        self.received += 1;
        let place = op.code().checked_sub(FIRST_OP).and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.requests.get_mut(place)) {
            Some(count) => *count += 1,
            None => self.unknown += 1,
        }
    }

    /// Returns how many requests there were of each operation. Numbers far off count as −12.
    pub(super) fn requests(&self) -> BTreeMap<OpCode, u64> {
        let ops = (FIRST_OP..).map(OpCode::from).zip(self.requests);
        ops.chain([(OpCode::from(FIRST_OP - 1), self.unknown)]).filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_counted_for_itself_and_the_others_together() {
        let mut statistics = Statistics::default();
        for op in OpCode::NAMED {
            statistics.count(*op);
            statistics.count(*op);
        }
        for code in [i32::MIN, i32::MAX, 1000] {
            statistics.count(OpCode::from(code));
        }

        let requests = statistics.requests();

        assert!(OpCode::NAMED.iter().all(|op| requests[op] == 2));
        assert_eq!(requests[&OpCode::Unknown(-12)], 3);
    }
}
