//! The session of a command: opened before it, closed behind it, and closed as well when the user interrupts it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};
use zk_blocking::{AuthInfo, Client, Error, OnExpiry, Wait};

use crate::{
    args::Options,
    child,
    failure::{About, Exit, Failure},
    output::Output,
};

/// How long closing may take; then the server lets the session expire.
const CLOSING: Duration = Duration::from_secs(2);

static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a command works with.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// How long each reply may take.
    pub(crate) limit: Duration,
    pub(crate) output: Output,
}

/// Runs a command in a session.
pub(crate) fn run(options: &Options, work: impl FnOnce(&mut Session) -> Result<(), Failure>) -> Result<(), Failure> {
    run_with(options, OnExpiry::default(), work)
}

/// Runs a command in a session, of which is said what is to be done when it expires.
pub(crate) fn run_with(
    options: &Options,
    on_expiry: OnExpiry,
    work: impl FnOnce(&mut Session) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut builder = zk_blocking::builder(&options.servers()).map_err(Error::from)?;
    builder = builder.connect_timeout(options.timeout).session_timeout(options.session_timeout).on_expiry(on_expiry);
    builder = builder.close_timeout(CLOSING);
    if options.read_only {
        builder = builder.read_only();
    }
    if let Some(tls) = options.secure.tls()? {
        builder = builder.tls(tls);
    }
    for auth in credentials(options)? {
        builder = builder.auth(auth);
    }
    let client = builder.connect().wait()?;
    close_when_interrupted(&client)?;
    let mut session = Session { client, limit: options.timeout, output: Output::new(options) };
    let outcome = work(&mut session).and_then(|()| session.output.flush());
    let server = session.client.server().map(|server| format!("{server}{}", session.client.root().as_str()));
    // That it does not close in time is the server's loss.
    _ = session.client.close().wait_timeout(CLOSING);
    while IS_INTERRUPTED.load(Ordering::Acquire) {
        // The signal is about to end the process, whatever came of the work.
        thread::park();
    }
    outcome.map_err(|failure| match server {
        Some(server) => failure.at_server(server),
        None => failure,
    })
}

/// Closes the session when a signal comes, so that its ephemeral nodes go at once, and lets the signal do what it does. While a
/// command runs, it is the command that gets the signal.
fn close_when_interrupted(client: &Client) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let client = client.clone();
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if child::forward(signal) {
                continue;
            }
            IS_INTERRUPTED.store(true, Ordering::Release);
            _ = client.close().wait_timeout(CLOSING);
            // It fails for signals that cannot be sent, which these are not.
            _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// Returns the credentials of the command line, of its file and of the environment. No error shows them.
fn credentials(options: &Options) -> Result<Vec<AuthInfo>, Failure> {
    let from_environment = env::var_os("ZK_AUTH").filter(|auth| !auth.is_empty());
    let from_file = match &options.auth_file {
        Some(path) => fs::read(path).about(path.display())?,
        None => Vec::new(),
    };
    let lines = from_file.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = lines.filter(|line| !line.is_empty()).map(|line| OsStr::from_bytes(line).to_owned());
    let named = |source: &'static str| move |auth: OsString| (source, auth);
    let all = options.auth.iter().cloned().map(named("--auth"));
    let all = all.chain(lines.map(named("--auth-file"))).chain(from_environment.map(named("ZK_AUTH")));
    all.map(|(source, auth)| parse_credentials(&auth).ok_or_else(|| bad_credentials(source))).collect()
}

fn parse_credentials(auth: &OsStr) -> Option<AuthInfo> {
    let auth = auth.as_bytes();
    let colon = auth.iter().position(|byte| *byte == b':')?;
    let scheme = std::str::from_utf8(&auth[..colon]).ok().filter(|scheme| !scheme.is_empty())?;
    Some(AuthInfo::new(scheme, &auth[colon + 1..]))
}

fn bad_credentials(source: &str) -> Failure {
    Failure::new(Exit::Usage, "expected SCHEME:SECRET, such as digest:user:password").about(source)
}
