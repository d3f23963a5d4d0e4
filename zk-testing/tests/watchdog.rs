//! Servers end with the process that started them, however it ends.
//!
//! The process is this very binary, run again for the one test that is ignored otherwise.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use zk_testing::ensemble::shared;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_server_ends_when_its_process_is_killed() -> io::Result<()> {
    let mut started = Started::new("wait")?;
    assert!(started.is_there(), "before the kill");

    started.child.kill()?;
    started.child.wait()?;

    started.wait_until_gone();
    Ok(())
}

#[test]
fn the_shared_server_ends_when_its_process_does() -> io::Result<()> {
    let mut started = Started::new("end")?;

    assert!(started.child.wait()?.success());

    started.wait_until_gone();
    Ok(())
}

#[test]
#[ignore = "is what the other tests run as a process of its own"]
fn a_process_with_a_shared_server() {
    let server = shared();
    println!("\nserver {} {}", server.process_id().expect("it runs"), server.address());
    if std::env::var("ZK_TESTING_THEN").is_ok_and(|then| then == "wait") {
        thread::sleep(Duration::from_secs(600));
    }
}

/// A process and the server it started.
struct Started {
    child: Child,
    /// Kept open, since the process has more to say before it ends.
    _stdout: BufReader<ChildStdout>,
    server: PathBuf,
    address: SocketAddr,
    directories: PathBuf,
}

impl Started {
    fn new(then: &str) -> io::Result<Self> {
        let directories = std::env::temp_dir().join(format!("zk-testing-{}-{then}", std::process::id()));
        std::fs::create_dir(&directories)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--ignored", "--exact", "--nocapture", "a_process_with_a_shared_server"])
            .env("ZK_TESTING_THEN", then)
            .env("TMPDIR", &directories)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let line = stdout
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("server ").map(str::to_owned))
            .expect("the process tells of its server");
        let (process_id, address) = line.split_once(' ').expect("two words");
        let server = Path::new("/proc").join(process_id);
        let address = address.parse().map_err(io::Error::other)?;
        Ok(Self { child, _stdout: stdout, server, address, directories })
    }

    fn is_there(&self) -> bool {
        TcpStream::connect(self.address).is_ok()
    }

    /// Returns whether the server runs, as far as the system tells. A dead one that nobody buried does not.
    fn runs(&self) -> bool {
        std::fs::read_to_string(self.server.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn is_clean(&self) -> bool {
        std::fs::read_dir(&self.directories).is_ok_and(|mut entries| entries.next().is_none())
    }

    fn wait_until_gone(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.is_there() || self.runs() || !self.is_clean() {
            assert!(Instant::now() < deadline, "the server at {} is still there", self.address);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Whatever failed, nothing shall stay.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directories);
    }
}
