//! One ZooKeeper server: started, asked, broken, started again.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::builder::Builder;
use super::files::Files;
use super::java::Java;
use super::mode::{Answer, Mode};
use super::plan::Plan;
use super::ports::loopback;
use super::process::Process;
use super::wire;

/// How long a server may take from its start to its first answer, on the slowest machine we care for.
pub(super) const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may take to end when asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer may take that somebody asked for.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How long we wait for an answer at first when we would rather ask again. A server asked in the middle of its
/// start may leave the connection open without a word for ever.
const FIRST_PROBE: Duration = Duration::from_millis(100);
const LONGEST_PROBE: Duration = Duration::from_secs(2);
const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// A ZooKeeper server in a process of its own, alone or in an [`Ensemble`](super::Ensemble).
///
/// It keeps its ports, its configuration and, unless told to [`wipe`](Self::wipe), its data while it is down. Dropping
/// it kills the process and removes the directory; if that happens in a panic, the end of the log is printed.
pub struct Server {
    java: Java,
    plan: Plan,
    run: Mutex<Option<Run>>,
    files: Files,
}

/// A server that was started, and not stopped by us since.
struct Run {
    process: Process,
    /// Where in the log this run began.
    log_start: u64,
}

impl Server {
    /// Starts a single server with the [default settings](Builder) and waits until it serves.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::start`] does.
    pub fn start() -> io::Result<Self> {
        Builder::new().start()
    }

    /// Creates the server's files, without starting it.
    pub(super) fn new(java: &Java, plan: Plan) -> io::Result<Self> {
        let files = Files::new()?;
        files.write(&plan)?;
        Ok(Self { java: java.clone(), plan, run: Mutex::new(None), files })
    }

    /// Returns where clients connect to.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port())
    }

    /// Returns [`address`](Self::address) as a connect string.
    pub fn connect_string(&self) -> String {
        self.address().to_string()
    }

    /// Returns the port for clients.
    pub fn port(&self) -> u16 {
        self.plan.client_port()
    }

    /// Returns where clients connect to that speak TLS, if they can.
    pub fn secure_address(&self) -> Option<SocketAddr> {
        self.plan.secure_port().map(loopback)
    }

    /// Returns the id of the process, unless the server was stopped or killed.
    pub fn process_id(&self) -> Option<u32> {
        self.run().as_ref().map(|run| run.process.id())
    }

    /// Asks the server to end, as an administrator would, and waits until it has.
    ///
    /// # Errors
    ///
    /// Fails when the server is not running.
    pub fn stop(&self) -> io::Result<()> {
        self.end(|process| process.stop(STOP_PATIENCE))
    }

    /// Kills the server as a crash would, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// Fails when the server is not running.
    pub fn kill(&self) -> io::Result<()> {
        self.end(Process::kill)
    }

    /// Halts the server. Its connections stay open and silent.
    ///
    /// # Errors
    ///
    /// Fails when the server is not running.
    pub fn pause(&self) -> io::Result<()> {
        self.with_process(Process::pause)
    }

    /// Lets a halted server go on where it was.
    ///
    /// # Errors
    ///
    /// Fails when the server is not running.
    pub fn resume(&self) -> io::Result<()> {
        self.with_process(Process::resume)
    }

    /// Starts a server that was stopped or killed or has crashed, on the same ports and with the data it had.
    ///
    /// A single server serves when this returns. A member of an ensemble listens, and serves once there is a quorum;
    /// see [`wait_ready`](Self::wait_ready).
    ///
    /// # Errors
    ///
    /// Fails when the server is running already, and when it does not come up, with the end of its log. Then it is
    /// down.
    pub fn start_again(&self) -> io::Result<()> {
        self.launch()?;
        let is_up = |answer: &Answer| match answer {
            Answer::Nothing(_) => false,
            Answer::NotServing => !self.plan.is_standalone(),
            Answer::Serving(_) => true,
        };
        self.wait_until(START_PATIENCE, "come up", is_up).map_err(|error| {
            let error = self.start_error(error);
            *self.run() = None;
            error
        })
    }

    /// Forgets all data of a server that was stopped or killed.
    ///
    /// # Errors
    ///
    /// Fails when the server is running.
    pub fn wipe(&self) -> io::Result<()> {
        if self.run().is_some() {
            return Err(self.error(io::ErrorKind::Other, "is running and needs its data"));
        }
        self.files.remove_data()?;
        self.files.write(&self.plan)
    }

    /// Waits until the server serves clients, be it read-only.
    ///
    /// # Errors
    ///
    /// Fails when it does not in time, or ends, with the end of its log.
    pub fn wait_ready(&self, patience: Duration) -> io::Result<()> {
        self.wait_until(patience, "serve", |answer| matches!(answer, Answer::Serving(_)))
    }

    /// Waits until the server serves clients in this mode.
    ///
    /// # Errors
    ///
    /// Fails when it does not in time, or ends, with the end of its log.
    pub fn wait_mode(&self, wanted: Mode, patience: Duration) -> io::Result<()> {
        self.wait_until(patience, &format!("serve as {wanted}"), |answer| match answer {
            Answer::Serving(mode) => *mode == wanted,
            Answer::Nothing(_) | Answer::NotServing => false,
        })
    }

    /// Returns the mode in which the server serves clients, `None` if it answers that it does not.
    ///
    /// # Errors
    ///
    /// Fails when the server does not answer.
    pub fn mode(&self) -> io::Result<Option<Mode>> {
        match self.ask(ANSWER_PATIENCE) {
            Answer::Nothing(error) => Err(error),
            Answer::NotServing => Ok(None),
            Answer::Serving(mode) => Ok(Some(mode)),
        }
    }

    /// Sends a four-letter word, such as `mntr`, and returns the answer.
    ///
    /// # Errors
    ///
    /// Fails when the server cannot be reached or does not answer.
    pub fn four_letter(&self, word: &str) -> io::Result<String> {
        wire::four_letter(self.address(), word, ANSWER_PATIENCE)
    }

    /// Returns what the server has logged since its first start.
    ///
    /// # Errors
    ///
    /// Fails when the log cannot be read.
    pub fn log(&self) -> io::Result<String> {
        self.files.log_since(0)
    }

    /// Starts the process and returns at once.
    pub(super) fn launch(&self) -> io::Result<()> {
        let mut run = self.run();
        if let Some(None) = run.as_mut().map(|run| run.process.exit_status()).transpose()? {
            return Err(self.error(io::ErrorKind::Other, "is running already"));
        }
        let (log, log_start) = self.files.open_log()?;
        let system_properties = self.plan.system_properties(&self.files.jaas(), &self.files.hosts());
        let command = self.java.command(&system_properties, &self.files.configuration());
        let process = Process::start(&command, self.plan.env(), self.files.directory(), &log)?;
        *run = Some(Run { process, log_start });
        Ok(())
    }

    /// Returns whether the server was started and neither stopped nor paused since.
    pub(super) fn is_running(&self) -> bool {
        self.run().as_ref().is_some_and(|run| !run.process.is_paused())
    }

    /// Fails when the server is not running, in particular when it has ended by itself.
    pub(super) fn check(&self) -> io::Result<()> {
        let status = match self.run().as_mut() {
            Some(run) => run.process.exit_status()?,
            None => return Err(self.error(io::ErrorKind::NotConnected, "is not running")),
        };
        match status {
            Some(status) => Err(self.error(io::ErrorKind::Other, &format!("ended with {status}"))),
            None => Ok(()),
        }
    }

    /// Returns the error with which a start failed, as `AddrInUse` if that is what the server's log says.
    pub(super) fn start_error(&self, error: io::Error) -> io::Error {
        let log_start = self.run().as_ref().map_or(0, |run| run.log_start);
        let log = self.files.log_since(log_start).unwrap_or_default();
        if log.contains("Address already in use") { io::Error::new(io::ErrorKind::AddrInUse, error) } else { error }
    }

    /// Asks for the mode. Takes some multiple of `patience` at most.
    pub(super) fn ask(&self, patience: Duration) -> Answer {
        let answer = match wire::four_letter(self.address(), "srvr", patience) {
            Ok(text) => Answer::parse(&text),
            Err(error) => Answer::Nothing(error),
        };
        // The port for TLS opens after the other has begun to serve.
        match (answer, self.secure_address()) {
            (Answer::Serving(_), Some(secure)) if TcpStream::connect(secure).is_err() => Answer::NotServing,
            (answer, _) => answer,
        }
    }

    /// Returns an error of this server that ends with the end of its log.
    pub(super) fn error(&self, kind: io::ErrorKind, what: &str) -> io::Error {
        io::Error::new(
            kind,
            format!("ZooKeeper server {} {what}; its log ends with:\n{}", self.address(), self.files.log_tail()),
        )
    }

    fn wait_until(&self, patience: Duration, what: &str, is_met: impl Fn(&Answer) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        let mut probe = FIRST_PROBE;
        loop {
            self.check()?;
            let answer = self.ask(probe);
            if is_met(&answer) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let what = format!("did not {what} in {patience:?}, the last answer being {answer:?}");
                return Err(self.error(io::ErrorKind::TimedOut, &what));
            }
            if answer.is_late() {
                probe = (probe * 2).min(LONGEST_PROBE);
            }
            thread::sleep(PROBE_INTERVAL);
        }
    }

    fn with_process(&self, act: impl FnOnce(&mut Process) -> io::Result<()>) -> io::Result<()> {
        match self.run().as_mut() {
            Some(run) => act(&mut run.process),
            None => Err(self.error(io::ErrorKind::NotConnected, "is not running")),
        }
    }

    fn end(&self, act: impl FnOnce(Process) -> io::Result<()>) -> io::Result<()> {
        match self.run().take() {
            Some(run) => act(run.process),
            None => Err(self.error(io::ErrorKind::NotConnected, "is not running")),
        }
    }

    fn run(&self) -> MutexGuard<'_, Option<Run>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the log of ZooKeeper server {} ends with:\n{}", self.address(), self.files.log_tail());
        }
        // Before the directory goes, as it still writes there.
        *self.run() = None;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address())
            .field("process_id", &self.process_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::ensemble::plan::Role;

    #[test]
    fn a_taken_port_is_told_from_other_failures() {
        let taken = TcpListener::bind(loopback(0)).unwrap();
        let client_port = taken.local_addr().unwrap().port();
        let start = |builder: &Builder| {
            let plan = Plan::new(builder, Role::Standalone { client_port }).unwrap();
            let server = Server::new(&Java::find().unwrap(), plan).unwrap();
            let error = server.start_again().unwrap_err();
            assert_eq!(server.process_id(), None);
            error
        };

        assert_eq!(start(&Builder::new()).kind(), io::ErrorKind::AddrInUse);
        let error = start(&Builder::new().property("tickTime", "soon"));
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert!(error.to_string().contains("NumberFormatException"), "{error}");
    }
}
