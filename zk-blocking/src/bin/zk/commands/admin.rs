//! Four-letter words, asked of every server in the list: `admin`, and the words by themselves.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand, builder::PossibleValue};
use serde_json::{Map, Value, json};
use zk_blocking::{ConnectString, Error, Security, Server};
use zk_proto::admin::{Answer, Connection, LIMIT_BYTES, Status, Word};

use crate::{
    args::Options,
    failure::{Exit, Failure},
    output::Output,
};

/// Ask every server in the list a four-letter word
///
/// No session is needed for that, and a server need not be part of a quorum. The words work without "admin" as well ("zk ruok"), but
/// for stat, which means a node there. With several servers, each line begins with its server.
///
/// Servers answer only the words that their configuration allows (4lw.commands.whitelist), by default srvr alone.
#[derive(Args, Debug)]
pub(crate) struct Admin {
    #[arg(value_parser = WordParser)]
    pub(crate) word: Word,
}

/// A word that stands for itself.
#[derive(Debug)]
pub(crate) struct Bare(pub(crate) Word);

impl Bare {
    /// All words that do not mean something else.
    fn words() -> impl Iterator<Item = Word> {
        Word::ALL.iter().copied().filter(|word| *word != Word::Stat)
    }
}

impl Subcommand for Bare {
    fn augment_subcommands(command: Command) -> Command {
        // They would drown the others in the list of commands; "zk admin --help" lists them.
        let command_of = |word: Word| Command::new(word.as_str()).about(about(word)).hide(true);
        command.subcommands(Self::words().map(command_of))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Self::words().any(|word| word.as_str() == name)
    }
}

impl FromArgMatches for Bare {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let word = matches.subcommand_name().and_then(|name| name.parse().ok());
        word.map(Self).ok_or_else(|| clap::Error::new(clap::error::ErrorKind::InvalidSubcommand))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Tells clap of the words.
#[derive(Clone)]
struct WordParser;

impl clap::builder::TypedValueParser for WordParser {
    type Value = Word;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Word, clap::Error> {
        let names = clap::builder::PossibleValuesParser::new(Word::ALL.iter().map(|word| word.as_str()));
        let name = names.parse_ref(command, argument, value)?;
        name.parse().map_err(|_| clap::Error::new(clap::error::ErrorKind::InvalidValue))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Word::ALL.iter().map(|word| PossibleValue::new(word.as_str()).help(about(*word)))))
    }
}

fn about(word: Word) -> &'static str {
    word.about().trim_end_matches('.')
}

impl Admin {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        let connect: ConnectString = options.servers().parse().map_err(|error| Failure::from(Error::from(error)))?;
        let servers: Vec<&Server> = connect.servers.iter().collect();
        if let Some(server) = servers.iter().find(|server| server.security == Security::Tls) {
            let message = "four-letter words are spoken in plain text: name the server's plain port, without tls://";
            return Err(Failure::usage(message).about(server));
        }
        let mut output = Output::new(options);
        let mut worst = None;
        // All at once, so that those that are down cost their time together.
        let answers: Vec<_> = thread::scope(|scope| {
            let limit = options.timeout;
            let asking: Vec<_> =
                servers.iter().map(|server| scope.spawn(move || ask(server, self.word, limit))).collect();
            asking.into_iter().map(|asking| asking.join().expect("asking does not panic")).collect()
        });
        for (server, answer) in servers.iter().zip(answers) {
            match answer {
                Ok(text) => self.print(&mut output, server, servers.len() > 1, &text)?,
                // The last failure is told at the end, as that of the command.
                Err(failure) => {
                    if let Some(failure) = worst.replace(failure.at_server(server)) {
                        failure.tell(options.json);
                    }
                }
            }
        }
        output.flush()?;
        worst.map_or(Ok(()), Err)
    }

    fn print(&self, output: &mut Output, server: &Server, is_one_of_many: bool, text: &str) -> Result<(), Failure> {
        if output.is_json() {
            let answer = value(Answer::parse(self.word, text));
            return output.line(json!({ "server": server.to_string(), "word": self.word.as_str(), "answer": answer }));
        }
        text.lines().try_for_each(|line| {
            if is_one_of_many { output.line(format_args!("{server}\t{line}")) } else { output.line(line) }
        })
    }
}

fn ask(server: &Server, word: Word, limit: Duration) -> Result<String, Failure> {
    let received = exchange(server, word, limit).map_err(|error| Failure::new(Exit::Connection, error))?;
    match word.text(&received) {
        Ok(text) => Ok(text.to_string()),
        Err(why) => Err(Failure::new(Exit::Other, format_args!("{word}: {why}"))),
    }
}

/// Sends a word and reads until the server closes, all within the limit.
fn exchange(server: &Server, word: Word, limit: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + limit;
    let mut stream = connect(server, deadline)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(word.request())?;
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(received),
            Ok(count) => received.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(timed_out()),
            // It closed on what it had not read, which is its way to say that it does not know the word.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(received),
            Err(error) => return Err(error),
        }
        if received.len() > LIMIT_BYTES {
            return Err(io::Error::other("the answer is too long"));
        }
    }
}

fn connect(server: &Server, deadline: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = (&*server.host, server.port).to_socket_addrs()?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(timed_out()) } else { Ok(left) }
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

fn value(answer: Answer) -> Value {
    match answer {
        Answer::Status(status) => status_value(&status),
        Answer::Pairs(pairs) => pairs_value(pairs.iter()),
        Answer::Connections(connections) => connections.iter().map(connection_value).collect(),
        Answer::WatchSummary(summary) => {
            json!({ "connections": summary.connections, "paths": summary.paths, "watches": summary.watches })
        }
        Answer::PathsBySession(sessions) => {
            let paths = sessions.into_iter().map(|(session, paths)| (session.to_string(), json!(paths)));
            Value::Object(paths.collect())
        }
        Answer::SessionsByPath(paths) => {
            let texts =
                |sessions: Vec<zk_blocking::SessionId>| sessions.iter().map(ToString::to_string).collect::<Vec<_>>();
            Value::Object(paths.into_iter().map(|(path, sessions)| (path, json!(texts(sessions)))).collect())
        }
        Answer::ReadOnly(is_read_only) => json!({ "readOnly": is_read_only }),
        Answer::Text(text) => Value::String(text),
        // Forms to come.
        other => Value::String(format!("{other:?}")),
    }
}

fn status_value(status: &Status) -> Value {
    let latency =
        status.latency.map(|latency| json!({ "min": latency.min_ms, "avg": latency.avg_ms, "max": latency.max_ms }));
    let mut value = json!({
        "version": status.version,
        "readOnly": status.is_read_only,
        "latency": latency,
        "received": status.received,
        "sent": status.sent,
        "connections": status.connections,
        "outstanding": status.outstanding,
        "zxid": status.zxid.map(|zxid| zxid.to_string()),
        "mode": status.mode.as_ref().map(ToString::to_string),
        "nodeCount": status.node_count,
    });
    if !status.connections_in_short.is_empty() {
        value["clients"] = status.connections_in_short.iter().map(connection_value).collect();
    }
    for (name, text) in &status.others {
        value[name] = json!(text);
    }
    value
}

fn connection_value(connection: &Connection) -> Value {
    let mut value = pairs_value(connection.values.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    value["peer"] = json!(connection.peer);
    value
}

/// Whole numbers become numbers, the rest stays text.
fn pairs_value<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let number = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), Value::from);
    Value::Object(pairs.map(|(name, text)| (name.to_string(), number(text))).collect::<Map<_, _>>())
}
