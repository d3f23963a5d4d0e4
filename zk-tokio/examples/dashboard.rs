//! A dashboard of who is there, in the terminal: processes join, tell how busy they are, leave, and crash.
//!
//! On a terminal it is drawn in place; elsewhere it prints a line for each picture.
//!
//! ```text
//! cargo run -q -p zk-tokio --example dashboard
//! ```

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use tokio::{task::JoinSet, time};
use zk_testing::TestServer;
use zk_tokio::recipes::{Group, GroupView, Member};

const NAMES: [&str; 4] = ["anna", "bert", "cleo", "dora"];

/// A member reports so often.
const PERIOD: Duration = Duration::from_millis(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start()?;
    let observer = zk_tokio::connect(&server.connect_string()).await?;
    let members = Group::new(&observer, "/workers")?.members()?;

    let mut workers = JoinSet::new();
    for (number, name) in NAMES.into_iter().enumerate() {
        workers.spawn(work(name, number, server.connect_string()));
    }

    let mut screen = Screen::default();
    let mut view = members.synced().await?;
    let mut most = 0;
    while most < NAMES.len() || !view.is_empty() {
        most = most.max(view.len());
        screen.draw(&view)?;
        view = members.changed(&view).await?;
    }
    screen.draw(&view)?;
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    println!("everybody has gone");
    Ok(())
}

/// Joins, reports how busy it is for a while, and leaves; or is gone without a word, as somebody who crashes.
async fn work(name: &str, number: usize, servers: String) -> Result<(), zk_tokio::Error> {
    let client = zk_tokio::connect(&servers).await?;
    time::sleep(PERIOD * 2 * u32::try_from(number).unwrap_or(0)).await;
    let membership = Group::new(&client, "/workers")?.join(name, b"0")?;
    for turn in 1..20 {
        let load = (turn * 37 + number * 29) % 101;
        membership.set_payload(load.to_string());
        time::sleep(PERIOD).await;
    }
    // The others' sessions end with their clients, and their nodes with these.
    if number % 2 == 0 { membership.leave().await } else { Ok(()) }
}

/// Where it is drawn.
#[derive(Default)]
struct Screen {
    lines: usize,
}

impl Screen {
    fn draw(&mut self, view: &GroupView) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !out.is_terminal() {
            let member = |member: &Member| format!("  {} {}%", member.id, load(&member.payload));
            return writeln!(out, "{} members{}", view.len(), view.iter().map(member).collect::<String>());
        }
        // Up to where the last picture began, and over it.
        if self.lines > 0 {
            write!(out, "\x1b[{}A", self.lines)?;
        }
        writeln!(out, "\x1b[2K{} members{}", view.len(), if view.is_stale() { ", as far as is known" } else { "" })?;
        for member in view.iter() {
            let load = load(&member.payload);
            writeln!(out, "\x1b[2K  {:8} {:3}% {}", member.id, load, "█".repeat(load / 4))?;
        }
        write!(out, "\x1b[J")?;
        self.lines = view.len() + 1;
        out.flush()
    }
}

fn load(payload: &[u8]) -> usize {
    std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
