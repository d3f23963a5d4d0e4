//! Running a command under a lock: `lock`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use zk_blocking::{
    Wait,
    recipes::{Held, Lock as Recipe, LockLayout, Loss, Tenure},
};

use crate::{
    args::Options,
    child::{self, Grounds, Run},
    failure::{About, Exit, Failure},
    output::note,
    session, text,
};

pub(super) const CONTRACT: &str = "\
The command's environment:
  ZK_PATH           the path
  ZK_NODE           the node that stands for this holder
  ZK_FENCING_TOKEN  a number that grows with every holder: what the command writes elsewhere can
                    carry it, and the other side refuse lower ones than it has seen
  ZK_SERVERS        as --servers, so that \"zk\" in the command asks the same ones

Signals: SIGINT and SIGTERM are forwarded to the command, and to its own children too unless
standard input is a terminal. If zk itself is killed by SIGKILL, the command runs on.

When the connection is lost, the command runs on until the session is not certain to live any
more, which is a quarter of the session timeout before the server may let another have its turn. So
with a --grace of less than that, the command has ended by then.

Exit codes: that of the command, or 128 and the signal that has ended it, but
    2  the command line is wrong
  121  lost, and the command was ended for that
  124  not had at once (--try) or in time (--wait)
  125  zk itself has failed: no server, no rights; the message says so
  126  the command cannot be run
  127  there is no such command";

/// Run a command while holding a lock
#[derive(Args, Debug)]
#[command(after_help = CONTRACT)]
pub(crate) struct Lock {
    /// The lock
    path: String,

    /// Do not wait: run the command only if nobody has the lock or waits for it
    #[arg(long = "try", conflicts_with = "wait")]
    is_try: bool,

    /// Wait for so long at most
    #[arg(long, value_name = "TIME", value_parser = text::duration)]
    wait: Option<Duration>,

    /// Whose names the nodes have: the lock excludes holders of that kind
    #[arg(long, value_name = "LAYOUT", default_value = "curator")]
    layout: Layout,

    /// What the node contains: who holds the lock
    #[arg(long, value_name = "TEXT")]
    id: Option<String>,

    #[command(flatten)]
    run: Run,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    Curator,
    Kazoo,
    Go,
}

impl Lock {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        self.run_inside(options).map_err(Failure::of_wrapper)
    }

    fn run_inside(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let layout = match self.layout {
                Layout::Curator => LockLayout::Curator,
                Layout::Kazoo => LockLayout::Kazoo,
                Layout::Go => LockLayout::GoZookeeper,
            };
            let id = self.id.as_deref().unwrap_or_default();
            let lock = Recipe::new(&session.client, &self.path).about(&self.path)?.layout(layout).data(id.as_bytes());
            let acquired = match (self.is_try, self.wait) {
                (true, _) => lock.try_acquire().wait(),
                (false, Some(limit)) => lock.acquire_timeout(limit).wait(),
                (false, None) => lock.acquire().wait().map(Some),
            };
            let Some(held) = acquired.about(&self.path)? else {
                let when = if self.is_try { "others have it, or wait for it" } else { "not had in time" };
                return Err(Failure::new(Exit::NotHad, when).about(&self.path));
            };
            let (node, token) = (held.path().to_owned(), held.fencing_token());
            let grounds = Grounds { path: &self.path, node: &node, token };
            let outcome = self.run.run(options, &grounds, lost(&held, &self.path));
            if !matches!(held.release().wait_timeout(session.limit), Ok(Ok(()))) {
                note(format_args!("zk: {}: given back when the session ends, at the latest", self.path));
            }
            let (status, loss) = outcome?;
            match loss.filter(|_| self.run.is_ended_by_loss()) {
                Some(why) => Err(Failure::new(Exit::Lost, why).about(&self.path)),
                None => Err(Failure::Command(child::exit_code(status))),
            }
        })
    }
}

/// Waits until the lock is lost, tells what happens until then, and returns why.
async fn lost(held: &Held, path: &str) -> String {
    let mut known = held.tenure();
    loop {
        known = match known {
            Tenure::Held => held.changed(known).await,
            Tenure::InDoubt { .. } => {
                note(format_args!("zk: {path}: cut off from the server, held as long as the session lives"));
                let now = held.changed(known).await;
                if now == Tenure::Held {
                    note(format_args!("zk: {path}: connected again, still held"));
                }
                now
            }
            Tenure::Lost(loss) => {
                return match loss {
                    Loss::Presumed => "lost, no server was reached in time".into(),
                    Loss::SessionOver => "lost, the session is over".into(),
                    Loss::Removed => "lost, somebody has deleted its node".into(),
                    other => format!("lost: {other:?}"),
                };
            }
        }
    }
}
