//! Which scenarios there are of TLS. They run on any server.

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_of_tls {
    ($run:ident $adapter:expr, $setting:ident) => {
        $crate::conformance_tests! {
            $run $adapter, $setting;
            tls {
                a_server_and_a_client_know_each_other_by_their_certificates
                a_client_without_a_certificate_is_nobody_where_it_need_not_have_one
                a_server_of_which_something_is_wrong_is_not_spoken_to
                who_shows_no_certificate_is_refused
                secured_links_break_and_come_back_with_their_watches
                large_data_goes_through_tls_in_pieces_of_any_size
                plain_text_and_tls_do_not_take_each_other_for_themselves
                a_client_configured_for_tls_still_speaks_plain_text_where_it_is_told_to
                a_handshake_that_does_not_end_is_given_up
            }
        }
    };
}
