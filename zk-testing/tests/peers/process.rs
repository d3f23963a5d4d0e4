//! A process of another library, its requests and answers.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Longer than anything takes that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How many lines of what a process complains of go into a failure.
const COMPLAINTS: usize = 60;

/// A process that answers requests, each on a line that begins with its number. It does not outlive the test process: it ends with
/// its input.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Mutex<Child>,
    input: Mutex<ChildStdin>,
    heard: Arc<Heard>,
}

/// What it has said, and who waits for it.
#[derive(Debug, Default)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    last_number: u64,
    /// Answers that nobody has asked for yet.
    answers: HashMap<u64, String>,
    complaints: Vec<String>,
    /// Which of output and errors have come to their end.
    ended: usize,
}

impl Process {
    pub(crate) fn start(name: &'static str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{name} cannot be started as {command:?}: {error}; run .ci/install-foreign");
        });
        let heard = Arc::new(Heard::default());
        let input = child.stdin.take().expect("the input is piped");
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        listen(&heard, output.expect("the output is piped"), State::answered);
        listen(&heard, errors.expect("the errors are piped"), State::complained);
        Self { name, child: Mutex::new(child), input: Mutex::new(input), heard }
    }

    /// Sends a request, and returns its number.
    pub(crate) fn send(&self, request: &str) -> u64 {
        let number = {
            let mut state = self.heard.lock();
            state.last_number += 1;
            state.last_number
        };
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(input, "{number} {request}") {
            panic!("{} does not listen to `{request}`: {error}{}", self.name, self.complaints());
        }
        number
    }

    /// Waits for the answer to a request, which is shown in failures.
    #[track_caller]
    pub(crate) fn answer(&self, number: u64, request: &str) -> String {
        match self.outcome(number, request) {
            Ok(words) => words,
            Err(why) => panic!("{} fails to `{request}`: {why}{}", self.name, self.complaints()),
        }
    }

    /// Waits for the answer to a request, or why there is none.
    #[track_caller]
    pub(crate) fn outcome(&self, number: u64, request: &str) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.heard.lock();
        let answer = loop {
            if let Some(answer) = state.answers.remove(&number) {
                break answer;
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            let has_ended = state.ended == 2;
            if has_ended || rest.is_zero() {
                let what = if has_ended { "has ended without an answer" } else { "does not answer" };
                drop(state);
                panic!("{} {what} to `{request}`{}", self.name, self.complaints());
            }
            state = self.heard.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        };
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("ok", words) => Ok(words.to_owned()),
            (_, why) => Err(why.to_owned()),
        }
    }

    /// Kills it as a crash would, and waits until it is gone. The server learns nothing of it.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have ended already.
        _ = child.kill();
        _ = child.wait();
    }

    fn complaints(&self) -> String {
        let state = self.heard.lock();
        let start = state.complaints.len().saturating_sub(COMPLAINTS);
        match state.complaints.len() {
            0 => String::new(),
            _ => format!("; its errors end with:\n{}", state.complaints[start..].join("\n")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answered(&mut self, line: String) {
        let answer = line.split_once(' ').and_then(|(number, answer)| Some((number.parse().ok()?, answer)));
        match answer {
            Some((number, answer)) => _ = self.answers.insert(number, answer.to_owned()),
            None => self.complaints.push(format!("not an answer: {line}")),
        }
    }

    fn complained(&mut self, line: String) {
        self.complaints.push(line);
    }
}

/// Reads lines in a thread of its own until the end.
fn listen(heard: &Arc<Heard>, from: impl Read + Send + 'static, line: fn(&mut State, String)) {
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        for text in BufReader::new(from).lines().map_while(Result::ok) {
            line(&mut heard.lock(), text);
            heard.changed.notify_all();
        }
        heard.lock().ended += 1;
        heard.changed.notify_all();
    });
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("a shell", command)
    }

    fn failure(process: &Process) -> String {
        let number = process.send("work");
        let panic = catch_unwind(AssertUnwindSafe(|| process.answer(number, "work"))).expect_err("it fails");
        *panic.downcast::<String>().expect("it says why")
    }

    #[test]
    fn a_process_that_dies_is_quoted() {
        let process = shell("read line; echo 'out of paper' >&2; exit 1");
        assert_eq!(
            failure(&process),
            "a shell has ended without an answer to `work`; its errors end with:\nout of paper"
        );
    }

    #[test]
    fn a_process_that_fails_says_why() {
        let process = shell("read number rest; echo $number failed $rest is too hard; cat");
        assert_eq!(failure(&process), "a shell fails to `work`: work is too hard");
    }
}
