//! What the network is like at present.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use zk_proto::Instant;

use crate::sim::{dice::Dice, faults::Fault};

pub(crate) const PORT: u16 = 2181;

/// How likely what is, and how long things take.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// How long a byte takes at least and at most.
    pub(crate) latency: (Duration, Duration),
    /// Of a hundred dials or look-ups, so many go wrong in this way.
    pub(crate) percents: BTreeMap<Fault, usize>,
    /// How large the pieces are at most in which bytes come.
    pub(crate) piece: usize,
    /// Who cannot reach anybody, and until when.
    cut_off: BTreeMap<u32, Instant>,
    /// Which servers there are, and whether their names have a dead address too.
    has_dead_address: Vec<bool>,
}

impl Weather {
    pub(crate) fn new(has_dead_address: Vec<bool>) -> Self {
        let latency = (Duration::from_micros(50), Duration::from_millis(2));
        Self { latency, percents: BTreeMap::new(), piece: usize::MAX, cut_off: BTreeMap::new(), has_dead_address }
    }

    /// Lets everything go well again.
    pub(crate) fn clear_up(&mut self) {
        self.cut_off.clear();
        self.clear_up_but_for_cuts();
    }

    /// Lets everything go well again, except for who is cut off.
    pub(crate) fn clear_up_but_for_cuts(&mut self) {
        let Self { latency, percents, piece, .. } = Self::new(Vec::new());
        (self.latency, self.percents, self.piece) = (latency, percents, piece);
    }

    /// Cuts a process off.
    pub(crate) fn cut_off(&mut self, process: u32, until: Instant) {
        self.cut_off.insert(process, until);
    }

    pub(crate) fn is_cut_off(&self, process: u32, now: Instant) -> bool {
        self.cut_off.get(&process).is_some_and(|until| *until > now)
    }

    pub(super) fn latency(&self, dice: &mut Dice) -> Duration {
        dice.duration(self.latency.0, self.latency.1)
    }

    /// Returns how many bytes a read or write of a new connection takes at most.
    pub(super) fn grain(&self, dice: &mut Dice) -> usize {
        if self.piece == usize::MAX { usize::MAX / 8 } else { dice.between(1, self.piece) }
    }

    pub(super) fn name_fault(&self, dice: &mut Dice) -> Option<(Fault, Duration)> {
        let fault = self.roll(&[Fault::NoName, Fault::NoAddress, Fault::SlowName], dice)?;
        Some((fault, dice.millis(100, 20_000)))
    }

    pub(super) fn dial_fault(&self, dice: &mut Dice) -> Option<Fault> {
        self.roll(&[Fault::RefusedDial, Fault::BlackHole], dice)
    }

    fn roll(&self, faults: &[Fault], dice: &mut Dice) -> Option<Fault> {
        faults.iter().copied().find(|fault| self.percents.get(fault).is_some_and(|percent| dice.below(100) < *percent))
    }

    /// Returns the addresses of a name, `zk1` for instance.
    pub(super) fn addresses(&self, host: &str) -> Vec<SocketAddr> {
        let number = host.strip_prefix("zk").and_then(|number| number.parse::<u8>().ok()).unwrap_or_default();
        let Some(has_dead) = usize::from(number).checked_sub(1).and_then(|server| self.has_dead_address.get(server))
        else {
            return Vec::new();
        };
        let address = |network| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, network, number)), PORT);
        if *has_dead { vec![address(1), address(0)] } else { vec![address(0)] }
    }

    /// Returns which server has an address, if one has.
    pub(super) fn server_at(&self, address: SocketAddr) -> Option<usize> {
        let IpAddr::V4(ip) = address.ip() else { return None };
        match ip.octets() {
            [10, 0, 0, number] => {
                usize::from(number).checked_sub(1).filter(|index| *index < self.has_dead_address.len())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_address_of_its_server_and_perhaps_a_dead_one_before_it() {
        let weather = Weather::new(vec![false, true]);

        let servers = |host| -> Vec<Option<usize>> {
            weather.addresses(host).into_iter().map(|address| weather.server_at(address)).collect()
        };

        assert_eq!(servers("zk1"), [Some(0)]);
        assert_eq!(servers("zk2"), [None, Some(1)]);
        assert_eq!((servers("zk3"), servers("elsewhere")), (vec![], vec![]));
    }
}
