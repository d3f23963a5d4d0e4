//! Help for shells: `completion`.

use std::io::{self, Write};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{
    Generator,
    shells::{Bash, Fish, Zsh},
};

use crate::{
    args::{Cli, Options},
    failure::Failure,
};

const USE: &str = "\
For instance:
  bash   zk completion bash > ~/.local/share/bash-completion/completions/zk
  zsh    zk completion zsh > \"${fpath[1]}/_zk\"
  fish   zk completion fish > ~/.config/fish/completions/zk.fish";

/// Print a script that completes command lines
#[derive(Args, Debug)]
#[command(after_help = USE)]
pub(crate) struct Completion {
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    pub(crate) fn run(self, _: &Options) -> Result<(), Failure> {
        let script = match self.shell {
            Shell::Bash => script(Bash),
            Shell::Zsh => script(Zsh),
            Shell::Fish => script(Fish),
        };
        Ok(io::stdout().write_all(&script)?)
    }
}

/// Makes the script in memory: where the generator cannot write, it panics.
fn script(shell: impl Generator) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "zk", &mut script);
    script
}
