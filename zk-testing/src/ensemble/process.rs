//! One child process that does not outlive this one.
//!
//! The child starts as a shell, which leaves a watchdog behind in the background and then becomes the program. The
//! watchdog reads from a pipe that only this process can write to: a line dismisses it; the end of the file means that
//! this process is gone, however it went, and the watchdog kills the program and removes its directory. As the
//! watchdog is there before the program is, there is no moment at which a kill of this process leaves the program running.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// `$$` is the process that becomes the program. The directory goes twice, since the program may write while it dies.
const SCRIPT: &str = r#"
directory=$1
shift
exec 3<&0 </dev/null
(
    trap '' HUP INT QUIT TERM
    if ! read -r line; then
        kill -9 $$
        rm -rf -- "$directory"
        sleep 1
        rm -rf -- "$directory"
    fi
) <&3 3<&- >/dev/null 2>&1 &
exec "$@" 3<&-
"#;

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    is_paused: bool,
}

impl Process {
    /// Starts the program, whose output goes to `log`. The watchdog removes `directory` if it has to act.
    pub(super) fn start(
        command: &[OsString],
        env: &[(String, String)],
        directory: &Path,
        log: &File,
    ) -> io::Result<Self> {
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "zk-testing"])
            .arg(directory)
            .args(command)
            .envs(env.iter().map(|(key, value)| (key, value)))
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            // An interrupt at the terminal is for the test process; the watchdog must live to see it end.
            .process_group(0)
            .spawn()?;
        Ok(Self { child, is_paused: false })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Returns how the program ended, if it has.
    pub(super) fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Stops the program between two instructions. Returns once it stands.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        // An end counts too, or this would wait for ever; it is left to be seen by `exit_status`.
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), stopped)?;
        self.is_paused = true;
        Ok(())
    }

    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.signal(Signal::CONT)?;
        self.is_paused = false;
        Ok(())
    }

    /// Asks the program to end, and kills it if it has not after `patience`.
    pub(super) fn stop(mut self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        if self.exit_status()?.is_none() {
            self.signal(Signal::TERM)?;
            // A paused program would not hear it.
            self.signal(Signal::CONT)?;
        }
        while self.exit_status()?.is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        self.kill()
    }

    /// Kills the program and waits until it is gone.
    pub(super) fn kill(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        // The watchdog must be off before the wait below frees the process id it would kill.
        if let Some(mut watchdog) = self.child.stdin.take() {
            // It cannot be told if it was killed, and then need not be.
            let _ = watchdog.write_all(b"dismissed\n");
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        match self.exit_status()? {
            // Its process id may be somebody else's by now.
            Some(status) => Err(io::Error::other(format!("the process has ended with {status}"))),
            None => Ok(kill_process(self.pid(), signal)?),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After `kill` there is nothing left to end, and a failure would have nobody to go to.
        let _ = self.end();
    }
}
