//! How clients begin, with servers and without.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use zk_proto::{client::Error, session::State};

use crate::conformance::{
    Ground,
    hostile::{ClosedPort, Silent, hang_up},
    so_far, soon,
};

pub async fn a_failure_to_connect_names_each_server_and_its_cause(ground: Ground) {
    let closed = ClosedPort::new();
    let silent = Silent::new();
    let servers = format!("{},{},{},name.invalid:1", closed.address(), silent.address(), hang_up());
    let limit = Duration::from_millis(1500);

    let settings = ground.builder(&servers).link_timeout(Duration::from_millis(100)).connect_timeout(limit);
    let error = soon(settings.connect()).await.unwrap_err();

    let Error::Connect(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.waited, limit);
    let causes: Vec<&str> = failure.servers.iter().map(|(_, cause)| cause.as_deref().unwrap_or("none")).collect();
    assert!(causes[0].contains("refused"), "{error}");
    assert!(causes[1].contains("no answer in time"), "{error}");
    assert!(causes[2].contains("closed") || causes[2].contains("reset"), "{error}");
    assert!(causes[3].contains("does not resolve") || causes[3].contains("no answer in time"), "{error}");
    for (server, _) in &failure.servers {
        assert!(error.to_string().contains(&server.to_string()), "{error}");
    }
}

pub async fn a_lazy_client_takes_requests_before_there_is_a_server(ground: Ground) {
    let server = ground.server();
    server.stop();
    let client = ground.builder(&server.connect_string()).connect_lazy();
    let created = client.create("/node", b"").send();
    let (_, mut watcher) = {
        assert_eq!((client.state(), client.session()), (State::Connecting, None));
        server.start_again();
        soon(client.exists("/later").watch()).await.unwrap()
    };

    soon(created).await.unwrap();
    soon(client.connected()).await.unwrap();
    assert!(client.session().is_some());
    client.create("/later", b"").await.unwrap();
    assert_eq!(so_far(&mut watcher).len(), 1);
}

pub async fn one_server_of_many_is_enough(ground: Ground) {
    let closed = ClosedPort::new();
    for _ in 0..5 {
        let client = ground.connect(&format!("{},{}", closed.address(), ground.servers())).await;
        client.exists("/").await.unwrap();
        assert_ne!(client.server().unwrap().port, closed.address().port());
    }
}

pub async fn a_request_is_made_from_any_thread_whatever_runs_there(ground: Ground) {
    let client = ground.client().await;

    let threads: Vec<_> = (0..4)
        .map(|number| {
            let client = client.clone();
            thread::spawn(move || block_on(async { client.create(&format!("/{number}"), b"").await }))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }

    assert_eq!(client.get_children("/").await.unwrap().0.to_sorted(), ["0", "1", "2", "3"]);
}

/// Runs a future on this thread, without a runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
