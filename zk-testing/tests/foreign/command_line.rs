//! Java's command line, `zkCli.sh`, as packages install it.

use std::{ffi::OsString, process::Command};

use zk_testing::TestServer;

use crate::script::{self, Process};

/// What the packages of Debian and Ubuntu put there.
const JARS: [&str; 2] = ["/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar"];

#[test]
fn the_command_line_runs_its_commands() {
    let server = TestServer::start().expect("a port is free");
    let mut command = java();
    command.args(["org.apache.zookeeper.ZooKeeperMain", "-server", &server.connect_string()]);
    let mut shell = Shell(Process::start(with_errors_in_output(&command)));
    shell.expect("type:None path:null");

    shell.run("create /cli one", "Created /cli");
    shell.run("create -s /cli/s- x", "Created /cli/s-0000000000");
    shell.run("create -e -s /cli/s- x", "Created /cli/s-0000000001");
    shell.run("create -e /cli/e x", "Created /cli/e");
    shell.run("create -c /cli/c", "Created /cli/c");
    shell.run("create -t 100000 /cli/t", "Created /cli/t");
    shell.run("create /cli again", "Node already exists: /cli");
    shell.run("create /none/x", "Node does not exist: /none/x");
    shell.run("create /cli/e/x", "Ephemerals cannot have children: /cli/e/x");
    shell.run("ls /cli", "[c, e, s-0000000000, s-0000000001, t]");
    shell.run("getAllChildrenNumber /cli", "5");
    shell.run("getEphemerals", "[/cli/e, /cli/s-0000000001]");
    shell.run("stat /cli", "dataVersion = 0");
    shell.run("get -w /cli", "one");
    shell.run("set /cli two", "type:NodeDataChanged path:/cli");
    shell.run("set -v 0 /cli three", "version No is not valid : /cli");
    shell.run("addWatch -m PERSISTENT_RECURSIVE /cli", "");
    shell.run("set -v 1 /cli three", "type:NodeDataChanged path:/cli");
    shell.run("delete /cli/s-0000000000", "type:NodeDeleted path:/cli/s-0000000000");
    shell.run("delete /cli", "Node not empty: /cli");
    shell.run("removewatches /cli -a", "");
    shell.run("sync /cli", "Sync is OK");
    shell.run("addauth digest alice:secret", "");
    shell.run("whoami", "digest: alice");
    shell.run("create /cli/acl hidden auth::cdrwa", "Created /cli/acl");
    shell.run("getAcl /cli/acl", "'digest,'alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
    shell.run("setAcl /cli/acl digest:bob:x:r", "");
    shell.run("get /cli/acl", "Insufficient permission : /cli/acl");
    shell.run("delete /cli/acl", "");
    shell.run("setquota -n 9 /cli", "");
    shell.run("listquota /cli", "Output stat for /cli count=5,bytes=7");
    shell.run("get -w /cli", "three");
    server.cut_connections();
    shell.expect("state:Disconnected type:None path:null");
    shell.expect("state:SyncConnected type:None path:null");
    shell.run("set /cli four", "type:NodeDataChanged path:/cli");
    shell.run("delquota /cli", "");
    shell.run("deleteall /cli", "");
    shell.run("ls /", "[zookeeper]");
    shell.run("create -e /gone x", "Created /gone");
    assert!(server.get("/gone").is_some());

    shell.0.send("quit");
    while shell.0.line().is_some() {}

    assert!(shell.0.end().success());
    assert!(server.get("/gone").is_none() && server.sessions().is_empty(), "the session was closed");
}

struct Shell(Process);

impl Shell {
    /// Gives a command and waits until it has said this, among other things.
    fn run(&mut self, command: &str, answer: &str) {
        self.0.send(command);
        if !answer.is_empty() {
            self.expect(answer);
        }
    }

    fn expect(&mut self, answer: &str) {
        loop {
            match self.0.line() {
                Some(line) if line.contains(answer) => return,
                Some(_) => {}
                None => panic!("the end came instead of {answer:?}"),
            }
        }
    }
}

/// Returns the command with what it says of errors among its output.
fn with_errors_in_output(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$@" 2>&1"#, "sh"]).arg(command.get_program()).args(command.get_args());
    shell
}

/// Returns the Java program with ZooKeeper's class path.
pub(crate) fn java() -> Command {
    let class_path = std::env::var_os("ZOOKEEPER_CLASSPATH").unwrap_or_else(|| {
        JARS.iter().for_each(|jar| script::require(jar.as_ref()));
        OsString::from(JARS.join(":"))
    });
    let mut command = Command::new("java");
    command.args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"]).arg(class_path);
    command
}
