//! The realm that all scenarios share, and the process that each of them has to itself.

use std::{
    env, fs,
    path::PathBuf,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use zk_testing::ensemble::{Builder, Kdc, Server};

/// Principals: two users, one whose tickets do not last, the server, and a service that nobody runs.
const USERS: [&str; 2] = ["bob", "ann"];
const SHORT: &str = "short";
const SERVICE: &str = "zookeeper/localhost";
const OTHER_SERVICE: &str = "zookeeper/elsewhere";

const HOUR: Duration = Duration::from_secs(3600);
/// How long the tickets of `short` last.
pub(crate) const SHORTLY: Duration = Duration::from_secs(4);

/// Where the tickets of a scenario come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tickets {
    /// A ticket cache of its own, which the scenario fills.
    Cache,
    /// A keytab with all users, and an empty cache.
    Keytab,
    /// Neither.
    None,
    /// A ticket cache, filled before the scenario begins, and a key server that is gone then.
    CacheWithoutServer,
}

/// What a scenario's process is told.
pub(crate) struct Realm {
    pub(crate) adapter: String,
    pub(crate) scenario: String,
    /// Where the server is that does Kerberos, and one that does not.
    pub(crate) servers: String,
    pub(crate) without_sasl: String,
    keytab: PathBuf,
}

impl Realm {
    pub(crate) fn of_the_environment() -> Self {
        let value = |name| env::var(name).unwrap_or_else(|_| panic!("there is no {name}"));
        Self {
            adapter: value("ZK_GSSAPI_ADAPTER"),
            scenario: value("ZK_GSSAPI_SCENARIO"),
            servers: value("ZK_GSSAPI_SERVERS"),
            without_sasl: value("ZK_GSSAPI_WITHOUT_SASL"),
            keytab: value("ZK_GSSAPI_KEYTAB").into(),
        }
    }

    /// Fills the ticket cache.
    pub(crate) fn kinit(&self, user: &str) {
        let status = Command::new("kinit").arg("-k").arg("-t").arg(&self.keytab).arg(user).status().unwrap();
        assert!(status.success(), "kinit {user}");
    }
}

/// What all scenarios share.
struct Shared {
    kdc: Kdc,
    server: Server,
    plain: Server,
    keytab: PathBuf,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let kdc = Kdc::start().unwrap();
        USERS.into_iter().chain([SERVICE, OTHER_SERVICE]).for_each(|principal| kdc.add(principal, HOUR).unwrap());
        kdc.add(SHORT, SHORTLY).unwrap();
        let server_keys = kdc.keytab("server.keytab", &[SERVICE]).unwrap();
        let keytab = kdc.keytab("client.keytab", &[USERS[0], USERS[1], SHORT]).unwrap();
        let server = Builder::new().kerberos(&kdc, SERVICE, &server_keys).required_sasl().start().unwrap();
        Shared { kdc, server, plain: Server::start().unwrap(), keytab }
    })
}

/// Runs a scenario in a process of its own.
pub(crate) fn run(adapter: &str, scenario: &str, tickets: Tickets) {
    static CACHES: AtomicU32 = AtomicU32::new(0);
    let Shared { kdc, server, plain, keytab } = shared();
    let directory = kdc.directory();
    let cache = directory.join(format!("cache-{}", CACHES.fetch_add(1, Ordering::Relaxed)));
    let client_keytab = if tickets == Tickets::Keytab { keytab.clone() } else { directory.join("no-such-keytab") };
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", "a_process_of_its_own"])
        .envs(kdc.environment())
        .env("KRB5CCNAME", format!("FILE:{}", cache.display()))
        .env("KRB5_CLIENT_KTNAME", format!("FILE:{}", client_keytab.display()))
        .env("ZK_GSSAPI_ADAPTER", adapter)
        .env("ZK_GSSAPI_SCENARIO", scenario)
        .env("ZK_GSSAPI_SERVERS", format!("localhost:{}", server.port()))
        .env("ZK_GSSAPI_WITHOUT_SASL", format!("localhost:{}", plain.port()))
        .env("ZK_GSSAPI_KEYTAB", keytab);
    if tickets == Tickets::CacheWithoutServer {
        let status = Command::new("kinit")
            .args(["-k", "-t"])
            .arg(keytab)
            .arg(USERS[0])
            .envs(kdc.environment())
            .env("KRB5CCNAME", format!("FILE:{}", cache.display()))
            .status();
        assert!(status.unwrap().success());
        // Port 1 of this machine, at which nobody listens.
        let configuration = fs::read_to_string(kdc.configuration()).unwrap();
        let lines =
            configuration.lines().map(|line| if line.contains("kdc = ") { "  kdc = 127.0.0.1:1" } else { line });
        let lost = directory.join("lost.conf");
        fs::write(&lost, lines.collect::<Vec<_>>().join("\n")).unwrap();
        command.env("KRB5_CONFIG", lost);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
