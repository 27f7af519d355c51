//! `checkpoint.json`: how far the ledgers of a directory go, so that cutting their ends shows.
//!
//! It is one line, signed like a ledger's, and replaced whole whenever a ledger has grown. It also
//! vouches for the volume being written, up to the last time that it was written out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::{self, Digested};
use crate::keys::{KeyPair, PublicKey};
use crate::ledger::{self, Head};
use crate::volume::Counts;

/// The checkpoint's name; it is written under [`TEMPORARY`] and renamed.
pub(crate) const FILE: &str = "checkpoint.json";
/// Its name while it is written.
pub(crate) const TEMPORARY: &str = "checkpoint.json.tmp";

/// The heads of a directory's ledgers, and its open volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The directory: a LIID, or `audit` for the evidence directory itself.
    pub(crate) checkpoint: String,
    /// Each ledger's head, by its name.
    pub(crate) heads: BTreeMap<String, Head>,
    /// The volume being written.
    pub(crate) open: Option<OpenVolume>,
    /// The system's boot: after another one, what was not yet on disk may be lost with no hand laid
    /// on it.
    pub(crate) boot: String,
}

/// What is vouched for of a volume that is not sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenVolume {
    /// Its name when sealed; `.part` comes after it until then.
    pub(crate) file: String,
    /// How many of its bytes were written out.
    pub(crate) bytes: u64,
    /// SHA-256 of these.
    pub(crate) sha256: String,
    /// Of one that is sealed to a recipient: what nobody here could read out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sealed: Option<SealedSoFar>,
}

/// What is vouched for of an open volume that is sealed to a recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedSoFar {
    /// Whom it is sealed to.
    pub(crate) recipient: String,
    /// What follows its last whole chunk, as an age file of its own, in base64.
    pub(crate) tail: String,
    /// The pcapng inside, both together.
    pub(crate) plain: Digested,
    /// Its packets.
    pub(crate) counts: Counts,
    /// Times of its first and last packet, nanoseconds since the Unix epoch.
    pub(crate) span: Option<(u64, u64)>,
    /// The highest call number used so far.
    pub(crate) last_cin: u32,
}

impl OpenVolume {
    /// A volume of which nothing is written yet.
    pub(crate) fn named(file: &str) -> Self {
        Self { file: file.to_owned(), bytes: 0, sha256: digest::hex(b""), sealed: None }
    }
}

impl Checkpoint {
    /// That of the evidence directory itself, whose audit goes as far as `head`.
    pub(crate) fn of_audit(head: &Head) -> Self {
        Self {
            checkpoint: "audit".to_owned(),
            heads: BTreeMap::from([("audit".to_owned(), head.clone())]),
            open: None,
            boot: boot_id(),
        }
    }

    /// Replaces the checkpoint of `dir`. `durable`: waits until the disk has it; without, it lives
    /// through the death of this program but perhaps not of the machine.
    pub(crate) fn write(&self, dir: &Path, node: &KeyPair, durable: bool) -> io::Result<()> {
        let comment = format!("checkpoint {}", self.checkpoint);
        let line = ledger::sign_line(&serde_json::to_string(self)?, node, &comment)?;
        let temporary = dir.join(TEMPORARY);
        let replaced = replace(&temporary, &dir.join(FILE), line.as_bytes(), durable);
        if replaced.is_err() {
            // The old checkpoint still stands; half a new one helps nobody.
            let _ = fs::remove_file(&temporary);
        } else if durable {
            sync_dir(dir)?;
        }
        replaced
    }

    /// Reads and checks the checkpoint of `dir`, which must be called `name`.
    pub(crate) fn read(
        dir: &Path,
        name: &str,
        node: &PublicKey,
    ) -> io::Result<Result<Self, String>> {
        let line = fs::read(dir.join(FILE))?;
        Ok(Self::parse(&line, name, node))
    }

    fn parse(line: &[u8], name: &str, node: &PublicKey) -> Result<Self, String> {
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
        ledger::check_line(line, node)?;
        let checkpoint: Self = serde_json::from_str(line).map_err(|_| "it is no checkpoint")?;
        if checkpoint.checkpoint != name {
            return Err(format!("it is that of {}", checkpoint.checkpoint));
        }
        Ok(checkpoint)
    }

    /// The head that it vouches for.
    pub(crate) fn head(&self, ledger: &str) -> Head {
        self.heads.get(ledger).cloned().unwrap_or_default()
    }
}

fn replace(temporary: &Path, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_data()?;
    }
    fs::rename(temporary, path)
}

/// The id of the running system's boot.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Waits until the disk has a directory's names.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
