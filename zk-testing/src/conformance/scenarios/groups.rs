//! Groups.

use zk_proto::{
    code::ErrorCode,
    recipes::{Group, GroupEvent, GroupEvents, GroupLayout, GroupView, KeptState, Members, Membership},
};

use crate::conformance::{Ground, eventually, losing_replies, names, soon};

async fn next(events: &mut GroupEvents) -> GroupEvent {
    soon(events.next()).await.expect("the client is not over")
}

fn ids(view: &GroupView) -> Vec<&str> {
    let mut ids: Vec<_> = view.iter().map(|member| member.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

/// Waits until the members have these ids.
async fn are(members: &Members, expected: &[&str]) -> GroupView {
    soon(async {
        let mut view = members.synced().await.unwrap();
        while ids(&view) != expected {
            view = members.changed(&view).await.unwrap();
        }
        view
    })
    .await
}

async fn stands(membership: &Membership, is_so: impl Fn(&KeptState) -> bool) -> KeptState {
    soon(async {
        let mut state = membership.state();
        while !is_so(&state) {
            state = membership.changed(&state).await;
        }
        state
    })
    .await
}

pub async fn members_see_each_other_come_change_and_go(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let (group, same) = (Group::new(&one, "/groups/seen").unwrap(), Group::new(&two, "/groups/seen").unwrap());
    let mut events = group.members().unwrap().events();
    assert_eq!(next(&mut events).await, GroupEvent::Synced, "there is not even a node");

    let ann = same.join("ann", b"one").unwrap();
    let joined = match next(&mut events).await {
        GroupEvent::Joined(member) => member,
        other => panic!("{other:?}"),
    };
    assert_eq!((&*joined.id, &*joined.payload), ("ann", &b"one"[..]));
    assert_eq!(joined.joined, Some(soon(ann.joined()).await.unwrap().created));

    ann.set_payload(b"two");
    match next(&mut events).await {
        GroupEvent::Updated(member) => assert_eq!((&*member.payload, member.joined), (&b"two"[..], joined.joined)),
        other => panic!("{other:?}"),
    }

    soon(ann.leave()).await.unwrap();
    match next(&mut events).await {
        GroupEvent::Left(member) => assert_eq!(member.id, "ann"),
        other => panic!("{other:?}"),
    }
}

pub async fn a_member_sees_itself_at_once(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let group = Group::new(&client, "/groups/self").unwrap();
    let members = group.members().unwrap();
    are(&members, &[]).await;

    line.sever();
    let mut view = members.snapshot();
    while !view.is_stale() {
        view = soon(members.changed(&view)).await.unwrap();
    }
    let me = group.clone().join("me", b"here").unwrap();
    let view = members.snapshot();
    assert_eq!(ids(&view), ["me"]);
    assert_eq!(
        view.by_id("me").map(|member| (&*member.payload, member.joined)).collect::<Vec<_>>(),
        [(&b"here"[..], None)]
    );
    assert!(view.is_stale());
    line.mend();

    let there = soon(me.joined()).await.unwrap();
    let view = are(&members, &["me"]).await;
    assert!(view.iter().all(|member| member.joined.is_none_or(|joined| joined == there.created)));
    drop(me);
    assert!(members.snapshot().iter().all(|member| member.joined.is_some()), "only the server may still show it");
    are(&members, &[]).await;
}

pub async fn an_id_is_that_of_one_member_and_the_other_one_waits(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let (group, same) = (Group::new(&one, "/groups/ids").unwrap(), Group::new(&two, "/groups/ids").unwrap());
    let first = group.join("same", b"first").unwrap();
    soon(first.joined()).await.unwrap();
    let error = group.join("same", b"again").unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NodeExists), "by the same process");

    let second = same.join("same", b"second").unwrap();
    let owner = one.session().unwrap();
    stands(&second, |state| *state == KeptState::Blocked { owner }).await;
    let members = same.members().unwrap();
    let view = are(&members, &["same"]).await;
    assert_eq!(view.iter().map(|member| &*member.payload).collect::<Vec<_>>(), [b"first"]);

    soon(first.leave()).await.unwrap();
    soon(second.joined()).await.unwrap();
    eventually(|| members.snapshot().iter().any(|member| member.payload == "second")).await;
    assert!(group.join("a/b", b"").is_err(), "what would not be a child of the group");
}

pub async fn a_member_joins_again_in_its_next_session(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let me = Group::new(&client, "/groups/rejoin").unwrap().join("me", b"first").unwrap();
    let before = soon(me.joined()).await.unwrap();
    let members = Group::new(&other, "/groups/rejoin").unwrap().members().unwrap();
    are(&members, &["me"]).await;

    line.expire(&client).await;
    are(&members, &[]).await;
    me.set_payload(b"second");
    line.mend();

    let view = are(&members, &["me"]).await;
    let member = view.iter().next().unwrap();
    assert!(member.joined.is_some_and(|joined| joined > before.created));
    assert_eq!(member.payload, "second");
    stands(&me, |state| matches!(state, KeptState::Present(now) if now.created > before.created)).await;
}

pub async fn members_are_named_as_other_clients_name_them(ground: Ground) {
    let client = ground.client().await;
    for (layout, path) in [
        (GroupLayout::Curator, "/groups/curator"),
        (GroupLayout::KazooParty, "/groups/party"),
        (GroupLayout::KazooShallowParty, "/groups/shallow"),
    ] {
        let group = Group::new(&client, path).unwrap().layout(layout);
        let member = group.join("ann", b"payload").unwrap();
        soon(member.joined()).await.unwrap();
        let names = soon(names(&client, path)).await;
        assert_eq!(names, [member.name()]);
        let data = client.get_data(&format!("{path}/{}", names[0])).await.unwrap().0;
        match layout {
            GroupLayout::Curator => assert_eq!((&*names[0], &*data), ("ann", &b"payload"[..])),
            GroupLayout::KazooParty => assert_eq!((names[0].get(32..), &*data), (Some("__party__"), &b"ann"[..])),
            _ => assert_eq!((names[0].get(32..), &*data), (Some("-ann"), &b"payload"[..])),
        }
        // As kazoo does, whose members' ids need not be theirs alone.
        if layout != GroupLayout::Curator {
            let other = group.join("ann", b"payload").unwrap();
            soon(other.joined()).await.unwrap();
            are(&group.members().unwrap(), &["ann", "ann"]).await;
        }
        are(&group.members().unwrap(), &["ann"]).await;
    }
}

pub async fn whichever_reply_is_lost_a_member_is_there_once_and_then_gone(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, _| {
        for layout in [GroupLayout::Curator, GroupLayout::KazooParty, GroupLayout::KazooShallowParty] {
            let path = format!("{path}/{layout:?}");
            let group = Group::new(&client, &path).unwrap().layout(layout);
            let me = group.join("me", b"one").unwrap();
            soon(me.joined()).await.unwrap();
            me.set_payload(b"two");
            soon(me.joined()).await.unwrap();
            assert_eq!(soon(names(&witness, &path)).await, [me.name()]);
            soon(me.leave()).await.unwrap();
            assert_eq!(soon(names(&witness, &path)).await, [""; 0]);
        }
    })
    .await;
}
