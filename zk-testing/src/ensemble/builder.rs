//! How a server is to be, and the start of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::java::Java;
use super::kerberos::Kdc;
use super::peers::Peers;
use super::plan::{Member, Plan, Role};
use super::ports::free_port;
use super::quorum::Ensemble;
use super::server::Server;

/// How often a start is tried on other ports when somebody else got hold of one first.
const PORT_TRIES: usize = 5;

/// Settings for a [`Server`] or an [`Ensemble`].
///
/// The defaults suit tests: all four-letter words, TTL nodes, no limit on connections, no waiting for the disk,
/// containers looked after every second, and a tick of 500 ms, which bounds session timeouts to 1 to 60 seconds.
///
/// ```no_run
/// use std::time::Duration;
/// use zk_testing::ensemble::Builder;
///
/// # fn main() -> std::io::Result<()> {
/// let server = Builder::new()
///     .tick_time(Duration::from_millis(100))
///     .property("enforce.auth.enabled", "true")
///     .start()?;
/// println!("{}", server.four_letter("conf")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(super) properties: BTreeMap<String, String>,
    pub(super) system_properties: BTreeMap<String, String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) jaas: Option<String>,
    pub(super) tls: Option<Tls>,
    pub(super) are_peers_proxied: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) key_store: PathBuf,
    pub(super) trust_store: PathBuf,
}

impl Builder {
    /// Creates the settings described [above](Builder).
    pub fn new() -> Self {
        let builder = Self {
            properties: BTreeMap::new(),
            system_properties: BTreeMap::new(),
            env: Vec::new(),
            jaas: None,
            tls: None,
            are_peers_proxied: false,
        };
        builder
            .tick_time(Duration::from_millis(500))
            .max_session_timeout(Duration::from_secs(60))
            .four_letter_words("*")
            .property("admin.enableServer", "false")
            .property("extendedTypesEnabled", "true")
            .property("forceSync", "no")
            .property("initLimit", "20")
            .property("syncLimit", "6")
            .property("maxClientCnxns", "0")
            // Elections slow down to one message a minute by default when servers come up at different times.
            .system_property("zookeeper.fastleader.maxNotificationInterval", "1000")
            .system_property("zookeeper.jmx.log4j.disable", "true")
            .system_property("znode.container.checkIntervalMs", "1000")
    }

    /// Sets the server's unit of time. Sessions expire at multiples of it.
    pub fn tick_time(self, tick: Duration) -> Self {
        self.property("tickTime", tick.as_millis().to_string())
    }

    /// Sets the shortest session timeout the server grants; two ticks if not called.
    pub fn min_session_timeout(self, timeout: Duration) -> Self {
        self.property("minSessionTimeout", timeout.as_millis().to_string())
    }

    /// Sets the longest session timeout the server grants; a minute if not called.
    pub fn max_session_timeout(self, timeout: Duration) -> Self {
        self.property("maxSessionTimeout", timeout.as_millis().to_string())
    }

    /// Sets which four-letter words are answered: `*`, or words with commas between. `srvr` always is, because the
    /// harness asks it.
    pub fn four_letter_words(self, words: &str) -> Self {
        match words {
            "*" => self.property("4lw.commands.whitelist", "*"),
            words => self.property("4lw.commands.whitelist", format!("srvr,{words}")),
        }
    }

    /// Lets members of an ensemble without quorum serve read-only clients.
    ///
    /// This takes local sessions as well, which are therefore turned on, and upgraded when they create an ephemeral
    /// node. With the property `localSessionsEnabled` set to `false` afterwards, such a server answers and refuses.
    pub fn read_only(self) -> Self {
        self.system_property("readonlymode.enabled", "true")
            .property("localSessionsEnabled", "true")
            .property("localSessionsUpgradingEnabled", "true")
    }

    /// Sets who may do everything, as `user:` and the Base64 of the SHA-1 of `user:password`.
    ///
    /// `super:D/InIHSb7yEEbrWz8b9l71RjZJU=` is for the password `test`.
    pub fn super_digest(self, digest: &str) -> Self {
        self.property("DigestAuthenticationProvider.superDigest", digest)
    }

    /// Serves SASL with this JAAS login configuration, whose section for the server is called `Server`.
    pub fn jaas(mut self, configuration: impl Into<String>) -> Self {
        self.jaas = Some(configuration.into());
        self.property("authProvider.sasl", "org.apache.zookeeper.server.auth.SASLAuthenticationProvider")
    }

    /// Serves SASL with DIGEST-MD5, to these users with these passwords.
    pub fn digest_md5<'a>(self, users: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let escaped = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"");
        let module = "org.apache.zookeeper.server.auth.DigestLoginModule";
        let users = users.into_iter().map(|(user, password)| format!(" \"user_{user}\"=\"{}\"", escaped(password)));
        self.jaas(format!("Server {{ {module} required{}; }};", users.collect::<String>()))
    }

    /// Serves SASL with GSSAPI, in the realm of a [`Kdc`], as a principal whose key is in the keytab.
    pub fn kerberos(self, kdc: &Kdc, principal: &str, keytab: &Path) -> Self {
        let realm = Kdc::REALM;
        let module = "com.sun.security.auth.module.Krb5LoginModule";
        let options = "useKeyTab=true storeKey=true useTicketCache=false doNotPrompt=true";
        let keytab = keytab.display();
        self.system_property("java.security.krb5.conf", kdc.configuration().display().to_string()).jaas(format!(
            "Server {{ {module} required {options} keyTab=\"{keytab}\" principal=\"{principal}@{realm}\"; }};"
        ))
    }

    /// Serves only connections that have authenticated by SASL.
    pub fn required_sasl(self) -> Self {
        self.property("sessionRequireClientSASLAuth", "true")
    }

    /// Serves TLS on a second port, [`Server::secure_address`].
    ///
    /// The stores' types follow from their names: `.pem` (key and certificates in one file), `.p12`, `.jks`.
    /// Passwords and the like are properties: `ssl.keyStore.password`, `ssl.trustStore.password`, `ssl.clientAuth`,
    /// which is `need` by default.
    pub fn tls(mut self, key_store: impl Into<PathBuf>, trust_store: impl Into<PathBuf>) -> Self {
        self.tls = Some(Tls { key_store: key_store.into(), trust_store: trust_store.into() });
        self.property("serverCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory")
    }

    /// Leads what members of an ensemble say to each other through proxies, which [`Ensemble::peers`] breaks.
    ///
    /// Linux only, where all of 127.0.0.0/8 is this machine: each member knows the others by addresses of its own, from a
    /// file that Java 9 and later can be given in place of the system's names of hosts. Dynamic reconfiguration must stay off, as it is by default.
    pub fn proxied_peers(mut self) -> Self {
        self.are_peers_proxied = true;
        self
    }

    /// Sets a property in the server's `zoo.cfg`, in place of the default or of what was set before.
    pub fn property(mut self, key: &str, value: impl Into<String>) -> Self {
        self.properties.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a system property of the Java process, in place of the default or of what was set before.
    pub fn system_property(mut self, key: &str, value: impl Into<String>) -> Self {
        self.system_properties.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a variable in the environment of the Java process, which otherwise is that of this process.
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// Starts a single server and waits until it serves.
    ///
    /// # Errors
    ///
    /// Fails when Java or ZooKeeper is not installed, or when the server does not come up, with the end of its log.
    pub fn start(&self) -> io::Result<Server> {
        let java = Java::find()?;
        on_free_ports(|| {
            let server = Server::new(&java, Plan::new(self, Role::Standalone { client_port: free_port()? })?)?;
            server.start_again()?;
            Ok(server)
        })
    }

    /// Starts `size` servers and waits until they have a leader and all serve.
    ///
    /// # Errors
    ///
    /// Fails as [`start`](Self::start) does.
    ///
    /// # Panics
    ///
    /// Panics if `size` is zero.
    pub fn start_ensemble(&self, size: usize) -> io::Result<Ensemble> {
        assert!(size > 0, "an ensemble has at least one server");
        let java = Java::find()?;
        on_free_ports(|| {
            let members = (1..=size).map(Member::new).collect::<io::Result<Vec<_>>>()?;
            let peers = self.are_peers_proxied.then(|| Peers::start(&members)).transpose()?;
            let servers = (0..size)
                .map(|own| Server::new(&java, Plan::new(self, Role::Member { own, members: members.clone() })?))
                .collect::<io::Result<Vec<_>>>()?;
            Ensemble::launch(servers, peers)
        })
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// Tries again on other ports while the server says that one was taken.
fn on_free_ports<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut tries = 1;
    loop {
        match start() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < PORT_TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}
