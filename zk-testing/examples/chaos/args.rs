//! The flags of the command.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::rig::{Adapter, Trouble};

/// What is printed for `--help`.
pub(crate) const HELP: &str = "\
Usage: chaos [flags]

  --minutes N         how long there are faults (default 10)
  --seconds N         the same in seconds
  --seed N            decides on faults and what clients do (default 1)
  --servers N         how many servers, 3 to 7 (default 3)
  --adapter NAMES     all, or some of tokio, async-std, blocking, with commas between (default all)
  --clients N         how many clients each adapter has, 1 to 90 (default 3)
  --rate N            reads and writes of registers a second, all together (default 600)
  --trouble WHOSE     what faults are of: servers, clients, or all (default all)
  --timeout SECONDS   the timeout of sessions, 2 to 60 (default 6)
  --out DIR           where the summary and the drawing go (default target/chaos)
  --mistake NAME      a mistake to make in the client, if it was built with --cfg zk_broken
  --help              this text";

/// The flags, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
    pub(crate) servers: usize,
    pub(crate) adapters: Vec<Adapter>,
    pub(crate) clients: u32,
    pub(crate) rate: u32,
    pub(crate) trouble: Trouble,
    pub(crate) timeout: Duration,
    pub(crate) out: PathBuf,
    pub(crate) mistake: Option<String>,
}

impl Args {
    /// Understands flags; nothing where help is asked for.
    ///
    /// # Errors
    ///
    /// What is wrong, for people to read.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut parsed = Self {
            duration: Duration::from_secs(600),
            seed: 1,
            servers: 3,
            adapters: Adapter::ALL.to_vec(),
            clients: 3,
            rate: 600,
            trouble: Trouble::All,
            timeout: Duration::from_secs(6),
            out: PathBuf::from("target/chaos"),
            mistake: None,
        };
        while let Some(flag) = args.next() {
            if flag == "--help" || flag == "-h" {
                return Ok(None);
            }
            let known = [
                "--minutes",
                "--seconds",
                "--seed",
                "--servers",
                "--adapter",
                "--clients",
                "--rate",
                "--trouble",
                "--timeout",
                "--out",
                "--mistake",
            ];
            if !known.contains(&flag.as_str()) {
                return Err(format!("there is no flag {flag}"));
            }
            let value = args.next().ok_or_else(|| format!("{flag} wants a value"))?;
            parsed.set(&flag, &value).map_err(|what| format!("{flag} {value}: {what}"))?;
        }
        Ok(Some(parsed))
    }

    fn set(&mut self, flag: &str, value: &str) -> Result<(), String> {
        match flag {
            "--minutes" => self.duration = seconds(between(value, 0.1, 1_440.0)? * 60.0)?,
            "--seconds" => self.duration = seconds(between(value, 5.0, 86_400.0)?)?,
            "--seed" => self.seed = number(value)?,
            "--servers" => self.servers = between(value, 3, 7)?,
            "--clients" => self.clients = between(value, 1, 90)?,
            "--rate" => self.rate = between(value, 3, 100_000)?,
            "--trouble" => {
                let named = Trouble::ALL.into_iter().find(|trouble| trouble.name() == value);
                self.trouble = named.ok_or("it is of servers, clients, or all")?;
            }
            "--timeout" => self.timeout = seconds(between(value, 2.0, 60.0)?)?,
            "--out" => self.out = PathBuf::from(value),
            "--mistake" if cfg!(zk_broken) => self.mistake = Some(value.to_owned()),
            "--mistake" => {
                return Err("the client was not built to make mistakes: RUSTFLAGS=\"--cfg zk_broken\"".to_owned());
            }
            _ => self.adapters = adapters(value)?,
        }
        Ok(())
    }
}

fn adapters(text: &str) -> Result<Vec<Adapter>, String> {
    if text == "all" {
        return Ok(Adapter::ALL.to_vec());
    }
    let named = |name: &str| Adapter::ALL.into_iter().find(|adapter| adapter.name() == name);
    text.split(',').map(|name| named(name).ok_or_else(|| format!("there is no adapter {name:?}"))).collect()
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not such a number"))
}

fn between<T: FromStr + PartialOrd + std::fmt::Display>(text: &str, least: T, most: T) -> Result<T, String> {
    let number = number(text)?;
    if number >= least && number <= most { Ok(number) } else { Err(format!("it must be from {least} to {most}")) }
}

fn seconds(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
