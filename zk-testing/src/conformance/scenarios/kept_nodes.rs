//! Kept nodes.

use std::time::Duration;

use zk_proto::{
    Zxid,
    acl::Perms,
    client::{Client, Watcher},
    code::{AddWatchMode, ErrorCode},
    recipes::{Kept, KeptMode, KeptNode, KeptState, OnChange, OnForeign, Presence},
    record::Acl,
    session::{State, WatchedEventKind},
};

use crate::{
    conformance::{Ground, eventually, is_suspended, losing_replies, names, next, pause, reach, resume, so_far, soon},
    ensemble::Direction,
};

/// Waits until a kept node is where it is to be.
async fn presence(kept: &Kept) -> Presence {
    soon(kept.established()).await.unwrap()
}

/// Waits until it stands so, or otherwise as the function says.
async fn stands(kept: &Kept, is_so: impl Fn(&KeptState) -> bool) -> KeptState {
    soon(async {
        let mut state = kept.state();
        while !is_so(&state) {
            state = kept.changed(&state).await;
        }
        state
    })
    .await
}

/// Waits until the node is another one than it was.
async fn made_again(kept: &Kept, before: Zxid) -> Presence {
    let is_new = |state: &KeptState| matches!(state, KeptState::Present(p) if p.created != before && p.is_current);
    match stands(kept, is_new).await {
        KeptState::Present(presence) => presence,
        other => panic!("{other:?}"),
    }
}

async fn follow(client: &Client, path: &str) -> Watcher {
    client.add_watch(path, AddWatchMode::PersistentRecursive).await.unwrap()
}

pub async fn a_kept_node_is_there_with_its_data_and_goes_when_it_is_removed(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let kept = KeptNode::new(&client, "/up/here/node").unwrap().data(b"one").keep();
    let there = presence(&kept).await;
    let (data, stat) = other.get_data("/up/here/node").await.unwrap();
    assert_eq!((&*there.path, there.created), ("/up/here/node", stat.czxid));
    assert_eq!((&*data, Some(stat.ephemeral_owner)), (&b"one"[..], client.session()));

    kept.set_data(b"two");
    assert_eq!(presence(&kept).await.created, there.created);
    assert_eq!(other.get_data("/up/here/node").await.unwrap().0, "two");

    soon(kept.remove()).await.unwrap();
    assert_eq!(names(&other, "/up/here").await, [""; 0]);
}

pub async fn a_kept_node_that_is_dropped_goes_also_when_it_is_being_made(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    other.create("/quick", b"").await.unwrap();
    for mode in [KeptMode::Ephemeral, KeptMode::EphemeralSequential] {
        let kept = KeptNode::new(&client, "/quick/node").unwrap().mode(mode).keep();
        drop(kept);
        let kept = KeptNode::new(&client, "/quick/node").unwrap().mode(mode).keep();
        soon(client.sync("/")).await.unwrap();
        drop(kept);
        let kept = KeptNode::new(&client, "/quick/last").unwrap().mode(mode).keep();
        soon(kept.remove()).await.unwrap();
    }
    soon(async { while !names(&other, "/quick").await.is_empty() {} }).await;
}

pub async fn a_kept_node_that_is_dropped_before_its_number_is_known_leaves_others_of_its_name_alone(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    // A lost reply would be another matter: it is not to take the server's silence for one.
    let client = ground.connect_by(ground.builder(&line.through).session_timeout(Duration::from_secs(60))).await;
    // Also not to wait for what the client asks of a server first.
    client.create("/beside", b"").await.unwrap();
    let keep = || KeptNode::new(&client, "/beside/node-").unwrap().mode(KeptMode::EphemeralSequential).keep();
    let there_are = async |number| while names(&other, "/beside").await.len() != number {};

    for _ in 0..8 {
        line.proxy.black_hole(Direction::ToClient);
        let dropped = keep();
        soon(there_are(1)).await;
        let kept = keep();
        soon(there_are(2)).await;
        drop(dropped);
        line.proxy.allow().unwrap();

        let before = presence(&kept).await;
        soon(there_are(1)).await;
        assert_eq!(names(&other, "/beside").await, [before.path.strip_prefix("/beside/").unwrap()]);
        soon(kept.remove()).await.unwrap();
        assert_eq!(names(&other, "/beside").await, [""; 0]);
    }
}

pub async fn a_kept_node_that_somebody_deletes_is_made_again(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let plan = || KeptNode::new(&client, "/again").unwrap();
    for (mode, data) in [(KeptMode::Ephemeral, "one"), (KeptMode::Persistent, "two")] {
        let kept = plan().mode(mode).data(data).keep();
        let mut last = presence(&kept).await;
        for _ in 0..3 {
            other.delete("/again").await.unwrap();
            last = made_again(&kept, last.created).await;
            assert_eq!(other.get_data("/again").await.unwrap().0, data);
        }
        // Also behind a write of its own, which uses up its watch.
        kept.set_data(b"other");
        last = presence(&kept).await;
        other.delete("/again").await.unwrap();
        made_again(&kept, last.created).await;
        assert_eq!(other.get_data("/again").await.unwrap().0, "other");
        soon(kept.remove()).await.unwrap();
    }
}

pub async fn a_reconnect_in_the_same_session_does_not_touch_a_kept_node(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let sequential = KeptNode::new(&client, "/calm/seq-").unwrap().mode(KeptMode::EphemeralSequential).protected();
    let kept = [KeptNode::new(&client, "/calm/node").unwrap().keep(), sequential.keep()];
    let before = [presence(&kept[0]).await, presence(&kept[1]).await];
    let mut changes = follow(&other, "/calm").await;
    let mut states = client.states();

    for _ in 0..2 {
        line.sever();
        reach(&mut states, is_suspended).await;
        line.mend();
        reach(&mut states, |state| matches!(state, State::Connected { resumed: true, .. })).await;
    }

    kept[0].set_data(b"last");
    presence(&kept[0]).await;
    assert_eq!(next(&mut changes).await, (WatchedEventKind::NodeDataChanged, "/calm/node".to_string()));
    assert_eq!(so_far(&mut changes), []);
    assert_eq!([presence(&kept[0]).await.created, presence(&kept[1]).await.created], before.map(|was| was.created));
}

pub async fn data_that_is_set_offline_is_written_on_reconnect_and_the_last_one_counts(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let kept = KeptNode::new(&client, "/offline").unwrap().data(b"first").keep();
    presence(&kept).await;
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    kept.set_data(b"lost");
    kept.set_data(b"last");
    line.mend();

    presence(&kept).await;
    assert_eq!(other.get_data("/offline").await.unwrap().0, "last");
}

pub async fn a_kept_node_is_made_again_in_the_next_session_and_keeps_its_number(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let sequential = KeptNode::new(&client, "/next/seq-").unwrap().mode(KeptMode::EphemeralSequential);
    let kept = [KeptNode::new(&client, "/next/node").unwrap().data(b"data").keep(), sequential.keep()];
    let mut before = [presence(&kept[0]).await, presence(&kept[1]).await];
    let all = names(&other, "/next").await;

    for _ in 0..3 {
        line.expire(&client).await;
        kept[0].set_data(b"newer");
        line.mend();
        for (kept, before) in kept.iter().zip(&mut before) {
            let path = before.path.clone();
            *before = made_again(kept, before.created).await;
            assert_eq!(before.path, path);
        }
        assert_eq!(names(&other, "/next").await, all);
        assert_eq!(other.get_data("/next/node").await.unwrap().0, "newer");
    }
}

pub async fn a_kept_node_takes_the_place_of_its_former_session_at_one_stroke(ground: Ground) {
    let (client, other, third) = (ground.client().await, ground.client().await, ground.client().await);
    let old = KeptNode::new(&client, "/place/node").unwrap().data(b"old").keep();
    let before = presence(&old).await;
    let mut changes = follow(&third, "/place").await;

    let plan = KeptNode::new(&other, "/place/node").unwrap().data(b"new");
    let kept = plan.succeeds(client.session().unwrap()).keep();
    // The old one would take its place back if it were not left.
    old.leave();
    let there = presence(&kept).await;

    assert!(there.created > before.created);
    // Both in one transaction: whoever lists the parent finds the one or the other.
    assert_eq!(next(&mut changes).await, (WatchedEventKind::NodeDeleted, "/place/node".to_string()));
    assert_eq!(next(&mut changes).await, (WatchedEventKind::NodeCreated, "/place/node".to_string()));
    let (data, stat) = third.get_data("/place/node").await.unwrap();
    assert_eq!((&*data, Some(stat.ephemeral_owner), stat.czxid), (&b"new"[..], other.session(), there.created));
}

pub async fn a_process_that_takes_up_a_session_adopts_its_kept_node(ground: Ground) {
    let (first, other) = (ground.client().await, ground.client().await);
    let kept = KeptNode::new(&first, "/adopted/node").unwrap().data(b"same").keep();
    let before = presence(&kept).await;
    let mut changes = follow(&other, "/adopted").await;
    let credentials = first.hand_over().unwrap();
    stands(&kept, |state| *state == KeptState::Ended).await;

    let second = soon(ground.builder(&ground.servers()).credentials(credentials).connect()).await.unwrap();
    let kept = KeptNode::new(&second, "/adopted/node").unwrap().data(b"same").keep();

    assert_eq!(presence(&kept).await.created, before.created);
    soon(other.sync("/")).await.unwrap();
    assert_eq!(so_far(&mut changes), [], "nobody has noticed");
    soon(kept.remove()).await.unwrap();
    assert_eq!(next(&mut changes).await, (WatchedEventKind::NodeDeleted, "/adopted/node".to_string()));
}

pub async fn a_node_of_another_session_is_waited_for_stolen_or_a_failure(ground: Ground) {
    let (owner, client) = (ground.client().await, ground.client().await);
    owner.create("/taken", b"theirs").ephemeral().await.unwrap();
    let plan = KeptNode::new(&client, "/taken").unwrap().data(b"ours");

    let refused = plan.clone().on_foreign(OnForeign::Fail).keep();
    assert_eq!(soon(refused.established()).await.unwrap_err().code(), Some(ErrorCode::NodeExists));
    drop(refused);

    let waiting = plan.clone().keep();
    let blocked = KeptState::Blocked { owner: owner.session().unwrap() };
    stands(&waiting, |state| *state == blocked).await;
    soon(owner.set_data("/taken", b"still theirs")).await.unwrap();
    soon(waiting.remove()).await.unwrap();
    assert_eq!(owner.get_data("/taken").await.unwrap().0, "still theirs", "it is not for who waits to delete it");

    let waiting = plan.clone().keep();
    stands(&waiting, |state| *state == blocked).await;
    // With the session of the owner, the node goes.
    soon(owner.close()).await;
    presence(&waiting).await;
    assert_eq!(client.get_data("/taken").await.unwrap().0, "ours");

    let thief = ground.client().await;
    let stolen = KeptNode::new(&thief, "/taken").unwrap().on_foreign(OnForeign::Steal).keep();
    presence(&stolen).await;
    let robbed = KeptState::Blocked { owner: thief.session().unwrap() };
    stands(&waiting, |state| *state == robbed).await;
}

pub async fn what_others_write_is_overwritten_or_accepted(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let plan = |path| KeptNode::new(&client, path).unwrap().data(b"ours");
    let (stern, lenient) = (plan("/stern").keep(), plan("/lenient").on_change(OnChange::Accept).keep());
    let before = [presence(&stern).await, presence(&lenient).await];

    for path in ["/stern", "/lenient"] {
        other.set_data(path, b"theirs").await.unwrap();
    }

    soon(async { while other.get_data("/stern").await.unwrap().0 != "ours" {} }).await;
    eventually(|| lenient.data() == "theirs").await;
    // It is what is made again, too.
    for path in ["/stern", "/lenient"] {
        other.delete(path).await.unwrap();
    }
    made_again(&stern, before[0].created).await;
    made_again(&lenient, before[1].created).await;
    assert_eq!(other.get_data("/stern").await.unwrap().0, "ours");
    assert_eq!(other.get_data("/lenient").await.unwrap().0, "theirs");
}

pub async fn what_is_not_allowed_is_a_failure_until_it_is_tried_again(ground: Ground) {
    let (owner, client) = (ground.client().await, ground.client().await);
    owner.create("/closed", b"").await.unwrap();
    let no_creation = [Acl::new(Perms(Perms::ALL.0 & !Perms::CREATE.0), "world", "anyone")];
    owner.set_acl("/closed", &no_creation).await.unwrap();

    let kept = KeptNode::new(&client, "/closed/node").unwrap().keep();
    assert_eq!(soon(kept.established()).await.unwrap_err().code(), Some(ErrorCode::NoAuth));
    owner.set_acl("/closed", &Acl::open()).await.unwrap();
    soon(client.sync("/")).await.unwrap();
    assert!(matches!(kept.state(), KeptState::Failed(_)), "nobody has asked to try again");
    kept.retry();
    presence(&kept).await;

    let orphan = KeptNode::new(&client, "/nowhere/node").unwrap().below_existing().keep();
    assert_eq!(soon(orphan.established()).await.unwrap_err().code(), Some(ErrorCode::NoNode));
    owner.create("/nowhere", b"").await.unwrap();
    orphan.retry();
    presence(&orphan).await;
}

pub async fn a_kept_node_does_not_hold_up_the_end_of_its_client(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let kept = KeptNode::new(&client, "/end").unwrap().keep();
    presence(&kept).await;

    // Before the time is up that work in the background gets.
    let closed = crate::conformance::within(Duration::from_millis(1_500), client.close()).await;

    assert!(closed.is_some(), "it has waited for the kept node");
    stands(&kept, |state| *state == KeptState::Ended).await;
    assert!(soon(kept.remove()).await.is_err());
    soon(other.sync("/")).await.unwrap();
    assert_eq!(other.exists("/end").await.unwrap(), None);
}

pub async fn a_node_with_a_ttl_lives_as_long_as_it_is_touched(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    // Long enough for a machine that stands still for a moment.
    let ttl = Duration::from_secs(2);
    let kept = KeptNode::new(&client, "/ttl/node").unwrap().data(b"data").ttl(ttl).keep();
    presence(&kept).await;
    let mut parent = other.add_watch("/ttl", AddWatchMode::Persistent).await.unwrap();
    let mut node = other.add_watch("/ttl/node", AddWatchMode::Persistent).await.unwrap();
    let touched = async |above: i32| {
        while other.exists("/ttl/node/touch").await.unwrap().is_none_or(|stat| stat.version <= above) {
            pause(Duration::from_millis(5)).await;
        }
    };
    soon(touched(1)).await;
    // Somebody deletes what keeps it alive.
    other.delete("/ttl/node/touch").await.unwrap();
    soon(touched(0)).await;
    assert_eq!(so_far(&mut parent), [], "nothing happens to the node");
    let of_children = |heard: Vec<(WatchedEventKind, String)>| {
        heard.iter().all(|(kind, _)| *kind == WatchedEventKind::NodeChildrenChanged)
    };
    assert!(of_children(so_far(&mut node)));

    soon(kept.remove()).await.unwrap();
    soon(other.sync("/")).await.unwrap();
    assert_eq!(names(&other, "/ttl").await, [""; 0]);
}

pub async fn whichever_reply_is_lost_there_is_one_kept_node_and_then_none(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, _| {
        for mode in [KeptMode::Ephemeral, KeptMode::EphemeralSequential, KeptMode::Persistent] {
            let plan = KeptNode::new(&client, &format!("{path}/below/node-")).unwrap().mode(mode);
            let kept = plan.data(b"one").keep();
            let there = presence(&kept).await;
            kept.set_data(b"two");
            assert_eq!(presence(&kept).await.created, there.created, "no reply is a reason to make it again");
            assert_eq!(names(&witness, &format!("{path}/below")).await.len(), 1);
            assert_eq!(witness.get_data(&there.path).await.unwrap().0, "two");
            soon(kept.remove()).await.unwrap();
            assert_eq!(names(&witness, &format!("{path}/below")).await, [""; 0]);
        }
    })
    .await;
}

pub async fn a_kept_node_survives_links_that_break_again_and_again(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let kept = KeptNode::new(&client, "/links").unwrap().keep();
    let there = presence(&kept).await;
    let mut states = client.states();

    for round in 0..5 {
        kept.set_data(format!("{round}"));
        line.proxy.cut();
        resume(&mut states).await;
    }

    assert_eq!(presence(&kept).await.created, there.created);
    assert_eq!(other.get_data("/links").await.unwrap().0, "4");
}
