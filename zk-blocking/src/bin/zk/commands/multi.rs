//! Several operations as one: `multi`.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use zk_blocking::{
    Error, Wait,
    request::{Create2, Delete, Op, OpResult, SetData, Version},
};

use super::create::Kind;
use crate::{
    args::Options,
    failure::{About, Failure},
    json, session,
};

const FORMAT: &str = "\
The format, an operation a line:
  check [--version N] PATH                       fail unless the node exists, and has this version
  create [-s] [-c] [--ttl MS] PATH [DATA]        create a node
  set [--version N] PATH DATA                    replace a node's data
  delete [--version N] PATH                      delete a node that has no children
Empty lines, and lines that begin with #, are left out. Words are separated by blanks. A word in
double quotes may have blanks in it, and escapes: \\\" \\\\ \\n \\t \\r, and \\xff for any byte.

Example:
  printf 'check --version 3 /app\\nset /app \"new data\"\\ncreate /app/done\\n' | zk multi";

/// Carry out several operations, all or none
///
/// Later operations see what earlier ones do. If one fails, none is carried out, and the error names its line.
#[derive(Args, Debug)]
#[command(after_help = FORMAT)]
pub(crate) struct Multi {
    /// The file; standard input if it is "-" or left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// A line.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    operation: Operation,
}

#[derive(Debug, Subcommand)]
#[command(disable_help_flag = true)]
enum Operation {
    Check {
        path: String,
        #[arg(long)]
        version: Option<i32>,
    },
    Create {
        path: String,
        #[command(flatten)]
        kind: Kind,
        #[arg(allow_hyphen_values = true)]
        data: Option<OsString>,
    },
    Set {
        path: String,
        #[arg(allow_hyphen_values = true)]
        data: OsString,
        #[arg(long)]
        version: Option<i32>,
    },
    Delete {
        path: String,
        #[arg(long)]
        version: Option<i32>,
    },
}

impl Multi {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        let (text, name) = match self.file.filter(|file| file.as_os_str() != "-") {
            Some(file) => (fs::read_to_string(&file).about(file.display())?, file.display().to_string()),
            None => {
                let mut text = String::new();
                io::stdin().lock().read_to_string(&mut text).about("standard input")?;
                (text, "standard input".to_string())
            }
        };
        let place = |number: usize| format!("{name}, line {number}");
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
                lines.push((number, parse(line).map_err(Failure::usage).about(place(number))?));
            }
        }
        session::run(options, |session| {
            let mut multi = session.client.multi().timeout(session.limit);
            for (_, operation) in &lines {
                multi = multi.op(operation.as_op());
            }
            let results = multi.wait().map_err(|error| match failed(&error).and_then(|index| lines.get(index)) {
                Some((number, operation)) => {
                    let message = error.code().map_or_else(|| error.to_string(), |code| code.to_string());
                    let message = format_args!("{}: {message}; nothing was carried out", operation.path());
                    Failure::new(crate::failure::exit(&error), message).about(place(*number))
                }
                None => Failure::from(error).about(&name),
            })?;
            for (result, (number, operation)) in results.iter().zip(&lines) {
                let value = || value(*number, operation, result);
                match result {
                    OpResult::Created { path, .. } => session.output.result(value, || path.clone())?,
                    _ => session.output.result_in_json(value)?,
                }
            }
            Ok(())
        })
    }
}

/// Returns which operation has failed, if it was one of them.
fn failed(error: &Error) -> Option<usize> {
    match error {
        Error::Multi(failure) => Some(failure.index),
        Error::Invalid(invalid) => match &**invalid {
            zk_blocking::request::InvalidRequest::Multi { index, .. } => Some(*index),
            _ => None,
        },
        _ => None,
    }
}

fn value(line: usize, operation: &Operation, result: &OpResult) -> Value {
    match result {
        OpResult::Created { path, stat } => {
            json!({ "line": line, "created": path, "stat": stat.as_ref().map(json::stat) })
        }
        OpResult::Deleted => json!({ "line": line, "deleted": operation.path() }),
        OpResult::DataSet(stat) => json!({ "line": line, "set": operation.path(), "stat": json::stat(stat) }),
        OpResult::Checked => json!({ "line": line, "checked": operation.path() }),
        // Results to come.
        other => json!({ "line": line, "done": format!("{other:?}") }),
    }
}

impl Operation {
    fn path(&self) -> &str {
        match self {
            Self::Check { path, .. }
            | Self::Create { path, .. }
            | Self::Set { path, .. }
            | Self::Delete { path, .. } => path,
        }
    }

    fn as_op(&self) -> Op<'_> {
        match self {
            Self::Check { path, version } => Op::Check { path, version: Version::from(*version) },
            Self::Create { path, kind, data } => {
                let data = data.as_ref().map_or(&b""[..], |data| data.as_bytes());
                Op::Create(Create2 { mode: kind.mode(), ttl: kind.time_to_live(), ..Create2::new(path, data) })
            }
            Self::Set { path, data, version } => {
                Op::SetData(SetData { path, data: data.as_bytes().into(), version: Version::from(*version) })
            }
            Self::Delete { path, version } => Op::Delete(Delete { path, version: Version::from(*version) }),
        }
    }
}

fn parse(line: &str) -> Result<Operation, String> {
    match Line::try_parse_from(words(line)?) {
        Ok(line) => Ok(line.operation),
        // Its first line says what is wrong, those below what a whole command line would look like.
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let rest: Vec<&str> =
                text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect();
            Err([first.trim_start_matches("error: "), &rest.join(", ")].join(" ").trim_end().to_string())
        }
    }
}

/// Splits a line at its blanks, and resolves quotes and escapes.
fn words(line: &str) -> Result<Vec<OsString>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest.as_bytes()[..end].to_vec(), &rest[end..])
            }
        };
        if !behind.is_empty() && !behind.starts_with(char::is_whitespace) {
            return Err("a quoted word must end where its quotes do".into());
        }
        words.push(OsString::from_vec(word));
        rest = behind.trim_start();
    }
    Ok(words)
}

/// Reads up to the closing quote; returns what it encloses, and the rest.
fn unquote(quoted: &str) -> Result<(Vec<u8>, &str), String> {
    let mut word = Vec::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok((word, characters.as_str())),
            '\\' => match characters.next() {
                Some('n') => word.push(b'\n'),
                Some('t') => word.push(b'\t'),
                Some('r') => word.push(b'\r'),
                Some(escaped @ ('"' | '\\')) => word.push(escaped as u8),
                Some('x') => {
                    let digits: String = characters.by_ref().take(2).collect();
                    let is_byte = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| is_byte);
                    word.push(byte.ok_or("two hexadecimal digits must follow \\x")?);
                }
                Some(other) => return Err(format!("there is no escape \\{other}")),
                None => return Err("the line ends with a backslash".into()),
            },
            character => word.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err("a quote is not closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
        words(line).map(|words| words.into_iter().map(OsString::into_vec).collect())
    }

    #[test]
    fn words_are_split_at_blanks_and_quotes_keep_them() {
        assert_eq!(split("  set /a\tb  "), Ok(vec![b"set".to_vec(), b"/a".to_vec(), b"b".to_vec()]));
        assert_eq!(
            split(r#"set "/a b" "x \" \\ \n\t\r\xff\x00ß" """#).unwrap()[1..],
            [b"/a b".to_vec(), b"x \" \\ \n\t\r\xff\x00\xc3\x9f".to_vec(), Vec::new(),]
        );
        assert_eq!(split(r"set a\n"), Ok(vec![b"set".to_vec(), br"a\n".to_vec()]));
        for bad in [r#"""#, r#""a"#, r#""\"#, r#""\q""#, r#""\x""#, r#""\xf""#, r#""\x+1""#, r#""a"b"#] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_are_operations() {
        assert!(matches!(parse("check /a"), Ok(Operation::Check { version: None, .. })));
        assert!(matches!(parse("check --version 3 /a"), Ok(Operation::Check { version: Some(3), .. })));
        assert!(matches!(parse("create -s /a -"), Ok(Operation::Create { data: Some(data), .. }) if data == "-"));
        assert!(matches!(parse("set /a -x"), Ok(Operation::Set { data, .. }) if data == "-x"));
        assert!(matches!(parse("delete /a"), Ok(Operation::Delete { .. })));
        for bad in ["frobnicate /a", "set /a", "create -e /a b c", "check --version x /a", "help", "delete --help"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
