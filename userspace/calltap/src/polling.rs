//! Whether a worker polls its queue's driver, where that was asked for: a kernel, a driver or an
//! interface that makes nothing of it does so without a word.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::time::{Duration, Instant};

use calltap_xdp::Socket;
use tracing::{info, warn};

/// Frames, found right behind a poll, after which it is judged: an interrupt may have brought some.
const ENOUGH: u64 = 100;

/// For how long the driver is polled with nothing coming, before an interrupt is waited for.
const LINGERING: Duration = Duration::from_millis(100);

/// Busy polling of one queue, and its self-test.
pub struct Polling {
    netstat: File,
    /// What the kernel had counted when it began.
    before: u64,
    /// What lets the interface's interrupts wait meanwhile, where they would not.
    mend: Option<String>,
    /// When frames were there last.
    heard: Instant,
    /// The driver was polled, and nobody has looked since.
    asked: bool,
    /// Frames that were there once the driver had been polled.
    found: u64,
    works: Option<bool>,
}

impl Polling {
    /// Begins it on a queue of this interface, in the network namespace of this thread; this opens
    /// files, which a capture that goes on may not.
    ///
    /// # Errors
    /// The kernel's counters cannot be read.
    pub fn begin(interface: &str) -> io::Result<Self> {
        let netstat = File::open("/proc/thread-self/net/netstat")?;
        let before = polled(&netstat)?;
        let mend = mend(interface);
        let heard = Instant::now();
        Ok(Self { netstat, before, mend, heard, asked: false, found: 0, works: None })
    }

    /// What lets the interface's interrupts wait while its driver is polled, where they would not.
    pub fn mend(&self) -> Option<&str> {
        self.mend.as_deref()
    }

    /// Whether the driver is to be polled: while frames come and a little longer, for as long as it is
    /// not known to be in vain.
    pub fn is_due(&self) -> bool {
        self.works != Some(false) && self.heard.elapsed() < LINGERING
    }

    /// Has the driver of the socket's queue run.
    pub fn poll(&mut self, socket: &Socket) {
        socket.poll_driver();
        self.asked = true;
    }

    /// Takes note of how many frames the next look at the ring found.
    pub fn found(&mut self, frames: usize) {
        if frames > 0 {
            self.heard = Instant::now();
        }
        if std::mem::take(&mut self.asked) {
            self.found = self.found.saturating_add(frames as u64);
        }
    }

    /// Says in the log, once, whether packets come by polling, when enough frames have been found.
    pub fn judge(&mut self, socket: &Socket) {
        let Some(works) = self.verdict() else { return };
        let (interface, queue) = (socket.interface().name(), socket.queue());
        if works {
            return info!("{interface}: busy polling works on queue {queue}");
        }
        let (why, mend) = match (socket.napi_id(), self.mend()) {
            (Some(_), Some(mend)) => ("interrupts took every frame in", mend),
            (Some(_), None) => ("interrupts took every frame in", OFF),
            (None, _) => ("its driver has not told the kernel what there is to poll", OFF),
        };
        warn!("{interface}: busy polling does nothing on queue {queue}, as {why}: {mend}");
    }

    /// Whether any packet came by polling, once, when that is known.
    ///
    /// The kernel counts for all programs of a network namespace together.
    fn verdict(&mut self) -> Option<bool> {
        if self.works.is_some() || self.found < ENOUGH {
            return None;
        }
        // Where the kernel does not say, it goes on as ordered.
        let now = polled(&self.netstat).ok()?;
        self.works = Some(now > self.before);
        self.works
    }
}

const OFF: &str = "set prefer_busy_poll = false";

/// Packets that were taken in by polling (`BusyPollRxPackets`), by anybody in the namespace.
fn polled(mut netstat: &File) -> io::Result<u64> {
    let mut text = String::new();
    netstat.rewind()?;
    netstat.read_to_string(&mut text)?;
    find(&text).ok_or_else(|| io::Error::other("no BusyPollRxPackets in /proc/net/netstat"))
}

/// Each group of counters is a line of names and a line of numbers.
fn find(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
        let mut both = names.split(' ').zip(numbers.split(' '));
        if let Some((_, number)) = both.find(|(name, _)| *name == "BusyPollRxPackets") {
            return number.parse().ok();
        }
    }
    None
}

/// The commands for the settings of an interface that are off.
fn mend(interface: &str) -> Option<String> {
    let settings = [("napi_defer_hard_irqs", "2"), ("gro_flush_timeout", "200000")];
    let path = |setting: &str| format!("/sys/class/net/{interface}/{setting}");
    let is_off = |setting: &str| fs::read_to_string(path(setting)).is_ok_and(|it| it.trim() == "0");
    let off = settings.into_iter().filter(|(setting, _)| is_off(setting));
    let mend: Vec<_> = off.map(|(setting, to)| format!("echo {to} >{}", path(setting))).collect();
    (!mend.is_empty()).then(|| mend.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_by_its_name() {
        let text = "TcpExt: SyncookiesSent BusyPollRxPackets TCPAutoCorking\nTcpExt: 1 23 4\n\
                    IpExt: InNoRoutes\nIpExt: 5\n";
        assert_eq!(find(text), Some(23));
        assert_eq!(find("TcpExt: SyncookiesSent\nTcpExt: 1\n"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn this_kernel_counts_what_is_polled_and_nothing_polls_here() {
        let mut polling = Polling::begin("lo").unwrap();
        polling.found(1);
        assert_eq!(polling.found, 0, "not polled for");
        for frames in [99, 1] {
            assert_eq!(polling.verdict(), None);
            assert!(polling.is_due());
            polling.asked = true;
            polling.found(frames);
        }
        assert_eq!(polling.verdict(), Some(false));
        assert!(!polling.is_due());
        assert_eq!(polling.verdict(), None, "it is said once");
    }
}
