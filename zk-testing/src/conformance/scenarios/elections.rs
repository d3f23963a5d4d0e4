//! Elections.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use zk_proto::{
    acl::Perms,
    client::{Client, Error},
    code::ErrorCode,
    recipes::{
        Candidacy, ElectionLayout, EpochError, LeaderLatch, LeaderObserver, Leadership, LeadershipLoss, Led, Lock,
        Observation, Observed, OnSuspend, Term,
    },
    record::Acl,
};

use crate::conformance::{Ground, code, losing_replies, soon};

fn stand(client: &Client, path: &str, id: &str) -> Candidacy {
    LeaderLatch::new(client, path).unwrap().data(id.as_bytes()).stand()
}

async fn leads(candidacy: &Candidacy) -> Term {
    soon(candidacy.gained()).await.unwrap()
}

/// Waits until so many stand, and returns who they say they are.
async fn ids(latch: &LeaderLatch, count: usize) -> Vec<String> {
    loop {
        let participants = soon(latch.participants()).await.unwrap();
        if participants.len() == count {
            return participants.iter().map(|participant| participant.id().into_owned()).collect();
        }
    }
}

async fn sees(observation: &Observation, is_it: impl Fn(&Observed) -> bool) -> Observed {
    let mut now = observation.now();
    while !is_it(&now) {
        now = soon(observation.changed(&now)).await;
    }
    now
}

async fn sees_leader(observation: &Observation, id: &str) {
    sees(observation, |observed| observed.leader().is_some_and(|leader| leader.id() == id)).await;
}

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

pub async fn leaders_follow_each_other_in_order_of_arrival(ground: Ground) {
    let witness = ground.client().await;
    let latch = LeaderLatch::new(&witness, "/elections/order").unwrap();
    assert_eq!(latch.participants().await.unwrap(), [], "there is not even a node");
    let names = ["a", "b", "c", "d"];
    let mut standing = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let client = ground.client().await;
        standing.push(stand(&client, "/elections/order", name));
        assert_eq!(ids(&latch, number + 1).await, names[..=number]);
    }

    let mut tokens = Vec::new();
    while !standing.is_empty() {
        let term = leads(&standing[0]).await;
        let first = &latch.participants().await.unwrap()[0];
        assert_eq!((first.token, first.path.as_str()), (term.fencing_token(), term.path()));
        assert!(standing[1..].iter().all(|other| other.leadership() == Leadership::Standing));
        tokens.push(term.fencing_token());
        drop(standing.remove(0));
    }

    assert!(tokens.is_sorted() && tokens[0] < tokens[3], "{tokens:?}");
    assert_eq!(ids(&latch, 0).await, [""; 0]);
}

pub async fn who_withdraws_from_the_middle_promotes_nobody(ground: Ground) {
    let client = ground.client().await;
    let latch = LeaderLatch::new(&client, "/elections/middle").unwrap();
    let mut standing = Vec::new();
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        standing.push(stand(&client, "/elections/middle", name));
        ids(&latch, number + 1).await;
    }
    leads(&standing[0]).await;

    drop(standing.remove(1));
    assert_eq!(ids(&latch, 2).await, ["a", "c"]);
    soon(client.sync("/")).await.unwrap();

    assert_eq!(standing[1].leadership(), Leadership::Standing);
    assert!(standing[0].is_leading());
    drop(standing.remove(0));
    leads(&standing[0]).await;
}

pub async fn other_data_of_the_node_ahead_does_not_stop_the_succession(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let first = stand(&one, "/elections/data", "a");
    let term = leads(&first).await;
    let second = stand(&two, "/elections/data", "b");
    ids(second.latch(), 2).await;

    // The one-shot watch of who is next is used up by this.
    one.set_data(term.path(), b"other").await.unwrap();
    soon(two.sync("/")).await.unwrap();
    drop(first);

    leads(&second).await;
}

pub async fn a_lost_link_interrupts_a_term_and_keeps_its_node(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let candidacy = stand(&client, "/elections/link", "a");
    let term = leads(&candidacy).await;
    assert!(candidacy.valid_until().is_some());

    line.sever();
    let lost = soon(candidacy.changed(&Leadership::Leading(term.clone()))).await;
    assert_eq!(lost, Leadership::Lost(term.fencing_token(), LeadershipLoss::Suspended));
    assert_eq!(candidacy.valid_until(), None);
    line.mend();

    assert_eq!(soon(candidacy.changed(&lost)).await, Leadership::Leading(term));
    assert_eq!(ids(candidacy.latch(), 1).await, ["a"]);
}

pub async fn a_patient_leader_leads_on_without_a_link(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    for policy in [OnSuspend::UntilPresumedLost, OnSuspend::UntilExpired] {
        let candidacy = LeaderLatch::new(&client, "/elections/patient").unwrap().on_suspend(policy).stand();
        let term = leads(&candidacy).await;
        let mut states = client.states();

        line.sever();
        crate::conformance::reach(&mut states, crate::conformance::is_suspended).await;
        assert_eq!(candidacy.leadership(), Leadership::Leading(term.clone()), "{policy:?}");
        line.mend();
        soon(client.sync("/")).await.unwrap();

        assert!(poll_once(candidacy.lost(&term)).is_pending(), "{policy:?}");
    }
}

pub async fn an_expired_leader_does_not_come_back_with_its_dead_node(ground: Ground) {
    let line = ground.line();
    let (one, two) = (ground.connect(&line.through).await, ground.client().await);
    let first = stand(&one, "/elections/dead", "a");
    let old = leads(&first).await;
    let second = stand(&two, "/elections/dead", "b");
    ids(second.latch(), 2).await;

    line.expire(&one).await;
    let term = leads(&second).await;
    assert!(!first.is_leading());
    line.mend();
    assert_eq!(ids(second.latch(), 2).await, ["b", "a"]);
    soon(one.sync("/")).await.unwrap();
    assert!(!first.is_leading() && second.is_leading());
    let refused = first.transaction(&old).create("/written", b"").await;
    assert_eq!(refused.unwrap_err(), Error::SessionChanged);

    drop(second);
    let new = leads(&first).await;
    assert!(old.fencing_token() < term.fencing_token() && term.fencing_token() < new.fencing_token());
}

pub async fn an_election_that_is_wiped_out_begins_anew(ground: Ground) {
    let (one, two, operator) = (ground.client().await, ground.client().await, ground.client().await);
    let first = stand(&one, "/elections/wiped", "a");
    let term = leads(&first).await;
    let second = stand(&two, "/elections/wiped", "b");
    ids(second.latch(), 2).await;

    let nodes = second.participants().await.unwrap();
    let mut wipe = operator.multi();
    for node in &nodes {
        wipe = wipe.delete(&node.path, None);
    }
    soon(wipe.delete("/elections/wiped", None)).await.unwrap();

    let lost = soon(first.changed(&Leadership::Leading(term.clone()))).await;
    assert_eq!(lost, Leadership::Lost(term.fencing_token(), LeadershipLoss::Removed));
    let mut ids = ids(second.latch(), 2).await;
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b"]);
    let leader = if second.participants().await.unwrap()[0].id() == "a" { &first } else { &second };
    let new = leads(leader).await;
    assert!(new.fencing_token() > term.fencing_token(), "the numbers of the nodes begin at 0 again, tokens do not");
}

pub async fn withdrawing_at_any_moment_leaves_no_node(ground: Ground) {
    let (client, witness) = (ground.client().await, ground.client().await);
    let latch = LeaderLatch::new(&client, "/elections/withdraw").unwrap();
    for replies in 0..6 {
        let candidacy = latch.stand();
        for _ in 0..replies {
            soon(client.exists("/")).await.unwrap();
        }
        drop(candidacy);
    }

    // Whoever stands now waits for all of them to be gone.
    let last = stand(&witness, "/elections/withdraw", "last");
    leads(&last).await;
    assert_eq!(ids(last.latch(), 1).await, ["last"]);
}

pub async fn one_may_stand_and_withdraw_before_a_server_is_reached(ground: Ground) {
    let line = ground.line();
    line.sever();
    let client = ground.builder(&line.through).connect_lazy();
    assert!(matches!(LeaderLatch::new(&client, "elections"), Err(Error::Invalid(_))));
    let withdrawn = stand(&client, "/elections/early", "withdrawn");
    let candidacy = stand(&client, "/elections/early", "a");
    let observation = LeaderObserver::new(&client, "/elections/early").unwrap().observe();
    assert!(poll_once(candidacy.gained()).is_pending());
    drop(withdrawn);
    assert_eq!((candidacy.leadership(), observation.now()), (Leadership::Standing, Observed::Unknown));

    line.mend();

    let term = leads(&candidacy).await;
    sees_leader(&observation, "a").await;
    assert!(term.path().ends_with("-0000000000"), "nobody else was ever there: {}", term.path());
}

pub async fn without_rights_one_is_refused_and_stands_when_they_are_there(ground: Ground) {
    let client = ground.client().await;
    let read_only = [Acl::new(Perms::READ | Perms::ADMIN, "world", "anyone")];
    client.create("/closed", b"").acl(&read_only).await.unwrap();
    let candidacy = stand(&client, "/closed", "a");

    let refused = soon(candidacy.changed(&Leadership::Standing)).await;
    assert_eq!(refused, Leadership::Refused(Error::Server(ErrorCode::NoAuth)));
    assert_eq!(code(candidacy.gained().await), ErrorCode::NoAuth);
    assert_eq!(code(candidacy.lead(|_| async {}).await), ErrorCode::NoAuth);
    client.set_acl("/closed", &Acl::open()).await.unwrap();

    let mut known = refused;
    while !known.is_leading() {
        known = soon(candidacy.changed(&known)).await;
    }
}

pub async fn those_who_give_up_lead_in_rotation(ground: Ground) {
    let client = ground.client().await;
    let latch = LeaderLatch::new(&client, "/elections/rotation").unwrap();
    let turns: Arc<Mutex<Vec<(usize, u64)>>> = Arc::default();
    let blocker = stand(&client, "/elections/rotation", "blocker");
    leads(&blocker).await;
    let mut running = Vec::new();
    for number in 0..3 {
        let (candidacy, turns) = (latch.stand(), turns.clone());
        ids(&latch, number + 2).await;
        running.push(ground.spawn(async move {
            for round in 0..3 {
                let work = async |term: Term| {
                    turns.lock().unwrap().push((number, term.fencing_token().0));
                    // The others are to be in line again.
                    ids(candidacy.latch(), 3).await;
                };
                assert_eq!(candidacy.lead(work).await, Ok(Led::Done(())), "round {round}");
            }
            // It goes on standing, so that there are always three.
            candidacy
        }));
    }

    drop(blocker);
    let mut standing = Vec::new();
    for running in running {
        standing.push(soon(running).await);
    }

    let turns = turns.lock().unwrap();
    let numbers: Vec<usize> = turns.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    assert!(turns.is_sorted_by_key(|(_, token)| *token), "{turns:?}");
}

/// Notes that it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

pub async fn work_is_dropped_with_the_term_and_the_term_with_the_work(ground: Ground) {
    let (client, operator) = (ground.client().await, ground.client().await);
    let candidacy = stand(&client, "/elections/work", "a");
    let term = leads(&candidacy).await;
    let is_dropped = Arc::new(AtomicBool::new(false));
    let dropped = Dropped(is_dropped.clone());

    let mut led = Box::pin(candidacy.lead(|_| async move {
        let _dropped = dropped;
        pending::<()>().await;
    }));
    assert!(poll_once(led.as_mut()).is_pending());
    operator.delete(term.path()).await.unwrap();
    assert_eq!(soon(led).await, Ok(Led::Lost(LeadershipLoss::Removed)));
    assert!(is_dropped.load(Ordering::Acquire));

    let next = leads(&candidacy).await;
    let mut led = Box::pin(candidacy.lead(|_| pending::<()>()));
    assert!(poll_once(led.as_mut()).is_pending());
    drop(led);
    let given_up = Leadership::Lost(next.fencing_token(), LeadershipLoss::GivenUp);
    assert_eq!(candidacy.leadership(), given_up);
    let third = leads(&candidacy).await;
    assert!(third.fencing_token() > next.fencing_token());

    candidacy.relinquish(&next);
    assert_eq!(candidacy.leadership(), Leadership::Leading(third), "a term of before costs nothing");
}

pub async fn what_a_leader_writes_is_refused_when_it_leads_no_more(ground: Ground) {
    let (one, operator) = (ground.client().await, ground.client().await);
    one.create("/guarded", b"").await.unwrap();
    let candidacy = stand(&one, "/elections/guard", "a");
    let term = leads(&candidacy).await;
    candidacy.transaction(&term).set_data("/guarded", b"mine", None).await.unwrap();

    operator.delete(term.path()).await.unwrap();

    let refused = candidacy.transaction(&term).set_data("/guarded", b"not mine", None).await;
    assert_eq!(code(refused), ErrorCode::NoNode);
    assert_eq!(code(candidacy.proclaim(&term, b"x").await), ErrorCode::NoNode);
    assert_eq!(one.get_data("/guarded").await.unwrap().0, "mine");
    assert_eq!(soon(candidacy.lost(&term)).await, LeadershipLoss::Removed);
}

pub async fn observers_see_who_leads_and_what_it_proclaims(ground: Ground) {
    let (one, two, onlooker) = (ground.client().await, ground.client().await, ground.client().await);
    let observer = LeaderObserver::new(&onlooker, "/elections/seen").unwrap();
    let observation = observer.observe();
    assert_eq!(sees(&observation, |observed| *observed != Observed::Unknown).await, Observed::Nobody);
    assert_eq!(observer.participants().await.unwrap(), []);

    let first = stand(&one, "/elections/seen", "a");
    let term = leads(&first).await;
    sees_leader(&observation, "a").await;
    let leader = observation.leader().unwrap();
    assert_eq!((leader.path.as_str(), leader.token), (term.path(), term.fencing_token()));

    let second = stand(&two, "/elections/seen", "b");
    ids(second.latch(), 2).await;
    first.proclaim(&term, b"a, at your service").await.unwrap();
    sees_leader(&observation, "a, at your service").await;

    drop(first);
    sees_leader(&observation, "b").await;
    drop(second);
    sees(&observation, |observed| *observed == Observed::Nobody).await;
    let third = stand(&one, "/elections/seen", "c");
    sees_leader(&observation, "c").await;
    drop(third);
}

pub async fn an_observer_catches_up_after_an_outage_and_after_its_session(ground: Ground) {
    let line = ground.line();
    let (onlooker, one, two) = (ground.connect(&line.through).await, ground.client().await, ground.client().await);
    let observation = LeaderObserver::new(&onlooker, "/elections/catch-up").unwrap().observe();
    let first = stand(&one, "/elections/catch-up", "a");
    sees_leader(&observation, "a").await;

    line.sever();
    drop(first);
    let second = stand(&two, "/elections/catch-up", "b");
    leads(&second).await;
    assert_eq!(observation.leader().unwrap().id(), "a", "it cannot know");
    line.mend();
    sees_leader(&observation, "b").await;

    line.expire(&onlooker).await;
    drop(second);
    let third = stand(&one, "/elections/catch-up", "c");
    leads(&third).await;
    line.mend();
    sees_leader(&observation, "c").await;
}

pub async fn epochs_count_the_terms_without_gaps(ground: Ground) {
    let client = ground.client().await;
    let latch = LeaderLatch::new(&client, "/elections/epochs").unwrap();
    let candidacy = latch.stand();
    for expected in 1..=3 {
        let term = leads(&candidacy).await;
        for _ in 0..2 {
            assert_eq!(soon(candidacy.epoch(&term, "/epochs/one")).await, Ok(expected), "the same in one term");
        }
        candidacy.relinquish(&term);
        if expected == 3 {
            while latch.participants().await.unwrap().iter().any(|other| other.path == term.path()) {}
            let late = soon(candidacy.epoch(&term, "/epochs/one")).await;
            assert_eq!(late, Ok(3), "it was counted, and is known");
            let refused = soon(candidacy.epoch(&term, "/epochs/two")).await.unwrap_err();
            assert!(
                matches!(&refused, EpochError::Client(error) if error.code() == Some(ErrorCode::NoNode)),
                "{refused}"
            );
        }
    }
    let data = client.get_data("/epochs/one").await.unwrap().0;
    assert!(data.starts_with(b"3 "), "{data:?}");

    let term = leads(&candidacy).await;
    client.create("/epochs/words", b"one").await.unwrap();
    let foreign = soon(candidacy.epoch(&term, "/epochs/words")).await;
    assert_eq!(foreign, Err(EpochError::Foreign { path: "/epochs/words".into() }));
    client.create("/epochs/plain", b"41").await.unwrap();
    assert_eq!(soon(candidacy.epoch(&term, "/epochs/plain")).await, Ok(42));
}

pub async fn layouts_of_selectors_are_locks_too(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    for (layout, mark) in [(ElectionLayout::CuratorSelector, "-lock-"), (ElectionLayout::Kazoo, "__lock__")] {
        let path = format!("/elections/{mark}");
        let held = soon(Lock::new(&one, &path).unwrap().acquire()).await.unwrap();
        let candidacy = LeaderLatch::new(&two, &path).unwrap().layout(layout).data(b"a").stand();
        assert_eq!(ids(candidacy.latch(), 2).await, ["", "a"]);
        assert_eq!(candidacy.leadership(), Leadership::Standing, "{layout:?}");

        soon(held.release()).await.unwrap();

        let term = leads(&candidacy).await;
        assert!(term.path().contains(mark), "{}", term.path());
        let observation = LeaderObserver::new(&one, &path).unwrap().layout(layout).observe();
        sees_leader(&observation, "a").await;
    }
}

pub async fn closing_the_client_ends_elections_at_once(ground: Ground) {
    let witness = ground.client().await;
    // Longer than anybody waits here.
    let builder = ground.builder(&ground.servers()).close_timeout(Duration::from_secs(600));
    let client = soon(builder.connect()).await.unwrap();
    let candidacy = stand(&client, "/elections/closing", "a");
    let observation = LeaderObserver::new(&client, "/elections/closing").unwrap().observe();
    let held = soon(Lock::new(&client, "/elections/beside").unwrap().acquire()).await.unwrap();
    let term = leads(&candidacy).await;
    sees_leader(&observation, "a").await;

    soon(client.close()).await;

    assert_eq!(candidacy.leadership(), Leadership::Over);
    assert_eq!(soon(candidacy.lost(&term)).await, LeadershipLoss::SessionOver);
    assert!(matches!(candidacy.gained().await, Err(Error::Ended { .. })));
    assert_eq!(observation.now(), Observed::Over);
    soon(held.lost()).await;
    let latch = LeaderLatch::new(&witness, "/elections/closing").unwrap();
    assert_eq!(latch.participants().await.unwrap(), []);
}

pub async fn whichever_reply_is_lost_a_participant_has_one_node_and_one_epoch_a_term(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, number| {
        let layout = if number % 2 == 0 { ElectionLayout::Curator } else { ElectionLayout::Kazoo };
        let election = format!("{path}/election");
        let latch = LeaderLatch::new(&client, &election).unwrap().layout(layout).data(b"a");
        let candidacy = latch.stand();
        for expected in 1..=2 {
            let term = leads(&candidacy).await;
            let epoch = soon(candidacy.epoch(&term, &format!("{path}/epoch"))).await;
            assert_eq!(epoch, Ok(expected), "in the run of reply {number}");
            soon(candidacy.proclaim(&term, b"b")).await.unwrap();
            let participants = soon(latch.participants()).await.unwrap();
            assert_eq!(participants.len(), 1, "no other node of ours is in line: {participants:?}");
            assert_eq!(participants[0].id(), "b");
            // The link may break behind a write, and be there again, without anybody having noticed.
            candidacy.relinquish(&leads(&candidacy).await);
        }
        leads(&candidacy).await;
        drop(candidacy);
        let last = LeaderLatch::new(&witness, &election).unwrap().layout(layout).data(b"last").stand();
        leads(&last).await;
        assert_eq!(ids(last.latch(), 1).await, ["last"]);
    })
    .await;
}
