//! A command that runs as long as something is held.
//!
//! Whatever ends `zk` ends the command too: signals are forwarded to it. Where standard input is no terminal, the command has a process
//! group of its own, and its own children are reached as well. At a terminal it stays in that of `zk`, or it could not read what
//! is typed; there, Ctrl-C goes to both by itself.
//!
//! A process is only signalled while it has not been waited for, so that the number cannot be another's by then.

use std::{
    ffi::OsString,
    future::{Future, poll_fn},
    io::{self, IsTerminal},
    os::unix::process::{CommandExt, ExitStatusExt},
    pin::pin,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use clap::{Args, ValueEnum};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use zk_blocking::{Wait, recipes::FencingToken};

use crate::{
    args::Options,
    failure::{About, Exit, Failure},
    output::note,
    text,
};

/// What to run, and what to do with it when what is held is lost.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// What to do with the command when the lock, or the leadership, is lost
    #[arg(long, value_name = "WHAT", default_value = "kill")]
    on_loss: OnLoss,

    /// The signal that asks the command to end
    #[arg(long, value_name = "SIGNAL", default_value = "term")]
    signal: Ask,

    /// How long it may take to end, before it is killed
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = text::duration)]
    grace: Duration,

    /// The command, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnLoss {
    /// Ask it to end, and kill it when it does not
    Kill,
    /// Say so, and let it run
    Warn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ask {
    Term,
    Int,
    Hup,
    Quit,
    Usr1,
    Usr2,
    Kill,
}

impl Ask {
    fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::TERM,
            Self::Int => Signal::INT,
            Self::Hup => Signal::HUP,
            Self::Quit => Signal::QUIT,
            Self::Usr1 => Signal::USR1,
            Self::Usr2 => Signal::USR2,
            Self::Kill => Signal::KILL,
        }
    }
}

/// On the strength of what it runs, as its environment has it.
pub(crate) struct Grounds<'a> {
    /// `ZK_PATH`: what was asked for.
    pub(crate) path: &'a str,
    /// `ZK_NODE`: the node that stands for it.
    pub(crate) node: &'a str,
    /// `ZK_FENCING_TOKEN`.
    pub(crate) token: FencingToken,
}

impl Run {
    /// Runs the command to its end, or until what it rests on is lost. Returns its exit status, and why it was lost.
    pub(crate) fn run(
        &self,
        options: &Options,
        grounds: &Grounds<'_>,
        lost: impl Future<Output = String>,
    ) -> Result<(ExitStatus, Option<String>), Failure> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::usage("no command to run"));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        command.env("ZK_PATH", grounds.path).env("ZK_NODE", grounds.node);
        command.env("ZK_FENCING_TOKEN", grounds.token.to_string()).env("ZK_SERVERS", options.servers());
        let running = Running::start(command).map_err(|error| {
            let exit = if error.kind() == io::ErrorKind::NotFound { Exit::CommandMissing } else { Exit::CommandFails };
            Failure::new(exit, error).about(program.to_string_lossy())
        })?;

        let Some(why) = running.end_unless(lost).wait() else { return Ok((running.end()?, None)) };
        if self.on_loss == OnLoss::Warn {
            note(format_args!("zk: {}: {why}; the command runs on", grounds.path));
            return Ok((running.end()?, Some(why)));
        }
        note(format_args!("zk: {}: {why}; the command is asked to end", grounds.path));
        signal_running(self.signal.signal());
        if running.ended().wait_timeout(self.grace).is_err() {
            note(format_args!("zk: {}: the command has not ended, and is killed", grounds.path));
            signal_running(Signal::KILL);
        }
        Ok((running.end()?, Some(why)))
    }

    /// Returns whether the command is ended when what it rests on is lost.
    pub(crate) fn is_ended_by_loss(&self) -> bool {
        self.on_loss == OnLoss::Kill
    }
}

/// Returns the exit code of a command as shells have it: its own, or 128 and the signal that has ended it.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// The one command that runs.
static SLOT: Mutex<Slot> = Mutex::new(Slot::Free);

#[derive(Clone, Copy, Debug)]
enum Slot {
    Free,
    Running(Target),
    /// A signal is about to end this process: nothing is to be started.
    Interrupted,
}

/// Whom to send signals to.
#[derive(Clone, Copy, Debug)]
struct Target {
    process: Pid,
    has_own_group: bool,
}

impl Target {
    fn signal(self, signal: Signal) {
        // Whoever is gone has no use for it.
        _ = if self.has_own_group {
            kill_process_group(self.process, signal)
        } else {
            kill_process(self.process, signal)
        };
    }
}

fn slot() -> MutexGuard<'static, Slot> {
    SLOT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal_running(signal: Signal) {
    if let Slot::Running(target) = *slot() {
        target.signal(signal);
    }
}

/// Forwards a signal that this process was sent to the command. Returns false if none runs; then none will be started any more.
pub(crate) fn forward(signal: i32) -> bool {
    let mut slot = slot();
    match *slot {
        Slot::Running(target) => {
            let signal = Signal::from_named_raw(signal);
            // The terminal sends this one to all of the group.
            let is_heard = !target.has_own_group && signal == Some(Signal::INT);
            if let Some(signal) = signal.filter(|_| !is_heard) {
                target.signal(signal);
            }
            true
        }
        Slot::Free | Slot::Interrupted => {
            *slot = Slot::Interrupted;
            false
        }
    }
}

/// The command that runs.
struct Running(Arc<Mutex<Fate>>);

#[derive(Default)]
struct Fate {
    ended: Option<Result<ExitStatus, io::ErrorKind>>,
    waker: Option<Waker>,
}

impl Running {
    fn start(mut command: Command) -> io::Result<Self> {
        let has_own_group = !io::stdin().is_terminal();
        if has_own_group {
            command.process_group(0);
        }
        let fate = Arc::<Mutex<Fate>>::default();
        let (give, take) = mpsc::sync_channel::<Child>(1);
        let told = fate.clone();
        // It is there before the command is, which must not run without somebody to wait for it.
        thread::Builder::new().name("command".into()).spawn(move || {
            if let Ok(child) = take.recv() {
                await_end(child, &told);
            }
        })?;
        let mut slot = slot();
        while let Slot::Interrupted = *slot {
            drop(slot);
            thread::park();
            slot = self::slot();
        }
        let child = command.spawn()?;
        *slot = Slot::Running(Target { process: Pid::from_child(&child), has_own_group });
        drop(slot);
        give.send(child).map_err(|_| io::Error::other("nobody waits for the command"))?;
        Ok(Self(fate))
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has ended.
    async fn ended(&self) {
        poll_fn(|cx| {
            let mut fate = self.fate();
            if fate.ended.is_some() {
                return Poll::Ready(());
            }
            fate.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until it has ended, or until that is there, which is returned then.
    async fn end_unless<T>(&self, that: impl Future<Output = T>) -> Option<T> {
        let (mut ended, mut that) = (pin!(self.ended()), pin!(that));
        poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => that.as_mut().poll(cx).map(Some),
        })
        .await
    }

    /// Waits until it has ended, and returns how.
    fn end(self) -> Result<ExitStatus, Failure> {
        self.ended().wait();
        let ended = self.fate().ended.unwrap_or(Err(io::ErrorKind::Other));
        ended.map_err(io::Error::from).about("the command")
    }
}

/// Waits for the end of a process, and tells it.
fn await_end(mut child: Child, told: &Mutex<Fate>) {
    let end = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(Pid::from_child(&child)), end), Err(rustix::io::Errno::INTR)) {}
    // From here on its number may be another's.
    let mut slot = slot();
    let status = child.wait();
    *slot = Slot::Free;
    drop(slot);
    let waker = {
        let mut fate = told.lock().unwrap_or_else(PoisonError::into_inner);
        fate.ended = Some(status.map_err(|error| error.kind()));
        fate.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}
