//! How processes of the other libraries are started.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, id},
    sync::OnceLock,
};

use crate::process::Process;

/// What the packages of Debian and Ubuntu put there. The manifests name most of the class path.
const JARS: [&str; 3] = [
    "/usr/share/java/curator-x-discovery.jar",
    "/usr/share/java/curator-recipes.jar",
    "/usr/share/java/slf4j-simple.jar",
];

/// What makes Java start in half a second.
const FLAGS: [&str; 6] = [
    "-Xmx128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

/// Another library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Curator,
    Kazoo,
}

impl Library {
    /// Starts a process.
    pub(crate) fn start(self) -> Process {
        match self {
            Self::Curator => {
                let mut command = Command::new("java");
                command.args(FLAGS).arg("-cp").arg(format!("{}:{}", curator_classes().display(), class_path()));
                Process::start("Curator", {
                    command.arg("Peer");
                    command
                })
            }
            Self::Kazoo => {
                let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/foreign/bin/python");
                require(&python);
                let mut command = Command::new(python);
                // No compiled copies next to the sources.
                command.args(["-B", "-u", "-X", "utf8"]).arg(scripts("kazoo").join("peer.py"));
                Process::start("kazoo", command)
            }
        }
    }

    /// Returns the process that all tests share, started by the first to ask.
    pub(crate) fn shared(self) -> &'static Process {
        static CURATOR: OnceLock<Process> = OnceLock::new();
        static KAZOO: OnceLock<Process> = OnceLock::new();
        match self {
            Self::Curator => CURATOR.get_or_init(|| self.start()),
            Self::Kazoo => KAZOO.get_or_init(|| self.start()),
        }
    }
}

fn scripts(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/scripts").join(name)
}

fn class_path() -> String {
    JARS.iter().for_each(|jar| require(jar.as_ref()));
    JARS.join(":")
}

/// Returns where the Java classes are, compiled anew when a source has changed. Other test processes may be doing the same.
fn curator_classes() -> &'static Path {
    static CLASSES: OnceLock<PathBuf> = OnceLock::new();
    CLASSES.get_or_init(|| {
        let entries = fs::read_dir(scripts("curator")).expect("the sources are there");
        let mut sources: Vec<_> = entries.map(|entry| entry.expect("the sources can be listed").path()).collect();
        sources.sort();
        let mut hasher = DefaultHasher::new();
        for source in &sources {
            fs::read(source).expect("the sources can be read").hash(&mut hasher);
        }
        let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("curator-peer-{:016x}", hasher.finish()));
        if !classes.exists() {
            compile(&sources, &classes);
        }
        classes
    })
}

fn compile(sources: &[PathBuf], classes: &Path) {
    let own = classes.with_extension(id().to_string());
    let mut compiler = Command::new("javac");
    compiler.args(["-nowarn", "-proc:none", "-cp", &class_path(), "-d"]).arg(&own).args(sources);
    let compiled = compiler.output().expect("javac is there: run .ci/install-foreign");
    let told = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "the peer does not compile: run .ci/install-foreign?\n{told}");
    match fs::rename(&own, classes) {
        Ok(()) => {}
        // Another process was faster.
        Err(_) if classes.exists() => fs::remove_dir_all(&own).expect("it is ours"),
        Err(error) => panic!("{} cannot be made: {error}", classes.display()),
    }
}

/// Panics where a file is missing that the script for clients installs.
fn require(path: &Path) {
    assert!(path.exists(), "there is no {}: run .ci/install-foreign", path.display());
}
