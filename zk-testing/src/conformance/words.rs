//! Four-letter words, asked of any server.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use zk_proto::SessionId;

const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the answer to a four-letter word.
pub(super) fn ask(server: SocketAddr, word: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("the limit is not zero");
    stream.write_all(word.as_bytes()).expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers in text");
    answer
}

/// Returns one of the numbers that a server keeps about itself.
pub(super) fn monitored(server: SocketAddr, key: &str) -> i64 {
    let text = ask(server, "mntr");
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number {key} in {text}"))
}

/// Returns the paths on which a server has data watches for a session, sorted.
pub(super) fn watched_paths(server: SocketAddr, session: SessionId) -> Vec<String> {
    let text = ask(server, "wchc");
    let own = text.lines().skip_while(|line| *line != session.to_string()).skip(1);
    let mut paths: Vec<String> = own.map_while(|line| line.strip_prefix('\t')).map(String::from).collect();
    paths.sort_unstable();
    paths
}
