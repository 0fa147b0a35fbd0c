//! A small plot with two logarithmic axes, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 3] = ["#b35900", "#0b6e4f", "#4b4b9d"];

/// What is drawn.
pub(crate) struct Plot {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) curves: Vec<Curve>,
}

/// A logarithmic axis.
pub(crate) struct Axis {
    pub(crate) title: &'static str,
    /// Values that are named, in their order; the first and the last are its ends.
    pub(crate) marks: Vec<(f64, String)>,
}

/// A line with its name.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Axis {
    fn place(&self, value: f64, between: (f64, f64)) -> f64 {
        let end = |mark: Option<&(f64, String)>| mark.map_or(1.0, |(value, _)| *value);
        place(value, (end(self.marks.first()), end(self.marks.last())), between)
    }
}

fn place(value: f64, (from, to): (f64, f64), (begin, end): (f64, f64)) -> f64 {
    let share = (value.ln() - from.ln()) / (to.ln() - from.ln());
    begin + share.clamp(0.0, 1.0) * (end - begin)
}

impl Plot {
    fn x(&self, value: f64) -> f64 {
        self.x.place(value, (LEFT, WIDTH - RIGHT))
    }

    fn y(&self, value: f64) -> f64 {
        self.y.place(value, (HEIGHT - BOTTOM, TOP))
    }

    pub(crate) fn draw(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        self.draw_axes(&mut svg);
        for (at, (curve, colour)) in self.curves.iter().zip(COLOURS).enumerate() {
            let points: Vec<String> =
                curve.points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.x(*x), self.y(*y))).collect();
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

    fn draw_axes(&self, svg: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (value, text) in &self.x.marks {
            let at = self.x(*value);
            let _ = writeln!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
                 <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                bottom + 18.0
            );
        }
        for (value, text) in &self.y.marks {
            let at = self.y(*value);
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
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text x=\"{LEFT}\" y=\"18\">{}</text>",
            LEFT + (right - LEFT) / 2.0,
            HEIGHT - 12.0,
            self.x.title,
            self.y.title
        );
    }
}
