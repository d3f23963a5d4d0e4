//! What stands on the command line, but for what belongs to a single command.

use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{
    commands::{
        acl, admin, completion, copy, create, elect, ephemerals, export, import, list, lock, multi, read, remove,
        server, watch,
    },
    failure::Failure,
    secure::Secure,
    text,
};

const AFTER_HELP: &str = "\
Examples:
  zk ls /                                   the children of the root
  zk -s zk1:2181,zk2:2181/app tree /        a tree, with /app as the root
  zk create -p /app/config '{\"a\": 1}'       a node, and those above it that are missing
  zk get /app/config | jq .a                its data, as it is
  zk set --version 3 /app/config -f new     only if nobody was faster; exit code 4 if somebody was
  zk watch -R /app                          what happens below, line by line
  zk lock /locks/backup -- ./backup.sh      a command, by one machine at a time
  zk export /app > app.json && zk import /copy app.json
  zk mntr                                   the figures of every server in the list

Data is an argument, the contents of a file (-f FILE), or standard input (-). Data that is no
text is printed as it is when standard output is a file or a pipe, and escaped on a terminal.

With --json, each result is a JSON value on a line of its own, and so is an error, on standard
error, but for mistakes in the command line. Data stands in the field \"data\", or encoded in
\"base64\" where it is no text; transactions and sessions are text (\"0x1f\").

Environment:
  ZK_SERVERS   as --servers
  ZK_AUTH      as --auth, but not to be seen in the list of processes
  ZK_TLS_CA, ZK_TLS_CERT, ZK_TLS_KEY, ZK_TLS_CRL, ZK_TLS_NAME   as the options --tls-…

Exit codes:
  0  all went well
  1  any other error
  2  the command line is wrong, or what it names cannot be
  3  there is no such node
  4  conflict: another version, the node exists, or has children
  5  the credentials lack a permission, or were refused
  6  no server could be reached, no reply came in time, or the session ended
lock and elect pass on that of their command, and have others of their own: see their help.
An interrupted command closes its session and ends by the signal, which shells show as 130
(Ctrl-C) or 143. Output to a closed pipe, as with \"| head\", is no error.";

/// ZooKeeper from the command line.
#[derive(Debug, Parser)]
#[command(name = "zk", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all commands.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Options {
    /// The servers, and the node to take for the root: HOST:PORT,HOST:PORT/CHROOT [default: localhost:2181]
    #[arg(short, long, global = true, value_name = "SERVERS")]
    servers: Option<String>,

    /// Credentials, such as digest:user:password; may be given several times. Others can see them in the list of processes
    #[arg(long, global = true, value_name = "SCHEME:SECRET")]
    pub(crate) auth: Vec<OsString>,

    /// Credentials, one a line, in a file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) auth_file: Option<PathBuf>,

    /// Print JSON, a value a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// How long to wait for a connection, and for each reply: 10s, 500ms, 2m
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = text::duration)]
    pub(crate) timeout: Duration,

    /// The session timeout to ask for, after which ephemeral nodes of a client that has died are deleted
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = text::duration)]
    pub(crate) session_timeout: Duration,

    /// Take a server that is cut off from the quorum too, for reading
    #[arg(long, global = true)]
    pub(crate) read_only: bool,

    #[command(flatten)]
    pub(crate) secure: Secure,
}

impl Options {
    /// Returns the servers, of the command line or of the environment.
    pub(crate) fn servers(&self) -> String {
        let from_environment = || env::var("ZK_SERVERS").ok().filter(|servers| !servers.is_empty());
        self.servers.clone().or_else(from_environment).unwrap_or_else(|| "localhost:2181".into())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Ls(list::Ls),
    Tree(list::Tree),
    Get(read::Get),
    Stat(read::Stat),
    Set(create::Set),
    Create(create::Create),
    Rm(remove::Rm),
    Cp(copy::Cp),
    Watch(watch::Watch),
    Lock(lock::Lock),
    Elect(elect::Elect),
    Multi(multi::Multi),
    Export(export::Export),
    Import(import::Import),
    #[command(subcommand)]
    Acl(acl::Acl),
    Ephemerals(ephemerals::Ephemerals),
    Sync(read::Sync),
    Config(server::Config),
    Whoami(server::WhoAmI),
    Admin(admin::Admin),
    Completion(completion::Completion),
    #[command(flatten)]
    Word(admin::Bare),
}

impl Command {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        match self {
            Self::Ls(ls) => ls.run(options),
            Self::Tree(tree) => tree.run(options),
            Self::Get(get) => get.run(options),
            Self::Stat(stat) => stat.run(options),
            Self::Set(set) => set.run(options),
            Self::Create(create) => create.run(options),
            Self::Rm(rm) => rm.run(options),
            Self::Cp(cp) => cp.run(options),
            Self::Watch(watch) => watch.run(options),
            Self::Lock(lock) => lock.run(options),
            Self::Elect(elect) => elect.run(options),
            Self::Multi(multi) => multi.run(options),
            Self::Export(export) => export.run(options),
            Self::Import(import) => import.run(options),
            Self::Acl(acl) => acl.run(options),
            Self::Ephemerals(ephemerals) => ephemerals.run(options),
            Self::Sync(sync) => sync.run(options),
            Self::Config(config) => config.run(options),
            Self::Whoami(who_am_i) => who_am_i.run(options),
            Self::Admin(admin) => admin.run(options),
            Self::Completion(completion) => completion.run(options),
            Self::Word(admin::Bare(word)) => admin::Admin { word }.run(options),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_has_no_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_short_s_means_servers_everywhere_but_in_create() {
        let servers = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().options.servers();

        assert_eq!(servers("zk -s a get /x"), "a");
        assert_eq!(servers("zk get -s a /x"), "a");
        assert_eq!(servers("zk -s a create -s /x"), "a");
        assert_eq!(servers("zk create --servers a -s /x"), "a");
    }
}
