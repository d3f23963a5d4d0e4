//! What goes wrong, when, and how it heals.
//!
//! Calm and wild times alternate. In wild times, faults come one upon the other; each has an end of its own, and at the end of
//! all trouble everything heals at once.

use std::time::Duration;

use zk_proto::{Instant, SessionId};

use super::{
    faults::Fault,
    net::{Close, Happening, Relief},
    world::World,
};

impl World {
    fn now(&self) -> Instant {
        self.net.borrow().now
    }

    fn later(&mut self, after: Duration, happening: Happening) {
        let at = self.now() + after;
        self.net.borrow_mut().agenda.add(at, happening);
    }

    /// Lets the next thing go wrong.
    pub(super) fn trouble(&mut self) {
        if self.is_healed {
            return;
        }
        let now = self.now();
        let pause = if now < self.is_wild_until {
            self.dice.millis(5, 700)
        } else {
            self.is_wild_until = now + self.dice.millis(500, 8_000);
            self.dice.millis(500, 6_000)
        };
        self.later(pause, Happening::Trouble);
        let fault = self.dice.choose(&Fault::ALL);
        // Thrown in any case, so that the rest stays the same where one kind is switched off.
        let mut dice = self.dice.fork();
        std::mem::swap(&mut dice, &mut self.dice);
        let is_wanted = self.config.faults.contains(fault)
            && self.config.fault_limit.is_none_or(|limit| self.net.borrow().faults < limit);
        if is_wanted && self.cause(fault) {
            self.net.borrow_mut().faults += 1;
        }
        self.dice = dice;
    }

    /// Causes a fault. Returns whether there was an occasion.
    fn cause(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Cut => self.break_link(fault, Close::Fin),
            Fault::Reset => self.break_link(fault, Close::Reset),
            Fault::CutBehindRequest => self.with_link(None, |world, id| {
                if let Some(connection) = world.net.borrow_mut().connections.get_mut(&id) {
                    connection.is_doomed = true;
                }
            }),
            Fault::Swallow => self.with_link(None, |world, id| {
                if let Some(connection) = world.net.borrow_mut().connections.get_mut(&id) {
                    connection.swallows = true;
                }
                // Nobody could tell the loss of the last reply from a server that takes its time.
                let after = world.dice.millis(300, 3_000);
                world.later(after, Happening::Relief(Relief::CutOff(id)));
            }),
            Fault::StallUp | Fault::StallDown => self.with_link(Some(fault), |world, id| {
                let until = world.now() + world.dice.millis(50, 9_000);
                world.net.borrow_mut().stall(id, fault == Fault::StallUp, until);
            }),
            Fault::DeafServer | Fault::DeafClient => self.with_link(Some(fault), |world, id| {
                if let Some(connection) = world.net.borrow_mut().connections.get_mut(&id) {
                    if fault == Fault::DeafServer { connection.up.lose() } else { connection.down.lose() }
                }
            }),
            Fault::Fade => self.with_link(Some(fault), |world, id| world.fade(id)),
            Fault::Offline => self.with_process(None, |world, process| {
                let until = world.now() + world.dice.millis(200, 20_000);
                world.cut_off(process, until);
            }),
            Fault::RefusedDial | Fault::BlackHole | Fault::NoName | Fault::NoAddress | Fault::SlowName => {
                let percent = self.dice.choose(&[20, 50, 100]);
                self.net.borrow_mut().weather.percents.insert(fault, percent);
                self.clear_up_later(6_000)
            }
            Fault::SlowNetwork => {
                let most = self.dice.millis(5, 400);
                self.net.borrow_mut().weather.latency = (most / 4, most);
                self.net.borrow_mut().suffer(fault);
                self.clear_up_later(10_000)
            }
            Fault::TinyPieces => {
                let piece = self.dice.choose(&[1, 3, 20, 100]);
                self.net.borrow_mut().weather.piece = piece;
                self.net.borrow_mut().suffer(fault);
                self.clear_up_later(10_000)
            }
            // It is about which addresses names have, and about clocks: since the beginning of the world.
            Fault::DeadAddress | Fault::Skew => false,
            Fault::NewLeader => {
                self.suffer(fault, |now| format!("the ensemble looks for another leader at {now:?}"));
                let now = self.now();
                self.ensemble.change_leader(now);
                true
            }
            Fault::Crash => {
                let server = self.dice.below(self.ensemble.len());
                self.crash(fault, server)
            }
            Fault::Outage => {
                let majority = self.ensemble.len() / 2 + 1;
                (0..self.ensemble.len()).take(majority).filter(|server| self.crash(fault, *server)).count() > 0
            }
            Fault::Isolation => {
                let server = self.dice.below(self.ensemble.len());
                if self.down.contains(&server) || !self.isolated.insert(server) {
                    return false;
                }
                self.suffer(fault, |_| format!("S{server} is cut off from the others"));
                let now = self.now();
                self.ensemble.isolate(server, now);
                self.net.borrow_mut().wire.signs.fell_out(server, now);
                let after = self.dice.millis(100, 10_000);
                self.later(after, Happening::Relief(Relief::Rejoin(server)));
                true
            }
            Fault::Lag => {
                let server = self.dice.below(self.ensemble.len());
                let lag = self.dice.millis(20, 500);
                self.suffer(fault, |_| format!("S{server} lags behind by {lag:?}"));
                self.ensemble.set_lag(server, lag);
                let after = self.dice.millis(500, 10_000);
                self.later(after, Happening::Relief(Relief::CatchUp(server)));
                true
            }
            Fault::Expiry => {
                let sessions: Vec<SessionId> = self.ensemble.sessions().iter().map(|session| session.id).collect();
                if sessions.is_empty() {
                    return false;
                }
                let session = self.dice.choose(&sessions);
                if !self.ensemble.expire(session) {
                    return false;
                }
                self.forced.insert(session);
                self.suffer(fault, |_| format!("{session} is expired"));
                true
            }
            Fault::ShortPause | Fault::LongPause => {
                let (least, most) = if fault == Fault::ShortPause { (1_000, 5_000) } else { (8_000, 20_000) };
                self.with_process(Some(fault), |world, process| {
                    world.pause(process);
                    let after = world.dice.millis(least, most);
                    world.later(after, Happening::Relief(Relief::Resume(process)));
                })
            }
            Fault::Kill => self.with_process(Some(fault), World::kill),
            Fault::PowerLoss => self.with_process(Some(fault), |world, process| {
                world.net.borrow_mut().silence(process);
                world.kill(process);
            }),
        }
    }

    fn suffer(&mut self, fault: Fault, line: impl FnOnce(Instant) -> String) {
        let mut net = self.net.borrow_mut();
        net.suffer(fault);
        let now = net.now;
        net.note(|| line(now));
    }

    fn with_link(&mut self, fault: Option<Fault>, cause: impl FnOnce(&mut Self, u32)) -> bool {
        let links = self.net.borrow().live(None);
        if links.is_empty() {
            return false;
        }
        let id = self.dice.choose(&links);
        if let Some(fault) = fault {
            self.suffer(fault, |_| format!("C{id} suffers: {}", fault.name()));
        }
        cause(self, id);
        true
    }

    fn with_process(&mut self, fault: Option<Fault>, cause: impl FnOnce(&mut Self, u32)) -> bool {
        let processes = self.processes();
        if processes.is_empty() {
            return false;
        }
        let process = self.dice.choose(&processes);
        if let Some(fault) = fault {
            self.suffer(fault, |_| format!("P{process} suffers: {}", fault.name()));
        }
        cause(self, process);
        true
    }

    fn break_link(&mut self, fault: Fault, close: Close) -> bool {
        self.with_link(Some(fault), |world, id| world.net.borrow_mut().cut(id, close))
    }

    /// The client hears late, and then nothing: whatever it counts on must not depend on when it was told.
    fn fade(&mut self, id: u32) {
        let Some(process) = self.net.borrow().connections.get(&id).map(|connection| connection.process) else { return };
        let until = self.now() + self.dice.millis(800, 6_000);
        {
            let mut net = self.net.borrow_mut();
            net.stall(id, false, until);
        }
        let after = self.dice.millis(0, 400);
        self.later(after, Happening::Relief(Relief::LoseUp(id)));
        let most = until + self.dice.millis(8_000, 20_000);
        self.net.borrow_mut().weather.cut_off(process, most);
    }

    /// Cuts a process off from everybody.
    fn cut_off(&mut self, process: u32, until: Instant) {
        let links = self.net.borrow().live(Some(process));
        let is_silent = self.dice.once_in(2);
        let mut net = self.net.borrow_mut();
        net.note(|| format!("P{process} is cut off until {until:?}"));
        net.weather.cut_off(process, until);
        for id in links {
            if is_silent {
                if let Some(connection) = net.connections.get_mut(&id) {
                    connection.up.lose();
                    connection.down.lose();
                }
            } else {
                net.cut(id, Close::Reset);
            }
        }
    }

    fn clear_up_later(&mut self, most_ms: u64) -> bool {
        let after = self.dice.millis(200, most_ms);
        self.later(after, Happening::Relief(Relief::ClearSky));
        true
    }

    fn crash(&mut self, fault: Fault, server: usize) -> bool {
        if !self.down.insert(server) {
            return false;
        }
        self.suffer(fault, |_| format!("S{server} crashes"));
        let now = self.now();
        self.ensemble.crash(server, now);
        self.net.borrow_mut().wire.signs.fell_out(server, now);
        let after = self.dice.millis(50, 8_000);
        self.later(after, Happening::Relief(Relief::Restart(server)));
        true
    }

    /// Ends a fault.
    pub(super) fn relieve(&mut self, relief: Relief) {
        let now = self.now();
        match relief {
            Relief::Restart(server) => {
                if self.down.remove(&server) {
                    self.net.borrow_mut().note(|| format!("S{server} starts again"));
                    self.ensemble.restart(server, now);
                    self.came_back(server);
                }
            }
            Relief::Rejoin(server) => {
                if self.isolated.remove(&server) {
                    self.net.borrow_mut().note(|| format!("S{server} is back with the others"));
                    self.ensemble.rejoin(server, now);
                    self.came_back(server);
                }
            }
            Relief::CatchUp(server) => self.ensemble.set_lag(server, Duration::from_millis(2)),
            Relief::Resume(process) => {
                self.net.borrow_mut().note(|| format!("P{process} goes on"));
                self.resume(process);
            }
            Relief::LoseUp(id) => {
                if let Some(connection) = self.net.borrow_mut().connections.get_mut(&id).filter(|_| !self.is_healed) {
                    connection.up.lose();
                }
            }
            Relief::CutOff(id) => self.net.borrow_mut().cut(id, Close::Reset),
            Relief::ClearSky => self.net.borrow_mut().weather.clear_up_but_for_cuts(),
        }
    }

    fn came_back(&mut self, server: usize) {
        if !self.down.contains(&server) && !self.isolated.contains(&server) {
            self.net.borrow_mut().wire.signs.came_back(server);
        }
    }

    /// Ends all faults.
    pub(super) fn heal(&mut self) {
        self.net.borrow_mut().note(|| "everything heals".to_owned());
        self.is_healed = true;
        self.net.borrow_mut().weather.clear_up();
        self.net.borrow_mut().speed_up();
        for server in 0..self.ensemble.len() {
            for relief in [Relief::Restart(server), Relief::Rejoin(server), Relief::CatchUp(server)] {
                self.relieve(relief);
            }
        }
        for process in self.paused() {
            self.relieve(Relief::Resume(process));
        }
        let mut net = self.net.borrow_mut();
        // Nobody can tell a network that loses everything from one that is slow; but it does not last for ever.
        let lost: Vec<u32> = net.connections.keys().copied().collect();
        for id in lost {
            let is_broken = net
                .connections
                .get(&id)
                .is_some_and(|connection| connection.up.is_lost() || connection.down.is_lost() || connection.swallows);
            if is_broken {
                net.cut(id, Close::Reset);
            }
        }
    }
}
