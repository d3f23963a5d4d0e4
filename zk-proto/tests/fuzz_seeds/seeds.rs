//! What the fuzz targets start from.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use zk_proto::admin::Word;

use super::{
    FUZZ,
    checks::{
        self,
        decode::{CLIENT, SERVER},
    },
    samples::{Sample, frames, samples},
};

/// Makes all seeds, by where they are kept.
pub(crate) fn seeds() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    let mut add = |target: &str, name: &str, data: Vec<u8>| {
        seeds.insert(Path::new(FUZZ).join("corpus").join(target).join(name).with_extension("seed"), data);
    };
    for (target, records) in [("decode_request", CLIENT), ("decode_reply", SERVER)] {
        for (name, data) in decode_seeds(records) {
            add(target, &name, data);
        }
    }
    for (name, data) in frame_seeds() {
        add("frame", name, data);
    }
    for (index, (name, _)) in checks::roundtrip::RECORDS.iter().enumerate() {
        add("roundtrip", name, [vec![index_byte(index)], noise(index, 160)].concat());
    }
    for (index, answer) in ADMIN.iter().enumerate() {
        let (word, text) = answer.split_once(' ').expect("a word and its answer");
        let choice = Word::ALL.iter().position(|known| known.as_str() == word).expect("a word");
        add("admin", &format!("{index:02}-{word}"), [&[index_byte(choice)], text.as_bytes()].concat());
    }
    for (index, text) in PATHS.iter().enumerate() {
        add("path_and_chroot", &format!("{index:02}"), text.as_bytes().to_vec());
    }
    for (index, tokens) in TOKENS.iter().enumerate() {
        add("sasl", &format!("{index:02}"), tokens.iter().flat_map(|token| piece(&[], token.as_bytes())).collect());
    }
    for (index, len) in [40, 100, 200, 400, 800, 1600].into_iter().enumerate() {
        add("session", &format!("chance-{len}"), chance(index, len));
        add("client_server", &format!("chance-{len}"), chance(index + 100, len));
    }
    for (name, data) in server_seeds() {
        add("server", &name, data);
    }
    for (name, data) in tls_seeds() {
        add("tls_link", name, data);
    }
    for (index, text) in CONNECT_STRINGS.iter().enumerate() {
        add("connect_string", &format!("{index:02}"), text.as_bytes().to_vec());
    }
    seeds
}

const CONNECT_STRINGS: &[&str] = &[
    "localhost",
    "zk1:2181,zk2:2182,zk3:65535/app/prod",
    " zk1 , zk2:1 /",
    "10.0.0.1,[::1],[2001:db8::7]:2181/a",
    "::1",
    "ZK1,zk1:2181,zk1:02181",
    "tls://zk1:2181",
    "zk1,,zk2:0,zk3:65536/a//b/",
    "хост:2181/путь/中",
    "[fe80::1%eth0]:2181,[::ffff:1.2.3.4]",
];

/// A word and its answer.
const ADMIN: &[&str] = &[
    "ruok imok",
    "isro rw",
    "srvr Zookeeper version: 3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f, built on 2022-02-25 08:49 UTC\nLatency \
     min/avg/max: 0/0.5/12\nReceived: 8\nSent: 7\nConnections: 1\nOutstanding: 0\nZxid: 0x100000003\nMode: leader\n\
     Node count: 5\nProposal sizes last/min/max: 36/32/48\n",
    "stat Zookeeper version: 3.9.3\nREAD-ONLY mode; serving only read-only clients\nClients:\n \
     /127.0.0.1:50000[1](queued=0,recved=3,sent=3)\n\nLatency min/avg/max: 0/0/0\nMode: read-only\nNode count: 5\n",
    "cons  /[0:0:0:0:0:0:0:1]:50000[1](queued=0,recved=3,sent=3,sid=0x1000000,lop=PING,est=17,to=9000,lzxid=0x2)\n",
    "mntr zk_version\t3.8.0\nzk_server_state\tfollower\nzk_write_batch{quantile=\"0.5\"}\t-1\n",
    "conf clientPort=2181\nmembership: \nserver.1=a:1:2:participant\nversion=0\n",
    "dirs datadir_size: 67108880\nlogdir_size: 4\n",
    "wchs 1 connections watching 2 paths\nTotal watches:2\n",
    "wchc 0x1000000\n\t/a\n\t/b\n",
    "wchp /a\n\t0x1000000\n\t0x1000001\n",
    "dump SessionTracker dump:\nSession Sets (1):\nephemeral nodes dump:\nSessions with Ephemerals (1):\n0x1:\n\t/e\n",
    "wchp wchp is not executed because it is not in the whitelist.\n",
    "mntr This ZooKeeper instance is not currently serving requests\n",
];

/// A path and a chroot.
const PATHS: &[&str] = &[
    "/\0/app",
    "/a/b\0/app",
    "/zookeeper/config\0/zookeeper",
    "/apple\0/app",
    "/a//b\0",
    "/a/../b\0/a/./b",
    "/a/\0/",
    "/путь/中\0/\u{1F600}",
    "/\u{e000}\0/\u{7f}",
];

/// What a server says in the course of an exchange.
const TOKENS: &[&[&str]] = &[
    &[
        "realm=\"zk-sasl-md5\",nonce=\"q0/gl8C2aFpXVQ4d\",charset=utf-8,algorithm=md5-sess",
        "rspauth=b8ee3d2dd1c0a94b07f0b0f3dc3b7a0e",
    ],
    &["realm=\"a\\\"b\",realm=c,nonce=\"1\",qop=\"auth,auth-int\",algorithm=md5-sess,maxbuf=2048"],
    &["nonce=\"1\",nonce=\"2\",algorithm=md5-sess"],
    &["nonce=\"1\",qop=\"auth-conf\",algorithm=md5-sess"],
    &[" , ,nonce = \"1\" ,, charset=utf-8,algorithm=md5"],
    &["", "rspauth="],
];

/// Makes up to two seeds of every record, the longest captured, and one with another length somewhere; a record that is a
/// string, with strings that are not UTF-8.
fn decode_seeds(records: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let samples = samples();
    for (index, name) in records.iter().enumerate() {
        let mut found: Vec<&Sample> = samples.iter().filter(|sample| sample.record.name == *name).collect();
        found.sort_by_key(|sample| std::cmp::Reverse(sample.bytes.len()));
        let choice = [index_byte(index)];
        for (number, sample) in found.iter().take(2).enumerate() {
            seeds.push((format!("{name}-{number}"), [&choice, &sample.bytes[..]].concat()));
        }
        let longest = &found.first().expect("every record was captured").bytes;
        let (kind, length) = [("null", -1), ("negative", -2), ("claim", i32::MAX)][index % 3];
        let place = longest.windows(4).position(|field| field[..3] == [0; 3] && field[3] > 0).unwrap_or(0);
        let data = [&choice, &longest[..place], &i32::to_be_bytes(length), &longest[place + 4..]].concat();
        seeds.push((format!("{name}-{kind}"), data));
        if name.starts_with("Sync") {
            seeds.push((format!("{name}-cesu-8"), [&choice, &b"\0\0\0\x08/\xED\xA0\xBD\xED\xB8\x80!"[..]].concat()));
            seeds.push((format!("{name}-no-text"), [&choice, &b"\0\0\0\x04\xFF/\xED\xA0"[..]].concat()));
        }
    }
    seeds
}

fn frame_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let limit = |bytes: u32| bytes.to_be_bytes().to_vec();
    let read = |bytes: &[u8]| [&[index_byte(bytes.len())], bytes].concat();
    let captured = frames().into_iter().take(12).flat_map(|(_, frame, _)| {
        let len = u32::try_from(frame.len()).expect("a short frame").to_be_bytes();
        [&len[..], &frame].concat()
    });
    let captured: Vec<u8> = captured.collect();
    let in_reads_of = |len| captured.chunks(len).flat_map(read).collect::<Vec<_>>();
    vec![
        ("captured-7", [limit(4096), in_reads_of(7)].concat()),
        ("captured-100", [limit(4096), in_reads_of(100)].concat()),
        ("empty-frames", [limit(0), read(&[0; 13])].concat()),
        ("negative", [limit(100), read(&[0, 0, 0, 1, 9, 0xFF, 0xFF, 0xFF, 0xFF, 0])].concat()),
        ("above-limit", [limit(100), read(&[0, 0, 0, 101, 9])].concat()),
        ("claim", [limit(1 << 19), read(&[0, 7, 0xFF, 0xFF]), vec![0x80, 0x80]].concat()),
        ("giant", [limit(10 << 16), read(&[0, 10, 0, 0]), vec![0xFF; 5]].concat()),
        ("giant-then-small", [limit(1 << 19), read(&[0, 8, 0, 0]), vec![0xFF; 4], read(&[0, 0, 0, 1, 7])].concat()),
        ("earned", [limit(1 << 19), read(&[0, 8, 0, 0]), vec![0x9F; 3], read(b"x")].concat()),
    ]
}

/// A conversation as it was captured, in frames and in pieces, and the words of people.
fn server_seeds() -> Vec<(String, Vec<u8>)> {
    let requests: Vec<_> = frames().into_iter().filter(|(name, ..)| name.ends_with("_request")).collect();
    let mut seeds = Vec::new();
    for (index, chunk) in requests.chunks(12).enumerate() {
        let pieces = chunk.iter().filter(|(_, frame, _)| frame.len() < 256);
        let pieces: Vec<u8> = pieces.flat_map(|(_, frame, _)| piece(&[0], frame)).collect();
        seeds.push((format!("captured-{index}"), [vec![index_byte(index)], pieces].concat()));
    }
    let in_halves = [&[1][..], &piece(&[0x84], &[0, 0, 0, 9]), &[0xFF, 0], &piece(&[0x84], &[7; 9])].concat();
    seeds.push(("in-halves".into(), in_halves));
    seeds.push(("negative".into(), [&[0][..], &piece(&[0x80], &[0xFF; 4])].concat()));
    seeds.push(("word".into(), [&[1][..], &piece(&[0x84], b"mntr")].concat()));
    seeds.push(("hang-up".into(), [&[1][..], &piece(&[0], &[0; 8]), &[0, 0]].concat()));
    seeds
}

/// TLS that is none, TLS that says nonsense, and TLS that was changed on its way.
fn tls_seeds() -> Vec<(&'static str, Vec<u8>)> {
    const CARRY: u8 = 0x86;
    let greeting =
        [&[0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0x13, 0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 16][..], &[7; 17]].concat();
    let honest = [&[0, CARRY, CARRY][..], &piece(&[], &greeting), &[CARRY]].concat();
    let alert = piece(&[], &[21, 3, 3, 0, 2, 2, 40]);
    vec![
        ("honest", honest.clone()),
        ("nonsense", [&[0, CARRY, CARRY][..], &piece(&[], &chance(1, 100)), &[CARRY]].concat()),
        ("spoilt", [&[0, 0x8A, CARRY, CARRY][..], &honest[3..], &[0x93, CARRY]].concat()),
        ("slow", [&[0, 0x89, 0x89, 0xF9, CARRY][..], &honest[3..]].concat()),
        ("plain", [&[1][..], &piece(&[], &greeting)].concat()),
        ("alert", [&[1][..], &alert, &[0x88], &alert].concat()),
        ("handshake", [&[1][..], &piece(&[], &[22, 3, 3, 0, 4, 2, 0, 0, 0])].concat()),
        ("claim", [&[1][..], &piece(&[], &[22, 3, 3, 0xFF, 0xFF])].concat()),
    ]
}

/// Bytes with what stands before them and their length.
fn piece(before: &[u8], bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).ok().filter(|len| *len < 255).expect("a short piece");
    [before, &[len], bytes].concat()
}

fn index_byte(index: usize) -> u8 {
    u8::try_from(index).expect("fewer than 256")
}

/// Bytes as chance would have them, always the same.
fn chance(seed: usize, len: usize) -> Vec<u8> {
    let mut state = u32::try_from(seed).expect("a small number") + 1;
    let byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(byte).take(len).collect()
}

/// Bytes that look random and are always the same: what arbitrary records are made of.
fn noise(seed: usize, len: usize) -> Vec<u8> {
    let mut state = u32::try_from(seed).expect("a small number") + 1;
    let byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Many small numbers among them: they become lengths.
        state.to_be_bytes()[0] & state.to_be_bytes()[1]
    };
    std::iter::repeat_with(byte).take(len).collect()
}
