//! What goes to standard output, and notes beside it.

use std::{
    fmt,
    io::{self, BufWriter, IsTerminal, Stdout, Write},
};

use serde_json::Value;

use crate::{args::Options, failure::Failure};

/// Standard output, in one of two languages.
pub(crate) struct Output {
    stdout: BufWriter<Stdout>,
    is_terminal: bool,
    json: bool,
}

impl Output {
    pub(crate) fn new(options: &Options) -> Self {
        let stdout = io::stdout();
        Self { is_terminal: stdout.is_terminal(), stdout: BufWriter::new(stdout), json: options.json }
    }

    /// Prints a result: as a line of JSON if that is wanted, or else as text, a line.
    pub(crate) fn result(
        &mut self,
        json: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json { self.line(json()) } else { self.line(text()) }
    }

    /// Prints a result that is of interest to programs only.
    pub(crate) fn result_in_json(&mut self, json: impl FnOnce() -> Value) -> Result<(), Failure> {
        if self.json { self.line(json()) } else { Ok(()) }
    }

    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.stdout, "{line}")?)
    }

    /// Prints text without an end of the line.
    pub(crate) fn text(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        Ok(write!(self.stdout, "{text}")?)
    }

    /// Prints a node's data: as it is to a file or a pipe, on a terminal so that it does no harm there.
    pub(crate) fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        if !self.is_terminal {
            return Ok(self.stdout.write_all(data)?);
        }
        let text = escaped(data);
        self.stdout.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            self.stdout.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Writes out what was printed so far. To be called at the end, and before waiting for long.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.stdout.flush()?)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }
}

/// Says something on standard error. Nobody need listen.
pub(crate) fn note(text: impl fmt::Display) {
    _ = writeln!(io::stderr(), "{text}");
}

/// Returns text in which all that is no text, or controls the terminal, is escaped.
fn escaped(data: &[u8]) -> String {
    let mut text = String::with_capacity(data.len());
    for chunk in data.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\t' => text.push(character),
                control if control.is_control() => text.extend(control.escape_default()),
                character => text.push(character),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_bytes_that_are_no_text_and_no_commands() {
        assert_eq!(escaped("größe\n\t😀".as_bytes()), "größe\n\t😀");
        assert_eq!(escaped(b"a\xff\x00b"), "a\\xff\\u{0}b");
        assert_eq!(escaped(b"\x1b[2J"), "\\u{1b}[2J");
    }
}
