//! What is asked for on the command line.

use std::{path::PathBuf, time::Duration};

/// Something that is leaked on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leak {
    /// 256 KiB in each round.
    Memory,
    /// A client in each round.
    Client,
}

#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) duration: Duration,
    /// How long clients come and go between two quiet points.
    pub(crate) round: Duration,
    pub(crate) real: bool,
    pub(crate) leak: Option<Leak>,
    pub(crate) plot: Option<PathBuf>,
}

const USAGE: &str =
    "usage: soak [--minutes N | --seconds N] [--round SECONDS] [--real] [--leak memory|client] [--plot FILE.svg]";

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let minute = Duration::from_secs(60);
        let mut args =
            Self { duration: 30 * minute, round: Duration::from_secs(5), real: false, leak: None, plot: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value\n{USAGE}"));
            match word.as_str() {
                "--minutes" => args.duration = minute * number(&value()?)?,
                "--seconds" => args.duration = Duration::from_secs(1) * number(&value()?)?,
                "--round" => args.round = Duration::from_secs(1) * number(&value()?)?,
                "--real" => args.real = true,
                "--plot" => args.plot = Some(value()?.into()),
                "--leak" => {
                    args.leak = Some(match value()?.as_str() {
                        "memory" => Leak::Memory,
                        "client" => Leak::Client,
                        other => return Err(format!("nothing is leaked by {other}\n{USAGE}")),
                    });
                }
                other => return Err(format!("{other} means nothing\n{USAGE}")),
            }
        }
        Ok(args)
    }
}

fn number(word: &str) -> Result<u32, String> {
    word.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{word} is no number above 0\n{USAGE}"))
}
