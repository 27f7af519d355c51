//! A telephone network in network namespaces, with real calls on it, for the demo and the tests.
//!
//! Two `sipp` programs, caller and callee, are joined by a hub whose third port is the mirror:
//!
//! ```text
//!   caller 192.0.2.10 ---- hub ---- callee 192.0.2.20
//!                           |
//!                        mirror0
//!                           |
//!                          cap0   (namespace `tap`; silent, 2 RX queues)
//! ```
//!
//! Nothing leaves these namespaces, and they go when the [`Lab`] is dropped.

mod calls;
mod media;
mod namespaces;
mod network;
mod plan;
mod witness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use anyhow::{Context, Result, bail};

pub use calls::{CallReport, Calls};
pub use media::tone;
pub use namespaces::{Mirrored, Namespaces};
pub use plan::{CallPlan, Transport};
pub use witness::Witness;

/// The programs a lab runs, each with the Debian package that brings it.
const PROGRAMS: [(&str, &str); 4] =
    [("ip", "iproute2"), ("ethtool", "ethtool"), ("sipp", "sip-tester"), ("dumpcap", "tshark")];

/// What this machine or user lacks for a lab, one sentence each; empty when [`Lab::lay`] can work.
#[must_use]
pub fn missing() -> Vec<String> {
    missing_for(&PROGRAMS)
}

/// The same for a network with other programs, each with the Debian package that brings it.
#[must_use]
pub fn missing_for(programs: &[(&str, &str)]) -> Vec<String> {
    let mut missing = Vec::new();
    if !is_root() {
        missing.push("network namespaces need root: run it again with sudo".to_owned());
    }
    for (program, package) in programs {
        if !is_installed(program) {
            missing.push(format!(
                "`{program}` is not installed: run scripts/setup, or install the package {package}"
            ));
        }
    }
    missing
}

/// A laid network; dropping it removes the namespaces and every file it wrote.
#[derive(Debug)]
pub struct Lab {
    network: Namespaces,
    directory: PathBuf,
}

impl Lab {
    /// Lays the namespaces, the hub and the mirror port.
    ///
    /// # Errors
    ///
    /// Names what is missing (see [`missing`]), or the `ip` command that failed and its words.
    pub fn lay() -> Result<Self> {
        static LAID: AtomicU32 = AtomicU32::new(0);
        let missing = missing();
        if !missing.is_empty() {
            bail!("cannot lay a lab: {}", missing.join("; "));
        }
        let name = format!("{}-{}", process::id(), LAID.fetch_add(1, Ordering::Relaxed));
        let directory = env::temp_dir().join(format!("calltap-lab-{name}"));
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make the lab's directory {}", directory.display()))?;
        let network = network::lay(&name).inspect_err(|_| remove(&directory))?;
        Ok(Self { network, directory })
    }

    /// The capture interface: it receives every frame of the network once and sends none.
    #[must_use]
    pub fn tap_interface(&self) -> &'static str {
        network::CAPTURE
    }

    /// The namespace that [`tap_interface`](Self::tap_interface) is in.
    #[must_use]
    pub fn tap_namespace(&self) -> String {
        self.network.namespace(network::TAP)
    }

    /// A command that will run `program` in the tap's namespace.
    #[must_use]
    pub fn command_in_tap(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.network.command(network::TAP, program)
    }

    /// Frames that caller and callee have sent into the hub so far, by their own count.
    ///
    /// # Errors
    ///
    /// When `ip` cannot read the counters.
    pub fn sent_frames(&self) -> Result<u64> {
        Ok(self.network.transmitted(network::CALLER, network::PHONE)?.sent
            + self.network.transmitted(network::CALLEE, network::PHONE)?.sent)
    }

    /// What the mirror port has done so far; `sent` equals [`sent_frames`](Self::sent_frames)
    /// unless the capture interface was too slow, which `dropped` counts.
    ///
    /// # Errors
    ///
    /// When `ip` cannot read the counters.
    pub fn mirrored(&self) -> Result<Mirrored> {
        self.network.transmitted(network::SWITCH, network::MIRROR)
    }

    /// Places the calls of `plan` and waits until they have ended.
    ///
    /// # Errors
    ///
    /// When a call fails or the plan takes longer than it may; the text ends with sipp's own words.
    pub fn place_calls(&self, plan: &CallPlan) -> Result<CallReport> {
        self.begin_calls(plan)?.finish()
    }

    /// Starts the calls of `plan` and returns while they ring.
    ///
    /// # Errors
    ///
    /// When sipp cannot be started.
    pub fn begin_calls(&self, plan: &CallPlan) -> Result<Calls<'_>> {
        Calls::begin(self, plan)
    }

    /// Starts recording at the mirror port, ahead of the capture interface, into `path` (pcapng):
    /// what a test compares evidence with.
    ///
    /// # Errors
    ///
    /// When `dumpcap` cannot be started.
    pub fn witness(&self, path: &Path) -> Result<Witness> {
        Witness::start(&self.network, (network::SWITCH, network::MIRROR), path)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

/// A directory left behind harms nobody, and a drop has no one to tell.
fn remove(directory: &Path) {
    let _ = fs::remove_dir_all(directory);
}

/// Whether the effective user is root, as the kernel tells it.
fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))
            .and_then(|ids| ids.split_whitespace().nth(1))
            == Some("0")
    })
}

/// Whether `program` is on the search path, or in a directory that a plain user's path lacks.
fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let administration = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(administration).any(|directory| directory.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of `capture` that a default tshark shows for `filter`.
    fn count(capture: &Path, filter: &str) -> usize {
        let capture = capture.to_str().expect("made of plain letters");
        let output = Command::new("tshark")
            .args(["-r", capture, "-Y", filter, "-T", "fields", "-e", "frame.number"])
            .output()
            .expect("tshark runs");
        String::from_utf8_lossy(&output.stdout).lines().count()
    }

    #[test]
    fn the_mirror_port_shows_every_frame_of_every_call_once() {
        if !missing().is_empty() {
            println!("skipped: {}", missing().join("; "));
            return;
        }
        let plan =
            CallPlan { target_calls: 1, stranger_calls: 2, seconds: 1, ..CallPlan::default() };
        let lab = Lab::lay().unwrap();
        let capture = lab.directory.join("mirror.pcapng");
        let witness = lab.witness(&capture).unwrap();
        let report = lab.place_calls(&plan).unwrap();
        witness.stop().unwrap();

        assert_eq!(report.calls, 3);
        assert_eq!(count(&capture, "rtp"), 3 * 2 * 50);
        assert_eq!(count(&capture, "sip.Method == INVITE"), 3);
        assert_eq!(count(&capture, "sip.Status-Code == 200"), 2 * 3);
        let mirrored = lab.mirrored().unwrap();
        assert_eq!(mirrored, Mirrored { sent: report.frames, dropped: 0 });
        assert_eq!(count(&capture, "frame"), usize::try_from(report.frames).unwrap());
    }

    #[test]
    fn a_dropped_lab_leaves_nothing_behind() {
        if !missing().is_empty() {
            println!("skipped: {}", missing().join("; "));
            return;
        }
        let lab = Lab::lay().unwrap();
        let (namespace, directory) = (lab.tap_namespace(), lab.directory.clone());
        assert!(Path::new("/run/netns").join(&namespace).exists());
        drop(lab);
        assert!(!Path::new("/run/netns").join(&namespace).exists());
        assert!(!directory.exists());
    }
}
