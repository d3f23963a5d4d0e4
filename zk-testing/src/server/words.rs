//! Four-letter words: questions that stand where the length of the first message would be, answered in text.

use std::fmt::Write;

use zk_proto::SessionId;

use super::{
    Server, Version,
    connections::{Connection, Slot},
    java,
};

/// The words that real servers know. Anything else there is a length.
const KNOWN: [&str; 18] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst", "srvr", "stat",
    "stmk", "wchc", "wchp", "wchs",
];

/// Returns the word that stands there.
pub(super) fn known(first: [u8; 4]) -> Option<&'static str> {
    KNOWN.into_iter().find(|word| word.as_bytes() == first)
}

impl Server {
    pub(super) fn answer_word(&mut self, slot: Slot, word: &'static str) {
        let text = match self.options.answers_word(word).then(|| self.text(slot, word)).flatten() {
            Some(text) => text,
            None => format!("{word} is not executed because it is not in the whitelist.\n"),
        };
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.out.extend_from_slice(text.as_bytes());
        }
        self.close_connection(slot);
    }

    /// Returns the answer to a word, or `None` where this server has none.
    fn text(&mut self, asking: Slot, word: &str) -> Option<String> {
        let mut text = String::new();
        match word {
            "ruok" => text.push_str("imok"),
            "isro" => text.push_str(if self.read_only.is_some() { "ro" } else { "rw" }),
            "srvr" => self.status(&mut text, None).ok()?,
            "stat" => self.status(&mut text, Some(asking)).ok()?,
            "cons" => self.connections_text(&mut text, asking).ok()?,
            "conf" => self.configuration(&mut text).ok()?,
            "envi" => self.environment(&mut text).ok()?,
            "mntr" => self.monitor(&mut text).ok()?,
            "dump" => self.dump_text(&mut text).ok()?,
            "wchs" => self.watch_summary(&mut text).ok()?,
            "wchc" => self.watches_by_connection(&mut text).ok()?,
            "wchp" => self.watches_by_path(&mut text).ok()?,
            "dirs" => text.push_str("datadir_size: 0\nlogdir_size: 0\n"),
            "gtmk" => text.push_str("306"),
            "crst" => {
                for slot in self.connections.slots() {
                    if let Some(connection) = self.connections.get_mut(slot) {
                        let established_ms = connection.record.established_ms;
                        connection.record = super::connections::Record { established_ms, ..Default::default() };
                    }
                }
                text.push_str("Connection stats reset.\n");
            }
            "srst" => {
                (self.statistics.received, self.statistics.sent) = (0, 0);
                text.push_str("Server stats reset.\n");
            }
            _ => return None,
        }
        Some(text)
    }

    fn version_text(&self) -> &'static str {
        match self.options.version {
            Version::Keeper => "v23.2-in-memory",
            Version::V3_4 => "3.4.14-in-memory, built on 03/06/2019 16:18 GMT",
            Version::V3_5 => "3.5.10-in-memory, built on 05/07/2022 01:57 GMT",
            Version::V3_8 => "3.8.0-in-memory, built on 2022-02-25 08:49 UTC",
            Version::V3_9 => "3.9.3-in-memory, built on 2024-10-17 23:21 UTC",
        }
    }

    fn mode_text(&self) -> &'static str {
        if self.read_only.is_some() { "read-only" } else { "standalone" }
    }

    /// Writes what both `srvr` and `stat` tell; the latter, asked by a connection, lists all of them too.
    fn status(&self, text: &mut String, asking: Option<Slot>) -> std::fmt::Result {
        let product = if self.options.version == Version::Keeper { "ClickHouse Keeper" } else { "Zookeeper" };
        writeln!(text, "{product} version: {}", self.version_text())?;
        if self.read_only.is_some() {
            writeln!(text, "READ-ONLY mode; serving only read-only clients")?;
        }
        if let Some(asking) = asking {
            writeln!(text, "Clients:")?;
            for (slot, connection) in self.connections.iter() {
                writeln!(text, "{})", brief(connection, slot == asking))?;
            }
            writeln!(text)?;
        }
        writeln!(text, "Latency min/avg/max: 0/0.0/0")?;
        writeln!(text, "Received: {}", self.statistics.received)?;
        writeln!(text, "Sent: {}", self.statistics.sent)?;
        writeln!(text, "Connections: {}", self.connections.len())?;
        writeln!(text, "Outstanding: 0")?;
        writeln!(text, "Zxid: 0x{:x}", self.zxid.0)?;
        writeln!(text, "Mode: {}", self.mode_text())?;
        writeln!(text, "Node count: {}", self.node_count_as_told())
    }

    /// Returns the number of nodes as real servers count it: the root twice, for its two names.
    fn node_count_as_told(&self) -> usize {
        self.tree.len() + 1
    }

    fn connections_text(&self, text: &mut String, asking: Slot) -> std::fmt::Result {
        for (slot, connection) in self.connections.iter() {
            text.push_str(&brief(connection, slot == asking));
            if let Some((id, session)) = connection.session().and_then(|id| Some((id, self.sessions.get(id)?))) {
                let record = connection.record;
                let name = record.last.map_or("NA", |last| short_name(last.op));
                let (established, timeout) = (record.established_ms, session.timeout_ms);
                write!(text, ",sid={id},lop={name},est={established},to={timeout}")?;
                if let Some(last) = record.last {
                    if last.xid >= 0 {
                        write!(text, ",lcxid=0x{:x}", last.xid)?;
                    }
                    write!(text, ",lzxid=0x{:x},lresp={}", last.zxid.0, last.time_ms)?;
                }
                text.push_str(",llat=0,minlat=0,avglat=0,maxlat=0");
            }
            text.push_str(")\n");
        }
        text.push('\n');
        Ok(())
    }

    fn configuration(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "clientPort={}\nsecureClientPort=-1", self.options.client_port)?;
        writeln!(text, "dataDir=(memory)\ndataDirSize=0\ndataLogDir=(memory)\ndataLogSize=0")?;
        writeln!(text, "tickTime={}", self.options.tick_ms())?;
        writeln!(text, "maxClientCnxns={}", self.options.max_connections_per_address)?;
        writeln!(text, "minSessionTimeout={}", self.options.min_timeout_ms())?;
        writeln!(text, "maxSessionTimeout={}", self.options.max_timeout_ms())?;
        writeln!(text, "clientPortListenBacklog=-1\nserverId={}", 0)
    }

    fn environment(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "Environment:\nzookeeper.version={}", self.version_text())?;
        writeln!(text, "host.name=localhost\nos.name={}\nos.arch={}", std::env::consts::OS, std::env::consts::ARCH)
    }

    fn monitor(&self, text: &mut String) -> std::fmt::Result {
        let statistics = &self.statistics;
        writeln!(text, "zk_version\t{}\nzk_server_state\t{}", self.version_text(), self.mode_text())?;
        let locals = self.sessions.ids().into_iter().filter_map(|id| self.sessions.get(id));
        let locals = locals.filter(|session| session.is_local).count();
        let values = [
            ("znode_count", self.node_count_as_told()),
            ("ephemerals_count", self.tree.ephemerals()),
            ("watch_count", self.watches.len()),
            ("num_alive_connections", self.connections.len()),
            ("global_sessions", self.sessions.len() - locals),
            ("local_sessions", locals),
            ("outstanding_requests", 0),
            ("min_latency", 0),
            ("max_latency", 0),
        ];
        for (name, value) in values {
            writeln!(text, "zk_{name}\t{value}")?;
        }
        writeln!(text, "zk_avg_latency\t0.0\nzk_uptime\t{}", self.now_ms())?;
        writeln!(text, "zk_packets_received\t{}\nzk_packets_sent\t{}", statistics.received, statistics.sent)
    }

    fn dump_text(&self, text: &mut String) -> std::fmt::Result {
        let ticks = self.sessions.ticks();
        writeln!(text, "SessionTracker dump:\nSession Sets ({})/({}):", ticks.len(), self.sessions.len())?;
        for (expires_ms, ids) in ticks {
            let wall_ms = self.wall_ms() - signed(self.now_ms()) + signed(*expires_ms);
            writeln!(text, "{} expire at {}:", ids.len(), java::date(wall_ms))?;
            ids.iter().try_for_each(|id| writeln!(text, "\t{id}"))?;
        }
        let sessions = self.sessions.ids().into_iter().filter_map(|id| Some((id, self.sessions.get(id)?)));
        let owners: Vec<_> = sessions.filter(|(_, session)| !session.ephemerals.is_empty()).collect();
        writeln!(text, "ephemeral nodes dump:\nSessions with Ephemerals ({}):", owners.len())?;
        for (id, session) in owners {
            writeln!(text, "{id}:")?;
            session.ephemerals.iter().try_for_each(|path| writeln!(text, "\t{path}"))?;
        }
        // What real servers call by this name are the ticks of connections, which have none here.
        let count = self.connections.len();
        writeln!(text, "Connections dump:\nConnections Sets ({})/({count}):", usize::from(count > 0))?;
        if count > 0 {
            writeln!(text, "{count} expire at {}:", java::date(self.wall_ms()))?;
        }
        self.connections.iter().try_for_each(|(_, connection)| {
            let session = connection.session().unwrap_or_default();
            writeln!(text, "\tip: /{} sessionId: {session}", connection.peer)
        })
    }

    fn watch_summary(&self, text: &mut String) -> std::fmt::Result {
        let by_connection = self.watches.data_by_connection();
        let total: usize = by_connection.values().map(|paths| paths.len()).sum();
        let paths = self.watches.data_by_path().len();
        writeln!(text, "{} connections watching {paths} paths\nTotal watches:{total}", by_connection.len())
    }

    fn watches_by_connection(&self, text: &mut String) -> std::fmt::Result {
        for (slot, paths) in self.watches.data_by_connection() {
            writeln!(text, "{}", self.session_of(slot))?;
            paths.iter().try_for_each(|path| writeln!(text, "\t{path}"))?;
        }
        writeln!(text)
    }

    fn watches_by_path(&self, text: &mut String) -> std::fmt::Result {
        for (path, slots) in self.watches.data_by_path() {
            writeln!(text, "{path}")?;
            slots.iter().try_for_each(|slot| writeln!(text, "\t{}", self.session_of(*slot)))?;
        }
        writeln!(text)
    }

    fn session_of(&self, slot: Slot) -> SessionId {
        self.connections.get(slot).and_then(Connection::session).unwrap_or_default()
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// Returns the beginning of a connection's line, up to where details follow.
fn brief(connection: &Connection, is_asking: bool) -> String {
    let record = connection.record;
    let interest = if is_asking { 0 } else { 1 };
    format!(" /{}[{interest}](queued=0,recved={},sent={}", connection.peer, record.received, record.sent)
}

/// Returns the server's own name of an operation.
fn short_name(op: zk_proto::code::OpCode) -> &'static str {
    use zk_proto::code::OpCode;
    match op {
        OpCode::Ping => "PING",
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "CREA",
        OpCode::Delete => "DELE",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::SetData => "SETD",
        OpCode::GetAcl => "GETA",
        OpCode::SetAcl => "SETA",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::Sync => "SYNC",
        OpCode::Multi => "MULT",
        OpCode::MultiRead => "MLTR",
        OpCode::Reconfig => "RECO",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::AddWatch => "ADDW",
        OpCode::GetEphemerals => "GETE",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::WhoAmI => "HOMI",
        _ => "NA",
    }
}

#[cfg(test)]
mod tests {
    use crate::server::{ReadOnly, testing::Bench};

    #[test]
    fn a_word_is_answered_and_ends_the_connection() {
        assert_eq!(ask(&mut Bench::new(), b"ruok"), "imok");
        assert_eq!(ask(&mut Bench::new(), b"ruok and whatever follows"), "imok");
        assert_eq!(ask(&mut Bench::new(), b"isro"), "rw");
        let mut read_only = Bench::with(|options| options.read_only = Some(ReadOnly::NoSessions));
        assert_eq!(ask(&mut read_only, b"isro"), "ro");
    }

    #[test]
    fn a_word_that_is_not_allowed_says_so() {
        let mut bench = Bench::with(|options| options.four_letter_words = Some(vec!["srvr".into()]));

        assert_eq!(ask(&mut bench, b"ruok"), "ruok is not executed because it is not in the whitelist.\n");
        assert!(ask(&mut bench, b"srvr").contains("Mode: standalone\nNode count: 5\n"));
    }

    #[test]
    fn a_word_in_two_pieces_is_a_word() {
        let mut bench = Bench::new();
        let connection = bench.dial();
        let mut input = bytes::BytesMut::from(&b"ru"[..]);
        bench.server.handle_input(connection, &mut input, bench.now);
        assert!(!bench.wants_close(connection));
        input.extend_from_slice(b"ok");
        bench.server.handle_input(connection, &mut input, bench.now);

        assert_eq!(bench.server.poll_transmit(connection).as_deref(), Some(&b"imok"[..]));
        assert!(bench.wants_close(connection));
    }

    fn ask(bench: &mut Bench, word: &[u8]) -> String {
        let connection = bench.dial();
        bench.input(connection, word);
        let answer = bench.server.poll_transmit(connection).unwrap_or_default();
        assert!(bench.wants_close(connection));
        String::from_utf8(answer.to_vec()).unwrap()
    }
}
