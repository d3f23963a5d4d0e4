//! Mistakes that a simulator of whole clients cannot see: a client hands out all that one read has brought at once, so whoever
//! finds the reply finds the event too.

use std::panic::catch_unwind;

use zk_proto::broken::{set, was_reached};

#[test]
fn a_reply_that_is_told_before_the_event_that_comes_first_is_noticed() {
    set(Some("tells a reply before the event that comes first"));
    let noticed = catch_unwind(crate::watches::an_event_comes_before_the_reply_that_shows_the_change).is_err();
    let made = was_reached();
    set(None);

    assert!(made && noticed, "made: {made}, noticed: {noticed}");
}
