//! Paths of nodes: which ones are valid, and how they look from below a chroot.
//!
//! Server and client judge a path by the same rule, so checking here saves a round trip and names the offending byte.
//! The server knows nothing of a chroot: a client with a [`Root`] puts it before each path that it sends and takes it
//! off each path that it receives. Two things break the naive prefix: `/apple` is not below `/app`, and
//! [`CONFIG_NODE`] means the same node under every root.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

/// The node that holds the ensemble's configuration. It is the same node under any chroot.
pub const CONFIG_NODE: &str = "/zookeeper/config";

/// Checks that a path is one a server accepts.
///
/// A path begins with `/`, does not end with one (`/` itself apart), and has no component that is empty, `.` or `..`.
/// No character is one of U+0000–U+001F, U+007F–U+009F, U+E000–U+F8FF, U+FFF0–U+FFFF or above. There is no limit of
/// length but the frame's.
///
/// # Errors
///
/// [`PathError`] with the first offence.
pub fn validate(path: &str) -> Result<(), PathError> {
    check(path, Tail::Complete).map_err(|reason| PathError::new(path, reason))
}

/// Checks the path of a sequential create, to which the server will append a number.
///
/// The rules are those of [`validate`] for the path with a digit appended: it may end with `/`, `/.` or `/..`.
///
/// # Errors
///
/// [`PathError`] with the first offence.
pub fn validate_sequential(path: &str) -> Result<(), PathError> {
    check(path, Tail::Numbered).map_err(|reason| PathError::new(path, reason))
}

/// Checks that a name is a single component of a path, to be put below any node.
///
/// # Errors
///
/// [`PathError`] with the first offence, for the name with a `/` before it.
pub fn validate_name(name: &str) -> Result<(), PathError> {
    let path = alloc::format!("/{name}");
    match path[1..].find('/') {
        Some(before) => Err(PathError::new(&path, PathErrorReason::SlashInName { at: before + 1 })),
        None if name.is_empty() => Err(PathError::new(&path, PathErrorReason::TrailingSlash { at: 0 })),
        None => validate(&path),
    }
}

/// Returns the path of the node above, or `None` for `/`.
pub fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (parent, _) => Some(parent),
    }
}

/// Returns the last component of a path, which is empty for `/`.
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns the path itself, then each node above it, up to `/`.
pub fn ancestors(path: &str) -> impl Iterator<Item = &str> + Clone {
    core::iter::successors(Some(path), |path| parent(path))
}

/// A path that no server would accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid path {}: {reason}", Excerpt(path))]
pub struct PathError {
    path: Box<str>,
    reason: PathErrorReason,
}

impl PathError {
    fn new(path: &str, reason: PathErrorReason) -> Self {
        Self { path: path.into(), reason }
    }

    /// Returns the whole path. The message shows only the beginning of a very long one.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong with the path.
    pub fn reason(&self) -> PathErrorReason {
        self.reason
    }
}

/// What is wrong with a path. Positions count bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathErrorReason {
    /// The path has no characters at all.
    #[error("it is empty")]
    Empty,
    /// The path does not begin with `/`.
    #[error("it does not begin with '/'")]
    NotAbsolute,
    /// The path ends with `/`.
    #[error("it ends with '/' at byte {at}")]
    TrailingSlash {
        /// Where the last `/` stands.
        at: usize,
    },
    /// There is nothing between two `/`.
    #[error("empty component at byte {at}")]
    EmptyComponent {
        /// Where the second `/` stands.
        at: usize,
    },
    /// What is to be one component would be several.
    #[error("a name has no '/', as at byte {at}")]
    SlashInName {
        /// Where the `/` stands, behind the first.
        at: usize,
    },
    /// A component is `.` or `..`.
    #[error("relative component at byte {at}")]
    RelativeComponent {
        /// Where the component begins.
        at: usize,
    },
    /// A character is one that ZooKeeper does not allow.
    #[error("character U+{:04X} at byte {at} is not allowed", u32::from(*character))]
    ForbiddenCharacter {
        /// Where the character begins.
        at: usize,
        /// The character.
        character: char,
    },
}

/// A chroot: the node that a client sees as `/`. The default is none, which is the server's own `/`.
///
/// Cloning is cheap. The server does not create the node: until somebody does, all below it is missing.
///
/// ```
/// use zk_proto::path::Root;
///
/// let root = Root::new("/app")?;
/// assert_eq!(root.to_server("/jobs"), "/app/jobs");
/// assert_eq!(root.to_client("/app/jobs"), Some("/jobs"));
/// assert_eq!(root.to_client("/apple"), None);
/// # Ok::<(), zk_proto::path::PathError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Each request and each watch has one, so it is no larger than a pointer.
pub struct Root(Option<Arc<Box<str>>>);

impl Root {
    /// Makes a chroot of a path; `/` and the empty string make none.
    ///
    /// # Errors
    ///
    /// [`PathError`] when [`validate`] refuses the path.
    pub fn new(path: &str) -> Result<Self, PathError> {
        Self::default().join(path)
    }

    /// Returns the chroot that lies at `path` below this one; `/` and the empty string give this one again.
    ///
    /// # Errors
    ///
    /// [`PathError`] when [`validate`] refuses the path.
    pub fn join(&self, path: &str) -> Result<Self, PathError> {
        if matches!(path, "" | "/") {
            return Ok(self.clone());
        }
        validate(path)?;
        Ok(Self(Some(Arc::new(join_parts((self.as_str(), path)).into()))))
    }

    /// Returns what to put before a path: the chroot, or the empty string when there is none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().map_or("", |path| path)
    }

    /// Returns whether there is no chroot.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Translates a valid path from the client's view to the server's.
    ///
    /// `/` is the chroot itself and [`CONFIG_NODE`] stays as it is. The path of a sequential create is
    /// another matter, see [`to_server_sequential`](Self::to_server_sequential).
    pub fn to_server<'a>(&'a self, path: &'a str) -> Cow<'a, str> {
        join_parts(self.server_parts(path))
    }

    /// Translates the path of a sequential create from the client's view to the server's.
    ///
    /// The server appends the number to the very end, so under `/app` the path `/` must become `/app/`: the new node is
    /// `/app/0000000000`, where `/app` would give a sibling of the chroot, `/app0000000000`.
    pub fn to_server_sequential<'a>(&'a self, path: &'a str) -> Cow<'a, str> {
        join_parts((self.as_str(), path))
    }

    /// Returns [`to_server`](Self::to_server) in two parts, either of which may be empty, so that an encoder need not
    /// join them first.
    pub fn server_parts<'a>(&'a self, path: &'a str) -> (&'a str, &'a str) {
        match (self.as_str(), path) {
            ("", path) | (_, path @ CONFIG_NODE) => ("", path),
            (root, "/") => (root, ""),
            (root, path) => (root, path),
        }
    }

    /// Translates a path from the server's view to the client's; `None` when it lies outside of the chroot.
    ///
    /// Outside lies, as a rule, [`CONFIG_NODE`]: what the server says of it is for the client under that same path.
    pub fn to_client<'a>(&self, server_path: &'a str) -> Option<&'a str> {
        match (self.as_str(), server_path.strip_prefix(self.as_str())?) {
            ("", path) => Some(path),
            (_, "") => Some("/"),
            (_, path) => path.starts_with('/').then_some(path),
        }
    }
}

/// Prints the path of the node that the client sees as `/`, which is `/` when there is no chroot.
impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "/" } else { self.as_str() })
    }
}

impl FromStr for Root {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        Self::new(path)
    }
}

/// Prints a text of the caller's in quotes and escaped, cut short when it would drown the message around it.
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

impl Excerpt<'_> {
    /// How many characters are shown.
    const LIMIT: usize = 120;

    /// Returns the part that is shown.
    pub(crate) fn shown(&self) -> &str {
        let end = self.0.char_indices().nth(Self::LIMIT).map_or(self.0.len(), |(at, _)| at);
        &self.0[..end]
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown();
        write!(f, "{shown:?}")?;
        if shown.len() < self.0.len() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// What the end of a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// The end of its last component.
    Complete,
    /// The place where the server will write a number.
    Numbered,
}

fn check(path: &str, tail: Tail) -> Result<(), PathErrorReason> {
    // A glance is enough for nearly every path, and every request brings one.
    if is_plain(path.as_bytes()) { Ok(()) } else { check_closely(path, tail) }
}

#[cold]
fn check_closely(path: &str, tail: Tail) -> Result<(), PathErrorReason> {
    if path.is_empty() {
        return Err(PathErrorReason::Empty);
    }
    let below = path.strip_prefix('/').ok_or(PathErrorReason::NotAbsolute)?;
    if below.is_empty() {
        return Ok(());
    }
    let mut at = 1;
    let mut components = below.split('/').peekable();
    while let Some(component) = components.next() {
        let is_last = components.peek().is_none();
        let is_numbered = is_last && tail == Tail::Numbered;
        match component {
            "" | "." | ".." if is_numbered => {}
            "" if is_last => return Err(PathErrorReason::TrailingSlash { at: at - 1 }),
            "" => return Err(PathErrorReason::EmptyComponent { at }),
            "." | ".." => return Err(PathErrorReason::RelativeComponent { at }),
            _ => {
                if let Some((offset, character)) = component.char_indices().find(|(_, c)| is_forbidden(*c)) {
                    return Err(PathErrorReason::ForbiddenCharacter { at: at + offset, character });
                }
            }
        }
        at += component.len() + 1;
    }
    Ok(())
}

/// Whether the path is of printable ASCII, complete, and has no component that is empty or begins with a dot: then it is
/// certainly valid.
fn is_plain(path: &[u8]) -> bool {
    let ([b'/', rest @ ..], false) = (path, path.last() == Some(&b'/')) else { return false };
    // Without branches, so that bytes are looked at several at a time: each with the one before it.
    let is_bad = |(before, byte): (&u8, &u8)| {
        // A slash and a dot differ in their last bit alone.
        let begins_badly = (*before == b'/') & (*byte | 1 == b'/');
        begins_badly | (byte.wrapping_sub(b' ') > b'~' - b' ')
    };
    !path.iter().zip(rest).fold(false, |is_any, pair| is_any | is_bad(pair))
}

/// Whether ZooKeeper refuses the character. Its rule is one of UTF-16 units and excludes surrogates, hence everything
/// above U+FFFF, and with them the private use area.
const fn is_forbidden(character: char) -> bool {
    matches!(character as u32, 0..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..)
}

fn join_parts<'a>((prefix, rest): (&'a str, &'a str)) -> Cow<'a, str> {
    match (prefix, rest) {
        ("", whole) | (whole, "") => Cow::Borrowed(whole),
        (prefix, rest) => Cow::Owned([prefix, rest].concat()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn ordinary_paths_are_valid() {
        for path in ["/", "/a", "/a/b", "/...", "/.a/a./..b", "/a b", "/zookeeper/config", "/größe/日本"] {
            assert_eq!(validate(path), Ok(()), "{path}");
            assert_eq!(validate_sequential(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn each_offence_is_named_with_its_place() {
        use PathErrorReason::*;
        let table = [
            ("", Empty),
            ("a/b", NotAbsolute),
            ("./a", NotAbsolute),
            ("//", EmptyComponent { at: 1 }),
            ("/a/", TrailingSlash { at: 2 }),
            ("//a", EmptyComponent { at: 1 }),
            ("/ä//b", EmptyComponent { at: 4 }),
            ("/a//", EmptyComponent { at: 3 }),
            ("/.", RelativeComponent { at: 1 }),
            ("/..", RelativeComponent { at: 1 }),
            ("/a/./b", RelativeComponent { at: 3 }),
            ("/a/../b", RelativeComponent { at: 3 }),
            ("/a/b/..", RelativeComponent { at: 5 }),
            ("/a\0", ForbiddenCharacter { at: 2, character: '\0' }),
            ("/ä/b\u{7f}c", ForbiddenCharacter { at: 5, character: '\u{7f}' }),
            ("/😀", ForbiddenCharacter { at: 1, character: '😀' }),
        ];

        for (path, reason) in table {
            let error = validate(path).unwrap_err();
            assert_eq!((error.path(), error.reason()), (path, reason));
        }
    }

    #[test]
    fn a_sequential_path_may_end_where_the_number_completes_it() {
        for path in ["/", "/a/", "/.", "/..", "/a/.", "/a/.."] {
            assert_eq!(validate_sequential(path), Ok(()), "{path}");
        }
        for path in ["", "a", "//", "/a//", "/./", "/../", "/./a", "/a/../b", "/a\n"] {
            assert!(validate_sequential(path).is_err(), "{path}");
        }
    }

    #[test]
    fn every_short_path_is_judged_as_java_judges_it() {
        const ALPHABET: [char; 5] = ['/', '.', 'a', 'é', '\u{1f}'];
        let mut paths = Vec::from([String::new()]);
        for _ in 0..6 {
            let longer = paths.iter().flat_map(|path| ALPHABET.map(|c| format!("{path}{c}"))).collect::<Vec<_>>();
            paths.extend(longer);
            paths.sort();
            paths.dedup();
        }

        for path in &paths {
            assert_eq!(validate(path).is_ok(), java_accepts(path), "{path:?}");
            assert_eq!(validate_sequential(path).is_ok(), java_accepts(&format!("{path}1")), "{path:?} sequential");
        }
    }

    #[test]
    fn a_byte_is_judged_alike_wherever_it_stands() {
        for (before, byte) in (0..=u8::MAX).flat_map(|byte| [(b'/', byte), (b'a', byte)]) {
            let is_good = matches!(byte, b' '..=b'~') && !(before == b'/' && matches!(byte, b'/' | b'.'));
            for at in 1..20 {
                let mut path = [b'a'; 21];
                path[0] = b'/';
                (path[at], path[at + 1]) = (before, byte);
                let is_plain = is_plain(&path[..at + 2]);
                let is_first = at == 1 && before == b'/';
                assert_eq!(is_plain, is_good && byte != b'/' && !is_first, "{before} and {byte} at {at}");
                if at < 19 {
                    assert_eq!(super::is_plain(&path), is_good && (byte != b'/' || before != b'/') && !is_first);
                }
            }
        }
    }

    #[test]
    fn every_character_is_judged_as_java_judges_it() {
        for character in '\0'..=char::MAX {
            let path = format!("/x{character}x");
            assert_eq!(validate(&path).is_ok(), java_accepts(&path), "{character:?}");
        }
    }

    #[test]
    fn the_bounds_of_the_forbidden_ranges_are_exact() {
        let allowed = ['\u{20}', '\u{7e}', '\u{a0}', '\u{d7ff}', '\u{f900}', '\u{ffef}'];
        let forbidden = [
            '\0',
            '\u{1f}',
            '\u{7f}',
            '\u{9f}',
            '\u{e000}',
            '\u{f8ff}',
            '\u{fff0}',
            '\u{fffd}',
            '\u{ffff}',
            '\u{10000}',
            '\u{10ffff}',
        ];

        for character in allowed {
            assert_eq!(validate(&format!("/{character}")), Ok(()));
        }
        for character in forbidden {
            let reason = validate(&format!("/{character}")).unwrap_err().reason();
            assert_eq!(reason, PathErrorReason::ForbiddenCharacter { at: 1, character });
        }
    }

    #[test]
    fn messages_name_path_reason_and_place() {
        let error = validate("/a/b\n").unwrap_err();

        assert_eq!(error.to_string(), r#"invalid path "/a/b\n": character U+000A at byte 4 is not allowed"#);
    }

    #[test]
    fn a_very_long_path_is_cut_in_the_message_alone() {
        let path = format!("/{}/", "ä".repeat(500));

        let error = validate(&path).unwrap_err();

        assert_eq!(error.path(), path);
        let expected = format!("invalid path \"/{}\"… (1002 bytes): it ends with '/' at byte 1001", "ä".repeat(119));
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn slash_and_nothing_are_no_root() {
        for path in ["", "/"] {
            let root = Root::new(path).unwrap();
            assert!(root.is_none());
            assert_eq!((root.as_str(), root.to_string().as_str()), ("", "/"));
            assert_eq!(root, Root::default());
        }
    }

    #[test]
    fn a_root_must_be_a_valid_path() {
        for path in ["app", "/app/", "//app", "/app/.."] {
            assert!(path.parse::<Root>().is_err(), "{path}");
            assert!(root("/x").join(path).is_err(), "{path}");
        }
    }

    #[test]
    fn roots_join() {
        assert_eq!(root("").join("/a").unwrap(), root("/a"));
        assert_eq!(root("/a").join("/b/c").unwrap(), root("/a/b/c"));
        assert_eq!(root("/a").join("/").unwrap(), root("/a"));
        assert_eq!(root("/a").join("").unwrap(), root("/a"));
        assert_eq!(root("/a/b").to_string(), "/a/b");
    }

    #[test]
    fn paths_are_translated_to_the_servers_view() {
        let table = [
            ("", "/", "/"),
            ("", "/a", "/a"),
            ("", "/zookeeper/config", "/zookeeper/config"),
            ("/app", "/", "/app"),
            ("/app", "/a/b", "/app/a/b"),
            ("/app", "/app", "/app/app"),
            ("/app", "/zookeeper/config", "/zookeeper/config"),
            ("/app", "/zookeeper/config/x", "/app/zookeeper/config/x"),
            ("/app", "/zookeeper/configs", "/app/zookeeper/configs"),
            ("/app", "/zookeeper", "/app/zookeeper"),
        ];

        for (root_path, path, expected) in table {
            let root = root(root_path);
            assert_eq!(root.to_server(path), expected);
            let (prefix, rest) = root.server_parts(path);
            assert_eq!(format!("{prefix}{rest}"), expected);
        }
    }

    #[test]
    fn a_sequential_create_at_the_root_stays_inside() {
        let app = root("/app");

        assert_eq!(app.to_server_sequential("/"), "/app/");
        assert_eq!(app.to_server_sequential("/job-"), "/app/job-");
        assert_eq!(app.to_server_sequential("/zookeeper/config"), "/app/zookeeper/config");
        assert_eq!(root("").to_server_sequential("/"), "/");
        assert_eq!(app.to_client("/app/0000000000"), Some("/0000000000"));
        assert_eq!(app.to_client("/app0000000000"), None);
    }

    #[test]
    fn nothing_is_copied_where_there_is_nothing_to_join() {
        assert!(matches!(root("").to_server("/a"), Cow::Borrowed("/a")));
        assert!(matches!(root("/app").to_server("/"), Cow::Borrowed("/app")));
        assert!(matches!(root("/app").to_server(CONFIG_NODE), Cow::Borrowed(CONFIG_NODE)));
    }

    #[test]
    fn paths_are_translated_to_the_clients_view() {
        let table = [
            ("", "/", Some("/")),
            ("", "/a", Some("/a")),
            ("", "", Some("")),
            ("/app", "/app", Some("/")),
            ("/app", "/app/a/b", Some("/a/b")),
            ("/app", "/app/app", Some("/app")),
            ("/app", "/apple", None),
            ("/app", "/apple/a", None),
            ("/app", "/ap", None),
            ("/app", "/", None),
            ("/app", "", None),
            ("/app", "/other/app", None),
            ("/app", "/zookeeper/config", None),
            ("/zookeeper", "/zookeeper/config", Some("/config")),
            ("/ä", "/ä/b", Some("/b")),
            ("/ä", "/äb", None),
        ];

        for (root_path, path, expected) in table {
            assert_eq!(root(root_path).to_client(path), expected, "{path} below {root_path}");
        }
    }

    #[test]
    fn what_goes_to_the_server_comes_back_the_same() {
        for root_path in ["", "/app", "/app/le", "/zookeeper", "/ä"] {
            let root = root(root_path);
            for path in ["/", "/app", "/app/le", "/zookeeper", "/ä", "/a/b/c"] {
                assert_eq!(root.to_client(&root.to_server(path)), Some(path), "{path} below {root_path}");
            }
        }
    }

    #[test]
    fn paths_come_apart() {
        let table = [("/", None, ""), ("/a", Some("/"), "a"), ("/a/b", Some("/a"), "b"), ("/a/b/c", Some("/a/b"), "c")];

        for (path, above, last) in table {
            assert_eq!((parent(path), name(path)), (above, last), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_comes_apart_without_panic() {
        for (path, above, last) in [("", None, ""), ("a", None, "a"), ("a/b", Some("a"), "b"), ("/a/", Some("/a"), "")]
        {
            assert_eq!((parent(path), name(path)), (above, last), "{path:?}");
        }
    }

    #[test]
    fn ancestors_end_at_the_root() {
        assert_eq!(ancestors("/a/b/c").collect::<Vec<_>>(), ["/a/b/c", "/a/b", "/a", "/"]);
        assert_eq!(ancestors("/").collect::<Vec<_>>(), ["/"]);
    }

    fn root(path: &str) -> Root {
        Root::new(path).unwrap()
    }

    /// The rule as it is written for the server, unit by unit.
    fn java_accepts(path: &str) -> bool {
        let units = path.encode_utf16().collect::<Vec<_>>();
        let is_legal = |unit: &u16| !matches!(unit, 0..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..);
        let components_are_legal = || {
            let mut components = units[1..].split(|unit| *unit == u16::from(b'/'));
            components.all(|component| !matches!(component, [] | [0x2e] | [0x2e, 0x2e]))
        };
        path == "/" || path.starts_with('/') && units.iter().all(is_legal) && components_are_legal()
    }
}
