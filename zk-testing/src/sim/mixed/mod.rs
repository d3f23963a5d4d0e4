//! The mixed workload: all operations, by chance, in every way in which they can be made.
//!
//! Every write carries a payload of its own, so that its traces can be found in what was committed. Every read is held against
//! what was committed too, and every watch is kept until it tells or its session is over. A few paths are shared by all, so
//! that clients get into each other's way.

mod actor;
mod armory;
mod call;
mod ledger;
mod odd;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use zk_proto::{
    AuthInfo, Credentials, Limits,
    client::{Builder, Client, OnExpiry},
    sasl::Step,
    session::State,
};

use super::{Application, Dice, Phase, Process, Truth, Violation, Workload, names};
use actor::Actor;
use armory::Armory;
use ledger::Ledger;
use odd::Sasl;

/// All operations by chance. The default workload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mixed;

impl Workload for Mixed {
    fn name(&self) -> &'static str {
        "mixed"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn is_thorough(&self) -> bool {
        true
    }

    fn begin(&self, dice: Dice) -> Box<dyn Application> {
        Box::new(Play { dice, common: Rc::default(), armories: Vec::new(), puts_off: BTreeSet::new() })
    }
}

const COUNTERS: &[&str] = &[
    "close",
    "hand over",
    "leave by dropping",
    "pipeline",
    "read behind a sync",
    "session taken up",
    "write taken back",
    "write abandoned",
    "write detached",
];

/// What all processes share.
#[derive(Default)]
pub(super) struct Shared {
    ledger: Ledger,
    /// Sessions to be taken up.
    shelf: Vec<Credentials>,
}

struct Play {
    dice: Dice,
    common: Rc<RefCell<Shared>>,
    armories: Vec<(u32, Rc<RefCell<Armory>>)>,
    /// The processes whose mechanisms put their steps off.
    puts_off: BTreeSet<u32>,
}

impl Application for Play {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        let dice = &mut self.dice;
        let mut limits = Limits::default();
        if dice.once_in(3) {
            limits.in_flight_requests = dice.between(1, 4);
            limits.backlog_requests = dice.between(1, 6);
            limits.events = dice.between(1, 4);
            limits.watches = dice.between(2, 20);
            limits.helping_bytes = dice.between(1, 200);
            limits.send_frame_bytes = 5_000;
        }
        if dice.once_in(2) {
            limits.watch_chunk_bytes = dice.between(10, 80);
        }
        let mut builder = builder.limits(limits);
        if dice.once_in(3) {
            builder = builder.read_only();
        }
        if dice.once_in(3) {
            builder = builder.auth(AuthInfo::digest("ann", "secret"));
        }
        if dice.once_in(40) {
            builder = builder.auth(AuthInfo::new("nonsense", b"?"));
        }
        if dice.once_in(8) {
            let sasl = dice.choose(&[
                Sasl::OneWay,
                Sasl::OneWay,
                Sasl::OneWay,
                Sasl::PutOff,
                Sasl::Slow,
                Sasl::Slow,
                Sasl::Hesitates,
                Sasl::Strict,
                Sasl::Fails,
            ]);
            builder = builder.sasl(sasl.factory());
            if sasl == Sasl::PutOff {
                self.puts_off.insert(process.number());
            }
        }
        if dice.once_in(5) {
            builder = builder.on_expiry(OnExpiry::End);
        }
        if dice.once_in(4) {
            builder = builder.watcher_queue(dice.between(1, 3));
        }
        match self.common.borrow_mut().shelf.pop() {
            Some(credentials) => {
                process.count("session taken up");
                // With another timeout, what is still on its way on an old connection would count by the old one.
                builder.session_timeout(credentials.timeout).credentials(credentials)
            }
            None => builder,
        }
    }

    fn start(&mut self, process: Process, client: Client) {
        let armory = Rc::new(RefCell::new(Armory::default()));
        self.armories.push((process.number(), armory.clone()));
        let tasks = self.dice.between(1, 3);
        for _ in 0..tasks {
            let root = self.dice.choose(&["/", "/", "/a"]);
            let client = client.chroot(root).expect("the root is fine");
            let actor = Actor::new(process.clone(), client, self.common.clone(), armory.clone());
            process.spawn(actor.run());
        }
        if self.puts_off.remove(&process.number()) {
            process.spawn(answer_challenges(process.clone(), client.clone()));
        }
        process.spawn(listen(process.clone(), client, armory, self.common.clone()));
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        let shared = self.common.borrow();
        shared.ledger.check_nothing_pending()?;
        shared.ledger.check(truth)?;
        for (process, armory) in &self.armories {
            let named = |violation: Violation| Violation {
                what: format!("client P{process}: {}", violation.what),
                ..violation
            };
            armory.borrow_mut().check_at_rest(truth).map_err(named)?;
        }
        Ok(())
    }

    fn killed(&mut self, process: u32) {
        self.common.borrow_mut().ledger.killed(process);
        let armory = self.armories.iter().position(|(number, _)| *number == process);
        let watchers = armory.map(|index| self.armories.swap_remove(index).1.borrow_mut().take_all());
        drop(watchers);
    }
}

/// Makes tokens for mechanisms that put that off.
async fn answer_challenges(process: Process, client: Client) {
    let answering = async {
        while let Some(challenge) = client.next_challenge().await {
            if client.sleep(Duration::from_millis(30)).await.is_err() {
                return;
            }
            client.answer(challenge.link, Step::Send("token".into()));
        }
    };
    let (mut answering, mut leave) = (pin!(answering), pin!(process.reached(Phase::Leaving)));
    poll_fn(|cx| match answering.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => leave.as_mut().poll(cx),
    })
    .await;
}

/// Hears all watches of a process, until it is to leave or its last session is over.
async fn listen(process: Process, client: Client, armory: Rc<RefCell<Armory>>, common: Rc<RefCell<Shared>>) {
    let mut states = client.states();
    let mut leave = pin!(process.reached(Phase::Leaving));
    poll_fn(|cx| {
        let session = client.session();
        let found = {
            let mut armory = armory.borrow_mut();
            armory.waker = Some(cx.waker().clone());
            armory.hear(&process, session)
        };
        process.expect(found);
        if armory.borrow().is_closed {
            return Poll::Ready(());
        }
        let to_read = std::mem::take(&mut armory.borrow_mut().to_read);
        for (watch, time) in to_read {
            process.spawn(read_again(process.clone(), client.clone(), armory.clone(), common.clone(), watch, time));
        }
        loop {
            match pin!(states.next()).poll(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(state)) => {
                    process.note(|| format!("is told {state:?}"));
                    process.count_in("state", state_name(&state));
                    if let State::Ended(end) = state {
                        process.count_in("end", names::end(end));
                    }
                }
            }
        }
        leave.as_mut().poll(cx)
    })
    .await;
    let found = armory.borrow_mut().hear(&process, None);
    process.expect(found);
    let watchers = armory.borrow_mut().close();
    drop(watchers);
}

/// Reads again what a persistent watch is about, to know what it has missed.
async fn read_again(
    process: Process,
    client: Client,
    armory: Rc<RefCell<Armory>>,
    common: Rc<RefCell<Shared>>,
    watch: u64,
    time: u64,
) {
    let path = armory.borrow().path(watch);
    let Some((root, path)) = path else { return };
    let client = if root.is_none() { Ok(client) } else { client.chroot(root.as_str()) };
    let Ok(client) = client else { return };
    let call = common.borrow_mut().ledger.begin(process.number(), &format!("read {path} again"), process.now());
    let read = client.exists(&path).resend().await;
    common.borrow_mut().ledger.end(call);
    if read.is_ok() {
        let covered = client.last_zxid();
        // What came before the answer was told before it.
        let heard = armory.borrow_mut().hear(&process, client.session());
        process.expect(heard);
        process.truth(|truth| armory.borrow_mut().read_again(watch, time, covered, truth));
    }
}

fn state_name(state: &State) -> &'static str {
    match state {
        State::Connecting => "Connecting",
        State::Connected { read_only: true, .. } => "Connected, read-only",
        State::Connected { resumed: true, .. } => "Connected, resumed",
        State::Connected { .. } => "Connected",
        State::Suspended { .. } => "Suspended",
        State::PresumedLost => "PresumedLost",
        State::Ended(_) => "Ended",
    }
}
