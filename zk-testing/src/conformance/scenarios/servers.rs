//! Lists of servers that change.

use zk_proto::{
    client::Client,
    session::{Cause, State},
};

use crate::conformance::{Ground, eventually, is_connected, is_suspended, reach, so_far, soon};

fn port(client: &Client) -> u16 {
    client.server().unwrap().port
}

pub async fn a_client_leaves_a_server_that_is_not_in_the_list_any_more(ground: Ground) {
    let (old, new) = (ground.proxy(), ground.proxy());
    let client = ground.connect(&old.connect_string()).await;
    let session = client.session();
    let (_, mut watcher) = client.exists("/nowhere").watch().await.unwrap();
    let mut states = client.states();

    let before: Vec<_> = (0..50).map(|_| client.exists("/").send()).collect();
    client.set_servers(new.connect_string().parse().unwrap());
    let behind: Vec<_> = (0..50).map(|_| client.exists("/").send()).collect();

    let state = reach(&mut states, is_suspended).await;
    assert!(matches!(state, State::Suspended { cause: Cause::Left, .. }), "{state:?}");
    let state = reach(&mut states, is_connected).await;
    assert!(matches!(state, State::Connected { resumed: true, .. }), "{state:?}");
    assert_eq!((port(&client), client.session()), (new.port(), session));
    for request in before.into_iter().chain(behind) {
        assert!(soon(request).await.unwrap().is_some(), "nothing is lost by moving");
    }
    assert_eq!(so_far(&mut watcher), []);
    eventually(|| old.connections() == 0).await;
}

pub async fn a_client_stays_where_the_list_lets_it(ground: Ground) {
    let proxies = [ground.proxy(), ground.proxy()];
    let all = format!("{},{}", proxies[0].connect_string(), proxies[1].connect_string());
    let client = ground.connect(&ground.below(&all)).await;
    let present = port(&client);
    let stays = proxies.iter().find(|proxy| proxy.port() == present).unwrap();

    // With fewer servers for the same clients there is no reason to move.
    client.set_servers(stays.connect_string().parse().unwrap());
    client.create("/node", b"").await.unwrap();

    assert_eq!(port(&client), present);
    assert!(is_connected(&client.state()));
}

pub async fn a_list_without_a_server_that_answers_can_be_replaced(ground: Ground) {
    let proxy = ground.proxy();
    let client = ground.connect(&proxy.connect_string()).await;
    let session = client.session();
    let mut states = client.states();

    proxy.refuse();
    proxy.cut();
    reach(&mut states, is_suspended).await;
    let queued = client.exists("/").send();
    client.set_servers(ground.address().to_string().parse().unwrap());

    assert!(soon(queued).await.unwrap().is_some());
    assert_eq!((port(&client), client.session()), (ground.address().port(), session));
}
