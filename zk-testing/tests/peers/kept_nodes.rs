//! Nodes that are kept in place: Curator's `PersistentNode`.

use zk_blocking::{
    Wait,
    recipes::{KeptNode, KeptState},
};

use crate::{ground::Ground, languages::Library, ours::soon};

#[test]
fn a_node_is_kept_by_ours_when_curator_is_gone() {
    let ground = Ground::new();
    let client = ground.ours();
    let victim = ground.victim(Library::Curator);
    assert_eq!(victim.ask("node keep /node theirs"), "yes");
    let kept = KeptNode::new(&client, "/node").unwrap().data("ours").keep();
    while !matches!(kept.state(), KeptState::Blocked { .. }) {
        soon(kept.changed(&kept.state()));
    }
    victim.kill();
    soon(kept.established()).unwrap();
    assert_eq!(client.get_data("/node").wait().unwrap().0, "ours");
}

#[test]
fn a_node_is_kept_by_curator_when_one_of_ours_is_gone() {
    let ground = Ground::new();
    let (client, mortal) = (ground.ours(), ground.mortal());
    let curator = ground.curator();
    let kept = KeptNode::new(&mortal.client, "/node").unwrap().data("ours").keep();
    soon(kept.established()).unwrap();
    let ours = client.get_data("/node").wait().unwrap().1.ephemeral_owner;
    curator.ask("node keep /node theirs");
    mortal.vanish();
    loop {
        let (stat, mut watcher) = client.exists("/node").watch().wait().unwrap();
        match stat {
            Some(stat) if stat.ephemeral_owner != ours => break,
            Some(_) | None => _ = soon(watcher.changed()),
        }
    }
    assert_eq!(client.get_data("/node").wait().unwrap().0, "theirs");
}
