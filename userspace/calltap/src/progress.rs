//! Progress of long work, on standard error where that is a terminal, and nowhere else.

use std::io::{self, Write};
use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// What is less is done at once, and nothing is shown of it; bytes.
const WORTH_SHOWING: u64 = 64 << 20;

/// The bars that are on the screen: lines of the log go above them.
static SCREEN: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Looks whether there is a terminal: to be called ahead of the confinement, which lets none be asked,
/// by who makes a bar behind it.
pub fn look() {
    LazyLock::force(&SCREEN);
}

/// A bar over so many bytes, with rate and time left; without a terminal, nothing is drawn.
pub fn bytes(what: &'static str, total: u64) -> ProgressBar {
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
        .with_finish(ProgressFinish::AndClear);
    if total < WORTH_SHOWING {
        return bar;
    }
    // No thread draws it: one that began ahead of the confinement would be outside of it.
    SCREEN.add(bar)
}

/// Standard error, for the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SCREEN.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
