//! Finds vectors and checks each by its kind.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

mod bytes;
mod frame;
mod json;
mod transcript;

use self::json::Json;

/// What a folder of vectors came to.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How many files are vectors and right.
    pub(crate) passed: usize,
    /// Files that are wrong, unreadable or malformed, each with all that is wrong with it.
    pub(crate) failed: Vec<(PathBuf, String)>,
    /// JSON files that are no vectors.
    pub(crate) others: Vec<PathBuf>,
}

/// What a single file came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A vector that is right.
    Passed,
    /// All that is wrong with it, on one line.
    Failed(String),
    /// No vector.
    Other,
}

/// Checks every `*.json` in a folder and in the folders below it. A path to a file is that file alone.
pub(crate) fn check_folder(folder: &Path) -> Report {
    let mut report = Report::default();
    let mut files = Vec::new();
    if let Err((path, error)) = find_files(folder, &mut files) {
        report.failed.push((path, error.to_string()));
    }
    for path in files {
        let outcome = match fs::read(&path) {
            Ok(text) => check_text(&text),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        match outcome {
            Outcome::Passed => report.passed += 1,
            Outcome::Failed(failure) => report.failed.push((path, failure)),
            Outcome::Other => report.others.push(path),
        }
    }
    report
}

/// Checks the text of one file.
pub(crate) fn check_text(text: &[u8]) -> Outcome {
    let json = match json::parse(text) {
        Ok(json) => json,
        Err(error) => return Outcome::Failed(error),
    };
    let Some(vector) = json.as_object() else { return Outcome::Other };
    let has = |key| vector.contains_key(key);
    // One key of a vector's is enough: a vector that has lost the others must not pass for something else.
    let failures = if has("frames") {
        transcript::check(vector)
    } else if has("hex") || has("record") {
        frame::check(vector)
    } else {
        return Outcome::Other;
    };
    if failures.is_empty() { Outcome::Passed } else { Outcome::Failed(one_line(&failures)) }
}

/// Joins what is wrong with a file, the beginning of it where it is much.
fn one_line(failures: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut line = failures[..failures.len().min(SHOWN)].join("; ");
    if failures.len() > SHOWN {
        line.push_str(&format!("; and {} more", failures.len() - SHOWN));
    }
    line.replace(['\n', '\r'], " ")
}

/// Collects the JSON files at and below a path, in order. Links to folders are not followed: they can be circles.
fn find_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let at = |error| (path.to_path_buf(), error);
    if path.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let mut entries = fs::read_dir(path).map_err(at)?.collect::<Result<Vec<_>, _>>().map_err(at)?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if entry.file_type().map_err(at)?.is_dir() {
            find_files(&path, files)?;
        } else if is_json {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns a value that is needed, or says that it is missing or of another kind.
fn need<'a, T>(
    vector: &'a serde_json::Map<String, Json>,
    key: &str,
    kind: &str,
    read: impl Fn(&'a Json) -> Option<T>,
) -> Result<T, String> {
    let value = vector.get(key).ok_or_else(|| format!("{key}: missing"))?;
    read(value).ok_or_else(|| format!("{key}: expected {kind}, found {}", json::excerpt(value)))
}
