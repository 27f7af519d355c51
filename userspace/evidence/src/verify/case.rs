//! One LIID's directory: its warrants, its ledgers, its volumes, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ledgers::{Heads, unreadable};
use super::{Check, Counts, Place, Stated};
use crate::audit::CaseOpened;
use crate::checkpoint::{self, OpenVolume};
use crate::digest::{self, Digested};
use crate::keys::{PublicKey, Signature};
use crate::lines::VolumeLine;
use crate::salvage::{self, Leftover};
use crate::{layout, volume};

impl Check<'_> {
    pub(super) fn case(
        &mut self,
        node: &PublicKey,
        liid: &str,
        copies: &[CaseOpened],
        stated: &Stated,
    ) {
        let dir = Path::new(liid);
        let names = match layout::names(&self.root.join(dir)) {
            Ok(names) => names,
            Err(error) => return self.broken(dir, Place::File, unreadable(&error)),
        };
        self.counts.cases = self.counts.cases.saturating_add(1);
        let vouched = self.checkpoint(dir, liid, node);
        let open = vouched.as_ref().and_then(|checkpoint| checkpoint.open.clone());
        let stated = |name: &str| stated.get(name).map(Vec::as_slice).unwrap_or_default();
        let heads = |ledger: &str, name: &str| Heads {
            checkpoint: vouched.as_ref().map(|checkpoint| checkpoint.head(ledger)),
            stated: stated(name),
        };
        let mut volumes = BTreeMap::new();
        let (file, name) = (dir.join(layout::MANIFEST), format!("{liid}/manifest"));
        self.ledger(&file, &name, &heads("manifest", &name), node, &mut |line| {
            if let Ok(line) = VolumeLine::deserialize(line) {
                volumes.insert(line.file.clone(), line);
            }
        });
        let (file, name) = (dir.join(layout::CALLS), format!("{liid}/calls"));
        let calls = self.ledger(&file, &name, &heads("calls", &name), node, &mut |_| {});
        self.counts.calls = self.counts.calls.saturating_add(calls);
        for copy in copies {
            self.warrant(dir, copy);
        }
        for line in volumes.values() {
            self.volume(dir, line);
        }
        let open = open.filter(|open| !volumes.contains_key(&open.file));
        if let Some(open) = &open {
            let power = vouched.as_ref().is_some_and(salvage::may_be_power_loss);
            self.open_volume(dir, open, power);
        }
        for name in names {
            let known = [checkpoint::FILE, layout::MANIFEST, layout::CALLS]
                .contains(&name.as_str())
                || copies
                    .iter()
                    .any(|copy| name == copy.warrant || name == layout::signature(&copy.warrant))
                || volumes.contains_key(&name)
                || open.iter().any(|open| is_open(&name, &open.file));
            if !known {
                self.unknown(dir, &name, copies, &volumes);
            }
        }
    }

    /// A file that nothing names: written ahead of the line that would have named it, or planted.
    fn unknown(
        &mut self,
        dir: &Path,
        name: &str,
        copies: &[CaseOpened],
        volumes: &BTreeMap<String, VolumeLine>,
    ) {
        let next = layout::warrant(copies.len().saturating_add(1));
        let file = dir.join(name);
        if name == checkpoint::TEMPORARY {
            self.left(file, Place::File, "a checkpoint half written");
        } else if name == next || name == layout::signature(&next) {
            self.left(file, Place::File, "a warrant copied and not yet in the audit");
        } else if self.live
            && name.strip_suffix(".part").is_some_and(|name| volumes.contains_key(name))
        {
            // Sealed since the names were listed.
        } else {
            self.broken(file, Place::File, "no signed line names it");
        }
    }

    /// Checks the copy of a warrant: against the audit, and its signature against the trust store.
    fn warrant(&mut self, dir: &Path, copy: &CaseOpened) {
        let file = dir.join(&copy.warrant);
        let signature = dir.join(layout::signature(&copy.warrant));
        let hashes = [(&file, &copy.warrant_sha256), (&signature, &copy.signature_sha256)];
        for (file, sha256) in hashes {
            if self.is_file(file) {
                match File::open(self.root.join(file)).and_then(digest::read) {
                    Ok(found) if found.sha256 == *sha256 => {}
                    Ok(_) => self.broken(file, Place::File, "it is not as the audit has it"),
                    Err(error) => self.broken(file, Place::File, unreadable(&error)),
                }
            }
        }
        let Some(trust) = self.trust else { return };
        let text = fs::read_to_string(self.root.join(&signature)).unwrap_or_default();
        let Some(parsed) = Signature::parse(&text) else {
            return self.broken(signature, Place::File, "it is no signature");
        };
        let verified = trust.claimed_by(&parsed).any(|trusted| {
            File::open(self.root.join(&file)).is_ok_and(|text| trusted.key.verifies(&parsed, text))
        });
        if !verified {
            let what = format!("not signed by a trusted authority: key {}", parsed.key_id());
            self.broken(file, Place::File, what);
        }
    }

    fn volume(&mut self, dir: &Path, line: &VolumeLine) {
        let file = dir.join(&line.file);
        if !self.is_file(&file) {
            return;
        }
        let told = |file| digest::read(Told { file, read: self.read });
        let found = match File::open(self.root.join(&file)).and_then(told) {
            Ok(found) => found,
            Err(error) => return self.broken(file, Place::File, unreadable(&error)),
        };
        let Digested { bytes, sha256, merkle } = found;
        let Counts { volumes, bytes: sum, packets, carried, .. } = &mut self.counts;
        *volumes = volumes.saturating_add(1);
        *sum = sum.saturating_add(bytes);
        *packets = packets.saturating_add(line.packets);
        *carried = carried.saturating_add(line.carried);
        if line.interrupted {
            self.notes.push(format!(
                "{} was not sealed by its writer ({}): it ends with its last whole block",
                line.path(),
                line.reason
            ));
        }
        for (place, count) in &line.losses {
            self.notes.push(format!("{count} frames lost ({place}) before {} ended", line.path()));
        }
        if bytes != line.bytes {
            let what = format!("it has {bytes} bytes, and was sealed with {}", line.bytes);
            self.broken(file, Place::Offset(bytes.min(line.bytes)), what);
        } else if sha256 != line.sha256 {
            self.broken(file, Place::File, "its SHA-256 is not that of the manifest");
        } else if !line.merkle.is_empty() && merkle != line.merkle {
            self.broken(file, Place::File, "its Merkle root is not that of the manifest");
        }
    }

    /// `power`: whether what is missing of it may have been lost with the machine's power.
    fn open_volume(&mut self, dir: &Path, open: &OpenVolume, power: bool) {
        let part = volume::part(dir, &open.file);
        let is_part = fs::symlink_metadata(self.root.join(&part)).is_ok();
        let file: PathBuf = if is_part { part } else { dir.join(&open.file) };
        match salvage::leftover(&self.root.join(dir), open) {
            Ok(Leftover::NotBegun) => self.left(file, Place::File, "named, and not yet begun"),
            Ok(Leftover::Intact) if self.live => {
                self.notes.push(format!("{} is being written", file.display()));
            }
            Ok(Leftover::Intact) => self.left(
                file,
                Place::Offset(open.bytes),
                "its writer died before it was sealed; the bytes up to here are vouched for",
            ),
            // A living writer may have given it its final name between two looks.
            Ok(Leftover::Missing) if self.live => {}
            Ok(Leftover::Missing | Leftover::Changed) if power => self.left(
                file,
                Place::File,
                "written bytes are gone or differ since the machine last started, as after a loss \
                 of power",
            ),
            Ok(Leftover::Missing) => self.broken(file, Place::File, "it is missing"),
            Ok(Leftover::Changed) => {
                let what = format!("the first {} bytes are not as they were written", open.bytes);
                self.broken(file, Place::File, what);
            }
            Err(error) => self.broken(file, Place::File, unreadable(&error)),
        }
    }
}

/// Whether `name` is the open volume `file`, sealed or not.
fn is_open(name: &str, file: &str) -> bool {
    name == file || name.strip_suffix(".part") == Some(file)
}

/// A volume that is read, with who is told how far.
struct Told<'a> {
    file: File,
    read: &'a dyn Fn(u64),
}

impl Read for Told<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        (self.read)(u64::try_from(bytes).unwrap_or(u64::MAX));
        Ok(bytes)
    }
}
