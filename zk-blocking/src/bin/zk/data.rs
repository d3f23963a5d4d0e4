//! Where data comes from.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    os::unix::ffi::OsStringExt,
    path::PathBuf,
};

use clap::Args;

use crate::failure::{About, Failure};

/// Data of a node on the command line.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct Data {
    /// The data; "-" reads standard input
    #[arg(value_name = "DATA", allow_hyphen_values = true)]
    argument: Option<OsString>,

    /// Read the data from a file; "-" reads standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Data {
    /// Returns the data; `None` where none was given.
    pub(crate) fn read(self) -> Result<Option<Vec<u8>>, Failure> {
        match (self.argument, self.file) {
            (None, None) => Ok(None),
            (Some(argument), _) if argument == "-" => standard_input().map(Some),
            (Some(argument), _) => Ok(Some(argument.into_vec())),
            (None, Some(file)) if file.as_os_str() == "-" => standard_input().map(Some),
            (None, Some(file)) => fs::read(&file).map(Some).about(file.display()),
        }
    }

    /// Returns whether it is standard input that is read.
    pub(crate) fn is_standard_input(&self) -> bool {
        self.argument.as_ref().is_some_and(|argument| argument == "-")
            || self.file.as_ref().is_some_and(|file| file.as_os_str() == "-")
    }
}

fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut data = Vec::new();
    io::stdin().lock().read_to_end(&mut data).about("standard input")?;
    Ok(data)
}
