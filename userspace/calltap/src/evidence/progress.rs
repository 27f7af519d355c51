//! Progress of long work, on standard error where that is a terminal, and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over so many bytes, with rate and time left; nothing is shown of work that is done at once.
pub fn bytes(what: &'static str, total: u64) -> ProgressBar {
    // Without a terminal indicatif draws nothing.
    let bar = ProgressBar::new(total);
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    if total > 64 << 20 {
        bar.enable_steady_tick(Duration::from_millis(200));
    } else {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    bar.with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
    .with_message(what)
    .with_finish(indicatif::ProgressFinish::AndClear)
}
