//! What can be chosen about a server.

use std::time::Duration;

use super::sasl::Users;

/// The release whose behaviour is imitated where releases differ.
///
/// They are in the order of what they know: whatever one of them does not know, those before it do not know either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// Not ZooKeeper but ClickHouse Keeper, of before its feature flags (23.2 and earlier).
    ///
    /// It takes up no session again: each connection gets a new one, and the old one runs out, with its ephemeral nodes. Greetings
    /// are answered without the flag that says whether the server is read-only and with a password of zeros, and must bring one
    /// of 16 bytes. What it does not know, or cannot read, it does not answer: it hangs up. It knows what 3.4 knows but
    /// `setWatches` and SASL, and answers a `check` outside of a multi. The end of a session is not answered. Credentials are by
    /// digest; what it refuses leaves the connection open. It fires the watches on the data and on the children of a deleted
    /// node one by one, and for readers and others alike. There is a node `/keeper` and none `/zookeeper`.
    ///
    /// Not imitated: its own operations (500 and above), answers to pings that overtake others, its words, and what it makes of
    /// modes that 3.4 does not know.
    Keeper,
    /// 3.4.14: as 3.5, without `create2`, containers, nodes with TTL, `reconfig` and the node of the configuration, and
    /// without operations on watches but setting them again. What it does not know it answers so, out of turn, and hangs up.
    V3_4,
    /// 3.5.10: as 3.8, without persistent watches, `multiRead`, `getEphemerals`, `getAllChildrenNumber` and `whoAmI`. Who watches a
    /// node is told of it without the right to read it.
    V3_5,
    /// 3.8.0 with the security fix that filters watch events by ACL: one watch mode per path and connection where the last
    /// one set wins, no zxid in notifications, no removal types 4 and 5, no READ needed for `exists`, a create2 in a multi
    /// is answered as a create, and a `check` outside of a multi is never answered when it holds.
    V3_8,
    /// 3.9.3.
    #[default]
    V3_9,
}

/// How a server behaves that is cut off from its ensemble and serves read-only clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadOnly {
    /// New sessions are local ones: they can be taken up again here, but nowhere else and not after the cut is over.
    LocalSessions,
    /// Local sessions are off, the default of real servers: a greeting is answered by a bare header with the error
    /// `NotReadOnly`, and then by silence.
    NoSessions,
}

/// In which order children are listed and ephemeral nodes are deleted: an order on which no client may rely, since on real
/// servers it follows from hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// By name.
    #[default]
    Sorted,
    /// Another one each time, from the server's seed.
    Shuffled,
}

/// Settings of a [`Server`](super::Server).
///
/// The defaults are those of this crate's harness for real servers (feature for feature, so that a test can run against
/// either): a tick of 500 ms and session timeouts of 1 to 60 seconds, TTL nodes, all four-letter words, containers looked
/// after every second, no limit on connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The release to imitate.
    pub version: Version,
    /// The unit of time: sessions expire at multiples of it. At least a millisecond.
    pub tick_time: Duration,
    /// The shortest session timeout that is granted; two ticks if `None`.
    pub min_session_timeout: Option<Duration>,
    /// The longest session timeout that is granted; twenty ticks if `None`.
    pub max_session_timeout: Option<Duration>,
    /// The longest request, in bytes behind its length field.
    pub jute_max_buffer: usize,
    /// Who may do everything: `user:` and the Base64 of the SHA-1 of `user:password`, as for real servers.
    pub super_digest: Option<String>,
    /// Schemes of which a connection must have one before it is served; empty for none.
    pub required_auth: Vec<String>,
    /// Who may authenticate by SASL, with DIGEST-MD5. A server without users does not do SASL, and tells so by a null token.
    pub sasl_users: Users,
    /// Whether connections may have certificates, which are ids of the scheme `x509`; see [`certified`](super::Server::certified).
    pub certificates: bool,
    /// Which four-letter words are answered; `None` for all.
    pub four_letter_words: Option<Vec<String>>,
    /// Whether there are TTL nodes.
    pub extended_types: bool,
    /// Whether there are persistent watches. Servers before 3.6 know nothing of them: they answer that they do not, and close the
    /// connection.
    pub persistent_watches: bool,
    /// Whether hard quotas are enforced.
    pub enforce_quota: bool,
    /// How often containers and TTL nodes are looked after.
    pub container_check_interval: Duration,
    /// After which time containers go that never had a child; `None` for never.
    pub container_max_never_used: Option<Duration>,
    /// Whether the server starts cut off from its ensemble.
    pub read_only: Option<ReadOnly>,
    /// Whether `reconfig` is refused because a single server cannot, rather than because it is disabled.
    pub reconfig_enabled: bool,
    /// How many connections one address may have; 0 for no limit.
    pub max_connections_per_address: usize,
    /// The port that `conf` tells.
    pub client_port: u16,
    /// The upper byte of session ids.
    pub server_id: u8,
    /// The wall clock at [`Instant::ORIGIN`](zk_proto::Instant::ORIGIN), since 1970: where `ctime` and `mtime` come from.
    pub wall_clock: Duration,
    /// The order of things that have none.
    pub order: Order,
    /// With so many bytes waiting to be sent to a connection, its requests are not looked at.
    pub output_pause_bytes: usize,
    /// With so many bytes waiting to be sent to a connection, it is dropped. Only watch events and huge replies lead there.
    pub output_limit_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Version::default(),
            tick_time: Duration::from_millis(500),
            min_session_timeout: None,
            max_session_timeout: Some(Duration::from_secs(60)),
            jute_max_buffer: 0xf_ffff,
            super_digest: None,
            required_auth: Vec::new(),
            sasl_users: Users::default(),
            certificates: false,
            four_letter_words: None,
            extended_types: true,
            persistent_watches: true,
            enforce_quota: false,
            container_check_interval: Duration::from_secs(1),
            container_max_never_used: None,
            read_only: None,
            reconfig_enabled: false,
            max_connections_per_address: 0,
            client_port: 0,
            server_id: 1,
            wall_clock: Duration::from_secs(1_700_000_000),
            order: Order::default(),
            output_pause_bytes: 1 << 20,
            output_limit_bytes: 64 << 20,
        }
    }
}

impl Options {
    pub(super) fn tick_ms(&self) -> u64 {
        millis(self.tick_time).max(1)
    }

    pub(super) fn min_timeout_ms(&self) -> i32 {
        timeout_ms(self.min_session_timeout, self.tick_ms().saturating_mul(2))
    }

    pub(super) fn max_timeout_ms(&self) -> i32 {
        timeout_ms(self.max_session_timeout, self.tick_ms().saturating_mul(20))
    }

    /// Returns the timeout that a session gets which asks for `wanted_ms`: raised to the minimum, then lowered to the
    /// maximum.
    pub(super) fn negotiate(&self, wanted_ms: i32) -> i32 {
        wanted_ms.max(self.min_timeout_ms()).min(self.max_timeout_ms())
    }

    pub(super) fn answers_word(&self, word: &str) -> bool {
        match &self.four_letter_words {
            None => true,
            Some(words) => words.iter().any(|allowed| allowed == word || allowed == "*"),
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn timeout_ms(chosen: Option<Duration>, default_ms: u64) -> i32 {
    // Zero would tell a client that its session is refused.
    i32::try_from(chosen.map_or(default_ms, millis)).unwrap_or(i32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_clamped_to_two_and_twenty_ticks() {
        let options =
            Options { tick_time: Duration::from_millis(2000), max_session_timeout: None, ..Options::default() };

        let table = [(i32::MIN, 4000), (-1, 4000), (0, 4000), (3999, 4000), (4001, 4001), (40_001, 40_000)];

        for (wanted, granted) in table {
            assert_eq!(options.negotiate(wanted), granted, "{wanted}");
        }
    }

    #[test]
    fn no_setting_grants_a_timeout_of_zero() {
        let options = Options { max_session_timeout: Some(Duration::ZERO), ..Options::default() };

        assert_eq!(options.negotiate(5000), 1);
    }
}
