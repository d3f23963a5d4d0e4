//! Service discovery.

use std::time::Duration;

use zk_proto::{
    AuthInfo,
    client::Error,
    code::{AddWatchMode, ErrorCode},
    recipes::discovery::{
        Discovery, DownPolicy, InstanceError, ServiceDirectory, ServiceInstance, ServiceRegistration, ServiceType,
        ServiceView, Strategy,
    },
    recipes::{KeptState, OnChange},
    record::Acl,
    session::{State, WatchedEventKind},
};

use crate::conformance::{Ground, eventually, is_suspended, losing_replies, names, next, reach, so_far, soon};

/// Waits until the view is so.
async fn until(directory: &ServiceDirectory, is_so: impl Fn(&ServiceView) -> bool) -> ServiceView {
    soon(async {
        let mut view = directory.synced().await.unwrap();
        while !is_so(&view) {
            view = directory.changed(&view).await.unwrap();
        }
        view
    })
    .await
}

async fn registered(registration: &ServiceRegistration) -> String {
    soon(registration.registered()).await.unwrap().path.to_string()
}

fn instance(id: &str) -> ServiceInstance {
    ServiceInstance::new("svc", id).address("10.0.0.7").port(80)
}

pub async fn an_instance_is_found_as_curator_writes_it_and_gone_when_unregistered(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let registration = Discovery::new(&client, "/base").unwrap().register(&instance("id1").payload("text")).unwrap();
    assert_eq!(registered(&registration).await, "/base/svc/id1");
    let expected = concat!(
        r#"{"name":"svc","id":"id1","address":"10.0.0.7","port":80,"sslPort":null,"payload":"text","#,
        r#""registrationTimeUTC":0,"serviceType":"DYNAMIC","uriSpec":null,"enabled":true}"#
    );
    assert_eq!(other.get_data("/base/svc/id1").await.unwrap().0, expected);

    let discovery = Discovery::new(&other, "/base").unwrap();
    let directory = discovery.directory("svc").unwrap();
    let view = until(&directory, |view| view.len() == 1).await;
    assert_eq!(view.iter().next().unwrap().instance, registration.instance());
    assert_eq!(discovery.services().await.unwrap(), ["svc"]);

    soon(registration.unregister()).await.unwrap();
    until(&directory, ServiceView::is_empty).await;
    assert_eq!(Discovery::new(&other, "/nothing").unwrap().services().await.unwrap(), [""; 0]);
}

pub async fn a_reconnect_in_the_same_session_does_not_show_to_who_follows_a_service(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let discovery = Discovery::new(&client, "/base").unwrap();
    let sequential = instance("seq-").service_type(ServiceType::DynamicSequential);
    let registrations = [discovery.register(&instance("id1")).unwrap(), discovery.register(&sequential).unwrap()];
    let paths = [registered(&registrations[0]).await, registered(&registrations[1]).await];
    let mut changes = other.add_watch("/base/svc", AddWatchMode::PersistentRecursive).await.unwrap();
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    line.mend();
    reach(&mut states, |state| matches!(state, State::Connected { resumed: true, .. })).await;
    registrations[0].update(|instance| instance.port = Some(81));

    registered(&registrations[0]).await;
    assert_eq!(next(&mut changes).await, (WatchedEventKind::NodeDataChanged, paths[0].clone()));
    assert_eq!(so_far(&mut changes), []);
    let [one, two] = registrations;
    soon(one.unregister()).await.unwrap();
    soon(two.unregister()).await.unwrap();
    assert_eq!(soon(names(&other, "/base/svc")).await, [""; 0], "the sequential one is not left");
}

pub async fn what_is_registered_again_is_what_was_set_last(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let discovery = Discovery::new(&client, "/base").unwrap();
    let registration = discovery.register(&instance("id1")).unwrap();
    registered(&registration).await;
    let directory = Discovery::new(&other, "/base").unwrap().directory("svc").unwrap();
    registration.update(|instance| instance.port = Some(81));
    until(&directory, |view| view.iter().any(|found| found.port == Some(81))).await;

    line.expire(&client).await;
    registration.update(|instance| (instance.name, instance.enabled) = ("other".to_string(), false));
    until(&directory, ServiceView::is_empty).await;
    line.mend();

    let view = until(&directory, |view| view.len() == 1).await;
    let found = view.iter().next().unwrap();
    assert_eq!((&*found.name, found.port, found.enabled), ("svc", Some(81), false), "a service keeps its name");
    assert!(directory.provider(Strategy::Random).pick().is_none(), "it is disabled");
}

pub async fn an_instance_that_is_unregistered_while_it_is_registered_again_stays_away(ground: Ground) {
    let (line, other) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let registration = Discovery::new(&client, "/base").unwrap().register(&instance("id1")).unwrap();
    registered(&registration).await;
    let mut changes = other.add_watch("/base/svc", AddWatchMode::PersistentRecursive).await.unwrap();

    line.expire(&client).await;
    assert_eq!(next(&mut changes).await.0, WatchedEventKind::NodeDeleted);
    let unregistering = ground.spawn(registration.unregister());
    line.mend();
    soon(unregistering).await.unwrap();

    soon(client.sync("/")).await.unwrap();
    soon(other.sync("/")).await.unwrap();
    assert_eq!(other.exists("/base/svc/id1").await.unwrap(), None);
}

pub async fn static_instances_stay_when_they_are_let_go_of(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let discovery = Discovery::new(&client, "/base").unwrap();
    for (id, service_type) in [("s", ServiceType::Static), ("p", ServiceType::Permanent), ("d", ServiceType::Dynamic)] {
        let registration = discovery.register(&instance(id).service_type(service_type)).unwrap();
        registered(&registration).await;
        drop(registration);
    }
    let directory = Discovery::new(&other, "/base").unwrap().directory("svc").unwrap();
    let view = until(&directory, |view| view.len() == 2).await;
    assert_eq!(view.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["p", "s"]);

    let again = discovery.register(&instance("s").service_type(ServiceType::Static)).unwrap();
    registered(&again).await;
    soon(again.unregister()).await.unwrap();
    until(&directory, |view| view.len() == 1).await;
}

pub async fn what_cannot_be_read_as_an_instance_is_reported_and_left_out(ground: Ground) {
    let client = ground.client().await;
    let auth = AuthInfo::digest("owner", "secret");
    let owner = soon(ground.builder(&ground.servers()).auth(auth).connect()).await.unwrap();
    let discovery = Discovery::new(&client, "/base").unwrap();
    let registration = discovery.register(&instance("good")).unwrap();
    registered(&registration).await;
    let hidden = Discovery::new(&owner, "/base").unwrap().acl(&Acl::creator_all());
    let hidden = [hidden.register(&instance("hidden")), hidden.register(&ServiceInstance::new("secret", "id1"))];
    for hidden in &hidden {
        registered(hidden.as_ref().unwrap()).await;
    }
    client.create("/base/svc/empty", b"").await.unwrap();
    client.create("/base/svc/garbage", b"\xFF{").await.unwrap();
    client.create("/base/svc/old", br#"{"name":"svc","id":"old","surprise":1}"#).await.unwrap();

    let directory = discovery.directory("svc").unwrap();
    let view = until(&directory, |view| view.len() + view.unreadable().len() == 5).await;

    assert_eq!(view.iter().map(|found| found.node.as_str()).collect::<Vec<_>>(), ["good", "old"]);
    assert!(view.iter().all(|found| found.enabled));
    let unreadable = |path: &str| view.unreadable().get(path).unwrap();
    assert_eq!(*unreadable("/base/svc/empty"), InstanceError::Empty);
    assert!(matches!(unreadable("/base/svc/garbage"), InstanceError::Json(reason) if !reason.is_empty()));
    let refused = InstanceError::Refused(Error::Server(ErrorCode::NoAuth));
    assert_eq!(*unreadable("/base/svc/hidden"), refused);
    let view = until(&discovery.directory("secret").unwrap(), ServiceView::is_initialized).await;
    assert_eq!(
        view.unreadable().iter().map(|(path, error)| (&**path, error)).collect::<Vec<_>>(),
        [("/base/secret", &refused)]
    );
    client.set_data("/base/svc/empty", instance("empty").to_json()).await.unwrap();
    until(&directory, |view| view.len() == 3).await;
}

pub async fn a_provider_goes_on_with_what_it_has_while_there_is_no_connection(ground: Ground) {
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    let discovery = Discovery::new(&other, "/base").unwrap();
    let (one, two) = (discovery.register(&instance("one")).unwrap(), discovery.register(&instance("two")).unwrap());
    registered(&one).await;
    registered(&two).await;
    let directory = Discovery::new(&client, "/base").unwrap().directory("svc").unwrap();
    let provider = directory.provider(Strategy::RoundRobin);
    until(&directory, |view| view.len() == 2).await;
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    soon(one.unregister()).await.unwrap();
    eventually(|| directory.snapshot().is_stale()).await;
    let picked: Vec<String> = (0..4).filter_map(|_| Some(provider.pick()?.id.clone())).collect();
    assert_eq!(picked, ["one", "two", "one", "two"]);
    line.mend();

    until(&directory, |view| view.len() == 1).await;
    assert_eq!(provider.pick().unwrap().id, "two");
}

pub async fn an_instance_with_errors_is_left_alone_unless_it_is_the_last(ground: Ground) {
    let client = ground.client().await;
    let discovery = Discovery::new(&client, "/base").unwrap();
    let (one, two) = (discovery.register(&instance("one")).unwrap(), discovery.register(&instance("two")).unwrap());
    registered(&one).await;
    registered(&two).await;
    let directory = discovery.directory("svc").unwrap();
    until(&directory, |view| view.len() == 2).await;
    let policy = DownPolicy { errors: 2, window: Duration::from_secs(3_600), hides_last: false };
    let provider = directory.provider(Strategy::RoundRobin).down_policy(policy);
    let strict = directory.provider(Strategy::Random).down_policy(DownPolicy { hides_last: true, ..policy });

    let all = provider.all();
    provider.note_error(&all[0]);
    assert_eq!(provider.all().len(), 2, "one error is none");
    provider.note_error(&all[0]);
    assert_eq!(provider.all(), all[1..]);
    assert_eq!(provider.pick().as_ref(), Some(&all[1]));
    for found in &all {
        for provider in [&provider, &strict] {
            provider.note_error(found);
            provider.note_error(found);
        }
    }
    assert_eq!(provider.all(), all, "all are down");
    assert!(strict.pick().is_none());

    soon(one.unregister()).await.unwrap();
    let again = discovery.register(&instance("one")).unwrap();
    registered(&again).await;
    eventually(|| provider.all().iter().map(|found| found.id.as_str()).eq(["one"])).await;
    let filtered = provider.clone().filter(|instance| instance.id == "two");
    assert_eq!(filtered.pick().map(|found| found.id.clone()).as_deref(), Some("two"));
}

pub async fn changes_from_outside_are_accepted_where_that_is_wanted(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let discovery = Discovery::new(&client, "/base").unwrap().on_change(OnChange::Accept);
    let registration = discovery.register(&instance("id1")).unwrap();
    let path = registered(&registration).await;

    other.set_data(&path, instance("id1").port(99).to_json()).await.unwrap();
    eventually(|| registration.instance().port == Some(99)).await;

    registration.update(|instance| instance.enabled = false);
    registered(&registration).await;
    let found = ServiceInstance::from_json(&other.get_data(&path).await.unwrap().0).unwrap();
    assert_eq!((found.port, found.enabled), (Some(99), false));
}

pub async fn whichever_reply_is_lost_an_instance_is_there_once_and_then_gone(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, _| {
        let discovery = Discovery::new(&client, &path).unwrap();
        for service_type in [ServiceType::Dynamic, ServiceType::DynamicSequential, ServiceType::Static] {
            let registration = discovery.register(&instance("id").service_type(service_type)).unwrap();
            registered(&registration).await;
            registration.update(|instance| instance.port = Some(81));
            let found = registered(&registration).await;
            assert_eq!(soon(names(&witness, &format!("{path}/svc"))).await.len(), 1);
            let data = witness.get_data(&found).await.unwrap().0;
            assert_eq!(ServiceInstance::from_json(&data).unwrap().port, Some(81));
            soon(registration.unregister()).await.unwrap();
            assert_eq!(soon(names(&witness, &format!("{path}/svc"))).await, [""; 0]);
        }
    })
    .await;
}

pub async fn an_id_that_is_registered_elsewhere_is_waited_for(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let first = Discovery::new(&client, "/base").unwrap().register(&instance("id1")).unwrap();
    registered(&first).await;
    let second = Discovery::new(&other, "/base").unwrap().register(&instance("id1").port(81)).unwrap();
    let owner = client.session().unwrap();
    soon(async {
        let mut state = second.state();
        while state != (KeptState::Blocked { owner }) {
            state = second.changed(&state).await;
        }
    })
    .await;

    drop(first);

    registered(&second).await;
    let data = client.get_data("/base/svc/id1").await.unwrap().0;
    assert_eq!(ServiceInstance::from_json(&data).unwrap().port, Some(81));
}
