//! Leases by the clock on the wall. The clock is the scenario's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use zk_proto::{
    client::Client,
    recipes::{Leased, MultiTimeLease, TimeLease},
};

use crate::conformance::{Ground, losing_replies, soon};

const HOUR: Duration = Duration::from_secs(3_600);

/// A clock that is set by hand, in hours.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn pass(&self, hours: u64) {
        self.0.fetch_add(hours, Ordering::Relaxed);
    }

    fn now(&self) -> SystemTime {
        at(self.0.load(Ordering::Relaxed))
    }

    fn lease(&self, client: &Client, holder: &str) -> TimeLease {
        let clock = self.clone();
        TimeLease::new(client, "/leases/job", holder, move || clock.now()).unwrap()
    }
}

fn at(hour: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000) + HOUR * u32::try_from(hour).unwrap()
}

fn obtained(hour: u64) -> Leased {
    Leased::Obtained { until: at(hour) }
}

fn held(holder: &str, hour: u64) -> Leased {
    Leased::Held { holder: holder.into(), until: at(hour) }
}

pub async fn a_lease_is_held_until_its_time_is_up_and_then_taken_over(ground: Ground) {
    let (client, clock) = (ground.client().await, Clock::default());
    let (ours, theirs) = (clock.lease(&client, "us"), clock.lease(&client, "them"));
    assert_eq!(soon(ours.try_obtain(2 * HOUR)).await.unwrap(), obtained(2));
    clock.pass(1);
    assert_eq!(soon(theirs.try_obtain(HOUR)).await.unwrap(), held("us", 2));

    // Not the moment before, and at the very moment.
    clock.pass(1);
    assert_eq!(soon(theirs.try_obtain(HOUR)).await.unwrap(), obtained(3));
    assert_eq!(soon(ours.try_obtain(HOUR)).await.unwrap(), held("them", 3));
}

pub async fn a_holder_renews_its_lease_in_another_session_too(ground: Ground) {
    let (client, clock) = (ground.client().await, Clock::default());
    assert_eq!(soon(clock.lease(&client, "us").try_obtain(HOUR)).await.unwrap(), obtained(1));
    soon(client.close()).await;

    let other = ground.client().await;
    assert_eq!(soon(clock.lease(&other, "them").try_obtain(HOUR)).await.unwrap(), held("us", 1));
    assert_eq!(soon(clock.lease(&other, "us").try_obtain(3 * HOUR)).await.unwrap(), obtained(3));
    clock.pass(2);
    assert_eq!(soon(clock.lease(&other, "them").try_obtain(HOUR)).await.unwrap(), held("us", 3), "it was renewed");
}

pub async fn a_lease_is_written_as_kazoo_reads_it_and_leaves_nothing_else(ground: Ground) {
    let (client, clock) = (ground.client().await, Clock::default());
    assert_eq!(soon(clock.lease(&client, "host-7").try_obtain(HOUR)).await.unwrap(), obtained(1));

    let (data, stat) = client.get_data("/leases/job/lease_holder").await.unwrap();
    let expected = br#"{"version": 1, "holder": "host-7", "end": "2001-09-09T02:46:40"}"#;
    assert_eq!(data, expected.as_slice());
    assert_eq!(stat.ephemeral_owner.0, 0);
    let children = client.get_children("/leases/job").await.unwrap().0;
    assert_eq!(children.iter().collect::<Vec<_>>(), ["lease_holder"], "the lock is given back");
}

pub async fn what_cannot_be_read_is_left_alone(ground: Ground) {
    let (client, clock) = (ground.client().await, Clock::default());
    assert_eq!(soon(clock.lease(&client, "us").try_obtain(HOUR)).await.unwrap(), obtained(1));
    let later = br#"{"version": 2, "holders": ["us"]}"#.as_slice();
    for data in [later, b"", b"us"] {
        client.set_data("/leases/job/lease_holder", data).await.unwrap();
        assert_eq!(soon(clock.lease(&client, "us").try_obtain(HOUR)).await.unwrap(), Leased::Unreadable);
        assert_eq!(client.get_data("/leases/job/lease_holder").await.unwrap().0, data);
    }
}

pub async fn a_lease_is_given_up_by_its_holder_only(ground: Ground) {
    let (client, clock) = (ground.client().await, Clock::default());
    let (ours, theirs) = (clock.lease(&client, "us"), clock.lease(&client, "them"));
    assert!(!soon(ours.give_up()).await.unwrap());
    assert_eq!(soon(ours.try_obtain(HOUR)).await.unwrap(), obtained(1));

    assert!(!soon(theirs.give_up()).await.unwrap());
    assert_eq!(soon(theirs.try_obtain(HOUR)).await.unwrap(), held("us", 1));
    assert!(soon(ours.give_up()).await.unwrap());
    assert_eq!(soon(theirs.try_obtain(HOUR)).await.unwrap(), obtained(1));
}

pub async fn of_several_leases_each_holder_gets_the_first_that_is_free(ground: Ground) {
    let (client, clock) = (ground.client().await, Clock::default());
    let lease = |holder: &str| {
        let clock = clock.clone();
        MultiTimeLease::new(&client, "/leases/many", 2, holder, move || clock.now()).unwrap()
    };
    assert_eq!(soon(lease("a").try_obtain(HOUR)).await.unwrap(), Some((0, at(1))));
    assert_eq!(soon(lease("b").try_obtain(2 * HOUR)).await.unwrap(), Some((1, at(2))));
    assert_eq!(soon(lease("c").try_obtain(HOUR)).await.unwrap(), None);
    assert_eq!(soon(lease("b").try_obtain(HOUR)).await.unwrap(), Some((1, at(1))), "renewed");

    clock.pass(1);
    assert_eq!(soon(lease("c").try_obtain(HOUR)).await.unwrap(), Some((0, at(2))));
}

pub async fn whichever_reply_is_lost_a_lease_is_obtained(ground: Ground) {
    losing_replies(&ground, async |client, path, _| {
        let lease = TimeLease::new(&client, &format!("{path}/lease"), "us", || at(0)).unwrap();
        assert_eq!(soon(lease.try_obtain(HOUR)).await.unwrap(), obtained(1));
        assert!(soon(lease.give_up()).await.unwrap());
    })
    .await;
}
