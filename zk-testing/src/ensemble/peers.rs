//! The ways between the members of an ensemble, broken as networks break.
//!
//! A member dials another at two ports, one for elections and one for what the leader decides, and tells in elections by
//! which name it can be dialled back. So all members have names, and each member has its own idea of where those are: its own at the
//! loopback address, where it listens, and another's at an address that stands for the way from one to the other, where
//! proxies listen. Nobody gets past those.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::plan::Member;
use super::ports::loopback;
use super::proxy::{Direction, Proxy};

/// What stands between the members of an [`Ensemble`](super::Ensemble) that was built with
/// [`proxied_peers`](super::Builder::proxied_peers). Members are counted from 0.
#[derive(Debug)]
pub struct Peers {
    /// The two proxies of each way, by who dials and who is dialled.
    ways: BTreeMap<(usize, usize), [Proxy; 2]>,
}

impl Peers {
    pub(super) fn start(members: &[Member]) -> io::Result<Self> {
        let mut ways = BTreeMap::new();
        for dialler in 0..members.len() {
            for (dialled, member) in members.iter().enumerate().filter(|(dialled, _)| *dialled != dialler) {
                let proxy = |port| Proxy::start_at(SocketAddr::new(way(dialler, dialled), port), loopback(port));
                ways.insert((dialler, dialled), [proxy(member.quorum_port)?, proxy(member.election_port)?]);
            }
        }
        Ok(Self { ways })
    }

    /// Lets nothing that one member sends reach the other, on connections there are and will be. The other way is as it was, as far
    /// as bytes go that nobody must answer.
    ///
    /// Nothing is lost: what is sent meanwhile arrives after [`heal`](Self::heal), on connections that live until then.
    ///
    /// # Panics
    ///
    /// Panics if these are not two members.
    pub fn silence(&self, from: usize, to: usize) {
        self.way(from, to).iter().for_each(|proxy| proxy.black_hole(Direction::ToServer));
        self.way(to, from).iter().for_each(|proxy| proxy.black_hole(Direction::ToClient));
    }

    /// Closes all connections between two members, and refuses new ones.
    ///
    /// # Panics
    ///
    /// Panics if these are not two members.
    pub fn sever(&self, one: usize, other: usize) {
        for proxy in self.way(one, other).iter().chain(self.way(other, one)) {
            proxy.refuse();
            proxy.cut();
        }
    }

    /// Ends all [`silence`](Self::silence), and lets members connect again that were [severed](Self::sever).
    ///
    /// # Errors
    ///
    /// Fails when somebody else took a port meanwhile.
    pub fn heal(&self) -> io::Result<()> {
        self.ways.values().flatten().try_for_each(Proxy::allow)
    }

    fn way(&self, dialler: usize, dialled: usize) -> &[Proxy; 2] {
        let way = self.ways.get(&(dialler, dialled));
        way.unwrap_or_else(|| panic!("there is no way from member {dialler} to member {dialled}"))
    }
}

/// Returns the address at which one member knows another. The ports are the other's own, which nobody else has.
pub(super) fn way(dialler: usize, dialled: usize) -> IpAddr {
    let octet = |member: usize| u8::try_from(member + 1).expect("no ensemble has 255 members");
    Ipv4Addr::new(127, 77, octet(dialler), octet(dialled)).into()
}
