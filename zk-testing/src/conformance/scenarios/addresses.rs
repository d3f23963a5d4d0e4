//! Servers by their names and addresses.

use crate::conformance::{Ground, hostile};

pub async fn a_server_may_be_named_by_its_ipv6_address(ground: Ground) {
    let address = hostile::ipv6(ground.address());

    let client = ground.connect(&ground.below(&address.to_string())).await;

    assert!(client.exists("/").await.unwrap().is_some());
    assert_eq!(client.server().unwrap().to_string(), address.to_string());
}

pub async fn a_name_is_looked_up(ground: Ground) {
    let server = format!("localhost:{}", ground.address().port());

    let client = ground.connect(&ground.below(&server)).await;

    assert!(client.exists("/").await.unwrap().is_some());
    assert_eq!(client.server().unwrap().to_string(), server);
}
