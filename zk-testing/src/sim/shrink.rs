//! From a world in which something is wrong to a smaller one in which the same is wrong.

use std::time::Duration;

use super::{Config, Failure, Workload, faults::Faults, run};

/// Runs the world of a failure again with less and less in it: fewer faults, fewer kinds of them, fewer clients and servers,
/// less time. Returns the smallest world in which the same check fails, and how it fails there, with its record.
pub fn shrink(failure: &Failure, config: &Config, workload: &dyn Workload) -> (Config, Failure) {
    let mut smallest =
        Smallest { config: Config { trace: false, ..config.clone() }, failure: failure.clone(), workload };
    for _ in 0..2 {
        smallest.cut_faults();
        smallest.leave_out_kinds();
        for clients in 1..*config.clients.end() {
            if smallest.try_out(|config| config.clients = clients..=clients) {
                break;
            }
        }
        for servers in 1..*config.servers.end() {
            if smallest.try_out(|config| config.servers = servers..=servers) {
                break;
            }
        }
        let until = smallest.failure.at + Duration::from_millis(1);
        if until < smallest.config.trouble {
            smallest.try_out(|config| config.trouble = until);
        }
    }
    let Smallest { config, failure, workload } = smallest;
    let traced = Config { trace: true, ..config.clone() };
    let failure = run(failure.seed, &traced, workload).err().unwrap_or(failure);
    (config, failure)
}

struct Smallest<'a> {
    config: Config,
    failure: Failure,
    workload: &'a dyn Workload,
}

impl Smallest<'_> {
    /// Makes the world smaller in one respect, if the same is still wrong then. Returns whether it is.
    fn try_out(&mut self, change: impl FnOnce(&mut Config)) -> bool {
        let mut config = self.config.clone();
        change(&mut config);
        match run(self.failure.seed, &config, self.workload) {
            Err(failure) if failure.violation.check == self.failure.violation.check => {
                (self.config, self.failure) = (config, failure);
                true
            }
            Err(_) | Ok(_) => false,
        }
    }

    /// Looks for the last fault that it takes.
    fn cut_faults(&mut self) {
        let (mut least, mut most) = (0, self.failure.faults);
        while least < most {
            let limit = least + (most - least) / 2;
            if self.try_out(|config| config.fault_limit = Some(limit)) { most = limit } else { least = limit + 1 }
        }
    }

    /// Switches off all kinds of faults that it does not take.
    fn leave_out_kinds(&mut self) {
        if self.try_out(|config| config.faults = Faults::NONE) {
            return;
        }
        for fault in self.config.faults.iter().collect::<Vec<_>>() {
            self.try_out(|config| config.faults = config.faults.without(fault));
        }
    }
}
