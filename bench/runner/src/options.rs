//! What the runner is asked for.

use std::{env, path::PathBuf};

use crate::Outcome;

pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// All where there are none.
    pub(crate) workloads: Vec<String>,
    /// All where there are none.
    pub(crate) clients: Vec<String>,
    pub(crate) out: PathBuf,
    pub(crate) scale: f64,
    pub(crate) counts: bool,
    pub(crate) is_real: bool,
    pub(crate) only_draws: bool,
}

impl Options {
    pub(crate) fn from_args() -> Outcome<Self> {
        let mut options = Self {
            rounds: 5,
            workloads: Vec::new(),
            clients: Vec::new(),
            out: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../results"),
            scale: 1.0,
            counts: false,
            is_real: false,
            only_draws: false,
        };
        let mut args = env::args().skip(1);
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or(format!("{name} wants a value"));
            let list = |text: String| text.split(',').map(str::to_owned).collect();
            match name.as_str() {
                "--rounds" => options.rounds = value()?.parse()?,
                "--workloads" => options.workloads = list(value()?),
                "--clients" => options.clients = list(value()?),
                "--out" => options.out = value()?.into(),
                "--scale" => options.scale = value()?.parse()?,
                "--counts" => options.counts = true,
                "--real" => options.is_real = true,
                "--draw" => options.only_draws = true,
                _ => return Err(format!("what is {name}?").into()),
            }
        }
        Ok(options)
    }
}
