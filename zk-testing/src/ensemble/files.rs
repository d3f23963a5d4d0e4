//! What a server has on disk, in a temporary directory that goes when the server does.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::{env, process};

use super::plan::Plan;

/// How many lines of a log go into an error.
const TAIL_LINES: usize = 40;

#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

impl Files {
    /// Makes a directory that is new and open to this user only.
    pub(super) fn new() -> io::Result<Self> {
        loop {
            let random = RandomState::new().build_hasher().finish();
            let name = format!("zk-testing-{}-{random:016x}", process::id());
            let directory = env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&directory) {
                Ok(()) => return Ok(Self { directory }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.directory.join("zoo.cfg")
    }

    pub(super) fn jaas(&self) -> PathBuf {
        self.directory.join("jaas.conf")
    }

    pub(super) fn hosts(&self) -> PathBuf {
        self.directory.join("hosts")
    }

    /// Writes what the server reads at its start. While it runs, it may write some of it anew.
    pub(super) fn write(&self, plan: &Plan) -> io::Result<()> {
        let data = self.data();
        fs::create_dir_all(&data)?;
        fs::write(self.configuration(), plan.configuration(&data))?;
        if let Some(id) = plan.my_id() {
            fs::write(data.join("myid"), id)?;
        }
        if let Some(jaas) = plan.jaas() {
            fs::write(self.jaas(), jaas)?;
        }
        if let Some(hosts) = plan.hosts() {
            fs::write(self.hosts(), hosts)?;
        }
        Ok(())
    }

    pub(super) fn remove_data(&self) -> io::Result<()> {
        fs::remove_dir_all(self.data())
    }

    /// Opens the log for more, and says how long it is.
    pub(super) fn open_log(&self) -> io::Result<(File, u64)> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let length = log.metadata()?.len();
        Ok((log, length))
    }

    pub(super) fn log_since(&self, start: u64) -> io::Result<String> {
        let mut log = File::open(self.log())?;
        log.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the last lines of the log, or why there are none.
    pub(super) fn log_tail(&self) -> String {
        let log = self.log_since(0).unwrap_or_else(|error| error.to_string());
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Nobody is left to tell; what stays lies in the system's directory for such things.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
