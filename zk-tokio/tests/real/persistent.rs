//! Persistent watches, alone and together with one-shot ones on the same path, which servers before 3.9 do not keep apart.

use zk_tokio::{
    AddWatchMode::{Persistent, PersistentRecursive},
    WatchedEventKind::{self, NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted, Resync},
    Watcher,
};

use crate::support::{builder, chroot, client, connect, next, run, so_far, soon};

#[track_caller]
fn assert_told<const N: usize>(watcher: &mut Watcher, expected: [(WatchedEventKind, &str); N]) {
    assert_eq!(so_far(watcher), expected.map(|(kind, path)| (kind, path.to_string())));
}

#[test]
fn a_persistent_watch_tells_of_the_node_and_its_list_of_children() {
    run(async {
        let client = client("persistent").await;
        let mut watcher = client.add_watch("/node", Persistent).await.unwrap();

        for _ in 0..2 {
            client.create("/node", b"").await.unwrap();
            client.set_data("/node", b"").await.unwrap();
            client.create("/node/child", b"").await.unwrap();
            client.set_data("/node/child", b"").await.unwrap();
            client.create("/node/child/deep", b"").await.unwrap();
            client.delete("/node/child/deep").await.unwrap();
            client.delete("/node/child").await.unwrap();
            client.delete("/node").await.unwrap();

            assert_told(
                &mut watcher,
                [
                    (NodeCreated, "/node"),
                    (NodeDataChanged, "/node"),
                    (NodeChildrenChanged, "/node"),
                    (NodeChildrenChanged, "/node"),
                    (NodeDeleted, "/node"),
                ],
            );
        }
    });
}

#[test]
fn a_recursive_watch_tells_of_every_node_below_and_of_no_list() {
    run(async {
        let client = client("recursive").await;
        let mut tree = client.add_watch("/node", PersistentRecursive).await.unwrap();

        client.create("/node", b"").await.unwrap();
        client.create("/nodes", b"").await.unwrap();
        client.create("/node/a", b"").await.unwrap();
        // Another watch's event must not be mistaken for the tree's.
        let (_, _, mut list) = client.get_children("/node/a").watch().await.unwrap();
        client.create("/node/a/b", b"").await.unwrap();
        client.set_data("/node/a/b", b"").await.unwrap();
        client.delete("/node/a/b").await.unwrap();
        client.set_data("/node", b"").await.unwrap();

        assert_told(
            &mut tree,
            [
                (NodeCreated, "/node"),
                (NodeCreated, "/node/a"),
                (NodeCreated, "/node/a/b"),
                (NodeDataChanged, "/node/a/b"),
                (NodeDeleted, "/node/a/b"),
                (NodeDataChanged, "/node"),
            ],
        );
        assert_told(&mut list, [(NodeChildrenChanged, "/node/a")]);
    });
}

#[test]
fn trees_within_trees_each_tell_everything() {
    run(async {
        let client = client("nested").await;
        client.create("/a", b"").await.unwrap();
        let mut all = client.add_watch("/", PersistentRecursive).await.unwrap();
        let mut outer = client.add_watch("/a", PersistentRecursive).await.unwrap();
        let mut inner = client.add_watch("/a/b", PersistentRecursive).await.unwrap();
        let mut node = client.add_watch("/a/b", Persistent).await.unwrap();

        client.create("/a/b", b"").await.unwrap();
        client.create("/a/b/c", b"").await.unwrap();
        client.create("/d", b"").await.unwrap();

        assert_told(&mut all, [(NodeCreated, "/a/b"), (NodeCreated, "/a/b/c"), (NodeCreated, "/d")]);
        assert_told(&mut outer, [(NodeCreated, "/a/b"), (NodeCreated, "/a/b/c")]);
        assert_eq!(so_far(&mut inner).first(), Some(&(NodeCreated, "/a/b".to_string())));
        assert_eq!(so_far(&mut node).first(), Some(&(NodeCreated, "/a/b".to_string())));
    });
}

#[test]
fn a_persistent_watch_outlives_one_shot_ones_on_its_path() {
    run(async {
        let client = client("mixed").await;
        client.create("/node", b"").await.unwrap();
        let mut persistent = client.add_watch("/node", Persistent).await.unwrap();

        for _ in 0..3 {
            let (_, _, mut data) = client.get_data("/node").watch().await.unwrap();
            let (_, _, mut list) = client.get_children("/node").watch().await.unwrap();
            let (path, _) = client.create("/node/child-", b"").sequential().await.unwrap();
            client.set_data("/node", b"").await.unwrap();
            client.set_data("/node", b"").await.unwrap();
            client.delete(&path).await.unwrap();

            assert_told(&mut data, [(NodeDataChanged, "/node")]);
            assert_told(&mut list, [(NodeChildrenChanged, "/node")]);
            assert_told(
                &mut persistent,
                [
                    (NodeChildrenChanged, "/node"),
                    (NodeDataChanged, "/node"),
                    (NodeDataChanged, "/node"),
                    (NodeChildrenChanged, "/node"),
                ],
            );
        }
    });
}

#[test]
fn a_recursive_watch_outlives_one_shot_ones_on_its_path() {
    run(async {
        let client = client("mixed-tree").await;
        client.create("/node", b"").await.unwrap();
        let mut tree = client.add_watch("/node", PersistentRecursive).await.unwrap();

        let (_, _, mut data) = client.get_data("/node").watch().await.unwrap();
        let (_, exists) = client.exists("/node").watch().await.unwrap();
        drop(exists);
        client.set_data("/node", b"").await.unwrap();
        client.set_data("/node", b"").await.unwrap();
        client.create("/node/child", b"").await.unwrap();

        assert_told(&mut data, [(NodeDataChanged, "/node")]);
        let expected = [(NodeDataChanged, "/node"), (NodeDataChanged, "/node"), (NodeCreated, "/node/child")];
        assert_told(&mut tree, expected);
    });
}

#[test]
fn a_dropped_one_shot_watch_leaves_the_persistent_one_on_its_path() {
    run(async {
        let client = client("mixed-drop").await;
        client.create("/node", b"").await.unwrap();
        let mut persistent = client.add_watch("/node", Persistent).await.unwrap();

        drop(client.get_data("/node").watch().await.unwrap());
        drop(client.get_children("/node").watch().await.unwrap());
        drop(client.get_data("/node").watch().send());
        client.sync("/").await.unwrap();
        client.set_data("/node", b"").await.unwrap();
        client.create("/node/child", b"").await.unwrap();

        assert_told(&mut persistent, [(NodeDataChanged, "/node"), (NodeChildrenChanged, "/node")]);
    });
}

#[test]
fn both_kinds_of_persistent_watches_live_on_one_path_whichever_came_first() {
    run(async {
        let client = client("both-kinds").await;
        for (node, modes) in [("/a", [Persistent, PersistentRecursive]), ("/b", [PersistentRecursive, Persistent])] {
            client.create(node, b"").await.unwrap();
            let mut first = client.add_watch(node, modes[0]).await.unwrap();
            let mut second = client.add_watch(node, modes[1]).await.unwrap();
            let child = format!("{node}/child");

            for _ in 0..2 {
                client.create(&child, b"").await.unwrap();
                client.set_data(node, b"").await.unwrap();
                client.delete(&child).await.unwrap();

                let (persistent, tree) =
                    if modes[0] == Persistent { (&mut first, &mut second) } else { (&mut second, &mut first) };
                let list = (NodeChildrenChanged, node);
                assert_told(persistent, [list, (NodeDataChanged, node), list]);
                assert_told(tree, [(NodeCreated, &*child), (NodeDataChanged, node), (NodeDeleted, &*child)]);
            }
        }
    });
}

#[test]
fn two_persistent_watchers_of_one_path_are_independent() {
    run(async {
        let client = client("independent").await;
        let mut first = client.add_watch("/node", Persistent).await.unwrap();
        let second = client.add_watch("/node", Persistent).await.unwrap();

        drop(second);
        client.create("/node", b"").await.unwrap();

        assert_told(&mut first, [(NodeCreated, "/node")]);
    });
}

#[test]
fn whoever_listens_too_slowly_is_told_to_read_again() {
    run(async {
        let servers = chroot("slow");
        let client = soon(builder(&servers).watcher_queue(4).connect()).await.unwrap();
        let mut tree = client.add_watch("/", PersistentRecursive).await.unwrap();

        for number in 0..100 {
            client.create(&format!("/{number}"), b"").await.unwrap();
        }

        let told = so_far(&mut tree);
        assert_eq!(told[0], (Resync, "/".to_string()));
        assert!(told.len() <= 5, "{told:?}");
        client.create("/next", b"").await.unwrap();
        assert_eq!(next(&mut tree).await, (NodeCreated, "/next".to_string()));
    });
}

#[test]
fn reads_with_a_watch_take_nothing_from_a_persistent_watch_while_others_write() {
    const CHILDREN: usize = 1000;
    run(async {
        let servers = chroot("beside-others");
        let (client, other) = (connect(&servers).await, connect(&servers).await);
        client.create("/node", b"").await.unwrap();
        let mut tree = client.add_watch("/node", PersistentRecursive).await.unwrap();
        let writer = tokio::spawn(async move {
            for child in 0..CHILDREN {
                other.create(&format!("/node/{child}"), b"").await.unwrap();
            }
        });

        let mut told = 0;
        while !writer.is_finished() {
            drop(client.get_data("/node").watch().await.unwrap());
            drop(client.get_children("/node").watch().await.unwrap());
            told += so_far(&mut tree).len();
        }
        // Whatever was created is told before the answer to this.
        client.sync("/node").await.unwrap();
        told += so_far(&mut tree).len();

        assert_eq!(told, CHILDREN);
    });
}
