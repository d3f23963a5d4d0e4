//! Results as pictures, for light and dark backgrounds.

use std::{fmt::Write, fs, path::Path};

use crate::{
    Outcome,
    plan::find,
    results::{Results, is_floor, is_ours},
};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 150.0;
const NUMBERS: f64 = 70.0;
const BAR: f64 = 16.0;
const STEP: f64 = 22.0;
const TOP: f64 = 64.0;

/// Colours that can be told apart, by those who see few of them too, and read on white and on near-black.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:15px}.note{fill:#57606a}\
.ours{fill:#0969da}.peer{fill:#9a9fa6}.floor{fill:#bf8700}.range{stroke:#24292f;stroke-width:1.5}.grid{stroke:#8c959f;stroke-opacity:.35}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.ours{fill:#4493f8}.peer{fill:#6e7681}.floor{fill:#d29922}\
.range{stroke:#e6edf3}}";

/// Draws what there are results of.
pub(crate) fn draw(results: &Results, folder: &Path) -> Outcome<()> {
    for name in ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"] {
        if let Some(picture) = picture(results, name) {
            fs::write(folder.join(format!("{name}.svg")), picture)?;
        }
    }
    Ok(())
}

/// Returns bars on a logarithmic scale, the best on top, with lines from the least to the most.
fn picture(results: &Results, name: &str) -> Option<String> {
    let plan = find(name)?;
    let metric = plan.metrics[0];
    let mut bars: Vec<_> = results
        .clients(name)
        .filter_map(|client| Some((client, results.spread(name, client, metric.key)?)))
        .filter(|(_, spread)| spread.median > 0.0)
        .collect();
    bars.sort_by(|(_, a), (_, b)| a.median.total_cmp(&b.median));
    let least = bars.first()?.1.least.max(f64::MIN_POSITIVE);
    let most = bars.iter().map(|(_, spread)| spread.most).fold(least, f64::max);
    // Whole decades; the smallest bar has some length too.
    let (first, last) = ((least / 1.5).log10().floor(), most.log10().ceil());
    let space = WIDTH - LABELS - NUMBERS;
    let at = |value: f64| LABELS + space * (value.log10() - first) / (last - first).max(1.0);
    let height = TOP + STEP * bars.len() as f64 + 30.0;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{}\"><style>{STYLE}</style>",
        plan.title
    );
    _ = write!(svg, "<text class=\"title\" x=\"8\" y=\"22\">{}</text>", plan.title);
    _ = write!(svg, "<text class=\"note\" x=\"8\" y=\"44\">{}, logarithmic: less is better</text>", metric.title);
    let bottom = height - 26.0;
    for decade in first as i32..=last as i32 {
        let value = 10_f64.powi(decade);
        let x = at(value);
        _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>",
            TOP - 6.0
        );
        _ = write!(
            svg,
            "<text class=\"note\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>",
            bottom + 16.0
        );
    }
    for (index, (client, spread)) in bars.iter().enumerate() {
        let y = TOP + STEP * index as f64;
        let class = match *client {
            client if is_floor(client) => "floor",
            client if is_ours(client) => "ours",
            _ => "peer",
        };
        let end = at(spread.median);
        let middle = y + BAR / 2.0;
        _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{client}</text>", LABELS - 8.0, y + 13.0);
        _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{LABELS}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>",
            (end - LABELS).max(2.0)
        );
        let (from, to) = (at(spread.least), at(spread.most));
        _ = write!(
            svg,
            "<line class=\"range\" x1=\"{from:.1}\" y1=\"{middle:.1}\" x2=\"{to:.1}\" y2=\"{middle:.1}\"/>"
        );
        let decimals = metric.decimals;
        _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\">{:.decimals$}</text>",
            to.max(end) + 6.0,
            y + 13.0,
            spread.median
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}
