//! With which settings the servers are compared.

use std::time::Duration;

use zk_testing::{
    Server, ensemble,
    server::{Options, Version},
};

use crate::pair::Pair;

/// Longer than any run, so that nothing expires and nothing is cleared away.
const FOREVER: Duration = Duration::from_secs(86_400);

/// The longest session timeout.
const LONGEST: Duration = Duration::from_secs(600);

/// The super user's password is `test`.
const SUPER: &str = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    Usual,
    /// Hard quotas are enforced.
    Quotas,
    /// Requests are short, and there are no TTL nodes.
    Little,
    /// Who has not authenticated is not served.
    RequiredAuth,
}

impl Settings {
    /// Returns the settings of a whole run, one after the other.
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::Usual, Self::Quotas, Self::Little, Self::RequiredAuth, Self::Usual]
    }

    /// Starts a fresh pair of servers.
    pub(crate) fn start(self, patience: Duration) -> (ensemble::Server, Pair) {
        let real = self.of_real(ensemble::Builder::new()).start().expect("a real server starts");
        let options = self.options(release(&real));
        let pair = Pair::new(Server::new(options, 0), real.address(), 0, patience);
        (real, pair)
    }

    pub(crate) fn of_real(self, builder: ensemble::Builder) -> ensemble::Builder {
        let builder = builder
            .super_digest(SUPER)
            .max_session_timeout(LONGEST)
            .system_property("znode.container.checkIntervalMs", FOREVER.as_millis().to_string());
        match self {
            Self::Usual => builder,
            Self::Quotas => builder.property("enforceQuota", "true").system_property("zookeeper.enforceQuota", "true"),
            Self::Little => builder
                .property("extendedTypesEnabled", "false")
                .property("reconfigEnabled", "true")
                .property("jute.maxbuffer", "2000")
                .system_property("jute.maxbuffer", "2000"),
            Self::RequiredAuth => {
                builder.property("enforce.auth.enabled", "true").property("enforce.auth.schemes", "digest")
            }
        }
    }

    pub(crate) fn options(self, version: Version) -> Options {
        let mut options = Options::default();
        options.version = version;
        options.super_digest = Some(SUPER.into());
        options.max_session_timeout = Some(LONGEST);
        options.container_check_interval = FOREVER;
        match self {
            Self::Usual => {}
            Self::Quotas => options.enforce_quota = true,
            Self::Little => {
                options.extended_types = false;
                options.reconfig_enabled = true;
                options.jute_max_buffer = 2000;
            }
            Self::RequiredAuth => options.required_auth = vec!["digest".into()],
        }
        options
    }
}

/// Returns which release a real server is.
pub(crate) fn release(real: &ensemble::Server) -> Version {
    let status = real.four_letter("srvr").expect("a real server tells its version");
    if status.starts_with("Zookeeper version: 3.8") { Version::V3_8 } else { Version::V3_9 }
}
