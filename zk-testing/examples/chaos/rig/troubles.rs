//! When which fault comes.
//!
//! Two bring about trouble, each one fault after the other: one among the servers, one among the clients. Each takes its faults
//! from a deck of all of them, which is shuffled by the seed and shuffled again when it is used up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zk_testing::sim::Dice;

use super::clock;
use super::faults::{Fault, of_clients, of_servers};
use super::history::Time;
use super::stage::Stage;

/// How long servers may take to have a leader again. A quorum of a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What faults are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    All,
    Servers,
    Clients,
}

impl Trouble {
    pub(crate) const ALL: [Self; 3] = [Self::All, Self::Servers, Self::Clients];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Servers => "servers",
            Self::Clients => "clients",
        }
    }
}

/// A fault from its beginning to its end.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    pub(crate) fault: Fault,
    pub(crate) target: String,
    pub(crate) from: Time,
    /// Nothing while it lasts.
    pub(crate) to: Option<Time>,
    /// Until when its consequences could be seen: until there is a quorum again.
    pub(crate) over: Option<Time>,
}

/// What has gone wrong so far, and whether more is to.
#[derive(Default)]
pub(crate) struct Troubles {
    bands: Mutex<Vec<Band>>,
    is_enough: Mutex<bool>,
    told: Condvar,
    has_failed: AtomicBool,
}

impl Troubles {
    pub(crate) fn bands(&self) -> MutexGuard<'_, Vec<Band>> {
        self.bands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the present faults be the last, and ends them now.
    pub(crate) fn end(&self) {
        *self.is_enough.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Notes whether what brings about trouble has failed, and passes it on.
    pub(crate) fn note(&self, outcome: io::Result<()>) -> io::Result<()> {
        self.has_failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
        outcome
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Waits; returns whether there is to be more trouble.
    fn wait(&self, span: Duration) -> bool {
        let deadline = Instant::now() + span;
        let mut is_enough = self.is_enough.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_enough {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            is_enough = self.told.wait_timeout(is_enough, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    fn begin(&self, fault: Fault, target: String) -> usize {
        let mut bands = self.bands();
        bands.push(Band { fault, target, from: clock::now(), to: None, over: None });
        bands.len() - 1
    }

    /// Brings trouble to the servers until it is enough.
    pub(crate) fn of_servers(&self, stage: &Stage, seed: u64) -> io::Result<()> {
        let mut dice = Dice::new(seed);
        let mut deck = Deck::new(&Fault::OF_SERVERS);
        while self.wait(dice.millis(1_000, 5_000)) {
            let fault = deck.draw(&mut dice);
            let band = self.begin(fault, "servers".to_owned());
            let outcome = of_servers(stage, fault, &mut dice, |span| _ = self.wait(span));
            self.bands()[band].to = Some(clock::now());
            // One that has ended by itself meanwhile, for instance because it had no quorum, is started again as well.
            outcome.or_else(|_| stage.mend_servers(PATIENCE)).and_then(|()| stage.mend_servers(PATIENCE))?;
            self.bands()[band].over = Some(clock::now());
        }
        Ok(())
    }

    /// Brings trouble to the clients until it is enough.
    pub(crate) fn of_clients(&self, stage: &Stage, timeout: Duration, seed: u64) -> io::Result<()> {
        let mut dice = Dice::new(seed);
        let mut deck = Deck::new(&Fault::OF_CLIENTS);
        while self.wait(dice.millis(500, 3_000)) {
            let (fault, crew) = (deck.draw(&mut dice), dice.below(stage.crews.len()));
            let band = self.begin(fault, stage.crews[crew].adapter.name().to_owned());
            let outcome = of_clients(stage, fault, crew, timeout, &mut dice, |span| _ = self.wait(span));
            let mut bands = self.bands();
            bands[band].to = Some(clock::now());
            bands[band].over = bands[band].to;
            drop(bands);
            outcome?;
        }
        Ok(())
    }

    /// Returns when it was in doubt who leads.
    pub(crate) fn in_doubt(&self) -> Vec<(Time, Time)> {
        let bands = self.bands();
        let in_doubt = bands.iter().filter(|band| band.fault.leaves_leader_in_doubt());
        in_doubt.map(|band| (band.from, band.over.unwrap_or(Time::MAX))).collect()
    }
}

/// A deck of faults.
struct Deck {
    all: &'static [Fault],
    left: Vec<Fault>,
}

impl Deck {
    fn new(all: &'static [Fault]) -> Self {
        Self { all, left: Vec::new() }
    }

    fn draw(&mut self, dice: &mut Dice) -> Fault {
        if self.left.is_empty() {
            self.left = self.all.to_vec();
        }
        self.left.swap_remove(dice.below(self.left.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_comes_before_one_comes_again() {
        let (mut deck, mut dice) = (Deck::new(&Fault::OF_CLIENTS), Dice::new(7));
        for _ in 0..3 {
            let mut drawn: Vec<Fault> = Fault::OF_CLIENTS.iter().map(|_| deck.draw(&mut dice)).collect();
            drawn.sort();
            assert_eq!(drawn, Fault::OF_CLIENTS);
        }
    }
}
