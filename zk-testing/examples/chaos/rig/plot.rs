//! How a run went, as a drawing: what was done and how fast, above the faults that were at work.
//!
//! It is an SVG without scripts, in colours that are fit for light and dark pages.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::faults::Fault;
use super::history::Time;
use super::run::Plan;
use super::series::{Series, Span};
use super::troubles::Band;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 268.0;
const RIGHT: f64 = 1180.0;
const RATES: (f64, f64) = (78.0, 238.0);
const LATENCIES: (f64, f64) = (268.0, 408.0);
const FAULTS_TOP: f64 = 466.0;
const ROW: f64 = 19.0;

/// The ends of the axis of latencies, in milliseconds.
const FASTEST: f64 = 1.0;
const SLOWEST: f64 = 30_000.0;

const STYLE: &str = "svg{background:#fff}text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:18px}\
.head{font-weight:600;font-size:13px}.note{fill:#57606a}.grid{stroke:#8c959f;stroke-opacity:.25}.row{fill:#8c959f;fill-opacity:.07}\
.done{fill:#54aeff;fill-opacity:.85}.refused{fill:#8c959f;fill-opacity:.55}.doubt{fill:#cf222e}.lost{stroke:#cf222e;stroke-width:2}\
.shade{fill:#d4a72c;fill-opacity:.13}.p50{fill:none;stroke:#0969da;stroke-width:1.6}.p99{fill:none;stroke:#8250df;stroke-width:1.3}\
.servers{fill:#bc4c00}.clients{fill:#1a7f37}.after{fill-opacity:.3}.good{fill:#1a7f37}.bad{fill:#cf222e}\
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.note{fill:#9198a1}.done{fill:#1f6feb}.refused{fill:#6e7681}\
.doubt{fill:#ff7b72}.lost{stroke:#ff7b72}.shade{fill:#d29922;fill-opacity:.16}.p50{stroke:#79c0ff}.p99{stroke:#d2a8ff}\
.servers{fill:#f0883e}.clients{fill:#3fb950}.good{fill:#3fb950}.bad{fill:#ff7b72}}";

/// Draws a run.
pub(crate) fn plot(series: &Series, bands: &[Band], plan: &Plan, violations: usize) -> String {
    let mut rows: BTreeMap<Fault, Vec<&Band>> = BTreeMap::new();
    bands.iter().for_each(|band| rows.entry(band.fault).or_default().push(band));
    let bottom = FAULTS_TOP + ROW * rows.len() as f64;
    let drawing = Drawing { series, text: String::new() };
    drawing.draw(&rows, bands, plan, violations, bottom)
}

struct Drawing<'a> {
    series: &'a Series,
    text: String,
}

impl Drawing<'_> {
    fn draw(
        mut self,
        rows: &BTreeMap<Fault, Vec<&Band>>,
        bands: &[Band],
        plan: &Plan,
        violations: usize,
        bottom: f64,
    ) -> String {
        let height = bottom + 34.0;
        self.add(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             role=\"img\" aria-label=\"A run under faults\"><style>{STYLE}</style>"
        ));
        self.head(plan, violations);
        // Where servers were hurt or getting over it, in all of the height.
        for band in bands.iter().filter(|band| is_of_servers(band.fault)) {
            let (from, to) = (self.x(band.from), self.x(band.over.unwrap_or(Time::MAX)));
            for (top, end) in [RATES, LATENCIES] {
                self.rect("shade", from, top, to - from, end - top, 0.0);
            }
        }
        self.time_axis(bottom);
        self.rates();
        self.latencies();
        self.faults(rows);
        self.text.push_str("</svg>\n");
        self.text
    }

    fn head(&mut self, plan: &Plan, violations: usize) {
        let series = self.series;
        let total = |count: fn(&Span) -> usize| series.spans.iter().map(count).sum::<usize>();
        let all = total(|span| span.done) + total(|span| span.refused) + total(|span| span.in_doubt);
        let adapters: Vec<&str> = plan.adapters.iter().map(|adapter| adapter.name()).collect();
        self.label("title", 16.0, 30.0, "start", "Clients on a real ensemble under faults");
        let about = format!(
            "{} operations in {} by {} clients on each of {}; {} servers, sessions of {} s, seed {}",
            thousands(all),
            minutes(series.seconds()),
            plan.clients,
            adapters.join(", "),
            plan.servers,
            plan.session_timeout.as_secs_f64(),
            plan.seed
        );
        self.label("note", 16.0, 52.0, "start", &about);
        let (class, verdict) = match violations {
            0 => ("head good", "no promise broken".to_owned()),
            count => ("head bad", format!("{count} promises broken")),
        };
        self.label(class, RIGHT, 30.0, "end", &verdict);
    }

    fn rates(&mut self) {
        let series = self.series;
        let all = |span: &Span| series.rate(span.done + span.refused + span.in_doubt);
        let most = nice(series.spans.iter().map(all).fold(1.0, f64::max));
        self.label("head", 16.0, RATES.0 + 14.0, "start", "Operations a second");
        let y = |rate: f64| RATES.1 - rate / most * (RATES.1 - RATES.0);
        for step in 0..=4 {
            let rate = most * f64::from(step) / 4.0;
            self.grid(y(rate));
            self.label("note", LEFT - 8.0, y(rate) + 4.0, "end", &format!("{rate:.0}"));
        }
        let done: Vec<f64> = series.spans.iter().map(|span| series.rate(span.done)).collect();
        let refused: Vec<f64> = series.spans.iter().map(|span| series.rate(span.done + span.refused)).collect();
        let none = vec![0.0; done.len()];
        self.area("done", &none, &done, &y);
        self.area("refused", &done, &refused, &y);
        for (index, span) in series.spans.iter().enumerate().filter(|(_, span)| span.in_doubt > 0) {
            let (x, height) = (self.x_of(index), 3.0 + (span.in_doubt as f64).sqrt() * 2.0);
            let width = ((self.x_of(index + 1) - x) * 0.8).max(1.5);
            self.rect("doubt", x, RATES.0, width, height.min(40.0), 0.0);
        }
        self.key(RATES.0 + 34.0, "done", "done");
        self.key(RATES.0 + 52.0, "refused", "refused, such as by version");
        self.key(RATES.0 + 70.0, "doubt", "in doubt (from above)");
        self.key(RATES.0 + 88.0, "shade", "servers hurt, or getting over it");
    }

    fn latencies(&mut self) {
        let series = self.series;
        self.label("head", 16.0, LATENCIES.0 + 14.0, "start", "Latency of what was done");
        let scale = (SLOWEST / FASTEST).ln();
        let y =
            |ms: f64| LATENCIES.1 - (ms.clamp(FASTEST, SLOWEST) / FASTEST).ln() / scale * (LATENCIES.1 - LATENCIES.0);
        for (ms, name) in [(1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s"), (10_000.0, "10 s")] {
            self.grid(y(ms));
            self.label("note", LEFT - 8.0, y(ms) + 4.0, "end", name);
        }
        for (class, percent) in [("p99", 99), ("p50", 50)] {
            let points: Vec<Option<f64>> = series.spans.iter().map(|span| span.percentile(percent).map(y)).collect();
            self.line(class, &points);
        }
        for (offset, class, name) in [(34.0, "p50", "median"), (52.0, "p99", "99th percentile")] {
            let y = LATENCIES.0 + offset;
            self.add(format_args!(
                "<line class=\"{class}\" x1=\"16\" x2=\"30\" y1=\"{}\" y2=\"{}\"/>",
                y - 4.0,
                y - 4.0
            ));
            self.label("note", 36.0, y, "start", name);
        }
        let lost = series.lost.clone();
        for at in &lost {
            let x = self.x(*at);
            let (top, end) = (LATENCIES.1 + 11.0, LATENCIES.1 + 22.0);
            self.add(format_args!("<line class=\"lost\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{end}\"/>"));
        }
        let name = format!("sessions lost: {}", lost.len());
        self.label("note", LEFT - 8.0, LATENCIES.1 + 21.0, "end", &name);
    }

    fn faults(&mut self, rows: &BTreeMap<Fault, Vec<&Band>>) {
        for (index, (fault, bands)) in rows.iter().enumerate() {
            let (top, class) =
                (FAULTS_TOP + ROW * index as f64, if is_of_servers(*fault) { "servers" } else { "clients" });
            if index % 2 == 0 {
                self.rect("row", 8.0, top, RIGHT - 8.0, ROW, 0.0);
            }
            self.label("", LEFT - 8.0, top + 14.0, "end", fault.name());
            for band in bands {
                let (from, to) = (self.x(band.from), self.x(band.to.unwrap_or(Time::MAX)));
                let over = self.x(band.over.unwrap_or(Time::MAX));
                self.rect(&format!("{class} after"), from, top + 5.0, (over - from).max(2.0), ROW - 10.0, 2.0);
                self.rect(class, from, top + 3.0, (to - from).max(2.5), ROW - 6.0, 2.0);
            }
        }
        self.label("head", 16.0, FAULTS_TOP - 12.0, "start", "Faults");
        for (x, class, name) in [
            (LEFT, "servers", "of servers, and pale until there is a quorum again"),
            (LEFT + 330.0, "clients", "of clients"),
        ] {
            self.rect(class, x, FAULTS_TOP - 21.0, 14.0, 9.0, 2.0);
            self.label("note", x + 20.0, FAULTS_TOP - 12.0, "start", name);
        }
    }

    fn time_axis(&mut self, bottom: f64) {
        let length = self.series.seconds();
        let steps = [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0];
        let step = steps.into_iter().find(|step| length / step <= 14.0).unwrap_or(14_400.0);
        let mut at = 0.0;
        while at <= length {
            let x = LEFT + at / length * (RIGHT - LEFT);
            for (top, end) in [RATES, LATENCIES, (FAULTS_TOP, bottom)] {
                self.add(format_args!(
                    "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{end:.1}\"/>"
                ));
            }
            // The last one is not to be cut off.
            let anchor = if x > RIGHT - 12.0 { "end" } else { "middle" };
            self.label("note", x, bottom + 18.0, anchor, &minutes(at));
            at += step;
        }
        self.label("note", LEFT - 24.0, bottom + 18.0, "end", "minutes and seconds");
    }

    /// Fills what is between two rows of numbers.
    fn area(&mut self, class: &str, low: &[f64], high: &[f64], y: &dyn Fn(f64) -> f64) {
        let mut path = String::new();
        let steps = |values: &[f64]| -> Vec<(usize, f64)> {
            values.iter().enumerate().flat_map(|(index, value)| [(index, *value), (index + 1, *value)]).collect()
        };
        for (index, value) in steps(high).into_iter().chain(steps(low).into_iter().rev()) {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            _ = write!(path, "{letter}{:.1} {:.1}", self.x_of(index), y(value));
        }
        self.add(format_args!("<path class=\"{class}\" d=\"{path}Z\"/>"));
    }

    /// Draws a line with gaps where there is nothing.
    fn line(&mut self, class: &str, points: &[Option<f64>]) {
        let (mut path, mut is_down) = (String::new(), false);
        for (index, point) in points.iter().enumerate() {
            if let Some(y) = point {
                let x = (self.x_of(index) + self.x_of(index + 1)) / 2.0;
                _ = write!(path, "{}{x:.1} {y:.1}", if is_down { 'L' } else { 'M' });
            }
            is_down = point.is_some();
        }
        self.add(format_args!(
            "<path class=\"{class}\" stroke-linejoin=\"round\" stroke-linecap=\"round\" d=\"{path}\"/>"
        ));
    }

    fn key(&mut self, y: f64, class: &str, name: &str) {
        self.rect(class, 16.0, y - 9.0, 14.0, 10.0, 2.0);
        self.label("note", 36.0, y, "start", name);
    }

    fn grid(&mut self, y: f64) {
        self.add(format_args!("<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"));
    }

    fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64, round: f64) {
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\"/>"
        ));
    }

    fn label(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    fn add(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.text.write_fmt(arguments).expect("a string takes any text");
    }

    /// Returns where a time is, and the end for what is later.
    fn x(&self, at: Time) -> f64 {
        let seconds = at.saturating_sub(self.series.begun) as f64 / 1e9;
        LEFT + (seconds / self.series.seconds()).min(1.0) * (RIGHT - LEFT)
    }

    fn x_of(&self, index: usize) -> f64 {
        LEFT + index as f64 / self.series.spans.len() as f64 * (RIGHT - LEFT)
    }
}

fn is_of_servers(fault: Fault) -> bool {
    Fault::OF_SERVERS.contains(&fault)
}

/// Returns a round number that is not less.
fn nice(most: f64) -> f64 {
    let unit = 10_f64.powf(most.log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].into_iter().map(|times| times * unit).find(|nice| *nice >= most).unwrap_or(most)
}

fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 61.4, 600.0].map(minutes), ["0:00", "1:01", "10:00"]);
        assert_eq!([1.0, 530.0, 801.0].map(nice), [1.0, 600.0, 1_000.0]);
    }
}
