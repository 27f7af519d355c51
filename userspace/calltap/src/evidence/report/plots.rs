//! Plots of a stream and waveforms of a call, as SVG.

use std::fmt::Write as _;

use super::series::{Point, Series};

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 96.0;
const LEFT: f64 = 38.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 18.0;

/// The three plots of a stream: jitter, delay, loss.
pub(super) fn of_stream(series: &Series) -> String {
    let line = |value: fn(&Point) -> Option<f64>| series.points.iter().map(value).collect();
    let lost = series.points.iter().map(|point| Some(point.lost as f64)).collect();
    let plot = |title, unit, class, values: Vec<Option<f64>>| {
        plot(title, unit, class, &values, series.length_ns)
    };
    format!(
        "<div class=plots>{}{}{}</div>\n",
        plot("Jitter", " ms", "jitter", line(|point| point.jitter_ms)),
        plot("Delay beyond the fastest packet", " ms", "delay", line(|point| point.delay_ms)),
        plot("Packets missing", "", "loss", lost),
    )
}

fn plot(title: &str, unit: &str, class: &str, values: &[Option<f64>], length_ns: u64) -> String {
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let top = round_up(most);
    let known = values.iter().flatten().count();
    let shown =
        if known == 0 { "unknown".to_owned() } else { format!("up to {}{unit}", short(most)) };
    let (right, floor) = (WIDTH - 6.0, HEIGHT - BOTTOM);
    let mut out = format!(
        "<figure><figcaption>{title}: {shown}</figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{title}: {shown}\">\
         <line class=axis x1=\"{LEFT}\" y1=\"{TOP}\" x2=\"{right}\" y2=\"{TOP}\"/>\
         <line class=axis x1=\"{LEFT}\" y1=\"{floor}\" x2=\"{right}\" y2=\"{floor}\"/>\
         <text class=small x=\"{}\" y=\"{}\" text-anchor=end>{}</text>\
         <text class=small x=\"{}\" y=\"{}\" text-anchor=end>0</text>\
         <text class=small x=\"{LEFT}\" y=\"{}\">0</text>\
         <text class=small x=\"{right}\" y=\"{}\" text-anchor=end>{} s</text>",
        LEFT - 5.0,
        TOP + 4.0,
        short(top),
        LEFT - 5.0,
        floor + 4.0,
        HEIGHT - 4.0,
        HEIGHT - 4.0,
        short(length_ns as f64 / 1e9),
    );
    let step = (right - LEFT) / values.len().max(1) as f64;
    let y = |value: f64| floor - value / top * (floor - TOP);
    if class == "loss" {
        for (at, value) in values.iter().enumerate() {
            if let Some(value) = value.filter(|value| *value > 0.0) {
                let (x, y) = (LEFT + at as f64 * step, y(value));
                let (width, height) = (step.max(1.5), floor - y);
                let _ = write!(
                    out,
                    "<rect class=loss x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                     height=\"{height:.1}\"/>"
                );
            }
        }
    } else {
        let mut path = String::new();
        let mut is_open = false;
        for (at, value) in values.iter().enumerate() {
            if let Some(value) = value {
                let letter = if is_open { 'L' } else { 'M' };
                let x = LEFT + (at as f64 + 0.5) * step;
                let _ = write!(path, "{letter}{x:.1} {:.1}", y(*value));
            }
            // A stretch of silence is no packet, and no line.
            is_open = value.is_some() || is_open;
        }
        let _ = write!(out, "<path class={class} d=\"{path}\"/>");
    }
    out + "</svg></figure>"
}

/// Waveforms of both sides, the caller's above: the extremes of each stretch of time.
pub(super) fn waveform(caller: &[i16], called: &[i16]) -> String {
    const COLUMNS: usize = 900;
    const HALF: f64 = 44.0;
    let length = caller.len().max(called.len()).max(1);
    let mut out = format!(
        "<svg class=wave role=img aria-label=\"Waveform: the caller above, the called party \
         below\" viewBox=\"0 0 {COLUMNS} {}\" preserveAspectRatio=none>",
        4.0 * HALF
    );
    for (samples, class, middle) in
        [(caller, "wave-caller", HALF), (called, "wave-called", 3.0 * HALF)]
    {
        let mut path = String::new();
        for column in 0..COLUMNS {
            let (from, until) = (column * length / COLUMNS, (column + 1) * length / COLUMNS);
            let until = until.max(from + 1).min(samples.len());
            let Some(stretch) = samples.get(from..until).filter(|it| !it.is_empty()) else {
                continue;
            };
            let extreme = |it: Option<&i16>| f64::from(it.copied().unwrap_or(0)) / 32_768.0;
            let high = middle - extreme(stretch.iter().max()) * (HALF - 2.0);
            let low = middle - extreme(stretch.iter().min()) * (HALF - 2.0);
            let height = (low - high).max(0.6);
            let _ = write!(path, "M{column} {high:.1}h1v{height:.1}h-1z");
        }
        let _ = write!(
            out,
            "<line class=axis x1=\"0\" y1=\"{middle}\" x2=\"{COLUMNS}\" y2=\"{middle}\"/>\
             <path class={class} d=\"{path}\"/>"
        );
    }
    out + "</svg>\n"
}

/// The next of 1, 2, 5, 10, 20, ... that is no less.
fn round_up(value: f64) -> f64 {
    let mut top = 1.0;
    for factor in [2.0, 2.5, 2.0].iter().cycle().take(60) {
        if top >= value {
            break;
        }
        top *= factor;
    }
    top
}

fn short(value: f64) -> String {
    match value {
        value if value.fract() == 0.0 || value >= 100.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, top) in
            [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 5.0), (7.0, 10.0), (11.0, 20.0)]
        {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}");
        }
    }
}
