//! A picture of a run: each quantity over time, and the quiet points as dots.

use std::fmt::Write;

use super::gauge::Sample;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 90.0;
const LEFT: f64 = 120.0;
const ROW: f64 = 140.0;

type Series = (&'static str, f64, fn(&Sample) -> f64);

const SERIES: [Series; 6] = [
    ("allocated, KiB", 1024.0, |sample| sample.allocated_bytes),
    ("resident, MiB", 1024.0 * 1024.0, |sample| sample.resident_bytes),
    ("descriptors", 1.0, |sample| sample.descriptors),
    ("threads", 1.0, |sample| sample.threads),
    ("watches on the server", 1.0, |sample| sample.watches),
    ("sessions on the server", 1.0, |sample| sample.sessions),
];

/// Draws all of it.
pub(crate) fn svg(samples: &[Sample]) -> String {
    let end = samples.last().map_or(1.0, |sample| sample.at.max(1.0));
    let height = ROW * SERIES.len() as f64 + 40.0;
    let total = LEFT + WIDTH + 40.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (row, (name, unit, of)) in (0u8..).zip(SERIES) {
        let top = 40.0 + ROW * f64::from(row);
        let most = samples.iter().map(|sample| of(sample) / unit).fold(1.0, f64::max);
        let (x, y) = (|at: f64| LEFT + at / end * WIDTH, |value: f64| top + HEIGHT * (1.0 - value / unit / most));
        let line: String = samples.iter().map(|s| format!("{:.1},{:.1} ", x(s.at), y(of(s)))).collect();
        let bottom = top + HEIGHT;
        let right = LEFT + WIDTH;
        _ = writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"{:.0}\" font-weight=\"bold\">{name}</text>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{most:.0}</text>\n\
             <text x=\"{:.0}\" y=\"{bottom:.0}\" text-anchor=\"end\">0</text>\n\
             <path d=\"M{LEFT} {top:.0}V{bottom:.0}H{right}\" fill=\"none\" stroke=\"#888\"/>\n\
             <polyline points=\"{line}\" fill=\"none\" stroke=\"#9bbfe0\"/>",
            top - 8.0,
            LEFT - 8.0,
            top + 10.0,
            LEFT - 8.0,
        );
        for quiet in samples.iter().filter(|sample| sample.is_quiet) {
            _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\" fill=\"#c0392b\"/>",
                x(quiet.at),
                y(of(quiet))
            );
        }
    }
    _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{:.0}\">{:.1} minutes; dots: no client is there</text>\n</svg>",
        height - 12.0,
        end / 60.0
    );
    out
}
