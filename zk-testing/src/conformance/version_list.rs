//! Which scenarios run on servers in memory that imitate older ones, and ClickHouse Keeper. Why others do not stands in
//! `left_out.rs`.

/// What a server knows that is as ZooKeeper 3.5 is.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_of_3_5 {
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
                lists_of_who_may_do_what_are_read_and_replaced_under_their_own_version
                behind_a_sync_everything_is_seen
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
            watch_cleanup {
                the_last_of_several_watchers_takes_the_watch_off
                only_the_kind_that_nobody_hears_is_taken_off
                a_watch_whose_request_is_dropped_does_not_stay
                a_watch_that_has_fired_is_not_taken_off_a_second_time
            }
            chroot {
                the_connect_string_names_the_root
                a_root_that_is_missing_can_be_made_from_above_only
                the_server_numbers_nodes_below_the_root
                the_configuration_is_the_same_node_under_every_root
            }
            reconnect {
                requests_made_without_a_link_go_out_on_the_next_one_in_order
                a_request_in_flight_when_the_link_breaks_is_lost_and_in_doubt
                a_request_that_never_reached_the_server_is_in_doubt_too
                a_time_limit_tells_whether_the_request_was_sent
                a_watch_that_timed_out_on_its_way_is_taken_off_when_it_arrives
                a_link_that_is_cut_again_and_again_costs_nothing_but_time
                a_watcher_dropped_without_a_link_does_not_come_back
            }
            load {
                data_up_to_the_limit_goes_out_and_comes_back_and_more_is_refused_here
                requests_leave_in_the_order_of_the_calls_awaited_or_not
                a_detached_request_is_made_and_a_dropped_call_is_not
                many_tasks_share_a_session_and_each_gets_its_own_replies
                a_call_waits_for_a_place_in_a_full_session_and_a_sent_one_is_refused
            }
            barriers {
                who_comes_to_a_barrier_that_is_not_set_passes_at_once
                all_who_wait_pass_when_the_barrier_is_removed_and_not_before
                who_waits_goes_on_waiting_when_the_session_ends
                an_ephemeral_barrier_goes_with_its_owner
                whichever_reply_is_lost_a_barrier_is_set_and_removed
                nobody_enters_before_enough_have_come_nor_has_left_before_all_leave
                more_than_enough_may_come_and_the_room_is_used_again
                who_leaves_waits_for_all_though_one_deletes_ready_before_it_has_left
                who_gives_up_in_time_is_not_counted
                what_a_crashed_round_has_left_open_lets_nobody_in
                who_wakes_up_for_nothing_does_not_enter
                who_loses_his_session_inside_counts_as_gone
                whichever_reply_is_lost_a_room_is_entered_and_left
            }
            children_caches {
                children_are_followed_with_their_data_and_in_their_order
                a_child_deleted_and_made_anew_is_removed_and_added
                a_parent_that_is_missing_is_waited_for_and_not_made
                children_that_go_while_they_are_read_do_not_keep_it_from_being_complete
                ephemeral_children_go_with_their_session_and_the_cache_lives_on
                a_reader_who_is_slow_is_told_the_newest_of_each_child
                children_are_settled_when_none_comes_or_goes_for_a_while
                a_child_that_may_not_be_read_is_no_child_and_keeps_nothing_back
                numbers_may_be_all_that_is_wanted
                a_dropped_cache_tells_nothing_more_and_leaves_no_watch
            }
            elections {
                leaders_follow_each_other_in_order_of_arrival
                who_withdraws_from_the_middle_promotes_nobody
                other_data_of_the_node_ahead_does_not_stop_the_succession
                a_lost_link_interrupts_a_term_and_keeps_its_node
                a_patient_leader_leads_on_without_a_link
                an_expired_leader_does_not_come_back_with_its_dead_node
                an_election_that_is_wiped_out_begins_anew
                one_may_stand_and_withdraw_before_a_server_is_reached
                without_rights_one_is_refused_and_stands_when_they_are_there
                those_who_give_up_lead_in_rotation
                work_is_dropped_with_the_term_and_the_term_with_the_work
                what_a_leader_writes_is_refused_when_it_leads_no_more
                observers_see_who_leads_and_what_it_proclaims
                an_observer_catches_up_after_an_outage_and_after_its_session
                epochs_count_the_terms_without_gaps
                layouts_of_selectors_are_locks_too
                closing_the_client_ends_elections_at_once
                whichever_reply_is_lost_a_participant_has_one_node_and_one_epoch_a_term
            }
            groups {
                members_see_each_other_come_change_and_go
                a_member_sees_itself_at_once
                an_id_is_that_of_one_member_and_the_other_one_waits
                a_member_joins_again_in_its_next_session
                members_are_named_as_other_clients_name_them
                whichever_reply_is_lost_a_member_is_there_once_and_then_gone
            }
            kept_nodes {
                a_kept_node_is_there_with_its_data_and_goes_when_it_is_removed
                a_kept_node_that_is_dropped_goes_also_when_it_is_being_made
                a_kept_node_that_is_dropped_before_its_number_is_known_leaves_others_of_its_name_alone
                a_kept_node_that_somebody_deletes_is_made_again
                data_that_is_set_offline_is_written_on_reconnect_and_the_last_one_counts
                a_kept_node_is_made_again_in_the_next_session_and_keeps_its_number
                a_node_of_another_session_is_waited_for_stolen_or_a_failure
                what_others_write_is_overwritten_or_accepted
                what_is_not_allowed_is_a_failure_until_it_is_tried_again
                a_kept_node_does_not_hold_up_the_end_of_its_client
                whichever_reply_is_lost_there_is_one_kept_node_and_then_none
                a_kept_node_survives_links_that_break_again_and_again
            }
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
                a_line_that_may_not_be_read_keeps_no_place_of_who_tried
                what_is_made_for_a_lock_has_the_access_control_list_that_was_given
            }
            maps {
                all_see_what_is_set_wherever_it_is_below_the_path
                an_entry_is_set_if_nobody_has_set_it_since_it_was_seen
                what_is_removed_is_gone_and_what_is_below_it_is_not
                what_cannot_be_read_is_rejected_and_the_rest_is_shown_as_it_is
                a_map_is_stale_without_a_link_and_caught_up_with_afterwards
                a_map_is_followed_into_the_next_session
                an_entry_that_may_not_be_read_is_told
                a_dropped_map_keeps_no_watch
                a_map_shows_no_more_when_its_client_is_over
                whichever_reply_is_lost_an_entry_is_set_once
            }
            multi_locks {
                several_locks_are_held_all_or_none
                whoever_names_the_same_locks_in_whatever_order_gets_them
                when_one_lock_cannot_be_had_the_others_are_given_back
                when_one_lock_cannot_be_given_back_the_others_are_all_the_same
                what_is_written_under_several_locks_is_refused_when_one_is_gone
                a_lock_that_is_lost_while_others_are_waited_for_is_taken_again
                several_locks_are_held_in_one_session
                whichever_reply_is_lost_several_locks_are_had_once_and_given_back
            }
            node_caches {
                a_node_is_followed_as_often_as_it_comes_and_goes
                a_node_made_anew_without_a_link_is_another_one_whatever_its_version
                a_node_that_nothing_happened_to_is_no_news_after_a_reconnect
                a_node_is_followed_into_the_next_session
                a_node_is_followed_before_there_is_a_server
                a_node_that_may_not_be_read_shows_why_until_it_may
                a_dropped_cache_leaves_no_watch
                a_cache_keeps_its_last_view_when_its_client_is_over
                views_never_go_back
            }
            numbers {
                a_number_begins_at_zero_and_is_made_with_what_is_above
                many_clients_count_and_no_count_is_lost
                a_number_is_written_as_others_read_it
                what_is_no_number_is_an_error_until_somebody_sets_it
                a_sum_without_room_changes_nothing
                a_number_is_set_if_it_is_what_was_expected
                an_addition_whose_reply_is_lost_counts_once
                what_is_to_count_once_counts_once_and_is_known_to
                a_write_that_tells_its_writer_is_recognised_when_its_reply_is_lost
                an_update_makes_changes_and_deletes_a_node
                an_update_sees_what_others_wrote_and_gives_up_as_it_is_told
                an_update_ends_at_its_deadline_without_a_connection
                what_the_server_refuses_was_not_done
                nobody_gets_an_id_that_somebody_else_has
            }
            partitions {
                a_set_is_divided_among_all_and_handed_over_as_they_come_and_go
                a_partition_is_handed_over_when_it_is_given_back_and_not_before
                what_nobody_has_taken_is_handed_on_without_asking
                of_more_members_than_partitions_some_wait_for_others_to_leave
                partitions_are_in_doubt_without_a_link_and_kept_after_all
                who_has_lost_his_session_gets_his_share_again_when_he_has_stopped
                a_partition_whose_lock_is_deleted_is_lost_and_handed_out_again
                members_that_divide_other_sets_are_told_and_nothing_is_had_twice
                an_id_is_that_of_one_member_and_the_other_one_has_no_share
                what_is_refused_is_told_and_tried_again
                closing_a_client_lets_go_of_its_share
                whichever_reply_is_lost_a_share_is_had_once_and_given_back
            }
            releases {
                what_is_published_is_seen_as_one_by_all
                of_two_who_expect_the_same_one_publishes
                a_large_release_counts_when_all_of_it_is_there
                an_earlier_release_counts_again_when_it_is_switched_to
                old_releases_are_deleted_but_not_the_one_that_counts
                a_release_that_is_being_written_is_not_deleted_until_its_writer_has_gone
                what_cannot_be_used_is_rejected_and_the_last_release_stays
                a_pointer_to_nothing_is_rejected_and_the_last_release_stays
                a_followed_release_is_stale_without_a_link_and_caught_up_with_afterwards
                a_dropped_follower_keeps_no_watch
                whichever_reply_is_lost_a_release_is_published_once
            }
            rw_locks {
                many_read_at_once_and_one_writes_alone
                who_comes_behind_a_waiting_writer_waits_for_him
                a_writer_goes_on_as_a_reader_and_no_writer_comes_in_between
                who_does_not_hold_it_any_more_cannot_go_on_as_a_reader
                who_gives_up_going_on_as_a_reader_leaves_nothing
                readers_and_writers_that_are_lost_with_their_session_let_others_in
                all_who_read_and_write_are_listed_in_their_order_and_strangers_are_not
                whichever_reply_is_lost_a_writer_goes_on_as_a_reader_once
            }
            semaphores {
                as_many_leases_are_held_as_there_are_and_no_more
                leases_are_given_in_the_order_of_arrival
                several_leases_are_had_together_or_not_at_all
                two_who_want_several_leases_do_not_wait_for_each_other
                who_gives_up_waiting_for_a_lease_leaves_neither_lease_nor_place
                leases_are_lost_with_their_session_and_others_get_them
                closing_a_client_gives_its_leases_back
                what_a_holder_writes_is_refused_when_his_lease_was_deleted
                who_waits_for_leases_and_loses_his_turn_gets_in_line_again
                with_kazoos_layout_all_have_to_agree_how_many_leases_there_are
                a_shared_maximum_is_raised_for_those_who_wait_and_lowered_for_those_who_come
                whatever_lies_among_the_leases_counts
                whichever_reply_is_lost_leases_are_had_once_and_given_back
            }
            queues {
                items_are_taken_in_the_order_in_which_they_were_put
                entries_are_named_and_filled_as_other_clients_do_it
                several_items_in_one_entry_of_curators_are_taken_together
                whatever_data_an_item_has_it_is_taken
                who_waits_takes_what_is_put_and_all_items_are_taken_once
                who_gives_up_waiting_takes_nothing
                who_waits_goes_on_when_the_queue_itself_is_deleted
                who_waits_goes_on_after_an_outage_longer_than_the_session
                what_was_read_in_one_session_is_not_taken_in_the_next
                a_full_queue_refuses_or_lets_wait
                something_urgent_overtakes_and_equals_keep_their_order
                nothing_is_taken_before_its_time_and_something_earlier_shortens_the_wait
                a_number_that_an_entry_has_already_is_passed_over
                an_item_whose_taker_is_gone_is_put_back_to_its_place
                whichever_reply_is_lost_an_item_is_put_once_and_taken_once
                whichever_reply_is_lost_what_is_not_known_is_said_to_be_unknown
                a_put_is_found_again_by_its_name_or_put_again_on_demand
                an_access_control_list_is_that_of_entries_and_of_what_is_above_them
            }
            services {
                an_instance_is_found_as_curator_writes_it_and_gone_when_unregistered
                what_is_registered_again_is_what_was_set_last
                static_instances_stay_when_they_are_let_go_of
                what_cannot_be_read_as_an_instance_is_reported_and_left_out
                a_provider_goes_on_with_what_it_has_while_there_is_no_connection
                an_instance_with_errors_is_left_alone_unless_it_is_the_last
                changes_from_outside_are_accepted_where_that_is_wanted
                whichever_reply_is_lost_an_instance_is_there_once_and_then_gone
                an_id_that_is_registered_elsewhere_is_waited_for
            }
            tree_caches {
                a_tree_comes_from_above_and_goes_from_below
                nodes_made_anew_without_a_link_are_told_though_all_their_versions_are_the_same
                the_root_may_be_missing_and_come_as_often_as_it_likes
                only_what_is_asked_for_is_there
                a_whole_chroot_is_followed_from_its_root
                a_tree_is_followed_into_the_next_session
                a_tree_is_followed_before_there_is_a_server
                both_kinds_have_what_there_is_behind_any_edits
                dropped_caches_leave_no_watch
            }
            time_leases {
                a_lease_is_held_until_its_time_is_up_and_then_taken_over
                a_holder_renews_its_lease_in_another_session_too
                a_lease_is_written_as_kazoo_reads_it_and_leaves_nothing_else
                what_cannot_be_read_is_left_alone
                a_lease_is_given_up_by_its_holder_only
                of_several_leases_each_holder_gets_the_first_that_is_free
                whichever_reply_is_lost_a_lease_is_obtained
            }
            transactions {
                nodes_are_made_set_and_deleted_at_one_stroke
                what_was_read_only_must_not_change_either
                what_was_missing_must_be_missing_still
                a_transaction_gives_up_as_it_is_told
                what_cannot_be_is_an_error_and_nothing_is_done
                a_transaction_whose_reply_is_lost_is_carried_out_once
            }
            trees {
                a_node_is_deleted_with_all_that_is_below_it_and_nothing_else
                more_nodes_than_one_transaction_takes_are_deleted
                nodes_that_are_made_meanwhile_are_deleted_too
                whichever_reply_is_lost_a_tree_is_deleted
            }
            values {
                whoever_seeds_first_wins_and_all_see_it
                a_value_is_set_if_nobody_has_written_since_it_was_seen
                a_value_made_anew_is_another_one_whatever_its_version
                what_cannot_be_read_is_rejected_and_the_old_value_stays
                a_value_is_stale_without_a_link_and_caught_up_with_afterwards
                a_reconnect_without_a_change_shows_the_same_value
                a_value_is_followed_into_the_next_session
                a_dropped_value_keeps_no_session_and_no_watch
                a_value_shows_no_more_when_its_client_is_over
                whichever_reply_is_lost_a_value_is_set_once
            }
            work_queues {
                work_is_delivered_to_one_and_gone_when_it_is_done
                entries_and_claims_are_named_as_other_clients_do_it
                several_workers_do_all_the_work_once
                work_is_done_by_another_when_its_worker_dies
                a_claim_that_somebody_deletes_is_lost
                an_item_that_somebody_deletes_is_gone
                an_ack_leaves_another_item_of_the_same_name_alone
                an_item_that_is_given_back_keeps_its_place_or_goes_to_the_end
                what_was_claimed_too_often_becomes_a_dead_letter
                work_is_called_off_by_its_id_unless_somebody_does_it
                what_a_worker_writes_is_refused_when_his_claim_is_lost
                whichever_reply_is_lost_work_is_delivered_and_settled_once
            }
        }
    };
}

/// What a server knows that is as ZooKeeper 3.4 is.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_of_3_4 {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            create {
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
                lists_of_who_may_do_what_are_read_and_replaced_under_their_own_version
            }
            stats {
                what_fails_changes_nothing
                a_multi_is_one_transaction
                the_end_of_a_session_is_one_transaction
                every_read_tells_the_same_of_a_node
            }
            multi {
                a_multi_does_all_of_it
                a_failed_multi_names_the_culprit_and_does_nothing
            }
            watches {
                every_one_shot_watch_tells_one_thing_once
                deletion_fires_every_one_shot_watch_of_the_node
                what_does_not_concern_a_watch_does_not_fire_it
                a_request_that_fails_leaves_no_watch
                the_event_of_ones_own_write_comes_before_its_reply
                whoever_reads_and_watches_in_turn_ends_with_the_last_version
                two_watchers_of_one_path_both_hear
                the_end_of_another_session_fires_like_a_deletion
                waiting_for_an_event_can_be_broken_off_without_losing_it
            }
            chroot {
                the_connect_string_names_the_root
                a_root_that_is_missing_can_be_made_from_above_only
                the_server_numbers_nodes_below_the_root
            }
            reconnect {
                a_request_in_flight_when_the_link_breaks_is_lost_and_in_doubt
                a_request_that_never_reached_the_server_is_in_doubt_too
                a_time_limit_tells_whether_the_request_was_sent
                a_link_that_is_cut_again_and_again_costs_nothing_but_time
            }
            load {
                data_up_to_the_limit_goes_out_and_comes_back_and_more_is_refused_here
                many_tasks_share_a_session_and_each_gets_its_own_replies
                a_call_waits_for_a_place_in_a_full_session_and_a_sent_one_is_refused
            }
            barriers {
                who_comes_to_a_barrier_that_is_not_set_passes_at_once
                all_who_wait_pass_when_the_barrier_is_removed_and_not_before
                who_waits_goes_on_waiting_when_the_session_ends
                an_ephemeral_barrier_goes_with_its_owner
                whichever_reply_is_lost_a_barrier_is_set_and_removed
                nobody_enters_before_enough_have_come_nor_has_left_before_all_leave
                more_than_enough_may_come_and_the_room_is_used_again
                who_leaves_waits_for_all_though_one_deletes_ready_before_it_has_left
                who_gives_up_in_time_is_not_counted
                what_a_crashed_round_has_left_open_lets_nobody_in
                who_wakes_up_for_nothing_does_not_enter
                who_loses_his_session_inside_counts_as_gone
                whichever_reply_is_lost_a_room_is_entered_and_left
            }
            children_caches {
                children_are_followed_with_their_data_and_in_their_order
                a_child_deleted_and_made_anew_is_removed_and_added
                a_parent_that_is_missing_is_waited_for_and_not_made
                children_that_go_while_they_are_read_do_not_keep_it_from_being_complete
                ephemeral_children_go_with_their_session_and_the_cache_lives_on
                a_reader_who_is_slow_is_told_the_newest_of_each_child
                children_are_settled_when_none_comes_or_goes_for_a_while
                a_child_that_may_not_be_read_is_no_child_and_keeps_nothing_back
                numbers_may_be_all_that_is_wanted
            }
            elections {
                leaders_follow_each_other_in_order_of_arrival
                who_withdraws_from_the_middle_promotes_nobody
                other_data_of_the_node_ahead_does_not_stop_the_succession
                a_lost_link_interrupts_a_term_and_keeps_its_node
                a_patient_leader_leads_on_without_a_link
                an_expired_leader_does_not_come_back_with_its_dead_node
                an_election_that_is_wiped_out_begins_anew
                withdrawing_at_any_moment_leaves_no_node
                one_may_stand_and_withdraw_before_a_server_is_reached
                without_rights_one_is_refused_and_stands_when_they_are_there
                those_who_give_up_lead_in_rotation
                work_is_dropped_with_the_term_and_the_term_with_the_work
                what_a_leader_writes_is_refused_when_it_leads_no_more
                observers_see_who_leads_and_what_it_proclaims
                an_observer_catches_up_after_an_outage_and_after_its_session
                epochs_count_the_terms_without_gaps
                layouts_of_selectors_are_locks_too
                closing_the_client_ends_elections_at_once
                whichever_reply_is_lost_a_participant_has_one_node_and_one_epoch_a_term
            }
            groups {
                members_see_each_other_come_change_and_go
                a_member_sees_itself_at_once
                an_id_is_that_of_one_member_and_the_other_one_waits
                a_member_joins_again_in_its_next_session
                members_are_named_as_other_clients_name_them
                whichever_reply_is_lost_a_member_is_there_once_and_then_gone
            }
            kept_nodes {
                a_kept_node_is_there_with_its_data_and_goes_when_it_is_removed
                a_kept_node_that_is_dropped_goes_also_when_it_is_being_made
                a_kept_node_that_is_dropped_before_its_number_is_known_leaves_others_of_its_name_alone
                a_kept_node_that_somebody_deletes_is_made_again
                data_that_is_set_offline_is_written_on_reconnect_and_the_last_one_counts
                a_kept_node_is_made_again_in_the_next_session_and_keeps_its_number
                a_node_of_another_session_is_waited_for_stolen_or_a_failure
                what_others_write_is_overwritten_or_accepted
                what_is_not_allowed_is_a_failure_until_it_is_tried_again
                a_kept_node_does_not_hold_up_the_end_of_its_client
                whichever_reply_is_lost_there_is_one_kept_node_and_then_none
                a_kept_node_survives_links_that_break_again_and_again
            }
            locks {
                a_lock_is_had_by_one_at_a_time_in_order_of_arrival
                a_lock_is_tried_without_getting_in_line
                what_a_holder_writes_is_refused_when_he_holds_no_more
                a_holder_is_asked_to_give_up_and_may_do_so
                a_lock_is_in_doubt_without_a_link_and_held_after_all
                a_lock_is_lost_with_its_session
                who_waits_when_the_session_ends_goes_to_the_end_of_the_line_or_stays
                names_of_every_layout_wait_for_each_other
                whichever_reply_is_lost_a_lock_is_had_once_and_given_back
                a_line_that_may_not_be_read_keeps_no_place_of_who_tried
                what_is_made_for_a_lock_has_the_access_control_list_that_was_given
            }
            maps {
                an_entry_is_set_if_nobody_has_set_it_since_it_was_seen
                what_is_removed_is_gone_and_what_is_below_it_is_not
                what_cannot_be_read_is_rejected_and_the_rest_is_shown_as_it_is
                a_map_is_stale_without_a_link_and_caught_up_with_afterwards
                a_map_is_followed_into_the_next_session
                an_entry_that_may_not_be_read_is_told
                a_map_shows_no_more_when_its_client_is_over
                whichever_reply_is_lost_an_entry_is_set_once
            }
            multi_locks {
                several_locks_are_held_all_or_none
                whoever_names_the_same_locks_in_whatever_order_gets_them
                when_one_lock_cannot_be_had_the_others_are_given_back
                when_one_lock_cannot_be_given_back_the_others_are_all_the_same
                what_is_written_under_several_locks_is_refused_when_one_is_gone
                a_lock_that_is_lost_while_others_are_waited_for_is_taken_again
                several_locks_are_held_in_one_session
                whichever_reply_is_lost_several_locks_are_had_once_and_given_back
            }
            node_caches {
                a_node_is_followed_as_often_as_it_comes_and_goes
                a_node_made_anew_without_a_link_is_another_one_whatever_its_version
                a_node_that_nothing_happened_to_is_no_news_after_a_reconnect
                a_node_is_followed_into_the_next_session
                a_node_is_followed_before_there_is_a_server
                a_node_that_may_not_be_read_shows_why_until_it_may
                a_cache_keeps_its_last_view_when_its_client_is_over
                views_never_go_back
            }
            numbers {
                a_number_begins_at_zero_and_is_made_with_what_is_above
                many_clients_count_and_no_count_is_lost
                a_number_is_written_as_others_read_it
                what_is_no_number_is_an_error_until_somebody_sets_it
                a_sum_without_room_changes_nothing
                a_number_is_set_if_it_is_what_was_expected
                an_addition_whose_reply_is_lost_counts_once
                what_is_to_count_once_counts_once_and_is_known_to
                a_write_that_tells_its_writer_is_recognised_when_its_reply_is_lost
                an_update_makes_changes_and_deletes_a_node
                an_update_sees_what_others_wrote_and_gives_up_as_it_is_told
                an_update_ends_at_its_deadline_without_a_connection
                what_the_server_refuses_was_not_done
                nobody_gets_an_id_that_somebody_else_has
            }
            partitions {
                a_set_is_divided_among_all_and_handed_over_as_they_come_and_go
                a_partition_is_handed_over_when_it_is_given_back_and_not_before
                what_nobody_has_taken_is_handed_on_without_asking
                of_more_members_than_partitions_some_wait_for_others_to_leave
                partitions_are_in_doubt_without_a_link_and_kept_after_all
                who_has_lost_his_session_gets_his_share_again_when_he_has_stopped
                a_partition_whose_lock_is_deleted_is_lost_and_handed_out_again
                members_that_divide_other_sets_are_told_and_nothing_is_had_twice
                an_id_is_that_of_one_member_and_the_other_one_has_no_share
                what_is_refused_is_told_and_tried_again
                closing_a_client_lets_go_of_its_share
                whichever_reply_is_lost_a_share_is_had_once_and_given_back
            }
            releases {
                what_is_published_is_seen_as_one_by_all
                of_two_who_expect_the_same_one_publishes
                a_large_release_counts_when_all_of_it_is_there
                an_earlier_release_counts_again_when_it_is_switched_to
                old_releases_are_deleted_but_not_the_one_that_counts
                a_release_that_is_being_written_is_not_deleted_until_its_writer_has_gone
                what_cannot_be_used_is_rejected_and_the_last_release_stays
                a_pointer_to_nothing_is_rejected_and_the_last_release_stays
                a_followed_release_is_stale_without_a_link_and_caught_up_with_afterwards
                whichever_reply_is_lost_a_release_is_published_once
            }
            rw_locks {
                many_read_at_once_and_one_writes_alone
                who_comes_behind_a_waiting_writer_waits_for_him
                a_writer_goes_on_as_a_reader_and_no_writer_comes_in_between
                who_does_not_hold_it_any_more_cannot_go_on_as_a_reader
                who_gives_up_going_on_as_a_reader_leaves_nothing
                readers_and_writers_that_are_lost_with_their_session_let_others_in
                all_who_read_and_write_are_listed_in_their_order_and_strangers_are_not
                whichever_reply_is_lost_a_writer_goes_on_as_a_reader_once
            }
            semaphores {
                as_many_leases_are_held_as_there_are_and_no_more
                leases_are_given_in_the_order_of_arrival
                several_leases_are_had_together_or_not_at_all
                two_who_want_several_leases_do_not_wait_for_each_other
                leases_are_lost_with_their_session_and_others_get_them
                closing_a_client_gives_its_leases_back
                what_a_holder_writes_is_refused_when_his_lease_was_deleted
                who_waits_for_leases_and_loses_his_turn_gets_in_line_again
                with_kazoos_layout_all_have_to_agree_how_many_leases_there_are
                a_shared_maximum_is_raised_for_those_who_wait_and_lowered_for_those_who_come
                whatever_lies_among_the_leases_counts
                whichever_reply_is_lost_leases_are_had_once_and_given_back
            }
            queues {
                items_are_taken_in_the_order_in_which_they_were_put
                entries_are_named_and_filled_as_other_clients_do_it
                several_items_in_one_entry_of_curators_are_taken_together
                whatever_data_an_item_has_it_is_taken
                who_waits_takes_what_is_put_and_all_items_are_taken_once
                who_gives_up_waiting_takes_nothing
                who_waits_goes_on_when_the_queue_itself_is_deleted
                who_waits_goes_on_after_an_outage_longer_than_the_session
                what_was_read_in_one_session_is_not_taken_in_the_next
                a_full_queue_refuses_or_lets_wait
                something_urgent_overtakes_and_equals_keep_their_order
                nothing_is_taken_before_its_time_and_something_earlier_shortens_the_wait
                a_number_that_an_entry_has_already_is_passed_over
                an_item_whose_taker_is_gone_is_put_back_to_its_place
                an_access_control_list_is_that_of_entries_and_of_what_is_above_them
            }
            services {
                an_instance_is_found_as_curator_writes_it_and_gone_when_unregistered
                what_is_registered_again_is_what_was_set_last
                static_instances_stay_when_they_are_let_go_of
                what_cannot_be_read_as_an_instance_is_reported_and_left_out
                a_provider_goes_on_with_what_it_has_while_there_is_no_connection
                an_instance_with_errors_is_left_alone_unless_it_is_the_last
                changes_from_outside_are_accepted_where_that_is_wanted
                whichever_reply_is_lost_an_instance_is_there_once_and_then_gone
                an_id_that_is_registered_elsewhere_is_waited_for
            }
            tree_caches {
                a_tree_comes_from_above_and_goes_from_below
                nodes_made_anew_without_a_link_are_told_though_all_their_versions_are_the_same
                the_root_may_be_missing_and_come_as_often_as_it_likes
                only_what_is_asked_for_is_there
                a_tree_is_followed_into_the_next_session
                a_tree_is_followed_before_there_is_a_server
                both_kinds_have_what_there_is_behind_any_edits
            }
            time_leases {
                a_lease_is_held_until_its_time_is_up_and_then_taken_over
                a_holder_renews_its_lease_in_another_session_too
                a_lease_is_written_as_kazoo_reads_it_and_leaves_nothing_else
                what_cannot_be_read_is_left_alone
                a_lease_is_given_up_by_its_holder_only
                of_several_leases_each_holder_gets_the_first_that_is_free
                whichever_reply_is_lost_a_lease_is_obtained
            }
            transactions {
                nodes_are_made_set_and_deleted_at_one_stroke
                what_was_read_only_must_not_change_either
                what_was_missing_must_be_missing_still
                a_transaction_gives_up_as_it_is_told
                what_cannot_be_is_an_error_and_nothing_is_done
                a_transaction_whose_reply_is_lost_is_carried_out_once
            }
            trees {
                a_node_is_deleted_with_all_that_is_below_it_and_nothing_else
                more_nodes_than_one_transaction_takes_are_deleted
                nodes_that_are_made_meanwhile_are_deleted_too
                whichever_reply_is_lost_a_tree_is_deleted
            }
            values {
                whoever_seeds_first_wins_and_all_see_it
                a_value_is_set_if_nobody_has_written_since_it_was_seen
                a_value_made_anew_is_another_one_whatever_its_version
                what_cannot_be_read_is_rejected_and_the_old_value_stays
                a_value_is_stale_without_a_link_and_caught_up_with_afterwards
                a_reconnect_without_a_change_shows_the_same_value
                a_value_is_followed_into_the_next_session
                a_value_shows_no_more_when_its_client_is_over
                whichever_reply_is_lost_a_value_is_set_once
            }
            work_queues {
                work_is_delivered_to_one_and_gone_when_it_is_done
                entries_and_claims_are_named_as_other_clients_do_it
                several_workers_do_all_the_work_once
                work_is_done_by_another_when_its_worker_dies
                an_item_that_somebody_deletes_is_gone
                an_ack_leaves_another_item_of_the_same_name_alone
                an_item_that_is_given_back_keeps_its_place_or_goes_to_the_end
                what_was_claimed_too_often_becomes_a_dead_letter
                work_is_called_off_by_its_id_unless_somebody_does_it
                what_a_worker_writes_is_refused_when_his_claim_is_lost
            }
        }
    };
}

/// What ClickHouse Keeper knows.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_of_keeper {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            create {
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
                lists_of_who_may_do_what_are_read_and_replaced_under_their_own_version
            }
            stats {
                what_fails_changes_nothing
                a_multi_is_one_transaction
                the_end_of_a_session_is_one_transaction
                every_read_tells_the_same_of_a_node
            }
            multi {
                a_multi_does_all_of_it
                a_failed_multi_names_the_culprit_and_does_nothing
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
            chroot {
                the_connect_string_names_the_root
                a_root_that_is_missing_can_be_made_from_above_only
                the_server_numbers_nodes_below_the_root
            }
            load {
                data_up_to_the_limit_goes_out_and_comes_back_and_more_is_refused_here
                requests_leave_in_the_order_of_the_calls_awaited_or_not
                a_detached_request_is_made_and_a_dropped_call_is_not
                many_tasks_share_a_session_and_each_gets_its_own_replies
                a_call_waits_for_a_place_in_a_full_session_and_a_sent_one_is_refused
            }
            barriers {
                who_comes_to_a_barrier_that_is_not_set_passes_at_once
                all_who_wait_pass_when_the_barrier_is_removed_and_not_before
                an_ephemeral_barrier_goes_with_its_owner
                whichever_reply_is_lost_a_barrier_is_set_and_removed
                nobody_enters_before_enough_have_come_nor_has_left_before_all_leave
                more_than_enough_may_come_and_the_room_is_used_again
                who_leaves_waits_for_all_though_one_deletes_ready_before_it_has_left
                who_gives_up_in_time_is_not_counted
                what_a_crashed_round_has_left_open_lets_nobody_in
                who_wakes_up_for_nothing_does_not_enter
            }
            children_caches {
                children_are_followed_with_their_data_and_in_their_order
                a_child_deleted_and_made_anew_is_removed_and_added
                a_parent_that_is_missing_is_waited_for_and_not_made
                children_that_go_while_they_are_read_do_not_keep_it_from_being_complete
                a_reader_who_is_slow_is_told_the_newest_of_each_child
                children_are_settled_when_none_comes_or_goes_for_a_while
                a_child_that_may_not_be_read_is_no_child_and_keeps_nothing_back
                numbers_may_be_all_that_is_wanted
            }
            elections {
                leaders_follow_each_other_in_order_of_arrival
                who_withdraws_from_the_middle_promotes_nobody
                other_data_of_the_node_ahead_does_not_stop_the_succession
                an_election_that_is_wiped_out_begins_anew
                withdrawing_at_any_moment_leaves_no_node
                one_may_stand_and_withdraw_before_a_server_is_reached
                without_rights_one_is_refused_and_stands_when_they_are_there
                those_who_give_up_lead_in_rotation
                work_is_dropped_with_the_term_and_the_term_with_the_work
                what_a_leader_writes_is_refused_when_it_leads_no_more
                observers_see_who_leads_and_what_it_proclaims
                epochs_count_the_terms_without_gaps
                layouts_of_selectors_are_locks_too
                closing_the_client_ends_elections_at_once
            }
            groups {
                members_see_each_other_come_change_and_go
                a_member_sees_itself_at_once
                an_id_is_that_of_one_member_and_the_other_one_waits
                members_are_named_as_other_clients_name_them
                whichever_reply_is_lost_a_member_is_there_once_and_then_gone
            }
            kept_nodes {
                a_kept_node_is_there_with_its_data_and_goes_when_it_is_removed
                a_kept_node_that_is_dropped_goes_also_when_it_is_being_made
                a_kept_node_that_is_dropped_before_its_number_is_known_leaves_others_of_its_name_alone
                a_kept_node_that_somebody_deletes_is_made_again
                data_that_is_set_offline_is_written_on_reconnect_and_the_last_one_counts
                a_node_of_another_session_is_waited_for_stolen_or_a_failure
                what_others_write_is_overwritten_or_accepted
                what_is_not_allowed_is_a_failure_until_it_is_tried_again
                a_kept_node_does_not_hold_up_the_end_of_its_client
            }
            locks {
                a_lock_is_had_by_one_at_a_time_in_order_of_arrival
                a_lock_is_tried_without_getting_in_line
                who_gives_up_waiting_leaves_no_place_behind
                what_a_holder_writes_is_refused_when_he_holds_no_more
                a_holder_is_asked_to_give_up_and_may_do_so
                names_of_every_layout_wait_for_each_other
                a_line_that_may_not_be_read_keeps_no_place_of_who_tried
                what_is_made_for_a_lock_has_the_access_control_list_that_was_given
            }
            maps {
                all_see_what_is_set_wherever_it_is_below_the_path
                an_entry_is_set_if_nobody_has_set_it_since_it_was_seen
                what_is_removed_is_gone_and_what_is_below_it_is_not
                what_cannot_be_read_is_rejected_and_the_rest_is_shown_as_it_is
                a_map_is_stale_without_a_link_and_caught_up_with_afterwards
                an_entry_that_may_not_be_read_is_told
                a_map_shows_no_more_when_its_client_is_over
                whichever_reply_is_lost_an_entry_is_set_once
            }
            multi_locks {
                several_locks_are_held_all_or_none
                whoever_names_the_same_locks_in_whatever_order_gets_them
                when_one_lock_cannot_be_had_the_others_are_given_back
                when_one_lock_cannot_be_given_back_the_others_are_all_the_same
                what_is_written_under_several_locks_is_refused_when_one_is_gone
                a_lock_that_is_lost_while_others_are_waited_for_is_taken_again
            }
            node_caches {
                a_node_is_followed_as_often_as_it_comes_and_goes
                a_node_made_anew_without_a_link_is_another_one_whatever_its_version
                a_node_that_nothing_happened_to_is_no_news_after_a_reconnect
                a_node_is_followed_before_there_is_a_server
                a_node_that_may_not_be_read_shows_why_until_it_may
                a_cache_keeps_its_last_view_when_its_client_is_over
                views_never_go_back
            }
            numbers {
                a_number_begins_at_zero_and_is_made_with_what_is_above
                many_clients_count_and_no_count_is_lost
                a_number_is_written_as_others_read_it
                what_is_no_number_is_an_error_until_somebody_sets_it
                a_sum_without_room_changes_nothing
                a_number_is_set_if_it_is_what_was_expected
                an_addition_whose_reply_is_lost_counts_once
                a_write_that_tells_its_writer_is_recognised_when_its_reply_is_lost
                an_update_makes_changes_and_deletes_a_node
                an_update_sees_what_others_wrote_and_gives_up_as_it_is_told
                an_update_ends_at_its_deadline_without_a_connection
                what_the_server_refuses_was_not_done
                nobody_gets_an_id_that_somebody_else_has
            }
            partitions {
                a_set_is_divided_among_all_and_handed_over_as_they_come_and_go
                a_partition_is_handed_over_when_it_is_given_back_and_not_before
                what_nobody_has_taken_is_handed_on_without_asking
                of_more_members_than_partitions_some_wait_for_others_to_leave
                a_partition_whose_lock_is_deleted_is_lost_and_handed_out_again
                members_that_divide_other_sets_are_told_and_nothing_is_had_twice
                an_id_is_that_of_one_member_and_the_other_one_has_no_share
                what_is_refused_is_told_and_tried_again
                closing_a_client_lets_go_of_its_share
            }
            releases {
                what_is_published_is_seen_as_one_by_all
                of_two_who_expect_the_same_one_publishes
                a_large_release_counts_when_all_of_it_is_there
                an_earlier_release_counts_again_when_it_is_switched_to
                old_releases_are_deleted_but_not_the_one_that_counts
                a_release_that_is_being_written_is_not_deleted_until_its_writer_has_gone
                what_cannot_be_used_is_rejected_and_the_last_release_stays
                a_pointer_to_nothing_is_rejected_and_the_last_release_stays
                a_followed_release_is_stale_without_a_link_and_caught_up_with_afterwards
            }
            rw_locks {
                many_read_at_once_and_one_writes_alone
                who_comes_behind_a_waiting_writer_waits_for_him
                a_writer_goes_on_as_a_reader_and_no_writer_comes_in_between
                who_gives_up_going_on_as_a_reader_leaves_nothing
                all_who_read_and_write_are_listed_in_their_order_and_strangers_are_not
            }
            semaphores {
                as_many_leases_are_held_as_there_are_and_no_more
                leases_are_given_in_the_order_of_arrival
                several_leases_are_had_together_or_not_at_all
                two_who_want_several_leases_do_not_wait_for_each_other
                who_gives_up_waiting_for_a_lease_leaves_neither_lease_nor_place
                closing_a_client_gives_its_leases_back
                what_a_holder_writes_is_refused_when_his_lease_was_deleted
                who_waits_for_leases_and_loses_his_turn_gets_in_line_again
                with_kazoos_layout_all_have_to_agree_how_many_leases_there_are
                a_shared_maximum_is_raised_for_those_who_wait_and_lowered_for_those_who_come
                whatever_lies_among_the_leases_counts
            }
            queues {
                items_are_taken_in_the_order_in_which_they_were_put
                entries_are_named_and_filled_as_other_clients_do_it
                several_items_in_one_entry_of_curators_are_taken_together
                whatever_data_an_item_has_it_is_taken
                who_waits_takes_what_is_put_and_all_items_are_taken_once
                who_gives_up_waiting_takes_nothing
                who_waits_goes_on_when_the_queue_itself_is_deleted
                a_full_queue_refuses_or_lets_wait
                something_urgent_overtakes_and_equals_keep_their_order
                nothing_is_taken_before_its_time_and_something_earlier_shortens_the_wait
                a_number_that_an_entry_has_already_is_passed_over
                an_item_whose_taker_is_gone_is_put_back_to_its_place
                whichever_reply_is_lost_what_is_not_known_is_said_to_be_unknown
                a_put_is_found_again_by_its_name_or_put_again_on_demand
                an_access_control_list_is_that_of_entries_and_of_what_is_above_them
            }
            services {
                an_instance_is_found_as_curator_writes_it_and_gone_when_unregistered
                static_instances_stay_when_they_are_let_go_of
                what_cannot_be_read_as_an_instance_is_reported_and_left_out
                a_provider_goes_on_with_what_it_has_while_there_is_no_connection
                an_instance_with_errors_is_left_alone_unless_it_is_the_last
                changes_from_outside_are_accepted_where_that_is_wanted
                an_id_that_is_registered_elsewhere_is_waited_for
            }
            tree_caches {
                a_tree_comes_from_above_and_goes_from_below
                nodes_made_anew_without_a_link_are_told_though_all_their_versions_are_the_same
                the_root_may_be_missing_and_come_as_often_as_it_likes
                only_what_is_asked_for_is_there
                a_whole_chroot_is_followed_from_its_root
                a_tree_is_followed_before_there_is_a_server
                both_kinds_have_what_there_is_behind_any_edits
            }
            time_leases {
                a_lease_is_held_until_its_time_is_up_and_then_taken_over
                a_holder_renews_its_lease_in_another_session_too
                a_lease_is_written_as_kazoo_reads_it_and_leaves_nothing_else
                what_cannot_be_read_is_left_alone
                a_lease_is_given_up_by_its_holder_only
                of_several_leases_each_holder_gets_the_first_that_is_free
                whichever_reply_is_lost_a_lease_is_obtained
            }
            transactions {
                nodes_are_made_set_and_deleted_at_one_stroke
                what_was_read_only_must_not_change_either
                what_was_missing_must_be_missing_still
                a_transaction_gives_up_as_it_is_told
                what_cannot_be_is_an_error_and_nothing_is_done
                a_transaction_whose_reply_is_lost_is_carried_out_once
            }
            trees {
                a_node_is_deleted_with_all_that_is_below_it_and_nothing_else
                more_nodes_than_one_transaction_takes_are_deleted
                nodes_that_are_made_meanwhile_are_deleted_too
                whichever_reply_is_lost_a_tree_is_deleted
            }
            values {
                whoever_seeds_first_wins_and_all_see_it
                a_value_is_set_if_nobody_has_written_since_it_was_seen
                a_value_made_anew_is_another_one_whatever_its_version
                what_cannot_be_read_is_rejected_and_the_old_value_stays
                a_value_is_stale_without_a_link_and_caught_up_with_afterwards
                a_reconnect_without_a_change_shows_the_same_value
                a_value_shows_no_more_when_its_client_is_over
                whichever_reply_is_lost_a_value_is_set_once
            }
            work_queues {
                work_is_delivered_to_one_and_gone_when_it_is_done
                entries_and_claims_are_named_as_other_clients_do_it
                several_workers_do_all_the_work_once
                a_claim_that_somebody_deletes_is_lost
                an_item_that_somebody_deletes_is_gone
                an_ack_leaves_another_item_of_the_same_name_alone
                an_item_that_is_given_back_keeps_its_place_or_goes_to_the_end
                what_was_claimed_too_often_becomes_a_dead_letter
                work_is_called_off_by_its_id_unless_somebody_does_it
                what_a_worker_writes_is_refused_when_his_claim_is_lost
            }
        }
    };
}
