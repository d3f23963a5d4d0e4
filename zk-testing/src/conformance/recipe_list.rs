//! Which scenarios there are of the recipes. They run on any server.

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_of_recipes {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            locks {
                a_lock_is_had_by_one_at_a_time_in_order_of_arrival
                a_lock_is_tried_without_getting_in_line
                who_gives_up_waiting_leaves_no_place_behind
                what_a_holder_writes_is_refused_when_he_holds_no_more
                a_holder_is_asked_to_give_up_and_may_do_so
                a_lock_is_in_doubt_without_a_link_and_held_after_all
                a_lock_is_lost_with_its_session
                who_waits_when_the_session_ends_goes_to_the_end_of_the_line_or_stays
                names_of_every_layout_wait_for_each_other
                whichever_reply_is_lost_a_lock_is_had_once_and_given_back
            }
        }
    };
}
