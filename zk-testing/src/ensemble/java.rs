//! Which Java and which ZooKeeper to run, and with which flags.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, io};

const MAIN_CLASS: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

/// Where Debian's packages put the server, the simplest of the loggers it can use, and what Netty needs for TLS. The
/// manifest of the first names most of the class path, but not these.
const DEBIAN_JARS: [&str; 5] = [
    "/usr/share/java/zookeeper.jar",
    "/usr/share/java/slf4j-simple.jar",
    "/usr/share/java/netty-codec.jar",
    "/usr/share/java/netty-resolver.jar",
    "/usr/share/java/netty-transport-native-unix-common.jar",
];

/// What makes a server small and quick to start: it answers after 0.3 s, having used 0.37 s of processor time instead of
/// 0.43. An archive of its classes would save another 0.1 s, but would have to be made, kept and thrown away in time.
/// Performance data would be left in the temporary directory by every killed server.
const FLAGS: [&str; 8] = [
    "-Xmx128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.showShortLogName=true",
];

#[derive(Clone, Debug)]
pub(super) struct Java {
    program: PathBuf,
    class_path: OsString,
}

impl Java {
    /// Finds Java and ZooKeeper, or says how to get them.
    pub(super) fn find() -> io::Result<Self> {
        Ok(Self { program: program()?, class_path: class_path()? })
    }

    /// Returns the command line of a server with this configuration file.
    pub(super) fn command<'a>(
        &self,
        system_properties: impl IntoIterator<Item = (&'a String, &'a String)>,
        config: &Path,
    ) -> Vec<OsString> {
        let mut words = vec![self.program.clone().into_os_string()];
        words.extend(FLAGS.map(OsString::from));
        words.extend(system_properties.into_iter().map(|(key, value)| format!("-D{key}={value}").into()));
        words.extend(["-cp".into(), self.class_path.clone(), MAIN_CLASS.into(), config.into()]);
        words
    }
}

fn program() -> io::Result<PathBuf> {
    if let Some(home) = env::var_os("JAVA_HOME") {
        let program = Path::new(&home).join("bin/java");
        return if program.is_file() {
            Ok(program)
        } else {
            Err(missing(&format!("JAVA_HOME is set, but there is no {}", program.display())))
        };
    }
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join("java"))
        .find(|program| program.is_file())
        .ok_or_else(|| missing("there is no java in PATH"))
}

fn class_path() -> io::Result<OsString> {
    if let Some(class_path) = env::var_os("ZOOKEEPER_CLASSPATH") {
        return Ok(class_path);
    }
    match DEBIAN_JARS.iter().find(|jar| !Path::new(jar).is_file()) {
        Some(jar) => Err(missing(&format!("there is no {jar}"))),
        None => Ok(DEBIAN_JARS.join(":").into()),
    }
}

fn missing(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!(
            "cannot start ZooKeeper: {what}; run .ci/install-zookeeper, or set JAVA_HOME and ZOOKEEPER_CLASSPATH to \
             where they are"
        ),
    )
}
