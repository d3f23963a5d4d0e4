//! The flags of the command.

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use zk_testing::sim::{self, Config, Fault, Faults};

/// What is printed for `--help`.
pub(crate) const HELP: &str = "\
Usage: simulate [--seeds FIRST..END | --seed N] [flags]
       simulate --list, which prints the names of the workloads

  --seeds FIRST..END  the worlds to run (default 0..10000)
  --seed N            one world
  --workload NAME     what the clients do (default mixed)
  --trace             tell everything that happens
  --clients N[..=M]   how many clients there are at a time
  --servers N[..=M]   how many servers there are
  --trouble SECONDS   how long things go wrong
  --faults N          how many faults there are at most
  --without A,B,…     kinds of faults to leave out
  --help              this text";

/// The flags, understood.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    /// The worlds to run.
    pub(crate) seeds: Range<u64>,
    /// What the clients do.
    pub(crate) workload: String,
    /// What the worlds are like.
    pub(crate) config: Config,
    /// Whether nothing was said about what the worlds are like.
    pub(crate) is_default: bool,
}

impl Args {
    /// Understands flags; nothing where help is asked for.
    ///
    /// # Errors
    ///
    /// What is wrong, for people to read.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let (workload, config) = ("mixed".to_owned(), Config::default());
        let mut parsed = Self { seeds: 0..10_000, workload, config, is_default: true };
        let mut args = args;
        while let Some(flag) = args.next() {
            if flag == "--help" || flag == "-h" {
                return Ok(None);
            }
            if flag == "--trace" {
                parsed.config.trace = true;
                continue;
            }
            let known =
                ["--seeds", "--seed", "--workload", "--clients", "--servers", "--trouble", "--faults", "--without"];
            if !known.contains(&flag.as_str()) {
                return Err(format!("there is no flag {flag}"));
            }
            let value = args.next().ok_or_else(|| format!("{flag} wants a value"))?;
            parsed.set(&flag, &value).map_err(|what| format!("{flag} {value}: {what}"))?;
        }
        Ok(Some(parsed))
    }

    fn set(&mut self, flag: &str, value: &str) -> Result<(), String> {
        let config = &mut self.config;
        self.is_default &= matches!(flag, "--seeds" | "--seed" | "--workload");
        match flag {
            "--seed" => {
                let seed: u64 = number(value)?;
                self.seeds = seed..seed.checked_add(1).ok_or("the greatest number of all is not a seed")?;
            }
            "--seeds" => {
                let (first, end) = value.split_once("..").ok_or("a range is written FIRST..END")?;
                self.seeds = number(first)?..number(end)?;
                if self.seeds.is_empty() {
                    return Err("there is no seed in this range".to_owned());
                }
            }
            "--workload" => {
                sim::workload(value).ok_or("there is no such workload")?;
                value.clone_into(&mut self.workload);
            }
            "--clients" => config.clients = range(value)?,
            "--servers" => config.servers = range(value)?,
            "--trouble" => {
                let seconds: f64 = number(value)?;
                config.trouble = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
            }
            "--faults" => config.fault_limit = Some(number(value)?),
            _ => {
                for name in value.split(',') {
                    let fault = Fault::named(name).ok_or_else(|| format!("there is no fault {name}"))?;
                    config.faults = config.faults.without(fault);
                }
            }
        }
        Ok(())
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not such a number"))
}

fn range(text: &str) -> Result<std::ops::RangeInclusive<usize>, String> {
    let (least, most) = text.split_once("..=").unwrap_or((text, text));
    let (least, most) = (number(least)?, number(most)?);
    if least == 0 || least > most {
        return Err("there must be one at least".to_owned());
    }
    Ok(least..=most)
}

/// Writes what a configuration has that is not the default, as flags.
pub(crate) fn flags(config: &Config) -> String {
    let (default, mut flags) = (Config::default(), String::new());
    for (name, now, usual) in
        [("clients", &config.clients, &default.clients), ("servers", &config.servers, &default.servers)]
    {
        if now != usual {
            flags += &format!(" --{name} {}..={}", now.start(), now.end());
        }
    }
    if config.trouble != default.trouble {
        flags += &format!(" --trouble {}", config.trouble.as_secs_f64());
    }
    if let Some(limit) = config.fault_limit {
        flags += &format!(" --faults {limit}");
    }
    let without: Vec<&str> =
        Faults::ALL.iter().filter(|fault| !config.faults.contains(*fault)).map(Fault::name).collect();
    if !without.is_empty() {
        flags += &format!(" --without {}", without.join(","));
    }
    flags
}
