//! A Kerberos realm of one's own: MIT's key server in a process, with a database in a temporary directory.

use std::{
    env,
    ffi::OsString,
    fmt, fs, io,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    files::Files,
    ports::{free_port, loopback},
    process::Process,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A key server (KDC) for the realm `EXAMPLE.COM`, in a process of its own. Dropping it ends the process and removes its directory.
///
/// It needs MIT Kerberos, which `.ci/install-kerberos` of this repository installs on Debian and Ubuntu. Programs find the realm by
/// [`environment`](Self::environment), which has to be set before they start.
pub struct Kdc {
    port: u16,
    process: Mutex<Option<Process>>,
    files: Files,
}

impl Kdc {
    /// The realm's name.
    pub const REALM: &str = "EXAMPLE.COM";

    /// Makes a realm without principals and starts its key server.
    ///
    /// # Errors
    ///
    /// When MIT Kerberos is not installed, or its programs fail, with what they say.
    pub fn start() -> io::Result<Self> {
        let kdc = Self { port: free_port()?, process: Mutex::new(None), files: Files::new()? };
        fs::write(kdc.path("krb5.conf"), kdc.krb5_conf())?;
        fs::write(kdc.path("kdc.conf"), kdc.kdc_conf())?;
        kdc.run("kdb5_util", &["create", "-s", "-r", Self::REALM, "-P", "master"])?;
        kdc.start_again()?;
        Ok(kdc)
    }

    /// Starts a key server that was stopped, at the same port and with what it knew. It answers when this returns.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn start_again(&self) -> io::Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.path("log"))?;
        let command: Vec<OsString> = vec![program("krb5kdc")?.into(), "-n".into()];
        let mut process = Process::start(&command, &self.environment(), self.files.directory(), &log)?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(loopback(self.port)).is_err() {
            if process.exit_status()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.path("log")).unwrap_or_default();
                return Err(io::Error::other(format!("the key server did not come up: {log}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
        *self.process() = Some(process);
        Ok(())
    }

    /// Ends the key server's process.
    pub fn stop(&self) {
        *self.process() = None;
    }

    /// Adds a principal with random keys, whose tickets last no longer than `lifetime`.
    ///
    /// # Errors
    ///
    /// When there is one of that name already.
    pub fn add(&self, principal: &str, lifetime: Duration) -> io::Result<()> {
        self.query(&format!("addprinc -randkey -maxlife \"{} seconds\" {principal}", lifetime.as_secs()))
    }

    /// Writes the keys of these principals to a keytab, and returns where it is.
    ///
    /// # Errors
    ///
    /// When there are no such principals.
    pub fn keytab(&self, name: &str, principals: &[&str]) -> io::Result<PathBuf> {
        let path = self.path(name);
        for principal in principals {
            // Without new keys, so that earlier keytabs stay good.
            self.query(&format!("ktadd -norandkey -k {} {principal}", path.display()))?;
        }
        Ok(path)
    }

    /// Returns the variables by which programs find the realm.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variable = |name: &str, file| (name.to_owned(), self.path(file).display().to_string());
        vec![variable("KRB5_CONFIG", "krb5.conf"), variable("KRB5_KDC_PROFILE", "kdc.conf")]
    }

    /// Returns where the configuration is that programs read.
    pub fn configuration(&self) -> PathBuf {
        self.path("krb5.conf")
    }

    /// Returns the directory, which is as good a place for ticket caches as any.
    pub fn directory(&self) -> &Path {
        self.files.directory()
    }

    fn query(&self, query: &str) -> io::Result<()> {
        self.run("kadmin.local", &["-r", Self::REALM, "-q", query]).and_then(|output| {
            // It says by words alone what went wrong.
            let is_done = output.contains("created.") || output.contains("added to keytab");
            if is_done { Ok(()) } else { Err(io::Error::other(format!("{query}: {output}"))) }
        })
    }

    fn run(&self, name: &str, arguments: &[&str]) -> io::Result<String> {
        let output = Command::new(program(name)?).args(arguments).envs(self.environment()).output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        if output.status.success() { Ok(text) } else { Err(io::Error::other(format!("{name}: {text}"))) }
    }

    fn krb5_conf(&self) -> String {
        let (realm, port) = (Self::REALM, self.port);
        // Names are taken as they are given, and a key server that does not answer is soon given up.
        format!(
            "[libdefaults]\n default_realm = {realm}\n dns_lookup_realm = false\n dns_lookup_kdc = false\n \
             dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n kdc_timeout = 2s\n\
             [realms]\n {realm} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
             [domain_realm]\n localhost = {realm}\n"
        )
    }

    fn kdc_conf(&self) -> String {
        let (realm, port) = (Self::REALM, self.port);
        // By TCP alone: the UDP port of that number is what reserves it.
        let [database, stash, acl] = ["principal", "stash", "acl"].map(|file| self.path(file).display().to_string());
        format!(
            "[kdcdefaults]\n kdc_listen = \"\"\n kdc_tcp_listen = 127.0.0.1:{port}\n\
             [realms]\n {realm} = {{\n  database_name = {database}\n  key_stash_file = {stash}\n  acl_file = {acl}\n }}\n\
             [logging]\n kdc = STDERR\n default = STDERR\n"
        )
    }

    fn path(&self, file: &str) -> PathBuf {
        self.files.directory().join(file)
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Kdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kdc").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Finds a program: those of administrators are not in everybody's path.
fn program(name: &str) -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    directories.map(|directory| directory.join(name)).find(|program| program.is_file()).ok_or_else(|| {
        let text = format!("there is no {name}; run .ci/install-kerberos, or install MIT Kerberos with its key server");
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}
