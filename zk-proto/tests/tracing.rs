//! What whoever traces is told.
//!
//! In a process of its own: while there is only one listener, a thread without any that comes first to the place of an event turns it
//! off for all threads.
#![cfg(all(feature = "client", feature = "tracing"))]

#[allow(dead_code, reason = "others need more of it")]
#[path = "client/support.rs"]
mod support;

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::with_default,
};
use zk_proto::{
    AuthInfo,
    client::{Builder, Client},
    code::ErrorCode,
};

use support::{Nothing, SESSION, Task, World, config, data};

/// Writes down what it is told, one line an event, and asks the client about itself meanwhile.
#[derive(Clone, Default)]
struct Listener {
    told: Arc<Mutex<Vec<String>>>,
    client: Arc<Mutex<Option<Client>>>,
}

impl Listener {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "zk"
    }

    fn event(&self, event: &Event<'_>) {
        if let Some(client) = &*self.client.lock().unwrap() {
            assert!(client.metrics().dials > 0);
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.told.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        panic!("there are no spans");
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}").unwrap(),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}

#[test]
fn the_life_of_a_session_is_told_once_and_without_secrets() {
    let listener = Listener::default();
    with_default(listener.clone(), || {
        let builder = Builder::from_config(config()).auth(AuthInfo::digest("user", "swordfish"));
        let (mut world, client) = World::of(builder);
        *listener.client.lock().unwrap() = Some(client.clone());
        world.dial();
        world.cut();
        world.greeting = None;
        assert_eq!(
            listener.take(),
            ["WARN could not connect session=0x0 server=h1:2181 cause=\"connection closed or refused\""]
        );
        world.dial();
        world.greet(SESSION, Duration::from_secs(9));
        world.answer(&Nothing);
        assert_eq!(
            listener.take(),
            ["INFO connected session=0x77 server=h1:2181 timeout_ms=9000 resumed=false read_only=false"]
        );

        let mut read = Task::new(client.get_data("/secret/path"));
        assert!(read.is_pending());
        world.turn();
        world.now = world.now + Duration::from_millis(1_500);
        world.answer(&data("secret data"));
        assert!(read.result().is_ok());
        drop(read);
        assert_eq!(listener.take(), ["WARN slow answer session=0x77 op=getData took_ms=1500"]);

        let mut refused = Task::new(client.get_data("/none"));
        assert!(refused.is_pending());
        world.turn();
        world.refuse(ErrorCode::NoNode);
        assert!(refused.result().is_err());
        drop(refused);
        assert_eq!(listener.take(), [""; 0], "what goes as it should is not told");

        world.cut();
        world.advance(Duration::from_secs(9));
        let told = listener.take();
        assert!(told[0].starts_with("WARN link lost session=0x77 cause=connection closed or refused valid_for_ms="));
        assert!(told.contains(&"WARN the session may have expired session=0x77".to_string()), "{told:?}");
        *listener.client.lock().unwrap() = None;
        drop((client, world));
        assert_eq!(listener.take().last().map(String::as_str), Some("INFO session closed session=0x77"));
    });
}
