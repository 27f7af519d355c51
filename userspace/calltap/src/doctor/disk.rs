//! The directory that is to receive evidence: whose it is, its room, and how fast its disk is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{statfs, statvfs};

use super::Finding;

/// What is written to find out how fast the disk is: so many parts of so many bytes, or as many as
/// there is time for.
const PARTS: u32 = 32;
const PART: u32 = 2 << 20;
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that a call of G.711 leaves each second: both directions, 50 packets each.
const CALL: f64 = 25_000.0;

/// A volume that grows is flushed twice a second.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

/// Less room is soon full: bytes.
const ROOM: u64 = 10_000_000_000;

const TMPFS_MAGIC: u64 = 0x0102_1994;

pub(super) fn findings(dir: &Path) -> Vec<Finding> {
    let what = "evidence";
    let shown = dir.display();
    let made = format!("install -d -m 0700 -o $(id -un) {shown}");
    let mode = match fs::metadata(dir) {
        Ok(found) if found.is_dir() => found.permissions().mode(),
        Ok(_) => return vec![Finding::lacking(what, format!("{shown} is no directory"), made)],
        Err(cause) => return vec![Finding::lacking(what, format!("{shown}: {cause}"), made)],
    };
    let speed = match measure(dir) {
        Ok(speed) => speed,
        Err(cause) => {
            let mend = format!("chown $(id -un) {shown} && chmod 0700 {shown}");
            return vec![Finding::lacking(what, format!("{shown}: {cause}"), mend)];
        }
    };
    let mut findings = vec![speed.rated(), speed.flushed()];
    if mode & 0o077 != 0 {
        let found = format!("{shown} can be read by others (mode {:o})", mode & 0o777);
        findings.push(Finding::better("evidence: mode", found, format!("chmod 0700 {shown}")));
    }
    let is_memory = statfs(dir).is_ok_and(|it| u64::try_from(it.f_type) == Ok(TMPFS_MAGIC));
    if is_memory {
        findings.push(Finding::better(
            "evidence: disk",
            format!("{shown} is in memory: gone when the machine stops"),
            "another directory, on a disk",
        ));
    }
    if let Ok(room) = statvfs(dir) {
        findings.push(free(room.f_bavail.saturating_mul(room.f_frsize)));
    }
    findings
}

fn free(bytes: u64) -> Finding {
    let found = format!("{:.1} GB free", bytes as f64 / 1e9);
    if bytes < ROOM {
        let mend = "a larger disk, or calltap evidence destroy what the law lets go";
        Finding::better("evidence: room", found, mend)
    } else {
        Finding::fine("evidence: room", found)
    }
}

/// How fast a disk was.
struct Speed {
    /// Bytes a second, flushes and all.
    rate: f64,
    /// The longest flush.
    flush: Duration,
}

impl Speed {
    fn rated(&self) -> Finding {
        let (megabytes, calls) = (self.rate / 1e6, self.rate / CALL);
        Finding::fine(
            "evidence: speed",
            format!("{megabytes:.0} MB/s, or {calls:.0} calls of G.711 at once"),
        )
    }

    fn flushed(&self) -> Finding {
        let found = format!("a flush of 2 MB takes up to {:.1} ms", self.flush.as_secs_f64() * 1e3);
        if self.flush < FLUSH_INTERVAL {
            Finding::fine("evidence: flush", found)
        } else {
            let mend = "a disk of its own: volumes are flushed each half second";
            Finding::better("evidence: flush", found, mend)
        }
    }
}

/// Writes a file that has no name, and has the disk take each part of it.
fn measure(dir: &Path) -> io::Result<Speed> {
    let path = dir.join(format!(".calltap-doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    // It is gone with this process, whatever happens to it.
    fs::remove_file(&path)?;
    // Nothing that a file system would leave out or compress.
    let words = (0_u32..PART / 4).map(|it| it.wrapping_mul(0x9e37_79b9).to_le_bytes());
    let part: Vec<u8> = words.flatten().collect();
    let (begun, mut flush, mut parts) = (Instant::now(), Duration::ZERO, 0);
    while parts < PARTS && begun.elapsed() < PATIENCE {
        file.write_all(&part)?;
        let written = Instant::now();
        file.sync_data()?;
        flush = flush.max(written.elapsed());
        parts += 1;
    }
    let bytes = f64::from(parts) * f64::from(PART);
    Ok(Speed { rate: bytes / begun.elapsed().as_secs_f64(), flush })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_directory_is_measured_and_left_as_it_was() {
        let dir = TempDir::new().unwrap();
        let found = findings(dir.path());
        assert!(found.iter().all(|it| it.fine), "{found:?}");
        assert!(found[0].found.contains("MB/s"), "{found:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_others_can_read_is_a_note() {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let found = findings(dir.path());
        assert!(found.iter().any(|it| it.mend.starts_with("chmod 0700 ")), "{found:?}");
    }

    #[test]
    fn a_directory_that_is_not_there_is_made_by_the_command_that_is_named() {
        let found = findings(Path::new("/nowhere/evidence"));
        assert!(!found[0].fine && found[0].mend.starts_with("install -d -m 0700"), "{found:?}");
    }

    #[test]
    fn a_disk_that_is_slow_or_full_is_a_note() {
        let slow = Speed { rate: 1e6, flush: Duration::from_secs(1) };
        assert_eq!(slow.rated().found, "1 MB/s, or 40 calls of G.711 at once");
        assert_eq!((slow.flushed().mark(), free(1 << 20).mark()), ("note", "note"));
        assert_eq!(free(ROOM).mark(), "ok  ");
    }
}
