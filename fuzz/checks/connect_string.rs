//! A connect string that is understood is printed in a form that means the same.

use std::str;

use zk_proto::ConnectString;

/// Checks one input, whose bytes are the text.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match text.parse::<ConnectString>() {
        Ok(parsed) => {
            let printed = parsed.to_string();
            assert_eq!(printed.parse().as_ref(), Ok(&parsed), "{text:?} is printed as {printed:?}");
            assert!(parsed.servers.iter().all(|server| server.port != 0 && !server.host.is_empty()), "{text:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
