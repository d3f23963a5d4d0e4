//! What a client counts, as Prometheus reads it.
//!
//! ```text
//! cargo run -q -p zk-tokio --example metrics
//! ```
//!
//! An endpoint of your own answers with this text; a program that has a recorder, of the crate `metrics` for one, reads the same
//! fields.

use std::{
    error::Error,
    fmt::{self, Write},
};

use zk_testing::TestServer;
use zk_tokio::{State, metrics::Metrics};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start()?;
    let client = zk_tokio::connect(&server.connect_string()).await?;
    client.create("/app", b"").await?;
    for _ in 0..100 {
        client.get_data("/app").await?;
    }
    _ = client.get_data("/missing").await;

    let mut text = String::new();
    expose(&client.metrics(), &mut text)?;
    print!("{text}");
    assert!(text.contains("zk_requests_total{operation=\"getData\",outcome=\"ok\"} 100\n"));
    assert!(text.contains("zk_requests_total{operation=\"getData\",outcome=\"error\"} 1\n"));
    assert!(text.contains("zk_request_seconds_bucket{operation=\"getData\",le=\"+Inf\"} 101\n"));
    client.close().await;
    Ok(())
}

/// Writes metrics in the text format of Prometheus.
fn expose(metrics: &Metrics, out: &mut impl Write) -> fmt::Result {
    writeln!(out, "# TYPE zk_requests_total counter")?;
    for operation in &metrics.operations {
        for (outcome, count) in [
            ("ok", operation.ok),
            ("error", operation.errors),
            ("lost", operation.lost),
            ("timed_out", operation.timed_out),
            ("ended", operation.ended),
            ("withdrawn", operation.withdrawn),
        ] {
            writeln!(out, "zk_requests_total{{operation=\"{}\",outcome=\"{outcome}\"}} {count}", operation.op)?;
        }
    }
    writeln!(out, "# TYPE zk_request_seconds histogram")?;
    for operation in &metrics.operations {
        let (op, latency) = (operation.op, &operation.latency);
        for (bound, count) in latency.cumulative() {
            let bound = bound.map_or("+Inf".into(), |bound| bound.as_secs_f64().to_string());
            writeln!(out, "zk_request_seconds_bucket{{operation=\"{op}\",le=\"{bound}\"}} {count}")?;
        }
        writeln!(out, "zk_request_seconds_sum{{operation=\"{op}\"}} {}", latency.sum().as_secs_f64())?;
        writeln!(out, "zk_request_seconds_count{{operation=\"{op}\"}} {}", latency.count())?;
    }
    for (name, count) in [
        ("slow_requests", metrics.slow),
        ("sent_bytes", metrics.bytes_sent),
        ("received_bytes", metrics.bytes_received),
        ("watch_events", metrics.watch_events),
        ("dials", metrics.dials),
        ("links_failed", metrics.links_failed),
        ("links_lost", metrics.links_lost),
        ("sessions", metrics.sessions),
        ("sessions_resumed", metrics.resumed),
        ("sessions_expired", metrics.expired),
    ] {
        writeln!(out, "# TYPE zk_{name}_total counter\nzk_{name}_total {count}")?;
    }
    let disconnected = metrics.disconnected.as_secs_f64();
    writeln!(out, "# TYPE zk_disconnected_seconds_total counter\nzk_disconnected_seconds_total {disconnected}")?;
    let connected = usize::from(matches!(metrics.state, State::Connected { .. }));
    for (name, value) in [
        ("connected", connected),
        ("requests_queued", metrics.queued),
        ("requests_in_flight", metrics.in_flight),
        ("callers_waiting", metrics.waiting),
        ("watches", metrics.watches),
    ] {
        writeln!(out, "# TYPE zk_{name} gauge\nzk_{name} {value}")?;
    }
    Ok(())
}
