//! Which scenarios do not run on servers in memory that imitate older ones, and ClickHouse Keeper, and why.

use std::collections::BTreeSet;

/// A scenario, and the lists in which it is missing.
type Scenario = (&'static str, &'static [&'static str]);

/// What is left out of the scenarios that run on unusual ways and of those of the recipes: why, and on which servers.
const LEFT_OUT: &[(&str, &[Scenario])] = &[
    (
        "It sets persistent watches, which came with 3.6; ClickHouse Keeper has them behind a flag.",
        &[
            ("multi::the_events_of_a_multi_come_in_its_order_and_before_its_reply", &["of_3_5", "of_3_4", "of_keeper"]),
            (
                "persistent::a_persistent_watch_tells_of_the_node_and_its_list_of_children",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            (
                "persistent::a_recursive_watch_tells_of_every_node_below_and_of_no_list",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            ("persistent::trees_within_trees_each_tell_everything", &["of_3_5", "of_3_4", "of_keeper"]),
            ("persistent::a_persistent_watch_outlives_one_shot_ones_on_its_path", &["of_3_5", "of_3_4", "of_keeper"]),
            ("persistent::a_recursive_watch_outlives_one_shot_ones_on_its_path", &["of_3_5", "of_3_4", "of_keeper"]),
            (
                "persistent::a_dropped_one_shot_watch_leaves_the_persistent_one_on_its_path",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            (
                "persistent::both_kinds_of_persistent_watches_live_on_one_path_whichever_came_first",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            ("persistent::two_persistent_watchers_of_one_path_are_independent", &["of_3_5", "of_3_4", "of_keeper"]),
            ("persistent::whoever_listens_too_slowly_is_told_to_read_again", &["of_3_5", "of_3_4", "of_keeper"]),
            (
                "persistent::reads_with_a_watch_take_nothing_from_a_persistent_watch_while_others_write",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            ("watch_cleanup::a_dropped_watcher_takes_its_watch_off", &["of_3_5", "of_3_4", "of_keeper"]),
            ("watch_cleanup::watchers_that_come_and_go_leave_the_right_watches", &["of_3_5", "of_3_4", "of_keeper"]),
            ("chroot::the_root_itself_can_be_watched", &["of_3_5", "of_3_4", "of_keeper"]),
            ("chroot::a_tree_is_told_what_is_below_and_not_what_is_beside", &["of_3_5", "of_3_4", "of_keeper"]),
            (
                "reconnect::watches_are_set_again_and_stay_silent_when_nothing_was_missed",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            ("reconnect::what_was_missed_is_told_after_the_link_is_back", &["of_3_5", "of_3_4", "of_keeper"]),
            (
                "reconnect::a_node_that_was_deleted_meanwhile_is_told_to_all_of_its_watches",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            (
                "kept_nodes::a_reconnect_in_the_same_session_does_not_touch_a_kept_node",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            (
                "kept_nodes::a_kept_node_takes_the_place_of_its_former_session_at_one_stroke",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            ("kept_nodes::a_process_that_takes_up_a_session_adopts_its_kept_node", &["of_3_5", "of_3_4", "of_keeper"]),
            ("kept_nodes::a_node_with_a_ttl_lives_as_long_as_it_is_touched", &["of_3_5", "of_3_4", "of_keeper"]),
            (
                "services::a_reconnect_in_the_same_session_does_not_show_to_who_follows_a_service",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            (
                "services::an_instance_that_is_unregistered_while_it_is_registered_again_stays_away",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
        ],
    ),
    (
        "It asks for `multiRead`, `getEphemerals`, `getAllChildrenNumber` or `whoAmI`, which came with 3.6 and 3.7.",
        &[
            (
                "nodes::children_are_listed_with_the_node_and_counted_all_the_way_down",
                &["of_3_5", "of_3_4", "of_keeper"],
            ),
            ("nodes::ephemerals_are_listed_by_the_beginning_of_their_paths", &["of_3_5", "of_3_4", "of_keeper"]),
            ("nodes::the_connection_says_who_it_is", &["of_3_5", "of_3_4", "of_keeper"]),
            ("multi::an_empty_multi_does_nothing_well", &["of_3_5", "of_3_4", "of_keeper"]),
            ("multi::reads_of_one_moment_fail_one_by_one", &["of_3_5", "of_3_4", "of_keeper"]),
            ("chroot::a_client_of_the_same_session_looks_from_further_below", &["of_3_5", "of_3_4", "of_keeper"]),
            ("chroot::a_multi_and_its_results_are_below_the_root", &["of_3_5", "of_3_4", "of_keeper"]),
        ],
    ),
    (
        "It makes containers and nodes with TTL, which came with 3.5.",
        &[("multi::containers_and_nodes_with_ttl_can_be_made_in_a_multi", &["of_3_4", "of_keeper"])],
    ),
    (
        "It waits until the server has forgotten a watch that nobody hears, which one cannot ask of a server before 3.5.",
        &[
            ("watch_cleanup::the_last_of_several_watchers_takes_the_watch_off", &["of_3_4", "of_keeper"]),
            ("reconnect::a_watch_that_timed_out_on_its_way_is_taken_off_when_it_arrives", &["of_3_4"]),
            ("reconnect::a_watcher_dropped_without_a_link_does_not_come_back", &["of_3_4"]),
            ("watch_cleanup::only_the_kind_that_nobody_hears_is_taken_off", &["of_3_4", "of_keeper"]),
            ("watch_cleanup::a_watch_whose_request_is_dropped_does_not_stay", &["of_3_4", "of_keeper"]),
            ("watch_cleanup::a_watch_that_has_fired_is_not_taken_off_a_second_time", &["of_3_4", "of_keeper"]),
            ("children_caches::a_dropped_cache_tells_nothing_more_and_leaves_no_watch", &["of_3_4", "of_keeper"]),
            ("maps::a_dropped_map_keeps_no_watch", &["of_3_4", "of_keeper"]),
            ("node_caches::a_dropped_cache_leaves_no_watch", &["of_3_4", "of_keeper"]),
            ("releases::a_dropped_follower_keeps_no_watch", &["of_3_4", "of_keeper"]),
            ("tree_caches::dropped_caches_leave_no_watch", &["of_3_4", "of_keeper"]),
            ("values::a_dropped_value_keeps_no_session_and_no_watch", &["of_3_4", "of_keeper"]),
        ],
    ),
    (
        "It compares the `Stat` that a create gives with that of a read. What tells no `Stat` leaves the time of creation open.",
        &[
            ("create::a_persistent_node_is_there_as_it_was_told", &["of_3_4", "of_keeper"]),
            ("nodes::behind_a_sync_everything_is_seen", &["of_3_4", "of_keeper"]),
            ("stats::a_new_node_is_of_one_transaction", &["of_3_4", "of_keeper"]),
            ("stats::new_data_changes_what_tells_of_data", &["of_3_4", "of_keeper"]),
            ("stats::a_child_changes_what_tells_of_children", &["of_3_4", "of_keeper"]),
            ("stats::a_new_list_of_who_may_do_what_changes_its_version_alone", &["of_3_4", "of_keeper"]),
        ],
    ),
    (
        "It reads the node of the configuration, which came with 3.5.",
        &[
            (
                "nodes::the_configuration_is_read_whatever_the_chroot_and_changed_only_where_that_is_allowed",
                &["of_3_4", "of_keeper"],
            ),
            ("chroot::the_configuration_is_the_same_node_under_every_root", &["of_3_4", "of_keeper"]),
            ("tree_caches::a_whole_chroot_is_followed_from_its_root", &["of_3_4"]),
        ],
    ),
    (
        "It counts replies, or has several requests in flight when the server is first sent what it does not know. That costs the link, \
         and what else was in flight is in doubt.",
        &[
            ("elections::withdrawing_at_any_moment_leaves_no_node", &["of_3_5"]),
            ("watches::the_event_of_anothers_write_comes_before_a_reply_that_shows_it", &["of_3_4"]),
            ("reconnect::requests_made_without_a_link_go_out_on_the_next_one_in_order", &["of_3_4"]),
            ("load::requests_leave_in_the_order_of_the_calls_awaited_or_not", &["of_3_4"]),
            ("load::a_detached_request_is_made_and_a_dropped_call_is_not", &["of_3_4"]),
            ("locks::who_gives_up_waiting_leaves_no_place_behind", &["of_3_4"]),
            ("maps::all_see_what_is_set_wherever_it_is_below_the_path", &["of_3_4"]),
            ("semaphores::who_gives_up_waiting_for_a_lease_leaves_neither_lease_nor_place", &["of_3_4"]),
            ("queues::whichever_reply_is_lost_an_item_is_put_once_and_taken_once", &["of_3_4"]),
            ("queues::whichever_reply_is_lost_what_is_not_known_is_said_to_be_unknown", &["of_3_4"]),
            ("queues::a_put_is_found_again_by_its_name_or_put_again_on_demand", &["of_3_4"]),
            ("work_queues::a_claim_that_somebody_deletes_is_lost", &["of_3_4"]),
            ("work_queues::whichever_reply_is_lost_work_is_delivered_and_settled_once", &["of_3_4"]),
        ],
    ),
    (
        "It breaks the link and goes on with the session. With ClickHouse Keeper, a link that breaks is the end of the session.",
        &[
            ("reconnect::requests_made_without_a_link_go_out_on_the_next_one_in_order", &["of_keeper"]),
            ("reconnect::a_request_in_flight_when_the_link_breaks_is_lost_and_in_doubt", &["of_keeper"]),
            ("reconnect::a_request_that_never_reached_the_server_is_in_doubt_too", &["of_keeper"]),
            ("reconnect::a_time_limit_tells_whether_the_request_was_sent", &["of_keeper"]),
            ("reconnect::a_watch_that_timed_out_on_its_way_is_taken_off_when_it_arrives", &["of_keeper"]),
            ("reconnect::a_link_that_is_cut_again_and_again_costs_nothing_but_time", &["of_keeper"]),
            ("reconnect::a_watcher_dropped_without_a_link_does_not_come_back", &["of_keeper"]),
            ("barriers::who_waits_goes_on_waiting_when_the_session_ends", &["of_keeper"]),
            ("barriers::who_loses_his_session_inside_counts_as_gone", &["of_keeper"]),
            ("barriers::whichever_reply_is_lost_a_room_is_entered_and_left", &["of_keeper"]),
            ("children_caches::ephemeral_children_go_with_their_session_and_the_cache_lives_on", &["of_keeper"]),
            ("elections::a_lost_link_interrupts_a_term_and_keeps_its_node", &["of_keeper"]),
            ("elections::a_patient_leader_leads_on_without_a_link", &["of_keeper"]),
            ("elections::an_expired_leader_does_not_come_back_with_its_dead_node", &["of_keeper"]),
            ("elections::an_observer_catches_up_after_an_outage_and_after_its_session", &["of_keeper"]),
            ("elections::whichever_reply_is_lost_a_participant_has_one_node_and_one_epoch_a_term", &["of_keeper"]),
            ("groups::a_member_joins_again_in_its_next_session", &["of_keeper"]),
            ("kept_nodes::a_kept_node_is_made_again_in_the_next_session_and_keeps_its_number", &["of_keeper"]),
            ("kept_nodes::whichever_reply_is_lost_there_is_one_kept_node_and_then_none", &["of_keeper"]),
            ("kept_nodes::a_kept_node_survives_links_that_break_again_and_again", &["of_keeper"]),
            ("locks::a_lock_is_in_doubt_without_a_link_and_held_after_all", &["of_keeper"]),
            ("locks::a_lock_is_lost_with_its_session", &["of_keeper"]),
            ("locks::who_waits_when_the_session_ends_goes_to_the_end_of_the_line_or_stays", &["of_keeper"]),
            ("locks::whichever_reply_is_lost_a_lock_is_had_once_and_given_back", &["of_keeper"]),
            ("maps::a_map_is_followed_into_the_next_session", &["of_keeper"]),
            ("multi_locks::several_locks_are_held_in_one_session", &["of_keeper"]),
            ("multi_locks::whichever_reply_is_lost_several_locks_are_had_once_and_given_back", &["of_keeper"]),
            ("node_caches::a_node_is_followed_into_the_next_session", &["of_keeper"]),
            ("numbers::what_is_to_count_once_counts_once_and_is_known_to", &["of_keeper"]),
            ("partitions::partitions_are_in_doubt_without_a_link_and_kept_after_all", &["of_keeper"]),
            ("partitions::who_has_lost_his_session_gets_his_share_again_when_he_has_stopped", &["of_keeper"]),
            ("partitions::whichever_reply_is_lost_a_share_is_had_once_and_given_back", &["of_keeper"]),
            ("releases::whichever_reply_is_lost_a_release_is_published_once", &["of_keeper"]),
            ("rw_locks::who_does_not_hold_it_any_more_cannot_go_on_as_a_reader", &["of_keeper"]),
            ("rw_locks::readers_and_writers_that_are_lost_with_their_session_let_others_in", &["of_keeper"]),
            ("rw_locks::whichever_reply_is_lost_a_writer_goes_on_as_a_reader_once", &["of_keeper"]),
            ("semaphores::leases_are_lost_with_their_session_and_others_get_them", &["of_keeper"]),
            ("semaphores::whichever_reply_is_lost_leases_are_had_once_and_given_back", &["of_keeper"]),
            ("queues::who_waits_goes_on_after_an_outage_longer_than_the_session", &["of_keeper"]),
            ("queues::what_was_read_in_one_session_is_not_taken_in_the_next", &["of_keeper"]),
            ("queues::whichever_reply_is_lost_an_item_is_put_once_and_taken_once", &["of_keeper"]),
            ("services::what_is_registered_again_is_what_was_set_last", &["of_keeper"]),
            ("services::whichever_reply_is_lost_an_instance_is_there_once_and_then_gone", &["of_keeper"]),
            ("tree_caches::a_tree_is_followed_into_the_next_session", &["of_keeper"]),
            ("values::a_value_is_followed_into_the_next_session", &["of_keeper"]),
            ("work_queues::work_is_done_by_another_when_its_worker_dies", &["of_keeper"]),
            ("work_queues::whichever_reply_is_lost_work_is_delivered_and_settled_once", &["of_keeper"]),
        ],
    ),
];

const LISTS: &str = concat!(include_str!("list.rs"), include_str!("recipe_list.rs"), include_str!("version_list.rs"));

/// Returns the scenarios of a list with their modules.
fn scenarios(list: &str) -> BTreeSet<String> {
    let head = format!("macro_rules! conformance_{list} {{\n");
    let (_, list) = LISTS.split_once(&head).unwrap();
    let (list, _) = list.split_once("\n}\n").unwrap();
    let (mut module, mut found) = ("", BTreeSet::new());
    for line in list.lines().skip_while(|line| !line.contains("$run $adapter, $setting;")).skip(1).map(str::trim) {
        match line.strip_suffix(" {") {
            Some(name) => module = name,
            None if !line.contains(['{', '}']) => _ = found.insert(format!("{module}::{line}")),
            None => {}
        }
    }
    found
}

#[test]
fn what_is_not_run_on_a_server_is_left_out_for_a_reason() {
    let all: BTreeSet<_> = ["share", "load", "of_recipes"].into_iter().flat_map(scenarios).collect();
    assert!(all.len() > 300, "only {} scenarios were found", all.len());
    for list in ["of_3_5", "of_3_4", "of_keeper"] {
        let left_out = LEFT_OUT.iter().flat_map(|(_, scenarios)| *scenarios);
        let left_out = left_out.filter(|(_, lists)| lists.contains(&list)).map(|(name, _)| (*name).to_owned());
        let run = scenarios(list);
        let known: BTreeSet<_> = left_out.inspect(|name| assert!(!run.contains(name), "{name}")).collect();
        assert_eq!(&run | &known, all, "{list}");
    }
}
