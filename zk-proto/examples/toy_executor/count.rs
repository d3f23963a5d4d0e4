//! What the program does.

use std::{
    array,
    error::Error,
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::pin,
    str::from_utf8,
    sync::Arc,
    task::{Context, Poll, Wake},
    thread::{self, Thread},
    time::Duration,
};

use zk_proto::{
    client::{Builder, Client, drive},
    code::ErrorCode,
};

use super::{executor::Executor, io::ToyIo};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How many tasks count, and how far each of them.
const TASKS: i32 = 3;
const EACH: i32 = 10;

/// Runs the client's driver and those who count, and returns when all of them have finished.
pub(crate) fn run(servers: &str) -> Result<(), Box<dyn Error>> {
    let executor = Executor::new()?;
    let (client, driver) = Builder::new(servers)?.build(seed());

    let driving = drive(driver, ToyIo::new(&executor));
    executor.spawn(async { println!("session   {}", driving.await) });
    executor.spawn({
        let executor = executor.clone();
        async move {
            let counted = client.timeout(Duration::from_secs(60), count_together(&executor, &client)).await;
            println!("counted   {}", counted.expect("a minute is enough").expect("the server is there"));
            client.close().await;
        }
    });
    Ok(executor.run()?)
}

/// Has tasks and a thread count, and watches until they are done; returns how far they came.
async fn count_together(executor: &Executor, client: &Client) -> Outcome<i32> {
    let (path, _) = client.create("/counter-", b"0").ephemeral().sequential().await?;
    for task in 0..TASKS {
        let (client, path) = (client.clone(), path.clone());
        executor.spawn(async move {
            let conflicts = count(&client, &path).await.expect("the server is there");
            println!("task {task}    {conflicts} conflicts");
        });
    }
    let thread = thread::spawn({
        let (client, path) = (client.clone(), path.clone());
        move || block_on(count(&client, &path))
    });

    let goal = (TASKS + 1) * EACH;
    loop {
        let (data, stat, mut watcher) = client.get_data(&path).watch().await?;
        let counted = from_utf8(&data)?.parse::<i32>()?;
        assert_eq!(stat.version, counted, "each write was one step");
        if counted == goal {
            let conflicts = thread.join().expect("it does not panic")?;
            println!("thread    {conflicts} conflicts");
            return Ok(counted);
        }
        watcher.changed().await?;
    }
}

/// Counts, and returns how often somebody else was faster.
async fn count(client: &Client, path: &str) -> Outcome<usize> {
    let (mut counted, mut conflicts) = (0, 0);
    while counted < EACH {
        let (data, stat) = client.get_data(path).await?;
        let next = from_utf8(&data)?.parse::<i32>()? + 1;
        match client.set_data(path, next.to_string().as_bytes()).version(stat.version).await {
            Ok(_) => counted += 1,
            Err(error) if error.code() == Some(ErrorCode::BadVersion) => conflicts += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(conflicts)
}

/// Runs a future on this thread, which sleeps while there is nothing to do.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// From the standard library's random hash keys, which come from the system.
fn seed() -> [u8; 32] {
    array::from_fn(|index| RandomState::new().hash_one(index).to_ne_bytes()[0])
}
