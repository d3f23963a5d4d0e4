//! Writing one node: `create` and `set`.

use std::{io, thread, time::Duration};

use clap::Args;
use serde_json::json;
use zk_blocking::{
    Acl, Client, CreateMode, Error, ErrorCode, OnExpiry, State, Wait, path,
    request::{Create2, Created},
};

use super::acl;
use crate::{
    args::Options,
    data::Data,
    failure::{About, Exit, Failure},
    json,
    output::note,
    session::{self, Session},
};

/// Replace a node's data
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The node
    path: String,

    #[command(flatten)]
    data: Data,

    /// Only if the node has this version
    #[arg(long, value_name = "N")]
    version: Option<i32>,
}

impl Set {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        let Some(data) = self.data.read()? else {
            return Err(Failure::usage("no data: give it as an argument, with -f FILE, or \"-\" for standard input"));
        };
        session::run(options, |session| {
            let request = session.client.set_data(&self.path, data).version(self.version).timeout(session.limit);
            let stat = request.wait().about(&self.path)?;
            session.output.result_in_json(|| json!({ "path": self.path, "stat": json::stat(&stat) }))
        })
    }
}

/// Create a node, and print its path
///
/// An ephemeral node lives as long as its session. So with -e the command goes on until it is interrupted (Ctrl-C), or until its
/// standard input ends, unless the data came from there. Then it closes the session, and the node is gone at once.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// The node
    path: String,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    kind: Kind,

    /// Keep the session, and with it the node, until standard input ends or Ctrl-C
    #[arg(short, long, conflicts_with_all = ["container", "ttl"])]
    ephemeral: bool,

    /// Create the nodes above it that are missing, without data
    #[arg(short, long)]
    parents: bool,

    /// Who may do what: SCHEME:ID:PERMISSIONS, such as world:anyone:r; may be given several times
    #[arg(long, value_name = "ACL", value_parser = acl::parse)]
    acl: Vec<Acl>,

    // Without the short form, which means another thing here.
    /// The servers, and the node to take for the root: HOST:PORT,HOST:PORT/CHROOT [default: localhost:2181]
    #[arg(id = "servers", long, value_name = "SERVERS")]
    _servers: Option<String>,
}

/// What a node is to be, but for what depends on the session.
#[derive(Args, Clone, Debug)]
pub(crate) struct Kind {
    /// Let the server append a number to the name
    #[arg(short, long, conflicts_with = "container")]
    pub(crate) sequential: bool,

    /// Let the server delete it some time after its last child was
    #[arg(short, long, conflicts_with = "ttl")]
    pub(crate) container: bool,

    /// Let the server delete it when it has no children and was not changed for so long
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) ttl: Option<u64>,
}

impl Kind {
    pub(crate) fn mode(&self) -> CreateMode {
        match (self.container, self.ttl, self.sequential) {
            (true, _, _) => CreateMode::Container,
            (false, Some(_), false) => CreateMode::PersistentWithTtl,
            (false, Some(_), true) => CreateMode::PersistentSequentialWithTtl,
            (false, None, false) => CreateMode::Persistent,
            (false, None, true) => CreateMode::PersistentSequential,
        }
    }

    pub(crate) fn time_to_live(&self) -> Option<Duration> {
        self.ttl.map(Duration::from_millis)
    }
}

impl Create {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        let is_input_used = self.data.is_standard_input();
        let data = self.data.read()?.unwrap_or_default();
        let mode = match (self.ephemeral, self.kind.sequential) {
            (false, _) => self.kind.mode(),
            (true, false) => CreateMode::Ephemeral,
            (true, true) => CreateMode::EphemeralSequential,
        };
        let acl = (!self.acl.is_empty()).then_some(&self.acl[..]);
        let create = Create2 { path: &self.path, data: data.into(), mode, acl, ttl: self.kind.time_to_live() };
        let on_expiry = if self.ephemeral { OnExpiry::End } else { OnExpiry::Renew };
        session::run_with(options, on_expiry, |session| {
            let Created { path, stat } = match attempt(session, &create) {
                Err(error) if error.code() == Some(ErrorCode::NoNode) && self.parents => {
                    create_parents(&session.client, &self.path, session.limit)?;
                    attempt(session, &create).about(&self.path)?
                }
                Err(error) if error.code() == Some(ErrorCode::NoNode) => {
                    let message = "the node above it does not exist (-p creates it)";
                    return Err(Failure::new(Exit::NoNode, message).about(&self.path));
                }
                created => created.about(&self.path)?,
            };
            session.output.result(|| json!({ "path": path, "stat": json::stat(&stat) }), || path.clone())?;
            if self.ephemeral { hold(session, &path, is_input_used) } else { Ok(()) }
        })
    }
}

fn attempt(session: &Session, create: &Create2<'_>) -> Result<Created, Error> {
    session.client.request(create.clone()).timeout(session.limit).wait()
}

/// Creates the nodes above a path that are missing.
fn create_parents(client: &Client, path: &str, limit: Duration) -> Result<(), Failure> {
    let parent = path::parent(path).unwrap_or("/");
    let mut parents: Vec<&str> = path::ancestors(parent).filter(|path| *path != "/").collect();
    // A chroot is a node too, and may be missing like any other.
    if !client.root().is_none() {
        parents.push("/");
    }
    for parent in parents.into_iter().rev() {
        match client.create(parent, b"").timeout(limit).wait() {
            Ok(_) | Err(Error::Server(ErrorCode::NodeExists)) => {}
            Err(error) => return Err(Failure::from(error).about(parent)),
        }
    }
    Ok(())
}

/// Waits as long as the session is to be kept, and tells how it fares meanwhile.
fn hold(session: &mut Session, path: &str, is_input_used: bool) -> Result<(), Failure> {
    session.output.flush()?;
    let until = if is_input_used { "Ctrl-C" } else { "standard input ends, or Ctrl-C" };
    note(format_args!("zk: {path} is there until {until}"));
    if !is_input_used {
        let client = session.client.clone();
        thread::spawn(move || {
            // An input that cannot be read has ended, too.
            _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            // This begins with the call, and the main thread hears of it.
            drop(client.close());
        });
    }
    let mut states = session.client.states();
    let mut is_cut_off = false;
    while let Some(state) = states.next().wait() {
        match state {
            State::Connecting => {}
            State::Connected { .. } => {
                if std::mem::take(&mut is_cut_off) {
                    note(format_args!("zk: connected again, {path} is there"));
                }
            }
            State::Suspended { cause, .. } => {
                is_cut_off = true;
                note(format_args!("zk: cut off from the server ({cause}), {path} is there until the session expires"));
            }
            State::PresumedLost => note(format_args!("zk: still cut off, {path} may be gone")),
            State::Ended(zk_blocking::End::Closed) => {}
            State::Ended(end) => {
                return Err(
                    Failure::new(Exit::Connection, format_args!("the session is {end}, the node gone")).about(path)
                );
            }
        }
    }
    Ok(())
}
