//! Deliberate mistakes, to prove that the tests would notice them.
//!
//! A simulator that never fails proves nothing. So the code has places where it can be made to go wrong, one mistake at a time:
//! `broken!("name")` is plain `false`, unless the crate is compiled with `--cfg zk_broken` and the mistake of that name was
//! [`set`] for the thread. The simulator's suite sets each in turn and asserts that a world finds it.
//!
//! No feature turns this on, so no other crate of a build can.

/// Returns whether a mistake is to be made here: never, in a build without `--cfg zk_broken`.
#[cfg(not(zk_broken))]
macro_rules! broken {
    ($name:literal) => {
        false
    };
}

/// Returns whether a mistake is to be made here.
#[cfg(zk_broken)]
macro_rules! broken {
    ($name:literal) => {
        $crate::broken::is_set($name)
    };
}

pub(crate) use broken;

#[cfg(zk_broken)]
pub(crate) use switch::is_set;
#[cfg(zk_broken)]
pub use switch::{HANDOVER_VARIANTS, RECIPE_VARIANTS, VARIANTS, set, set_everywhere, was_reached};

#[cfg(zk_broken)]
mod switch {
    extern crate std;

    use core::cell::Cell;
    use std::sync::OnceLock;

    /// All mistakes that can be made.
    pub const VARIANTS: &[&str] = &[
        "advances the zxid from events",
        "advances the zxid from the answer to set-watches",
        "closes without telling the server",
        "counts a request as proof of life when it is answered, not when it was sent",
        "counts events as proof of life",
        "does not end watchers with their session",
        "does not hear below a recursive watch",
        "does not tell to resync after a reconnect",
        "forgets persistent watches on reconnect",
        "forgets which watches were left on missing nodes",
        "frees the slot of a request that was given up before its reply",
        "greets without its zxid",
        "ignores time limits",
        "loses the last chunk of set-watches",
        "matches replies by order only",
        "names server paths in events below a chroot",
        "never notices silence",
        "resends a handed-out write",
        "says of a sent request that it was not",
        "sends no credentials on later links",
        "sends requests before the watches are set again",
        "tells a reply before the event that comes first",
    ];

    /// Those of the recipes, by the workload that is to notice them.
    pub const RECIPE_VARIANTS: &[(&str, &[&str])] = &[
        (
            "barriers",
            &[
                "barriers: passes on any event",
                "barriers: removes the next barrier too",
                "barriers: takes a ready of an earlier round for its own",
                "barriers: withdraws without looking whether it has opened",
            ],
        ),
        (
            "children-cache",
            &["children cache: counts a child that has gone as still to be read", "tree cache: compares versions"],
        ),
        (
            "deletions",
            &["deletions: counts what it was not told of", "deletions: does not look whether all of it is gone"],
        ),
        (
            "elections",
            &[
                "election: an observer heeds only that a node is deleted",
                "election: leads on when somebody has deleted its node",
                "election: leads on while the connection is lost, whatever was agreed",
            ],
        ),
        (
            "discovery",
            &[
                "discovery: goes on with what it has read of a node that was made anew",
                "discovery: has nothing to offer without a connection",
                "discovery: registers again what was registered first",
            ],
        ),
        (
            "groups",
            &[
                "group: lets a process join twice by one id",
                "group: shows its own membership when it was left",
                "group: takes a member that has joined again for the same",
            ],
        ),
        (
            "kept-nodes",
            &[
                "kept: deletes a node of another session when it is dropped",
                "kept: does not look again after a write of its own",
                "kept: forgets data that was set offline",
                "kept: leaves what is being made when it is removed",
                "kept: makes the node anew at every reconnect",
            ],
        ),
        (
            "locks",
            &[
                "lock: counts with the number of its node",
                "lock: does not look for a node whose reply was lost",
                "lock: leaves the node of who gives up",
                "lock: takes it when the one ahead is gone, without looking again",
                "lock: writes what it guards without asking whether it is held",
            ],
        ),
        (
            "maps",
            &[
                "maps: expects the same value, not the same write",
                "maps: goes on with what was deleted while it was stale",
                "maps: lets go of a value for one it cannot read",
            ],
        ),
        ("node-cache", &["node cache: compares versions", "node cache: trusts what it had before the link broke"]),
        (
            "multi-locks",
            &[
                "multi-lock: has all when it has the last",
                "multi-lock: takes its locks in the order in which they are named",
            ],
        ),
        (
            "numbers",
            &[
                "numbers: adds again after a lost reply",
                "numbers: takes another's bytes for its own",
                "numbers: transacts again after a lost reply",
            ],
        ),
        (
            "partitions",
            &[
                "partitions: divides among those too who divide something else",
                "partitions: stays in line for what is to be another's",
                "partitions: takes another's id for its own",
                "partitions: takes what is lost for given back",
            ],
        ),
        (
            "releases",
            &[
                "releases: deletes what is being written",
                "releases: deletes what was pointed to since it was looked at",
                "releases: points to a release before all of it is written",
                "releases: publishes again after a lost reply",
                "releases: takes what it finds of a release for all of it",
            ],
        ),
        (
            "rw-locks",
            &[
                "rw lock: a writer that goes on as a reader goes to the end of the line",
                "rw lock: writers wait for writers only",
            ],
        ),
        (
            "semaphores",
            &[
                "semaphore: does not hear that there are more leases",
                "semaphore: waits on when its turn was taken away",
            ],
        ),
        (
            "time-leases",
            &[
                "time lease: gives up what somebody else has",
                "time lease: writes without asking whether it still has the lock",
            ],
        ),
        (
            "tree-cache",
            &[
                "tree cache: a late reply brings a deleted node back",
                "tree cache: counts a list that failed as done",
                "tree cache: trusts what it had before the link broke",
            ],
        ),
        (
            "values",
            &[
                "values: expects the same value, not the same write",
                "values: lets go of a value for one it cannot read",
            ],
        ),
        (
            "queues",
            &[
                "queue: calls it gone when a deletion had no reply",
                "queue: compares priorities as text without a sign",
                "queue: puts again what it may have put",
                "queue: takes a deletion without a reply for its own",
            ],
        ),
        (
            "work-queues",
            &[
                "work queue: acks without asking whether it has the claim",
                "work queue: gives a claim back without looking",
                "work queue: looks no further when somebody else was faster",
                "work queue: takes any claim of its session for its own",
            ],
        ),
    ];

    /// Those that only an unlucky order of threads brings out.
    pub const HANDOVER_VARIANTS: &[&str] = &[
        "lets the driver sleep over what was asked while it was awake",
        "loses what rings while its work is polled",
        "tells nobody that a place was left",
    ];

    std::thread_local! {
        static SET: Cell<Option<&'static str>> = const { Cell::new(None) };
        static REACHED: Cell<bool> = const { Cell::new(false) };
    }

    /// What is made in every thread, where a client is driven by several.
    static EVERYWHERE: OnceLock<&'static str> = OnceLock::new();

    fn is_listed(variant: &str) -> bool {
        all().any(|listed| listed == variant)
    }

    fn all() -> impl Iterator<Item = &'static str> {
        let of_recipes = RECIPE_VARIANTS.iter().flat_map(|(_, variants)| *variants);
        VARIANTS.iter().chain(HANDOVER_VARIANTS).chain(of_recipes).copied()
    }

    /// Makes one mistake, or none, in this thread from now on.
    ///
    /// # Panics
    ///
    /// When there is no mistake of that name.
    pub fn set(variant: Option<&'static str>) {
        assert!(variant.is_none_or(is_listed), "no mistake is called {variant:?}");
        SET.set(variant);
        REACHED.set(false);
    }

    /// Makes a mistake in every thread of this process, for as long as it lives.
    ///
    /// # Panics
    ///
    /// When there is no mistake of that name, or another one is made already.
    pub fn set_everywhere(variant: &str) {
        let listed = all().find(|listed| *listed == variant);
        let listed = listed.unwrap_or_else(|| panic!("no mistake is called {variant:?}"));
        assert_eq!(*EVERYWHERE.get_or_init(|| listed), listed, "another mistake is made already");
    }

    /// Returns whether the code came to where the mistake is made since it was [`set`].
    pub fn was_reached() -> bool {
        REACHED.get()
    }

    pub(crate) fn is_set(variant: &'static str) -> bool {
        debug_assert!(is_listed(variant), "the mistake {variant:?} is not listed");
        let is_set = SET.get() == Some(variant) || EVERYWHERE.get() == Some(&variant);
        REACHED.set(REACHED.get() || is_set);
        is_set
    }
}
