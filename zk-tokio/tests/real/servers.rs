//! Lists of servers that change, and the configuration that tells of it.

use zk_testing::ensemble::{Builder, Ensemble, Proxy, shared};
use zk_tokio::{
    AuthInfo, Client, ErrorCode, State, WatchedEventKind::NodeDataChanged, path::CONFIG_NODE, request::GetConfig,
    session::Cause,
};

use crate::support::{chroot, code, connect, eventually, is_connected, is_suspended, next, reach, run, so_far, soon};

fn port(client: &Client) -> u16 {
    client.server().unwrap().port
}

#[test]
fn a_client_leaves_a_server_that_is_not_in_the_list_any_more() {
    run(async {
        let (old, new) = (Proxy::start(shared().address()).unwrap(), Proxy::start(shared().address()).unwrap());
        let client = connect(&old.connect_string()).await;
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
    });
}

#[test]
fn a_client_stays_where_the_list_lets_it() {
    run(async {
        let servers = chroot("stays");
        let proxies = [Proxy::start(shared().address()).unwrap(), Proxy::start(shared().address()).unwrap()];
        let all = format!("{},{}", proxies[0].connect_string(), proxies[1].connect_string());
        let chroot = &servers[servers.find('/').unwrap()..];
        let client = connect(&format!("{all}{chroot}")).await;
        let present = port(&client);
        let stays = proxies.iter().find(|proxy| proxy.port() == present).unwrap();

        // With fewer servers for the same clients there is no reason to move.
        client.set_servers(stays.connect_string().parse().unwrap());
        client.create("/node", b"").await.unwrap();

        assert_eq!(port(&client), present);
        assert!(is_connected(&client.state()));
    });
}

#[test]
fn a_list_without_a_server_that_answers_can_be_replaced() {
    run(async {
        let proxy = Proxy::start(shared().address()).unwrap();
        let client = connect(&proxy.connect_string()).await;
        let session = client.session();
        let mut states = client.states();

        proxy.refuse();
        proxy.cut();
        reach(&mut states, is_suspended).await;
        let queued = client.exists("/").send();
        client.set_servers(shared().connect_string().parse().unwrap());

        assert!(soon(queued).await.unwrap().is_some());
        assert_eq!((port(&client), client.session()), (shared().port(), session));
    });
}

fn reconfigurable() -> Ensemble {
    // For the password `test`.
    let settings =
        Builder::new().super_digest("super:D/InIHSb7yEEbrWz8b9l71RjZJU=").property("reconfigEnabled", "true");
    settings.start_ensemble(3).unwrap()
}

#[test]
fn members_are_taken_out_and_the_configuration_tells_of_it() {
    run(async {
        let ensemble = reconfigurable();
        let client = connect(&format!("{}/below", ensemble.connect_string())).await;
        let (config, stat, mut watcher) = client.get_config().watch().await.unwrap();
        let config = String::from_utf8(config.to_vec()).unwrap();
        assert_eq!(config.lines().filter(|line| line.starts_with("server.")).count(), 3, "{config}");
        assert_eq!(stat.data_length as usize, config.len());
        assert_eq!(code(client.reconfig().leaving("3").await), ErrorCode::NoAuth);
        assert_eq!(so_far(&mut watcher), []);

        // Neither the leader nor the server of this client, which both would have to go looking.
        let leader = ensemble.leader().unwrap();
        let own = ensemble.servers().iter().position(|server| server.port() == port(&client)).unwrap();
        let leaves = (0..3).find(|index| ![leader, own].contains(index)).unwrap();
        soon(client.add_auth(AuthInfo::digest("super", "test"))).await.unwrap();
        let stale = client.reconfig().leaving("1").from_config(zk_tokio::Zxid(1)).await;
        assert_eq!(code(stale), ErrorCode::BadVersion);
        let number = (leaves + 1).to_string();
        let (changed, _) = soon(client.reconfig().leaving(&number)).await.unwrap();

        assert_eq!(next(&mut watcher).await, (NodeDataChanged, CONFIG_NODE.to_string()));
        let changed = String::from_utf8(changed.to_vec()).unwrap();
        assert!(!changed.contains(&format!("server.{number}=")), "{changed}");
        assert_eq!(changed.lines().filter(|line| line.starts_with("server.")).count(), 2, "{changed}");
        let read = client.request(GetConfig).await.unwrap();
        assert_eq!(read.data.as_deref(), Some(changed.as_bytes()));
    });
}
