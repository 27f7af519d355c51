//! A second, independent recording of the network, to hold the evidence against.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result, bail};

use super::Namespaces;

/// How long `dumpcap` may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `dumpcap`; dropping it ends the recording.
#[derive(Debug)]
pub struct Witness {
    dumpcap: Child,
    path: PathBuf,
}

impl Witness {
    /// Runs `dumpcap` on an interface of a role until [`stop`](Self::stop), and waits until it
    /// records.
    ///
    /// # Errors
    ///
    /// When `dumpcap` cannot be started, or does not record.
    pub fn start(
        network: &Namespaces,
        (role, interface): (&str, &str),
        path: &Path,
    ) -> Result<Self> {
        let dumpcap = network
            .command(role, "dumpcap")
            .args(["-q", "-B", "16", "-i", interface, "-w"])
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run `dumpcap`: run scripts/setup")?;
        let mut witness = Self { dumpcap, path: path.to_owned() };
        // dumpcap writes the section's head once its socket is open.
        let begun = Instant::now();
        while fs::metadata(path).map_or(0, |file| file.len()) == 0 {
            if begun.elapsed() > PATIENCE || witness.dumpcap.try_wait()?.is_some() {
                bail!("`dumpcap` does not record on {interface}");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(witness)
    }

    /// Ends the recording once it has caught up, and gives its path.
    ///
    /// # Errors
    ///
    /// When `dumpcap` does not end, or ends with an error.
    pub fn stop(mut self) -> Result<PathBuf> {
        // dumpcap reads the kernel's buffer a block at a time, at the latest after this long.
        sleep(Duration::from_millis(500));
        self.interrupt().context("cannot end `dumpcap`")?;
        let begun = Instant::now();
        loop {
            match self.dumpcap.try_wait()? {
                Some(status) if status.success() => return Ok(self.path.clone()),
                Some(status) => bail!("`dumpcap` ended with {status}"),
                None if begun.elapsed() > PATIENCE => bail!("`dumpcap` does not end"),
                None => sleep(Duration::from_millis(20)),
            }
        }
    }

    /// SIGINT, at which dumpcap writes what it has; the standard library knows SIGKILL only.
    fn interrupt(&self) -> io::Result<()> {
        let dumpcap = self.dumpcap.id().to_string();
        Command::new("sh").args(["-c", "kill -INT $0", &dumpcap]).status().map(drop)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.dumpcap.kill();
        let _ = self.dumpcap.wait();
    }
}
