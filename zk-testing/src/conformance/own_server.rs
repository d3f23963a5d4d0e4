//! A server of a scenario's own, to be broken.

use std::net::SocketAddr;

use super::{ground::Kind, words};
use crate::{TestServer, ensemble, server::ReadOnly, test_server};

/// How a server is to be that a scenario has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settings {
    /// As the one that all share.
    Default,
    /// With a tick of 100 ms, so that sessions of 200 ms are granted.
    ShortTick,
    /// With a super user, whose password is `test`.
    SuperUser,
    /// Serving those only who have authenticated by digest.
    DigestRequired,
    /// With SASL, DIGEST-MD5, for `bob`, whose password is `secret`, and for somebody of an odd name.
    Sasl,
    /// As `Sasl`, serving those only who have authenticated by that.
    SaslRequired,
    /// Without TTL nodes.
    WithoutExtendedTypes,
    /// With hard quotas.
    QuotasEnforced,
}

/// A server of the kind that the scenario runs on.
#[derive(Debug)]
pub enum OwnServer {
    /// In memory.
    Memory(TestServer),
    /// A process.
    Real(Box<ensemble::Server>),
}

/// For the password `test`.
pub(super) const SUPER_DIGEST: &str = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
/// A user and a password of whom each is made of what has to be quoted, or is outside of ASCII.
pub(super) const ODD_USER: &str = "günther";
pub(super) const ODD_PASSWORD: &str = "x \"y\" \\z, a=b; пароль";
const USERS: [(&str, &str); 2] = [("bob", "secret"), (ODD_USER, ODD_PASSWORD)];

fn with_users(builder: test_server::Builder) -> test_server::Builder {
    USERS.into_iter().fold(builder, |builder, (user, password)| builder.sasl_user(user, password))
}

const SHORT_TICK: std::time::Duration = std::time::Duration::from_millis(100);

impl OwnServer {
    pub(super) fn start(kind: Kind, settings: Settings) -> Self {
        match kind {
            Kind::Memory(version) => {
                let builder = TestServer::builder().version(version);
                let builder = match settings {
                    Settings::Default => builder,
                    Settings::ShortTick => builder.tick_time(SHORT_TICK),
                    Settings::SuperUser => builder.super_digest(SUPER_DIGEST),
                    Settings::DigestRequired => builder.required_auth(["digest"]),
                    Settings::Sasl => with_users(builder),
                    Settings::SaslRequired => with_users(builder).required_sasl(),
                    Settings::WithoutExtendedTypes => builder.options(|options| options.extended_types = false),
                    Settings::QuotasEnforced => builder.options(|options| options.enforce_quota = true),
                };
                Self::Memory(builder.start().unwrap())
            }
            Kind::Real => {
                let builder = ensemble::Builder::new();
                let builder = match settings {
                    Settings::Default => builder,
                    Settings::ShortTick => builder.tick_time(SHORT_TICK),
                    Settings::SuperUser => builder.super_digest(SUPER_DIGEST),
                    Settings::DigestRequired => {
                        builder.property("enforce.auth.enabled", "true").property("enforce.auth.schemes", "digest")
                    }
                    Settings::Sasl => builder.digest_md5(USERS),
                    Settings::SaslRequired => builder.digest_md5(USERS).required_sasl(),
                    Settings::WithoutExtendedTypes => builder.property("extendedTypesEnabled", "false"),
                    Settings::QuotasEnforced => builder.property("enforceQuota", "true"),
                };
                Self::Real(Box::new(builder.start().unwrap()))
            }
        }
    }

    /// Returns where clients connect to.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Memory(server) => server.address(),
            Self::Real(server) => server.address(),
        }
    }

    /// Returns [`address`](Self::address) as a connect string.
    pub fn connect_string(&self) -> String {
        self.address().to_string()
    }

    /// Returns one of the numbers that the server keeps about itself.
    pub fn monitored(&self, key: &str) -> i64 {
        words::monitored(self.address(), key)
    }

    /// Ends the server without warning. What it has answered it keeps, and no session's time passes while it is down.
    ///
    /// In memory, connections are closed at once meanwhile, where a host whose server is down would refuse them.
    pub fn kill(&self) {
        match self {
            Self::Memory(server) => {
                server.refuse_connections(true);
                server.set_read_only(Some(ReadOnly::NoSessions));
                // A server that was halted before takes notice of connections again, to close them.
                server.resume();
            }
            Self::Real(server) => server.kill().unwrap(),
        }
    }

    /// Ends the server as an administrator would.
    pub fn stop(&self) {
        match self {
            Self::Memory(_) => self.kill(),
            Self::Real(server) => server.stop().unwrap(),
        }
    }

    /// Starts the server that was ended, with everything it had. It serves when this returns.
    pub fn start_again(&self) {
        match self {
            Self::Memory(server) => {
                server.set_read_only(None);
                server.refuse_connections(false);
            }
            Self::Real(server) => server.start_again().unwrap(),
        }
    }

    /// Halts the server. Its connections stay open and silent.
    pub fn pause(&self) {
        match self {
            Self::Memory(server) => server.pause(),
            Self::Real(server) => server.pause().unwrap(),
        }
    }

    /// Lets a halted server go on where it was.
    pub fn resume(&self) {
        match self {
            Self::Memory(server) => server.resume(),
            Self::Real(server) => server.resume().unwrap(),
        }
    }
}
