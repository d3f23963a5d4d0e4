//! When to prove that we are alive, and when to believe that the server is not: pure functions from settings to deadlines.

use core::time::Duration;

use crate::{Config, Instant};

/// Returns when a ping is due: a third of the session timeout after something that touches the session was last sent.
pub(super) fn ping_deadline(timeout: Duration, sent: Instant) -> Instant {
    sent.plus_nanos(nanos(timeout) / 3)
}

/// Returns when a silent server counts as gone: two thirds of the session timeout after it was last heard. A third is left
/// to reach another server.
pub(super) fn silence_deadline(timeout: Duration, heard: Instant) -> Instant {
    heard.plus_nanos(nanos(timeout).saturating_mul(2) / 3)
}

/// Every turn asks for the two above, and numbers are divided sooner than durations.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns how long a link may take from dialling to being ready.
pub(super) fn link_timeout(config: &Config, timeout: Duration, servers: usize) -> Duration {
    // A server that accepts and says nothing must not use up what a session has left when its link is lost, a third.
    let share = timeout / u32::try_from(servers).unwrap_or(u32::MAX).max(4);
    let default = share.max(Duration::from_secs(1).min(timeout / 4));
    config.link_timeout.unwrap_or(default).max(Duration::from_millis(1))
}

/// Returns until when the server cannot have expired the session: it counts from the moment when it heard us, which is not
/// before `proved`, when what it has answered was handed to the transport.
///
/// The margin is for followers, which pass on our signs of life every half tick only.
pub(super) fn valid_until(config: &Config, timeout: Duration, proved: Instant) -> Instant {
    let margin = config.validity_margin.unwrap_or(timeout / 4);
    proved + timeout.saturating_sub(margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn config() -> Config {
        Config::new("a,b,c".parse().unwrap())
    }

    #[test]
    fn pings_come_after_a_third_and_silence_counts_after_two() {
        let timeout = Duration::from_secs(30);
        assert_eq!(ping_deadline(timeout, at(5)), at(15));
        assert_eq!(silence_deadline(timeout, at(5)), at(25));
    }

    #[test]
    fn a_link_gets_its_share_of_the_timeout_within_reason() {
        let seconds = Duration::from_secs;
        for (timeout, servers, expected_ms) in
            [(30, 10, 3_000), (30, 3, 7_500), (30, 1, 7_500), (10, 50, 1_000), (1, 3, 250), (1, 50, 250)]
        {
            let expected = Duration::from_millis(expected_ms);
            assert_eq!(link_timeout(&config(), seconds(timeout), servers), expected, "{timeout} s, {servers} servers");
        }
        let config = Config { link_timeout: Some(Duration::ZERO), ..config() };
        assert_eq!(link_timeout(&config, seconds(30), 3), Duration::from_millis(1), "time must pass");
    }

    #[test]
    fn validity_ends_a_margin_before_the_server_could_expire_the_session() {
        let timeout = Duration::from_secs(20);
        assert_eq!(valid_until(&config(), timeout, at(100)), at(115));
        let config = Config { validity_margin: Some(Duration::from_secs(60)), ..config() };
        assert_eq!(valid_until(&config, timeout, at(100)), at(100));
    }
}
