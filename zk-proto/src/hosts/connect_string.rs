//! The text by which users name an ensemble: `[scheme://]host[:port],…[/chroot]`.
//!
//! What follows the first `/` that is not part of a scheme is the chroot, commas included: it stands once, at the end, and not
//! behind each server. What cannot be understood is refused rather than guessed at, above all an unknown scheme, which a more
//! lenient reader would take for a host and then speak to in plain text; and `tls://` where there is no TLS.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use super::{Security, Server, Servers};
use crate::path::{Excerpt, PathError, Root};

/// An ensemble as users name it: its servers, and the chroot to work in.
///
/// The text is `host[:port],host[:port],…[/chroot]`, as for every ZooKeeper client. The port is 2181 where none is
/// given. IPv6 addresses stand in brackets, `[::1]:2181`. A server may have a scheme, `tls://host:port` or `tcp://host:port`,
/// which says whether to speak TLS with it (see [`Security`]); `tls` needs the feature of that name. White space around the text and around each server is
/// ignored; a server that is named twice is taken once; the chroot `/` is none. The text may be 64 KiB long and name
/// 1024 servers. Printing gives the same in full, with every port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectString {
    /// The servers.
    pub servers: Servers,
    /// The chroot; none by default.
    pub root: Root,
}

impl ConnectString {
    /// The port of a server that is named without one.
    pub const DEFAULT_PORT: u16 = 2181;
    /// How long the text may be, in bytes.
    pub const LIMIT_BYTES: usize = 64 * 1024;

    /// Joins servers and a chroot.
    pub fn new(servers: Servers, root: Root) -> Self {
        Self { servers, root }
    }
}

impl FromStr for ConnectString {
    type Err = ConnectStringError;

    fn from_str(text: &str) -> Result<Self, ConnectStringError> {
        let (servers, chroot) = split(text)?;
        let servers = parse_servers(servers)?;
        let root = Root::new(chroot)
            .map_err(|error| ConnectStringError::new(chroot, ConnectStringErrorReason::BadChroot(error)))?;
        Ok(Self { servers, root })
    }
}

/// Prints `host:port,host:port/chroot`.
impl fmt::Display for ConnectString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.servers, self.root.as_str())
    }
}

impl FromStr for Servers {
    type Err = ConnectStringError;

    fn from_str(text: &str) -> Result<Self, ConnectStringError> {
        parse_servers(split_without_chroot(text)?)
    }
}

impl FromStr for Server {
    type Err = ConnectStringError;

    fn from_str(text: &str) -> Result<Self, ConnectStringError> {
        parse_server(split_without_chroot(text)?)
    }
}

/// Why a connect string or a list of servers was refused, and at which piece of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad connect string at {}: {reason}", Excerpt(piece))]
pub struct ConnectStringError {
    piece: Box<str>,
    reason: ConnectStringErrorReason,
}

impl ConnectStringError {
    pub(super) fn new(piece: &str, reason: ConnectStringErrorReason) -> Self {
        Self { piece: piece.into(), reason }
    }

    /// Returns the offending piece, a server or the chroot, as it was given; of a text beyond the limit, its beginning.
    pub fn piece(&self) -> &str {
        &self.piece
    }

    /// Returns what is wrong with the piece.
    pub fn reason(&self) -> &ConnectStringErrorReason {
        &self.reason
    }
}

/// What is wrong with a piece of a connect string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectStringErrorReason {
    /// The text is longer than [`ConnectString::LIMIT_BYTES`].
    #[error("it is {len} bytes long, more than the limit of {limit}")]
    TooLong {
        /// How long it is, in bytes.
        len: usize,
        /// How long it may be, in bytes.
        limit: usize,
    },
    /// More servers than [`Servers::LIMIT`]; this is the first beyond it.
    #[error("more servers than the limit of {limit}")]
    TooManyServers {
        /// How many servers there may be.
        limit: usize,
    },
    /// There is no server at all.
    #[error("no server is named")]
    NoServer,
    /// There is nothing between two commas, before the first or behind the last.
    #[error("empty entry, expected host:port between commas")]
    EmptyEntry,
    /// The name of the host is missing.
    #[error("the host is missing, expected host:port")]
    NoHost,
    /// A character cannot be part of the name of a host.
    #[error("character {character:?} cannot be part of a host name")]
    BadHost {
        /// The character.
        character: char,
    },
    /// The port is missing behind its colon, is not a number, or out of range.
    #[error("the port must be a number from 1 to 65535")]
    BadPort,
    /// A bracket has no counterpart, or something other than a port follows the second.
    #[error("brackets must enclose an IPv6 address, as in [::1] or [::1]:2181")]
    BadBrackets,
    /// What stands in brackets is not an IPv6 address.
    #[error("not an IPv6 address")]
    BadIpv6,
    /// There is more than one colon outside of brackets, so the port could be part of an address.
    #[error("more than one colon, expected host:port, or an IPv6 address in brackets as in [::1]:2181")]
    TooManyColons,
    /// There is a scheme other than `tls` and `tcp`.
    #[error("scheme not supported, expected host:port, tls://host:port or tcp://host:port")]
    UnsupportedScheme,
    /// There is the scheme `tls`, and no TLS: the feature `tls` is off.
    #[error("this program was built without TLS (feature `tls` of zk-proto)")]
    NoTls,
    /// There is a chroot where only servers are expected.
    #[error("expected servers without a chroot")]
    UnexpectedChroot,
    /// The chroot is not a valid path.
    #[error("bad chroot: {0}")]
    BadChroot(PathError),
}

/// Checks what parsing and [`Servers::new`] demand of a server.
pub(super) fn check(server: &Server) -> Result<(), ConnectStringErrorReason> {
    let host = &*server.host;
    if server.security == Security::Tls && !cfg!(feature = "tls") {
        return Err(ConnectStringErrorReason::NoTls);
    }
    if server.port == 0 {
        return Err(ConnectStringErrorReason::BadPort);
    }
    if host.is_empty() {
        return Err(ConnectStringErrorReason::NoHost);
    }
    if !host.contains(':') {
        return check_name(host);
    }
    // A link-local address needs a zone, which says on which interface it is local.
    let (address, zone) = host.split_once('%').unwrap_or((host, "zone"));
    if zone.is_empty() || address.parse::<Ipv6Addr>().is_err() {
        return Err(ConnectStringErrorReason::BadIpv6);
    }
    check_name(zone)
}

/// Leaves the precise rules of names to the resolver, and refuses what is certainly a mistake.
fn check_name(name: &str) -> Result<(), ConnectStringErrorReason> {
    let is_foreign =
        |c: char| c.is_whitespace() || c.is_control() || c.is_ascii_punctuation() && !matches!(c, '-' | '.' | '_');
    match name.chars().find(|c| is_foreign(*c)) {
        Some(character) => Err(ConnectStringErrorReason::BadHost { character }),
        None => Ok(()),
    }
}

/// Splits the text into its servers and its chroot, which is empty when there is none.
fn split(text: &str) -> Result<(&str, &str), ConnectStringError> {
    let limit = ConnectString::LIMIT_BYTES;
    if text.len() > limit {
        let reason = ConnectStringErrorReason::TooLong { len: text.len(), limit };
        return Err(ConnectStringError::new(Excerpt(text).shown(), reason));
    }
    let text = text.trim();
    let (servers, chroot) = text.split_at(end_of_servers(text));
    if servers.trim().is_empty() {
        return Err(ConnectStringError::new(text, ConnectStringErrorReason::NoServer));
    }
    Ok((servers, chroot))
}

/// Returns where the first slash is that does not belong to a scheme.
fn end_of_servers(text: &str) -> usize {
    let mut start = 0;
    while let Some(slash) = text[start..].find('/').map(|slash| start + slash) {
        let is_scheme = text[start..slash].ends_with(':') && text[slash..].starts_with("//");
        if !is_scheme {
            return slash;
        }
        start = slash + 2;
    }
    text.len()
}

fn split_without_chroot(text: &str) -> Result<&str, ConnectStringError> {
    match split(text)? {
        (servers, "") => Ok(servers),
        (_, chroot) => Err(ConnectStringError::new(chroot, ConnectStringErrorReason::UnexpectedChroot)),
    }
}

fn parse_servers(text: &str) -> Result<Servers, ConnectStringError> {
    Servers::new(text.split(',').map(parse_server).collect::<Result<Vec<_>, _>>()?)
}

fn parse_server(entry: &str) -> Result<Server, ConnectStringError> {
    let entry = entry.trim();
    read_server(entry).map_err(|reason| ConnectStringError::new(entry, reason))
}

fn read_server(entry: &str) -> Result<Server, ConnectStringErrorReason> {
    if entry.is_empty() {
        return Err(ConnectStringErrorReason::EmptyEntry);
    }
    let (security, entry) = match entry.split_once("://") {
        Some((scheme, rest)) => (read_scheme(scheme)?, rest),
        None => (Security::AsConfigured, entry),
    };
    let (host, port) = match entry.strip_prefix('[') {
        Some(rest) => split_brackets(rest)?,
        None => split_name(entry)?,
    };
    let port = match port {
        None => ConnectString::DEFAULT_PORT,
        // The parser of numbers would take "+1" too.
        Some(digits) if digits.starts_with('+') => return Err(ConnectStringErrorReason::BadPort),
        Some(digits) => digits.parse().map_err(|_| ConnectStringErrorReason::BadPort)?,
    };
    let server = Server::new(host, port).with_security(security);
    check(&server)?;
    Ok(server)
}

fn read_scheme(scheme: &str) -> Result<Security, ConnectStringErrorReason> {
    if scheme.eq_ignore_ascii_case("tcp") {
        Ok(Security::Plain)
    } else if scheme.eq_ignore_ascii_case("tls") {
        Ok(Security::Tls)
    } else {
        Err(ConnectStringErrorReason::UnsupportedScheme)
    }
}

/// Splits what follows an opening bracket into address and port.
fn split_brackets(rest: &str) -> Result<(&str, Option<&str>), ConnectStringErrorReason> {
    let (address, behind) = rest.split_once(']').ok_or(ConnectStringErrorReason::BadBrackets)?;
    if !address.is_empty() && !address.contains(':') {
        return Err(ConnectStringErrorReason::BadIpv6);
    }
    match behind.strip_prefix(':') {
        Some(port) => Ok((address, Some(port))),
        None if behind.is_empty() => Ok((address, None)),
        None => Err(ConnectStringErrorReason::BadBrackets),
    }
}

/// Splits an entry that does not begin with a bracket into host and port.
fn split_name(entry: &str) -> Result<(&str, Option<&str>), ConnectStringErrorReason> {
    if entry.contains(['[', ']']) {
        return Err(ConnectStringErrorReason::BadBrackets);
    }
    match entry.split_once(':') {
        None => Ok((entry, None)),
        Some((_, port)) if port.contains(':') => Err(ConnectStringErrorReason::TooManyColons),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};

    use super::*;

    #[test]
    fn good_connect_strings_are_printed_in_full() {
        let table = [
            ("a", "a:2181"),
            ("a:1,b:65535", "a:1,b:65535"),
            ("a,b/app", "a:2181,b:2181/app"),
            ("a:1/app/sub", "a:1/app/sub"),
            ("a:1/", "a:1"),
            (" a:1 ,\tb:2\n,c ", "a:1,b:2,c:2181"),
            ("a:1, b:2 /app\n", "a:1,b:2/app"),
            ("10.0.0.1:02181", "10.0.0.1:2181"),
            ("[::1]", "[::1]:2181"),
            ("[::1]:1,[2001:db8::2]:2/x", "[::1]:1,[2001:db8::2]:2/x"),
            ("[fe80::1%eth0]:1", "[fe80::1%eth0]:1"),
            ("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1"),
            ("a:1,a:1,b:1,A:1,a:2", "a:1,b:1,a:2"),
            ("a,a:2181", "a:2181"),
            ("zk_1.größe-2.example.com.", "zk_1.größe-2.example.com.:2181"),
            ("a:1/app,b:2", "a:1/app,b:2"),
        ];

        for (text, printed) in table {
            let parsed = text.parse::<ConnectString>().unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(parsed.to_string(), printed);
            assert_eq!(printed.parse(), Ok(parsed));
        }
    }

    #[test]
    fn servers_and_root_come_apart() {
        let parsed = "a:1,[::1]/app".parse::<ConnectString>().unwrap();

        assert_eq!(parsed.servers, Servers::new([Server::new("a", 1), Server::new("::1", 2181)]).unwrap());
        assert_eq!(parsed.root, Root::new("/app").unwrap());
        assert_eq!(parsed, ConnectString::new(parsed.servers.clone(), parsed.root.clone()));
    }

    #[test]
    fn bad_connect_strings_name_the_piece_and_the_reason() {
        use ConnectStringErrorReason::*;
        let table = [
            ("", "", NoServer),
            (" \n", "", NoServer),
            ("/app", "/app", NoServer),
            (",", "", EmptyEntry),
            ("a:1,", "", EmptyEntry),
            (",a:1", "", EmptyEntry),
            ("a:1, ,b:2", "", EmptyEntry),
            ("a:1,/app", "", EmptyEntry),
            (":2181", ":2181", NoHost),
            ("a:1,:2", ":2", NoHost),
            ("[]:1", "[]:1", NoHost),
            ("a:", "a:", BadPort),
            ("a:0", "a:0", BadPort),
            ("x:1,a:65536", "a:65536", BadPort),
            ("a:99999999999999999999", "a:99999999999999999999", BadPort),
            ("a:-1", "a:-1", BadPort),
            ("a:+1", "a:+1", BadPort),
            ("a:1x", "a:1x", BadPort),
            ("a: 1", "a: 1", BadPort),
            ("a:port", "a:port", BadPort),
            ("[::1]:", "[::1]:", BadPort),
            ("[::1", "[::1", BadBrackets),
            ("[::1:2181", "[::1:2181", BadBrackets),
            ("::1]:2181", "::1]:2181", BadBrackets),
            ("a]", "a]", BadBrackets),
            ("[::1]2181", "[::1]2181", BadBrackets),
            ("[[::1]]:1", "[[::1]]:1", BadBrackets),
            ("[a]:1", "[a]:1", BadIpv6),
            ("[10.0.0.1]:1", "[10.0.0.1]:1", BadIpv6),
            ("[1:2:3]:1", "[1:2:3]:1", BadIpv6),
            ("[fe80::1%]:1", "[fe80::1%]:1", BadIpv6),
            ("[fe80::1%e%h]:1", "[fe80::1%e%h]:1", BadHost { character: '%' }),
            ("::1", "::1", TooManyColons),
            ("a:1,fe80::1:2181", "fe80::1:2181", TooManyColons),
            ("a:2181:2888", "a:2181:2888", TooManyColons),
            ("a b:1", "a b:1", BadHost { character: ' ' }),
            ("a:1;b:1", "a:1;b:1", TooManyColons),
            ("a;b", "a;b", BadHost { character: ';' }),
            ("user@a:1", "user@a:1", BadHost { character: '@' }),
            ("a\0:1", "a\0:1", BadHost { character: '\0' }),
            ("ssl://a:1", "ssl://a:1", UnsupportedScheme),
            ("a:1, ssl://b:2 ,tcp://c:3/app", "ssl://b:2", UnsupportedScheme),
            ("dns-srv://a", "dns-srv://a", UnsupportedScheme),
            ("tcp://", "tcp://", NoHost),
            ("tcp://tcp://a", "tcp://tcp://a", BadPort),
            ("tcp://:1", "tcp://:1", NoHost),
            ("a,tcp:///app", "tcp://", NoHost),
            ("://a", "://a", UnsupportedScheme),
        ];

        for (text, piece, reason) in table {
            let error = text.parse::<ConnectString>().unwrap_err();
            assert_eq!((error.piece(), error.reason()), (piece, &reason), "{text:?}");
        }
    }

    #[test]
    fn a_scheme_is_never_taken_for_a_host() {
        for text in ["ssl://a:1", "tls:a", "tls:a:1", "tls:/a:1", "tls:///a", "a:1,tls:b", "SSL://a", "tcp:a", "tcp:/a"]
        {
            assert!(text.parse::<ConnectString>().is_err(), "{text}");
            assert!(text.parse::<Servers>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_server_may_say_whether_to_speak_tls() {
        let parsed = "a:1, TCP://b ,tcp://[::1]:3/app//x".parse::<ConnectString>();
        assert!(parsed.is_err(), "that chroot is none");

        let parsed = "a:1, TCP://b ,tcp://[::1]:3/app".parse::<ConnectString>().unwrap();

        assert_eq!(parsed.to_string(), "a:1,tcp://b:2181,tcp://[::1]:3/app");
        let security: Vec<_> = parsed.servers.iter().map(|server| server.security).collect();
        assert_eq!(security, [Security::AsConfigured, Security::Plain, Security::Plain]);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_is_asked_for_by_its_scheme() {
        let parsed = "tls://zk1:2281,zk2:2181/app".parse::<ConnectString>().unwrap();

        assert_eq!(parsed.to_string(), "tls://zk1:2281,zk2:2181/app");
        assert_eq!(parsed.servers.iter().next().map(|server| server.security), Some(Security::Tls));
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_is_refused_where_there_is_none() {
        let error = "tls://zk1:2281".parse::<ConnectString>().unwrap_err();

        assert_eq!(error.reason(), &ConnectStringErrorReason::NoTls);
    }

    #[test]
    fn a_bad_chroot_is_explained_by_its_path() {
        let error = "a:1,b:2/app/".parse::<ConnectString>().unwrap_err();

        assert_eq!(error.piece(), "/app/");
        let path_error = Root::new("/app/").unwrap_err();
        assert_eq!(error.reason(), &ConnectStringErrorReason::BadChroot(path_error));
        assert!("a:1//".parse::<ConnectString>().is_err());
        assert!("a:1/app/../x".parse::<ConnectString>().is_err());
    }

    #[test]
    fn messages_say_where_and_what_was_expected() {
        let error = "a:1,b:99999".parse::<ConnectString>().unwrap_err();

        let expected = r#"bad connect string at "b:99999": the port must be a number from 1 to 65535"#;
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn length_and_count_are_bounded() {
        let of_length = |len: usize| format!("a/{}", "x".repeat(len - 2)).parse::<ConnectString>();
        let of_count = |count: usize| {
            let servers = (0..count).map(|n| format!("h{n},")).collect::<String>();
            servers.trim_end_matches(',').parse::<ConnectString>()
        };

        assert!(of_length(65_536).is_ok());
        let error = of_length(65_537).unwrap_err();
        assert_eq!(error.reason(), &ConnectStringErrorReason::TooLong { len: 65_537, limit: 65_536 });
        assert!(error.piece().len() < 200);
        assert_eq!(of_count(1024).unwrap().servers.len(), 1024);
        let error = of_count(1025).unwrap_err();
        assert_eq!(error.reason(), &ConnectStringErrorReason::TooManyServers { limit: 1024 });
        assert_eq!(error.piece(), "h1024:2181");
    }

    #[test]
    fn lists_and_single_servers_take_no_chroot() {
        assert_eq!("a:1,b".parse::<Servers>().unwrap().to_string(), "a:1,b:2181");
        assert_eq!(" [::1]:7 ".parse::<Server>(), Ok(Server::new("::1", 7)));

        for error in ["a:1/app".parse::<Servers>().unwrap_err(), "a:1/app".parse::<Server>().unwrap_err()] {
            assert_eq!((error.piece(), error.reason()), ("/app", &ConnectStringErrorReason::UnexpectedChroot));
        }
        assert!("a,b".parse::<Server>().is_err());
    }
}
