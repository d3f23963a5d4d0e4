//! Paths as their owner names them, and as the server does.

use zk_proto::{
    Root,
    code::{AddWatchMode, EventType, OpCode},
    record::CreateResponse,
    request::{AddWatch, Create, Create2, GetChildren, GetConfig, GetData, Watched},
    session::{Event, SubmitOptions},
};

use crate::support::{Greeting, Pair, event, paths_of, record, settings, stat};

#[test]
fn the_chroot_of_the_configuration_is_put_before_every_path_and_taken_off_again() {
    let mut pair = below("/app");
    pair.submit(&Create(Create2::new("/x", b"")), 'c');

    let asked = pair.ask();
    assert_eq!(asked.path(), "/app/x");
    pair.answer(&asked, &record(&CreateResponse { path: Some("/app/x".into()) }));

    let Some(Event::Reply { result: Ok(reply), .. }) = pair.event() else { panic!("a good reply") };
    assert_eq!(reply.decode::<Create<'_>>().unwrap(), "/x");
}

#[test]
fn a_watch_on_the_root_itself_is_on_the_chroot() {
    let mut pair = below("/app");
    set(&mut pair, &GetChildren::new("/"), "w", None);

    pair.send(&event(EventType::NodeChildrenChanged, "/app", 7));

    assert_eq!(pair.told(), ["w: NodeChildrenChanged /"]);
}

#[test]
fn events_at_and_below_the_chroot_are_told_and_those_beside_it_are_not() {
    let mut pair = below("/app");
    set(&mut pair, &AddWatch { path: "/", mode: AddWatchMode::PersistentRecursive }, "w", None);

    for path in ["/app", "/app/x", "/app/apple", "/apple", "/apple/x", "/ap", "/", "/x/app"] {
        pair.send(&event(EventType::NodeCreated, path, 7));
    }

    assert_eq!(pair.told(), ["w: NodeCreated /", "w: NodeCreated /x", "w: NodeCreated /apple"]);
}

#[test]
fn the_configuration_node_is_absolute_under_any_chroot() {
    let mut pair = below("/app");
    pair.watch(&GetConfig, 'a', "w");
    let asked = pair.ask();
    assert_eq!((asked.op, asked.path()), (OpCode::GetData, "/zookeeper/config".to_owned()));
    pair.answer(&asked, &stat());

    pair.send(&event(EventType::NodeDataChanged, "/zookeeper/config", 7));

    assert_eq!(pair.told(), ["a: Ok", "w: NodeDataChanged /zookeeper/config"]);
}

#[test]
fn several_chroots_share_a_session_and_one_watch_of_the_server() {
    let mut pair = below("/app");
    set(&mut pair, &GetData::new("/x/y"), "app", None);
    set(&mut pair, &GetData::new("/y"), "x", Some("/app/x"));
    set(&mut pair, &GetData::new("/app/x/y"), "server", Some("/"));
    let (_, watch) = pair.watch_with(&GetData::new("/"), 'a', "self", options(Some("/app/x/y")));
    pair.answer_next(&stat());
    pair.told();

    pair.app(|session| session.unwatch(watch));
    assert_eq!(pair.ops(), [], "others are left on the same node");
    pair.send(&event(EventType::NodeDataChanged, "/app/x/y", 7));

    let told = ["app: NodeDataChanged /x/y", "x: NodeDataChanged /y", "server: NodeDataChanged /app/x/y"];
    assert_eq!(pair.told(), told);
}

#[test]
fn watches_are_set_again_by_the_servers_paths_and_marks_bear_their_owners() {
    let mut pair = below("/app");
    set(&mut pair, &AddWatch { path: "/", mode: AddWatchMode::Persistent }, "app", None);
    set(&mut pair, &AddWatch { path: "/x", mode: AddWatchMode::PersistentRecursive }, "x", Some("/other"));

    pair.reconnect();

    let [_, _, _, persistent, recursive] = paths_of(&pair.ask()).1;
    assert_eq!((persistent, recursive), (vec!["/app".to_owned()], vec!["/other/x".to_owned()]));
    assert_eq!(pair.told()[2..], ["app: Resync /", "x: Resync /x"]);
}

#[test]
fn a_path_that_is_no_text_never_panics() {
    let mut pair = below("/app");
    set(&mut pair, &AddWatch { path: "/", mode: AddWatchMode::PersistentRecursive }, "w", None);
    // A character beyond U+FFFF as Java writes it, and bytes that are no text at all.
    for tail in [&b"\xED\xA0\xBD\xED\xB8\x80"[..], b"\xFF\xFE", b"\xE2\x82"] {
        let path = [b"/app/", tail].concat();
        let mut frame = crate::support::reply(-1, 7, zk_proto::code::ErrorCode::Ok, &[0, 0, 0, 1, 0, 0, 0, 3]).to_vec();
        frame.extend_from_slice(&(path.len() as u32).to_be_bytes());
        frame.extend_from_slice(&path);
        let len = frame.len() as u32 - 4;
        frame[..4].copy_from_slice(&len.to_be_bytes());
        pair.send(&frame);
    }
    assert_eq!(pair.told(), ["w: NodeCreated /😀", "w: NodeCreated /\u{FFFD}\u{FFFD}", "w: NodeCreated /\u{FFFD}"]);
}

/// A session with a chroot.
fn below(root: &str) -> Pair {
    let mut config = settings();
    config.root = Root::new(root).unwrap();
    let mut pair = Pair::new(config);
    pair.connect(&Greeting::default());
    pair.told();
    pair
}

fn options(root: Option<&str>) -> SubmitOptions {
    SubmitOptions { root: root.map(|root| Root::new(root).unwrap()), ..SubmitOptions::default() }
}

fn set(pair: &mut Pair, request: &impl Watched, watch: &'static str, root: Option<&str>) {
    pair.watch_with(request, 'a', watch, options(root));
    pair.answer_next(&stat());
    pair.told();
}
