//! Which scenarios run on which servers.

/// Makes a test of each scenario and setting, for an [`Adapter`](crate::conformance::Adapter): `memory::…` on a server in memory,
/// `real::…` on real servers, and a share of them again on a server in memory that imitates ZooKeeper 3.8, and through a proxy that
/// passes on single bytes or pieces of random length.
///
/// It belongs at the root of a test binary, because scenarios about processes run that binary again.
#[macro_export]
macro_rules! conformance {
    ($adapter:expr) => {
        mod memory {
            use super::*;

            $crate::conformance_on_any_server!(run $adapter, Memory);
            $crate::conformance_in_memory!(run $adapter, Memory);
            $crate::conformance_of_recipes!(run $adapter, Memory);
            $crate::conformance_of_tls!(run $adapter, Memory);
        }

        mod memory_3_8 {
            use super::*;

            $crate::conformance_share!(run $adapter, Memory38);
            $crate::conformance_load!(run $adapter, Memory38);
        }

        mod memory_by_single_bytes {
            use super::*;

            $crate::conformance_share!(run $adapter, MemoryBySingleBytes);
        }

        mod memory_in_random_pieces {
            use super::*;

            $crate::conformance_share!(run $adapter, MemoryInRandomPieces);
            $crate::conformance_load!(run $adapter, MemoryInRandomPieces);
        }

        mod real {
            use super::*;

            $crate::conformance_on_any_server!(run $adapter, Real);
            $crate::conformance_on_ensembles!(run $adapter, Real);
            $crate::conformance_of_recipes!(run $adapter, Real);
            $crate::conformance_of_tls!(run $adapter, Real);
        }

        mod real_in_random_pieces {
            use super::*;

            $crate::conformance_share!(run $adapter, RealInRandomPieces);
        }

        #[test]
        #[ignore = "is what other tests run as a process of its own"]
        fn a_process_of_its_own() {
            $crate::conformance::process::main($adapter);
        }
    };
}

/// Makes tests of the scenarios that servers in memory can take part in which imitate ZooKeeper 3.5 and 3.4 and ClickHouse Keeper. What
/// those lack is made up for by the core, so that one adapter will do.
///
/// It belongs beside [`conformance!`](crate::conformance!).
#[macro_export]
macro_rules! conformance_on_imitations {
    ($adapter:expr) => {
        mod memory_3_5 {
            use super::*;

            $crate::conformance_of_3_5!(run $adapter, Memory35);
        }

        mod memory_3_4 {
            use super::*;

            $crate::conformance_of_3_4!(run $adapter, Memory34);
        }

        mod memory_keeper {
            use super::*;

            $crate::conformance_of_keeper!(run $adapter, MemoryKeeper);
        }
    };
}

/// Makes a test of each scenario that needs an [`AdapterWithIo`](crate::conformance::AdapterWithIo): `io::…`, names that resolve to
/// several addresses; and a share of the others again, `io_by_single_bytes::…`, where every read brings one byte, which no network
/// can be made to do.
#[macro_export]
macro_rules! conformance_through_io {
    ($adapter:expr) => {
        mod io {
            use super::*;

            $crate::conformance_by_name!(run_through_io $adapter, Memory);
        }

        mod io_by_single_bytes {
            use super::*;

            $crate::conformance_share!(run_through_io $adapter, MemoryByIoOfSingleBytes);
            $crate::conformance_load!(run_through_io $adapter, MemoryByIoOfSingleBytes);
        }
    };
}

/// What every server can do.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_on_any_server {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            create {
                a_persistent_node_is_there_as_it_was_told
                an_ephemeral_node_belongs_to_the_session
                sequential_nodes_are_numbered_by_their_parent
                a_container_goes_after_its_last_child
                a_node_with_ttl_goes_when_it_is_left_alone
                the_plain_create_of_old_servers_works_too
                the_server_refuses_what_does_not_fit_the_tree
                what_cannot_be_right_is_refused_with_the_offending_value_and_not_sent
                a_server_without_extended_types_refuses_ttls_and_nothing_else
            }
            nodes {
                data_is_replaced_under_the_version_asked_for
                null_and_empty_data_are_told_apart
                a_node_is_deleted_when_it_is_empty_and_of_the_version_asked_for
                version_minus_one_is_no_condition
                paths_are_checked_for_every_operation
                children_are_listed_with_the_node_and_counted_all_the_way_down
                ephemerals_are_listed_by_the_beginning_of_their_paths
                lists_of_who_may_do_what_are_read_and_replaced_under_their_own_version
                behind_a_sync_everything_is_seen
                the_connection_says_who_it_is
                the_configuration_is_read_whatever_the_chroot_and_changed_only_where_that_is_allowed
            }
            stats {
                a_new_node_is_of_one_transaction
                new_data_changes_what_tells_of_data
                a_child_changes_what_tells_of_children
                a_new_list_of_who_may_do_what_changes_its_version_alone
                what_fails_changes_nothing
                a_multi_is_one_transaction
                the_end_of_a_session_is_one_transaction
                every_read_tells_the_same_of_a_node
            }
            errors {
                creating
                changing_and_deleting
                reading
                without_permission
                one_permission_at_a_time
                operations_of_a_multi
                watches_that_are_not_there
                beyond_a_quota
                without_credentials_and_with_them
            }
            multi {
                a_multi_does_all_of_it
                containers_and_nodes_with_ttl_can_be_made_in_a_multi
                a_failed_multi_names_the_culprit_and_does_nothing
                an_empty_multi_does_nothing_well
                reads_of_one_moment_fail_one_by_one
                the_events_of_a_multi_come_in_its_order_and_before_its_reply
            }
            watches {
                every_one_shot_watch_tells_one_thing_once
                deletion_fires_every_one_shot_watch_of_the_node
                what_does_not_concern_a_watch_does_not_fire_it
                a_request_that_fails_leaves_no_watch
                the_event_of_ones_own_write_comes_before_its_reply
                the_event_of_anothers_write_comes_before_a_reply_that_shows_it
                whoever_reads_and_watches_in_turn_ends_with_the_last_version
                two_watchers_of_one_path_both_hear
                the_end_of_another_session_fires_like_a_deletion
                waiting_for_an_event_can_be_broken_off_without_losing_it
            }
            persistent {
                a_persistent_watch_tells_of_the_node_and_its_list_of_children
                a_recursive_watch_tells_of_every_node_below_and_of_no_list
                trees_within_trees_each_tell_everything
                a_persistent_watch_outlives_one_shot_ones_on_its_path
                a_recursive_watch_outlives_one_shot_ones_on_its_path
                a_dropped_one_shot_watch_leaves_the_persistent_one_on_its_path
                both_kinds_of_persistent_watches_live_on_one_path_whichever_came_first
                two_persistent_watchers_of_one_path_are_independent
                whoever_listens_too_slowly_is_told_to_read_again
                reads_with_a_watch_take_nothing_from_a_persistent_watch_while_others_write
            }
            watch_cleanup {
                a_dropped_watcher_takes_its_watch_off
                the_last_of_several_watchers_takes_the_watch_off
                only_the_kind_that_nobody_hears_is_taken_off
                a_watch_whose_request_is_dropped_does_not_stay
                a_watch_that_has_fired_is_not_taken_off_a_second_time
                watchers_that_come_and_go_leave_the_right_watches
            }
            chroot {
                the_connect_string_names_the_root
                a_client_of_the_same_session_looks_from_further_below
                a_root_that_is_missing_can_be_made_from_above_only
                the_root_itself_can_be_watched
                a_tree_is_told_what_is_below_and_not_what_is_beside
                the_server_numbers_nodes_below_the_root
                a_multi_and_its_results_are_below_the_root
                the_configuration_is_the_same_node_under_every_root
            }
            auth {
                what_the_creator_alone_may_do_nobody_else_may
                the_connection_says_who_it_is_and_the_node_whom_it_belongs_to
                credentials_added_later_count_for_what_is_asked_behind_them
                all_credentials_are_there_again_after_a_reconnect
                credentials_added_without_a_link_go_out_on_the_next_one
                the_super_user_may_do_everything
                refused_credentials_end_the_session
                a_server_that_demands_credentials_ends_the_session_of_whoever_has_none
            }
            sasl {
                who_knows_the_password_is_who_he_says_he_is
                who_does_not_know_the_password_is_not_let_in_and_told_so
                requests_of_who_is_not_let_in_are_not_sent
                a_server_without_sasl_is_not_taken_for_one_with
                every_link_is_authenticated_before_credentials_watches_and_requests
                a_server_that_demands_sasl_ends_the_session_of_whoever_does_not_do_it
                names_and_passwords_may_hold_what_must_be_quoted_and_what_is_not_ascii
                a_session_is_taken_up_by_who_knows_the_password
            }
            load {
                data_up_to_the_limit_goes_out_and_comes_back_and_more_is_refused_here
                a_list_of_children_may_be_longer_than_any_request
                requests_leave_in_the_order_of_the_calls_awaited_or_not
                a_detached_request_is_made_and_a_dropped_call_is_not
                many_tasks_share_a_session_and_each_gets_its_own_replies
                a_call_waits_for_a_place_in_a_full_session_and_a_sent_one_is_refused
            }
            handover {
                a_closed_session_takes_its_nodes_along_at_once
                closing_begins_with_the_call
                dropping_the_last_of_everything_closes_the_session
                what_was_asked_for_is_done_before_the_session_is_closed
                work_in_the_background_may_clean_up_but_keeps_nothing_open
                a_session_is_handed_over_with_its_nodes
                a_session_that_is_over_cannot_be_taken_up
                nothing_secret_is_printed
            }
            lifecycle {
                a_failure_to_connect_names_each_server_and_its_cause
                a_lazy_client_takes_requests_before_there_is_a_server
                one_server_of_many_is_enough
                a_request_is_made_from_any_thread_whatever_runs_there
            }
            addresses {
                a_server_may_be_named_by_its_ipv6_address
                a_name_is_looked_up
            }
            servers {
                a_client_leaves_a_server_that_is_not_in_the_list_any_more
                a_client_stays_where_the_list_lets_it
                a_list_without_a_server_that_answers_can_be_replaced
            }
            liars {
                what_is_no_greeting_costs_the_link
                a_greeting_that_does_not_end_is_not_waited_for
                what_is_no_answer_to_credentials_costs_the_link
                what_is_no_step_of_sasl_costs_the_link
                what_is_no_reply_costs_the_link_and_not_the_session
                a_reply_that_does_not_end_is_not_waited_for
                an_event_that_cannot_be_read_costs_the_link_and_not_the_session
                a_flood_of_events_for_nobody_changes_nothing
            }
            silence {
                a_server_that_says_nothing_is_left_for_the_next
                a_server_that_takes_no_packet_is_left_for_the_next
                nobody_waits_for_servers_that_say_nothing_for_longer_than_told
                a_server_that_stops_reading_costs_the_link_and_not_the_session
            }
            reconnect {
                watches_are_set_again_and_stay_silent_when_nothing_was_missed
                what_was_missed_is_told_after_the_link_is_back
                a_node_that_was_deleted_meanwhile_is_told_to_all_of_its_watches
                requests_made_without_a_link_go_out_on_the_next_one_in_order
                a_request_in_flight_when_the_link_breaks_is_lost_and_in_doubt
                a_request_that_never_reached_the_server_is_in_doubt_too
                a_time_limit_tells_whether_the_request_was_sent
                a_watch_that_timed_out_on_its_way_is_taken_off_when_it_arrives
                a_silent_server_is_given_up_after_two_thirds_of_the_timeout
                an_idle_session_outlives_its_timeout_many_times
                a_link_that_is_cut_again_and_again_costs_nothing_but_time
                a_watcher_dropped_without_a_link_does_not_come_back
            }
            expiry {
                a_session_that_is_cut_off_for_too_long_expires_and_another_begins
                everything_that_was_left_to_the_old_session_is_told_its_end
                events_told_before_the_end_are_heard_before_the_end
                a_new_session_is_as_good_as_the_first
                requests_pinned_to_the_old_session_are_not_made_in_the_new_one
                a_client_may_be_told_to_end_with_its_session
                a_client_may_be_told_to_give_up_by_itself
                a_request_in_flight_at_the_end_is_in_doubt
            }
            metrics {
                requests_are_counted_by_operation_and_outcome
                clients_of_one_session_are_counted_together
                watches_and_what_they_tell_are_counted
                links_that_break_are_counted_and_so_is_the_time_without_one
                requests_that_are_lost_or_late_are_told_apart
                a_session_that_follows_another_goes_on_counting
            }
            outage {
                a_restarted_server_has_everything_back
                an_outage_longer_than_the_timeout_is_survived_if_the_server_was_down
                a_paused_server_is_noticed_and_the_session_goes_on_with_it
                requests_in_flight_at_a_kill_are_lost_and_the_others_are_not
                a_hundred_thousand_watches_survive_a_restart
                writes_that_were_answered_are_there_after_any_number_of_kills
            }
            paused {
                a_process_halted_for_longer_than_a_ping_goes_on_with_its_session
                a_process_halted_for_longer_than_its_session_learns_of_the_end_before_anything_else
            }
            dropping {
                an_idle_client_leaves_nothing
                requests_and_watches_on_their_way_leave_nothing
                watchers_leave_nothing
                work_in_the_background_leaves_nothing
                a_closing_client_leaves_nothing
                a_client_without_a_link_leaves_its_session_to_expire_and_nothing_else
                a_client_that_is_dropped_while_it_connects_leaves_nothing
                a_client_dropped_without_a_link_stops_dialling
                no_thread_and_no_socket_stays_in_the_process
            }
        }
    };
}

/// What servers in memory do on demand.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_in_memory {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            ceiling {
                a_holder_is_told_how_many_numbers_are_left
                a_lock_without_numbers_goes_by_the_order_of_creation
                a_writer_without_a_number_goes_on_as_a_reader_before_those_who_wait
                only_a_queue_with_names_of_our_own_goes_on
            }
            hooks {
                a_lost_reply_is_found_out_by_the_next_one_and_costs_the_link
                replies_may_be_late_and_are_still_in_order
                an_expired_session_is_over_at_once
                a_new_leader_goes_on_with_the_session
                a_sequence_ends_at_its_ceiling
                a_server_cut_off_from_its_quorum_serves_readers_only
            }
            locks_in_memory {
                a_released_lock_wakes_one_of_a_thousand_and_costs_no_more_than_with_a_few
            }
            tree_caches_in_memory {
                a_server_that_knows_no_persistent_watches_has_its_tree_followed_all_the_same
                more_nodes_than_16_bits_count_are_read_and_followed
            }
        }
    };
}

/// What takes several servers that elect a leader.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_on_ensembles {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            failover {
                a_session_moves_on_when_its_server_dies_and_again_when_the_leader_dies
                a_paused_follower_is_left_for_another
                a_whole_ensemble_may_be_down_for_longer_than_the_timeout
                members_without_a_quorum_take_nobody_and_nothing_is_lost
            }
            read_only {
                readers_are_served_by_a_minority_and_move_when_there_is_a_quorum_again
                a_session_of_the_quorum_is_kept_while_readers_are_served_elsewhere
                the_search_for_a_writable_server_finds_it_beside_the_present_one
            }
            reconfig {
                members_are_taken_out_and_the_configuration_tells_of_it
            }
        }
    };
}

/// What takes a resolver that can be told what to answer.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_by_name {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            names {
                a_name_is_good_if_one_of_its_addresses_is
                an_address_that_takes_no_packet_is_passed_over_in_a_moment
                an_address_where_nobody_answers_is_not_the_first_again
            }
        }
    };
}

/// A share of what every server can do, for unusual ways to it.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_share {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            create {
                a_persistent_node_is_there_as_it_was_told
                an_ephemeral_node_belongs_to_the_session
                sequential_nodes_are_numbered_by_their_parent
                the_plain_create_of_old_servers_works_too
                the_server_refuses_what_does_not_fit_the_tree
                what_cannot_be_right_is_refused_with_the_offending_value_and_not_sent
            }
            nodes {
                data_is_replaced_under_the_version_asked_for
                null_and_empty_data_are_told_apart
                a_node_is_deleted_when_it_is_empty_and_of_the_version_asked_for
                version_minus_one_is_no_condition
                paths_are_checked_for_every_operation
                children_are_listed_with_the_node_and_counted_all_the_way_down
                ephemerals_are_listed_by_the_beginning_of_their_paths
                lists_of_who_may_do_what_are_read_and_replaced_under_their_own_version
                behind_a_sync_everything_is_seen
                the_connection_says_who_it_is
                the_configuration_is_read_whatever_the_chroot_and_changed_only_where_that_is_allowed
            }
            stats {
                a_new_node_is_of_one_transaction
                new_data_changes_what_tells_of_data
                a_child_changes_what_tells_of_children
                a_new_list_of_who_may_do_what_changes_its_version_alone
                what_fails_changes_nothing
                a_multi_is_one_transaction
                the_end_of_a_session_is_one_transaction
                every_read_tells_the_same_of_a_node
            }
            multi {
                a_multi_does_all_of_it
                containers_and_nodes_with_ttl_can_be_made_in_a_multi
                a_failed_multi_names_the_culprit_and_does_nothing
                an_empty_multi_does_nothing_well
                reads_of_one_moment_fail_one_by_one
                the_events_of_a_multi_come_in_its_order_and_before_its_reply
            }
            watches {
                every_one_shot_watch_tells_one_thing_once
                deletion_fires_every_one_shot_watch_of_the_node
                what_does_not_concern_a_watch_does_not_fire_it
                a_request_that_fails_leaves_no_watch
                the_event_of_ones_own_write_comes_before_its_reply
                the_event_of_anothers_write_comes_before_a_reply_that_shows_it
                whoever_reads_and_watches_in_turn_ends_with_the_last_version
                two_watchers_of_one_path_both_hear
                the_end_of_another_session_fires_like_a_deletion
                waiting_for_an_event_can_be_broken_off_without_losing_it
            }
            persistent {
                a_persistent_watch_tells_of_the_node_and_its_list_of_children
                a_recursive_watch_tells_of_every_node_below_and_of_no_list
                trees_within_trees_each_tell_everything
                a_persistent_watch_outlives_one_shot_ones_on_its_path
                a_recursive_watch_outlives_one_shot_ones_on_its_path
                a_dropped_one_shot_watch_leaves_the_persistent_one_on_its_path
                both_kinds_of_persistent_watches_live_on_one_path_whichever_came_first
                two_persistent_watchers_of_one_path_are_independent
                whoever_listens_too_slowly_is_told_to_read_again
                reads_with_a_watch_take_nothing_from_a_persistent_watch_while_others_write
            }
            watch_cleanup {
                a_dropped_watcher_takes_its_watch_off
                the_last_of_several_watchers_takes_the_watch_off
                only_the_kind_that_nobody_hears_is_taken_off
                a_watch_whose_request_is_dropped_does_not_stay
                a_watch_that_has_fired_is_not_taken_off_a_second_time
                watchers_that_come_and_go_leave_the_right_watches
            }
            chroot {
                the_connect_string_names_the_root
                a_client_of_the_same_session_looks_from_further_below
                a_root_that_is_missing_can_be_made_from_above_only
                the_root_itself_can_be_watched
                a_tree_is_told_what_is_below_and_not_what_is_beside
                the_server_numbers_nodes_below_the_root
                a_multi_and_its_results_are_below_the_root
                the_configuration_is_the_same_node_under_every_root
            }
            reconnect {
                watches_are_set_again_and_stay_silent_when_nothing_was_missed
                what_was_missed_is_told_after_the_link_is_back
                a_node_that_was_deleted_meanwhile_is_told_to_all_of_its_watches
                requests_made_without_a_link_go_out_on_the_next_one_in_order
                a_request_in_flight_when_the_link_breaks_is_lost_and_in_doubt
                a_request_that_never_reached_the_server_is_in_doubt_too
                a_time_limit_tells_whether_the_request_was_sent
                a_watch_that_timed_out_on_its_way_is_taken_off_when_it_arrives
                a_link_that_is_cut_again_and_again_costs_nothing_but_time
                a_watcher_dropped_without_a_link_does_not_come_back
            }
        }
    };
}

/// Much at once, for unusual ways that are not too slow for it.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_load {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            load {
                data_up_to_the_limit_goes_out_and_comes_back_and_more_is_refused_here
                requests_leave_in_the_order_of_the_calls_awaited_or_not
                a_detached_request_is_made_and_a_dropped_call_is_not
                many_tasks_share_a_session_and_each_gets_its_own_replies
                a_call_waits_for_a_place_in_a_full_session_and_a_sent_one_is_refused
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($run:ident $adapter:expr, $setting:ident; $($module:ident { $($scenario:ident)* })*) => {$(
        mod $module {
            use super::*;

            $(
                #[test]
                fn $scenario() {
                    $crate::conformance::$run(
                        $adapter,
                        $crate::conformance::Setting::$setting,
                        $crate::conformance::scenarios::$module::$scenario,
                    );
                }
            )*
        }
    )*};
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    #[test]
    fn no_scenario_is_missing_from_the_lists() {
        let list = concat!(include_str!("list.rs"), include_str!("recipe_list.rs"), include_str!("tls_list.rs"));
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance/scenarios");
        let mut count = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let names = text
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn ")?.split_once('('))
                .map(|(name, _)| name);
            for name in names {
                assert!(list.lines().any(|line| line.trim() == name), "{name} is in no list");
                count += 1;
            }
        }
        assert!(count > 150, "only {count} scenarios were found");
    }
}
