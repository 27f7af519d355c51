//! The plot: what each tool wrote, by how much of the traffic it had to keep.

use std::fmt::Write as _;

use crate::figures::Figures;
use crate::tool::Tool;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 300.0;
const TOP: f64 = 50.0;
const COLOURS: [&str; 4] = ["#0b6e4f", "#c1666b", "#4281a4", "#d4b483"];

/// An SVG of bars, one group for each of `shares`, with the spread of the rounds.
pub(crate) fn svg(figures: &Figures, shares: &[u8]) -> String {
    let key = |tool: Tool, share: u8| format!("accepted_mpps_{}_{share}", tool.name());
    let highest = shares
        .iter()
        .flat_map(|&share| Tool::ALL.map(|tool| figures.spread(&key(tool, share))))
        .flatten()
        .map(|[_, greatest]| greatest)
        .fold(1.0, f64::max);
    let y = |mpps: f64| BOTTOM - (BOTTOM - TOP) * mpps / highest;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">Million frames a second that each tool took \
         without loss of what it was to keep</text>\n"
    );
    // Writing to a String cannot fail.
    for step in 0..=4 {
        let mpps = highest * f64::from(step) / 4.0;
        let at = y(mpps);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"10\" y=\"{:.1}\">{mpps:.2}</text>",
            at + 4.0
        );
    }
    let group = (WIDTH - LEFT) / shares.len().max(1) as f64;
    let bar = group / (Tool::ALL.len() as f64 + 1.0);
    for (place, &share) in shares.iter().enumerate() {
        let left = LEFT + group * place as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{share} % kept</text>",
            left + group / 2.0 - bar / 2.0,
            BOTTOM + 18.0
        );
        for (number, tool) in Tool::ALL.into_iter().enumerate() {
            let key = key(tool, share);
            let (Some(median), Some([least, greatest])) =
                (figures.median(&key), figures.spread(&key))
            else {
                continue;
            };
            let x = left + bar * number as f64;
            let middle = x + bar / 2.0;
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>\
                 <line x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" \
                 stroke=\"black\"/>",
                y(median),
                bar * 0.9,
                BOTTOM - y(median),
                COLOURS[number],
                y(least),
                y(greatest),
            );
        }
    }
    for (number, tool) in Tool::ALL.into_iter().enumerate() {
        let x = LEFT + 140.0 * number as f64;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"335\" width=\"12\" height=\"12\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"345\">{}</text>",
            COLOURS[number],
            x + 18.0,
            tool.name()
        );
    }
    svg + "</svg>\n"
}
