//! A small plot with two logarithmic axes, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
const X: (f64, f64) = (10.0, 5_000.0);
const Y: (f64, f64) = (1.0, 3_000.0);
const COLOURS: [&str; 2] = ["#b35900", "#0b6e4f"];

/// A line with its name.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// Window and lateness, in milliseconds.
    pub(crate) points: Vec<(f64, f64)>,
}

fn place(value: f64, (from, to): (f64, f64), (begin, end): (f64, f64)) -> f64 {
    let share = (value.ln() - from.ln()) / (to.ln() - from.ln());
    begin + share.clamp(0.0, 1.0) * (end - begin)
}

fn x(value: f64) -> f64 {
    place(value, X, (LEFT, WIDTH - RIGHT))
}

fn y(value: f64) -> f64 {
    place(value, Y, (HEIGHT - BOTTOM, TOP))
}

pub(crate) fn draw(curves: &[Curve]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    axes(&mut svg);
    for (at, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let points: Vec<String> =
            curve.points.iter().map(|(window, late)| format!("{:.1},{:.1}", x(*window), y(*late))).collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\n\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            points.join(" "),
            LEFT + 12.0,
            TOP + 14.0 + 16.0 * at as f64,
            curve.name
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String) {
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for (millis, text) in [(10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s"), (5_000.0, "5 s")] {
        let at = x(millis);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
            bottom + 18.0
        );
    }
    for (millis, text) in [(1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s")] {
        let at = y(millis);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">length of the window</text>\n\
         <text x=\"{LEFT}\" y=\"18\">how late one read arrives after it</text>",
        LEFT + (right - LEFT) / 2.0,
        HEIGHT - 12.0
    );
}
