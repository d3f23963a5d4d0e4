//! Running a command while leading: `elect`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use zk_blocking::{
    Error, Wait,
    recipes::{Candidacy, ElectionLayout, LeaderLatch, LeadershipLoss, OnSuspend, Term},
};

use super::lock::CONTRACT;
use crate::{
    args::Options,
    child::{self, Grounds, Run},
    failure::{About, Exit, Failure},
    output::note,
    session, text,
};

/// Stand for election, and run a command while leading
///
/// When the command ends, the next one in line leads.
#[derive(Args, Debug)]
#[command(after_help = CONTRACT)]
pub(crate) struct Elect {
    /// The election
    path: String,

    /// Stand again when the command has ended with code 0, or leadership is lost, and run it again in the next term
    #[arg(long)]
    again: bool,

    /// Wait for so long at most, each time
    #[arg(long, value_name = "TIME", value_parser = text::duration)]
    wait: Option<Duration>,

    /// When leadership is lost while there is no connection
    #[arg(long, value_name = "WHEN", default_value = "presumed-lost")]
    on_suspend: Suspend,

    /// Whose names the nodes have: one is elected among participants of that kind
    #[arg(long, value_name = "LAYOUT", default_value = "curator-latch")]
    layout: Layout,

    /// What the node contains: who stands
    #[arg(long, value_name = "TEXT")]
    id: Option<String>,

    #[command(flatten)]
    run: Run,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    CuratorLatch,
    CuratorSelector,
    Kazoo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suspend {
    /// At once
    Now,
    /// When the session is not certain to live any more
    PresumedLost,
    /// When the server says so: meanwhile, others may lead too
    Expired,
}

impl Elect {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        self.run_inside(options).map_err(Failure::of_wrapper)
    }

    fn run_inside(self, options: &Options) -> Result<(), Failure> {
        let layout = match self.layout {
            Layout::CuratorLatch => ElectionLayout::Curator,
            Layout::CuratorSelector => ElectionLayout::CuratorSelector,
            Layout::Kazoo => ElectionLayout::Kazoo,
        };
        let on_suspend = match self.on_suspend {
            Suspend::Now => OnSuspend::GiveUpNow,
            Suspend::PresumedLost => OnSuspend::UntilPresumedLost,
            Suspend::Expired => OnSuspend::UntilExpired,
        };
        session::run(options, |session| {
            let latch = LeaderLatch::new(&session.client, &self.path).about(&self.path)?;
            let id = self.id.as_deref().unwrap_or_default();
            let candidacy = latch.layout(layout).on_suspend(on_suspend).data(id.as_bytes()).stand();
            loop {
                let term = self.gain(&candidacy)?;
                let (status, loss) = self.run.run(options, &grounds(&self.path, &term), lost(&candidacy, &term))?;
                candidacy.relinquish(&term);
                let code = child::exit_code(status);
                let loss = loss.filter(|_| self.run.is_ended_by_loss());
                match loss {
                    Some(_) | None if self.again && (loss.is_some() || code == 0) => {}
                    Some(why) => return Err(Failure::new(Exit::Lost, why).about(&self.path)),
                    None => return Err(Failure::Command(code)),
                }
            }
        })
    }

    fn gain(&self, candidacy: &Candidacy) -> Result<Term, Failure> {
        let gained = match self.wait {
            None => candidacy.gained().wait(),
            Some(limit) => candidacy.gained().wait_timeout(limit).unwrap_or_else(|elapsed| Err(Error::from(elapsed))),
        };
        match gained {
            Err(Error::TimedOut { .. }) => Err(Failure::new(Exit::NotHad, "not elected in time").about(&self.path)),
            gained => gained.about(&self.path),
        }
    }
}

fn grounds<'a>(path: &'a str, term: &'a Term) -> Grounds<'a> {
    note(format_args!("zk: {path}: elected"));
    Grounds { path, node: term.path(), token: term.fencing_token() }
}

/// Waits for the end of the term, and returns why it has come.
async fn lost(candidacy: &Candidacy, term: &Term) -> String {
    match candidacy.lost(term).await {
        LeadershipLoss::Suspended => "not leading any more, the connection is lost".into(),
        LeadershipLoss::Presumed => "not leading any more, no server was reached in time".into(),
        LeadershipLoss::SessionOver => "not leading any more, the session is over".into(),
        LeadershipLoss::Removed => "not leading any more, somebody has deleted the node".into(),
        other => format!("not leading any more: {other:?}"),
    }
}
