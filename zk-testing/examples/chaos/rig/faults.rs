//! The faults, and how each is brought about.
//!
//! Every fault of servers is over when the function returns that brings it about, as far as it lies with us; its caller waits
//! until there is a quorum again. So at most one of them is at work at a time, and a member's data is wiped only while
//! all others are well.

use std::io;
use std::time::Duration;

use zk_testing::ensemble::Direction;
use zk_testing::sim::Dice;

use super::stage::Stage;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    LeaderKilled,
    LeaderPaused,
    LeaderCutOff,
    FollowerKilled,
    FollowerStopped,
    FollowerPaused,
    FollowerWiped,
    FollowerCutOff,
    OneWayBetweenServers,
    QuorumLost,
    LinksCut,
    LinksRefused,
    SilentToServer,
    SilentToClient,
    RepliesLost,
    CrewCutOff,
    CrewPaused,
    CrewPausedLong,
    CrewKilled,
}

impl Fault {
    pub(crate) const OF_SERVERS: [Self; 10] = [
        Self::LeaderKilled,
        Self::LeaderPaused,
        Self::LeaderCutOff,
        Self::FollowerKilled,
        Self::FollowerStopped,
        Self::FollowerPaused,
        Self::FollowerWiped,
        Self::FollowerCutOff,
        Self::OneWayBetweenServers,
        Self::QuorumLost,
    ];

    pub(crate) const OF_CLIENTS: [Self; 9] = [
        Self::LinksCut,
        Self::LinksRefused,
        Self::SilentToServer,
        Self::SilentToClient,
        Self::RepliesLost,
        Self::CrewCutOff,
        Self::CrewPaused,
        Self::CrewPausedLong,
        Self::CrewKilled,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LeaderKilled => "leader killed",
            Self::LeaderPaused => "leader halted",
            Self::LeaderCutOff => "leader cut off from the others",
            Self::FollowerKilled => "follower killed",
            Self::FollowerStopped => "follower restarted in good order",
            Self::FollowerPaused => "follower halted",
            Self::FollowerWiped => "follower's data wiped",
            Self::FollowerCutOff => "follower cut off from the others",
            Self::OneWayBetweenServers => "one way between servers silent",
            Self::QuorumLost => "majority killed",
            Self::LinksCut => "links cut",
            Self::LinksRefused => "links refused",
            Self::SilentToServer => "way to servers silent",
            Self::SilentToClient => "way to clients silent",
            Self::RepliesLost => "replies lost",
            Self::CrewCutOff => "clients cut off past their timeout",
            Self::CrewPaused => "clients halted",
            Self::CrewPausedLong => "clients halted past their timeout",
            Self::CrewKilled => "clients killed",
        }
    }

    /// Returns whether a leader may go on for a while after another one has taken over.
    pub(crate) fn leaves_leader_in_doubt(self) -> bool {
        matches!(
            self,
            Self::LeaderPaused
                | Self::LeaderCutOff
                | Self::FollowerPaused
                | Self::FollowerCutOff
                | Self::OneWayBetweenServers
        )
    }
}

/// Brings about a fault of servers, holds it and ends it.
pub(super) fn of_servers(stage: &Stage, fault: Fault, dice: &mut Dice, hold: impl Fn(Duration)) -> io::Result<()> {
    let (ensemble, count) = (&stage.ensemble, stage.ensemble.servers().len());
    let leader = ensemble.leader().unwrap_or(0);
    let follower = (leader + dice.between(1, count.saturating_sub(1).max(1))) % count;
    let span = dice.millis(2_000, 8_000);
    let others = |of: usize| (0..count).filter(move |other| *other != of);
    let restart = |member: usize| {
        ensemble.server(member).kill()?;
        hold(span);
        ensemble.server(member).start_again()
    };
    let halt = |member: usize| {
        ensemble.server(member).pause()?;
        hold(span);
        ensemble.server(member).resume()
    };
    let cut_off = |member: usize, sever: bool| {
        let Some(peers) = ensemble.peers() else { return Ok(()) };
        for other in others(member) {
            if sever {
                peers.sever(member, other);
            } else {
                peers.silence(member, other);
                peers.silence(other, member);
            }
        }
        hold(span);
        peers.heal()
    };
    match fault {
        Fault::LeaderKilled => restart(leader),
        Fault::LeaderPaused => halt(leader),
        Fault::LeaderCutOff => cut_off(leader, dice.once_in(2)),
        Fault::FollowerKilled => restart(follower),
        Fault::FollowerStopped => {
            ensemble.server(follower).stop()?;
            ensemble.server(follower).start_again()
        }
        Fault::FollowerPaused => halt(follower),
        Fault::FollowerWiped => {
            ensemble.server(follower).kill()?;
            ensemble.server(follower).wipe()?;
            ensemble.server(follower).start_again()
        }
        Fault::FollowerCutOff => cut_off(follower, dice.once_in(2)),
        Fault::OneWayBetweenServers => {
            let Some(peers) = ensemble.peers() else { return Ok(()) };
            let (from, to) = if dice.once_in(2) { (leader, follower) } else { (follower, leader) };
            if from != to {
                peers.silence(from, to);
            }
            hold(span);
            peers.heal()
        }
        Fault::QuorumLost => {
            let dead: Vec<usize> = (0..count).map(|offset| (leader + offset) % count).take(count / 2 + 1).collect();
            dead.iter().try_for_each(|member| ensemble.server(*member).kill())?;
            hold(span);
            dead.iter().try_for_each(|member| ensemble.server(*member).start_again())
        }
        _ => Ok(()),
    }
}

/// Brings about a fault of clients, holds it and ends it.
pub(super) fn of_clients(
    stage: &Stage,
    fault: Fault,
    crew: usize,
    timeout: Duration,
    dice: &mut Dice,
    hold: impl Fn(Duration),
) -> io::Result<()> {
    let index = crew;
    let crew = &stage.crews[index];
    // The ways to all servers, or to one.
    let one = dice.below(crew.proxies.len());
    let some = if dice.once_in(3) { &crew.proxies[one..=one] } else { &crew.proxies[..] };
    let black_hole = |direction| some.iter().for_each(|proxy| proxy.black_hole(direction));
    let cut = || some.iter().for_each(|proxy| proxy.cut());
    let allow = || some.iter().try_for_each(|proxy| proxy.allow());
    match fault {
        Fault::LinksCut => {
            cut();
            Ok(())
        }
        Fault::LinksRefused => {
            some.iter().for_each(|proxy| proxy.refuse());
            cut();
            hold(dice.millis(500, 3_000));
            allow()
        }
        Fault::SilentToServer => {
            black_hole(Direction::ToServer);
            hold(dice.millis(1_000, 7_000));
            allow()
        }
        Fault::SilentToClient => {
            black_hole(Direction::ToClient);
            hold(dice.millis(1_000, 7_000));
            allow()
        }
        Fault::RepliesLost => {
            // What servers have carried out, they say to nobody.
            black_hole(Direction::ToClient);
            hold(dice.millis(100, 1_500));
            cut();
            allow()
        }
        Fault::CrewCutOff => {
            crew.proxies.iter().for_each(|proxy| proxy.black_hole(Direction::Both));
            crew.proxies.iter().for_each(|proxy| proxy.cut());
            hold(timeout + dice.millis(2_000, 5_000));
            crew.proxies.iter().try_for_each(|proxy| proxy.allow())
        }
        Fault::CrewPaused => {
            crew.pause();
            hold(dice.millis(200, 4_000));
            crew.resume();
            Ok(())
        }
        Fault::CrewPausedLong => {
            crew.pause();
            hold(timeout + dice.millis(2_000, 5_000));
            crew.resume();
            Ok(())
        }
        Fault::CrewKilled => {
            stage.kill(index)?;
            hold(dice.millis(100, 3_000));
            stage.start(index)
        }
        _ => Ok(()),
    }
}
