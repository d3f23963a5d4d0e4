//! Ensembles whose members are changed, and the configuration that tells of it.

use zk_proto::{
    AuthInfo, Zxid, code::ErrorCode, path::CONFIG_NODE, request::GetConfig, session::WatchedEventKind::NodeDataChanged,
};

use crate::{
    conformance::{Ground, code, next, own_server::SUPER_DIGEST, so_far, soon},
    ensemble::{Builder, Ensemble},
};

fn reconfigurable() -> Ensemble {
    let settings = Builder::new().super_digest(SUPER_DIGEST).property("reconfigEnabled", "true");
    settings.start_ensemble(3).unwrap()
}

pub async fn members_are_taken_out_and_the_configuration_tells_of_it(ground: Ground) {
    let ensemble = reconfigurable();
    let client = ground.connect(&format!("{}/below", ensemble.connect_string())).await;
    let (config, stat, mut watcher) = client.get_config().watch().await.unwrap();
    let config = String::from_utf8(config.to_vec()).unwrap();
    assert_eq!(config.lines().filter(|line| line.starts_with("server.")).count(), 3, "{config}");
    assert_eq!(stat.data_length as usize, config.len());
    assert_eq!(code(client.reconfig().leaving("3").await), ErrorCode::NoAuth);
    assert_eq!(so_far(&mut watcher), []);

    // Neither the leader nor the server of this client, which both would have to go looking.
    let leader = ensemble.leader().unwrap();
    let own = ensemble.servers().iter().position(|server| server.port() == client.server().unwrap().port).unwrap();
    let leaves = (0..3).find(|index| ![leader, own].contains(index)).unwrap();
    soon(client.add_auth(AuthInfo::digest("super", "test"))).await.unwrap();
    let stale = client.reconfig().leaving("1").from_config(Zxid(1)).await;
    assert_eq!(code(stale), ErrorCode::BadVersion);
    let number = (leaves + 1).to_string();
    let (changed, _) = soon(client.reconfig().leaving(&number)).await.unwrap();

    assert_eq!(next(&mut watcher).await, (NodeDataChanged, CONFIG_NODE.to_string()));
    let changed = String::from_utf8(changed.to_vec()).unwrap();
    assert!(!changed.contains(&format!("server.{number}=")), "{changed}");
    assert_eq!(changed.lines().filter(|line| line.starts_with("server.")).count(), 2, "{changed}");
    let read = client.request(GetConfig).await.unwrap();
    assert_eq!(read.data.as_deref(), Some(changed.as_bytes()));
}
