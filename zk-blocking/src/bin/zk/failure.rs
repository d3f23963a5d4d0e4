//! What goes wrong, and the exit code that tells scripts so.

use std::{fmt, io, process::ExitCode};

use serde_json::json;
use zk_blocking::{End, Error, ErrorCode, session::AuthFailure};

/// Why a command has not done what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody reads any more what is printed, as with `zk ls -R / | head`: no error, and nothing to say.
    ClosedPipe,
    /// The command that was run has ended with this code, and has said itself what there is to say.
    Command(u8),
    Told(Box<Told>),
}

/// A failure that the user is told.
#[derive(Debug)]
pub(crate) struct Told {
    exit: Exit,
    /// The node, file or line it is about.
    subject: Option<String>,
    message: String,
    server: Option<String>,
}

/// The exit codes, as `zk --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Other = 1,
    Usage = 2,
    NoNode = 3,
    Conflict = 4,
    NoAuth = 5,
    Connection = 6,
    // Those of commands that run another one, whose own codes are passed on: as far from these as they can be.
    Lost = 121,
    NotHad = 124,
    Wrapper = 125,
    CommandFails = 126,
    CommandMissing = 127,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self::Told(Box::new(Told { exit, subject: None, message: message.to_string(), server: None }))
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Says what it is about: a path, mostly.
    pub(crate) fn about(mut self, subject: impl fmt::Display) -> Self {
        if let Self::Told(told) = &mut self {
            told.subject.get_or_insert_with(|| subject.to_string());
        }
        self
    }

    /// Says which server it was.
    pub(crate) fn at_server(mut self, server: impl fmt::Display) -> Self {
        if let Self::Told(told) = &mut self {
            told.server.get_or_insert_with(|| server.to_string());
        }
        self
    }

    /// Gives it an exit code that cannot be taken for one of the command that was to be run.
    pub(crate) fn of_wrapper(mut self) -> Self {
        if let Self::Told(told) = &mut self {
            if told.exit <= Exit::Connection && told.exit != Exit::Usage {
                told.exit = Exit::Wrapper;
            }
        }
        self
    }

    /// Prints it on standard error, and returns the exit code.
    pub(crate) fn tell(self, json: bool) -> ExitCode {
        let told = match self {
            Self::ClosedPipe => return ExitCode::SUCCESS,
            Self::Command(code) => return ExitCode::from(code),
            Self::Told(told) => told,
        };
        let Told { exit, subject, message, server } = *told;
        let code = exit as u8;
        let text = if json {
            json!({ "error": message, "subject": subject, "server": server, "exit": code }).to_string()
        } else {
            let subject = subject.map(|subject| format!("{subject}: ")).unwrap_or_default();
            let server = server.map(|server| format!(" (server {server})")).unwrap_or_default();
            format!("zk: {subject}{message}{server}")
        };
        crate::output::note(text);
        ExitCode::from(code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            // What stands where the scheme belongs may be a secret.
            Error::AuthFailed(failure) if matches!(**failure, AuthFailure::Credentials { .. }) => {
                Self::new(Exit::NoAuth, "authentication failed: the credentials were refused")
            }
            _ => Self::new(exit(&error), error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ClosedPipe } else { Self::new(Exit::Other, error) }
    }
}

/// Adds to an error what it is about.
pub(crate) trait About<T> {
    fn about(self, subject: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> About<T> for Result<T, E> {
    fn about(self, subject: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().about(subject))
    }
}

pub(crate) fn exit(error: &Error) -> Exit {
    match error {
        Error::Server(_) | Error::Multi(_) => error.code().map_or(Exit::Other, exit_of_code),
        Error::Ended { end: End::AuthFailed, .. } | Error::AuthFailed(_) => Exit::NoAuth,
        Error::Lost
        | Error::TimedOut { .. }
        | Error::SessionChanged
        | Error::Ended { end: End::Closed | End::Expired | End::Rejected, .. }
        | Error::Watch(_)
        | Error::Connect(_) => Exit::Connection,
        Error::Invalid(_) | Error::Modes(..) | Error::ConnectString(_) => Exit::Usage,
        Error::Full | Error::TooManyWatches { .. } | Error::TooLarge { .. } | Error::Malformed(_) => Exit::Other,
        // Those to come, which the compiler does not name for want of knowing them.
        _ => Exit::Other,
    }
}

fn exit_of_code(code: ErrorCode) -> Exit {
    match code {
        ErrorCode::NoNode => Exit::NoNode,
        ErrorCode::BadVersion | ErrorCode::NodeExists | ErrorCode::NotEmpty | ErrorCode::NoChildrenForEphemerals => {
            Exit::Conflict
        }
        ErrorCode::NoAuth | ErrorCode::AuthFailed | ErrorCode::SessionClosedRequireSaslAuth => Exit::NoAuth,
        ErrorCode::SessionExpired | ErrorCode::SessionMoved => Exit::Connection,
        _ => Exit::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zk_blocking::Sent;

    #[test]
    fn errors_are_told_apart_by_exit_codes() {
        let sent = Sent::Perhaps;
        let table = [
            (Error::Server(ErrorCode::NoNode), Exit::NoNode),
            (Error::Server(ErrorCode::BadVersion), Exit::Conflict),
            (Error::Server(ErrorCode::NodeExists), Exit::Conflict),
            (Error::Server(ErrorCode::NotEmpty), Exit::Conflict),
            (Error::Server(ErrorCode::NoAuth), Exit::NoAuth),
            (Error::Server(ErrorCode::QuotaExceeded), Exit::Other),
            (Error::Ended { end: End::AuthFailed, sent }, Exit::NoAuth),
            (Error::Ended { end: End::Expired, sent }, Exit::Connection),
            (Error::TimedOut { sent }, Exit::Connection),
            (Error::Lost, Exit::Connection),
            (Error::Full, Exit::Other),
        ];

        for (error, expected) in table {
            assert_eq!(exit(&error), expected, "{error}");
        }
    }

    #[test]
    fn the_first_subject_counts_because_it_is_the_narrowest() {
        let failure = Failure::from(Error::Server(ErrorCode::NoNode)).about("/a/b").about("/a");

        let Failure::Told(told) = failure else { panic!("{failure:?}") };
        assert_eq!(told.subject.as_deref(), Some("/a/b"));
    }
}
