//! Groups: Curator's `GroupMember`, kazoo's `Party` and `ShallowParty`.

use zk_blocking::{
    Client,
    recipes::{Group, GroupLayout, GroupView, Members},
};

use crate::{ground::Ground, languages::Library, ours::soon};

fn group(client: &Client, layout: GroupLayout) -> Group {
    Group::new(client, "/g").unwrap().layout(layout)
}

/// Waits until the members have these ids, and returns them with what they have to say.
#[track_caller]
fn are(members: &Members, expected: &[&str]) -> Vec<String> {
    let shown = |view: &GroupView| -> Vec<String> {
        let mut all: Vec<_> =
            view.iter().map(|one| format!("{}={}", one.id, String::from_utf8_lossy(&one.payload))).collect();
        all.sort();
        all
    };
    soon(async {
        let mut view = members.synced().await.unwrap();
        while view.iter().map(|member| &*member.id).collect::<std::collections::BTreeSet<_>>()
            != expected.iter().copied().collect()
        {
            view = members.changed(&view).await.unwrap();
        }
        shown(&view)
    })
}

#[test]
fn ours_and_those_of_curator_see_each_other_with_what_they_have_to_say() {
    let ground = Ground::new();
    let (client, peer) = (ground.ours(), ground.curator());
    let group = group(&client, GroupLayout::Curator);
    let members = group.members().unwrap();
    let ours = group.join("ours", "from us").unwrap();
    soon(ours.joined()).unwrap();

    peer.ask("group join /g theirs here");

    assert_eq!(peer.ask("group members /g 2"), "ours=from us theirs=here");
    assert_eq!(are(&members, &["ours", "theirs"]), ["ours=from us", "theirs=here"]);
    soon(ours.leave()).unwrap();
    assert_eq!(peer.ask("group members /g 1"), "theirs=here");
    peer.ask("group leave /g");
    are(&members, &[]);
}

#[test]
fn ours_and_those_of_kazoo_see_each_other() {
    let ground = Ground::new();
    for (layout, kind, payload) in
        [(GroupLayout::KazooParty, "party", ""), (GroupLayout::KazooShallowParty, "shallow", "x")]
    {
        let (client, peer) = (ground.ours(), ground.kazoo());
        let path = format!("/{kind}");
        let group = Group::new(&client, &path).unwrap().layout(layout);
        let members = group.members().unwrap();
        let ours = group.join("ours-1", payload).unwrap();
        soon(ours.joined()).unwrap();

        peer.ask(&format!("{kind} join {path} theirs-2"));

        are(&members, &["ours-1", "theirs-2"]);
        let theirs = peer.ask(&format!("{kind} members {path}"));
        assert!(theirs.contains("ours-1") && theirs.contains("theirs-2"), "{theirs}");
        soon(ours.leave()).unwrap();
        let theirs = peer.ask(&format!("{kind} members {path}"));
        assert!(!theirs.contains("ours-1"), "{theirs}");
        peer.ask(&format!("{kind} leave {path}"));
        are(&members, &[]);
    }
}

#[test]
fn those_whose_processes_are_killed_are_seen_leaving() {
    let ground = Ground::new();
    let client = ground.ours();
    let members = group(&client, GroupLayout::Curator).members().unwrap();
    let victim = ground.victim(Library::Curator);
    victim.ask("group join /g theirs here");
    let mortal = ground.mortal();
    let ours = group(&mortal.client, GroupLayout::Curator).join("ours", "").unwrap();
    soon(ours.joined()).unwrap();
    let observer = ground.curator();
    observer.ask("group join /g observer here");
    are(&members, &["observer", "ours", "theirs"]);

    victim.kill();
    mortal.vanish();

    are(&members, &["observer"]);
    assert_eq!(observer.ask("group members /g 1"), "observer=here");
}
