//! Services: Curator's `ServiceDiscovery`, whose payloads are text.

use zk_blocking::{
    Client,
    recipes::discovery::{Discovery, ServiceDirectory, ServiceInstance, ServiceType, ServiceView, UriSpec},
};

use crate::{ground::Ground, languages::Library, ours::soon};

fn discovery(client: &Client) -> Discovery {
    Discovery::new(client, "/s").unwrap()
}

fn ours(id: &str) -> ServiceInstance {
    let spec: UriSpec = "http://{address}:{port}".parse().unwrap();
    ServiceInstance::new("web", id).address("host").port(80).payload("text").uri_spec(spec)
}

#[track_caller]
fn until(directory: &ServiceDirectory, is_so: impl Fn(&ServiceView) -> bool) -> ServiceView {
    soon(async {
        let mut view = directory.synced().await.unwrap();
        while !is_so(&view) {
            view = directory.changed(&view).await.unwrap();
        }
        view
    })
}

#[test]
fn curator_finds_instances_of_ours_as_they_are() {
    let ground = Ground::new();
    let (client, peer) = (ground.ours(), ground.curator());
    let registration = discovery(&client).register(&ours("one")).unwrap();
    let lasting = discovery(&client).register(&ours("two").service_type(ServiceType::Permanent)).unwrap();
    soon(registration.registered()).unwrap();
    soon(lasting.registered()).unwrap();

    assert_eq!(peer.ask("service names /s"), "web");
    assert_eq!(peer.ask("service list /s web"), "one=http://host:80=text two=http://host:80=text");

    registration.update(|instance| (instance.port, instance.enabled) = (Some(81), false));
    soon(registration.registered()).unwrap();
    soon(lasting.unregister()).unwrap();
    assert_eq!(peer.ask("service list /s web"), "one=http://host:81=text=disabled");
    soon(registration.unregister()).unwrap();
    assert_eq!(peer.ask("service list /s web"), "");
}

#[test]
fn instances_of_curators_are_found_as_they_are() {
    let ground = Ground::new();
    let (client, peer) = (ground.ours(), ground.curator());
    let directory = discovery(&client).directory("web").unwrap();

    peer.ask("service register /s web one host 80 text");
    let view = until(&directory, |view| view.len() == 1);
    let found = view.iter().next().unwrap();
    let expected = ours("one").registered_at_ms(found.registered_at_ms);
    assert_eq!((&found.instance, &*found.node), (&expected, "one"));
    assert!(found.registered_at_ms > 1_500_000_000_000);
    assert_eq!(found.uri(|_| None).as_deref(), Some("http://host:80"));

    peer.ask("service update /s web one host 81 other");
    let view = until(&directory, |view| view.iter().any(|found| found.port == Some(81)));
    assert_eq!(view.iter().next().unwrap().payload, Some("other".into()));
    peer.ask("service register /s web two host 80 text static");
    let view = until(&directory, |view| view.len() == 2);
    assert!(view.iter().any(|found| found.service_type == ServiceType::Static && found.id == "two"));
    assert!(view.unreadable().is_empty());
    peer.ask("service unregister /s web one host 81 other");
    until(&directory, |view| view.len() == 1);
}

#[test]
fn instances_whose_processes_are_killed_vanish_on_both_sides() {
    let ground = Ground::new();
    let (client, observer) = (ground.ours(), ground.curator());
    let victim = ground.victim(Library::Curator);
    victim.ask("service register /s web theirs host 80 text");
    let mortal = ground.mortal();
    let registration = discovery(&mortal.client).register(&ours("ours")).unwrap();
    soon(registration.registered()).unwrap();
    let directory = discovery(&client).directory("web").unwrap();
    until(&directory, |view| view.len() == 2);
    assert_eq!(observer.ask("service list /s web"), "ours=http://host:80=text theirs=http://host:80=text");

    victim.kill();
    mortal.vanish();

    until(&directory, ServiceView::is_empty);
    assert_eq!(observer.ask("service list /s web"), "");
}
