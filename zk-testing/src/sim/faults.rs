//! What can go wrong in a world by design.

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A connection is closed; what was on its way is cut off anywhere.
    Cut,
    /// A connection is reset; what was on its way is lost, and what had arrived may be too.
    Reset,
    /// A connection is cut when a request was delivered, so that its reply is lost.
    CutBehindRequest,
    /// Bytes to the server wait for some time.
    StallUp,
    /// Bytes to the client wait for some time.
    StallDown,
    /// Bytes to the server vanish from some moment on, while those to the client arrive.
    DeafServer,
    /// Bytes to the client vanish from some moment on, while those to the server arrive.
    DeafClient,
    /// A client hears late for some time, and then is cut off from all servers for longer than its session lives.
    Fade,
    /// A client is cut off from all servers for some time.
    Offline,
    /// Dials are refused.
    RefusedDial,
    /// Dials are not answered.
    BlackHole,
    /// Names are not resolved.
    NoName,
    /// Names have no address.
    NoAddress,
    /// Names are resolved late.
    SlowName,
    /// The first of several addresses of a name is dead.
    DeadAddress,
    /// Everything takes longer on the way.
    SlowNetwork,
    /// Bytes come in pieces of one.
    TinyPieces,
    /// The ensemble gets another leader.
    NewLeader,
    /// A server crashes, and starts again later.
    Crash,
    /// So many servers crash that no majority is left, and start again later.
    Outage,
    /// A server is cut off from the others, and comes back later.
    Isolation,
    /// A server hears of commits late.
    Lag,
    /// One reply is lost, and those behind it are not, until the connection breaks somewhat later.
    Swallow,
    /// The ensemble expires a session before its time.
    Expiry,
    /// A process stands still for longer than it takes to send a heartbeat.
    ShortPause,
    /// A process stands still for longer than its session lives.
    LongPause,
    /// A process is killed: its connections are closed, not its session.
    Kill,
    /// A process and its machine are gone at once: nobody closes anything.
    PowerLoss,
    /// The clock of a process runs faster or slower than the world's.
    Skew,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 29] = [
        Self::Cut,
        Self::Reset,
        Self::CutBehindRequest,
        Self::StallUp,
        Self::StallDown,
        Self::DeafServer,
        Self::DeafClient,
        Self::Fade,
        Self::Offline,
        Self::RefusedDial,
        Self::BlackHole,
        Self::NoName,
        Self::NoAddress,
        Self::SlowName,
        Self::DeadAddress,
        Self::SlowNetwork,
        Self::TinyPieces,
        Self::NewLeader,
        Self::Crash,
        Self::Outage,
        Self::Isolation,
        Self::Lag,
        Self::Swallow,
        Self::Expiry,
        Self::ShortPause,
        Self::LongPause,
        Self::Kill,
        Self::PowerLoss,
        Self::Skew,
    ];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::CutBehindRequest => "cut-behind-request",
            Self::StallUp => "stall-up",
            Self::StallDown => "stall-down",
            Self::DeafServer => "deaf-server",
            Self::DeafClient => "deaf-client",
            Self::Fade => "fade",
            Self::Offline => "offline",
            Self::RefusedDial => "refused-dial",
            Self::BlackHole => "black-hole",
            Self::NoName => "no-name",
            Self::NoAddress => "no-address",
            Self::SlowName => "slow-name",
            Self::DeadAddress => "dead-address",
            Self::SlowNetwork => "slow-network",
            Self::TinyPieces => "tiny-pieces",
            Self::NewLeader => "new-leader",
            Self::Crash => "crash",
            Self::Outage => "outage",
            Self::Isolation => "isolation",
            Self::Lag => "lag",
            Self::Swallow => "swallow",
            Self::Expiry => "expiry",
            Self::ShortPause => "short-pause",
            Self::LongPause => "long-pause",
            Self::Kill => "kill",
            Self::PowerLoss => "power-loss",
            Self::Skew => "skew",
        }
    }

    /// Returns the kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// None.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self((1 << Fault::ALL.len()) - 1);

    /// Returns whether a kind is in the set.
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u32 != 0
    }

    /// Returns the set with another kind.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        Self(self.0 | 1 << fault as u32)
    }

    /// Returns the set without a kind.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u32))
    }

    /// Returns the kinds in the set.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.contains(*fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own_and_a_place_in_the_set() {
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!((fault as usize, Fault::named(fault.name())), (index, Some(fault)));
            assert!(Faults::NONE.with(fault).iter().eq([fault]));
            assert!(!Faults::ALL.without(fault).contains(fault));
        }
        assert_eq!(Faults::ALL.iter().count(), Fault::ALL.len());
    }
}
