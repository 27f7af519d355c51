//! How fast records become sealed evidence, beside `dd` on the same file system.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use calltap_bench::desk::Desk;
use calltap_bench::talk::{NOW_NS, Talk};
use calltap_evidence::chunk::Chunk;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::session::{InterfaceFacts, Rotation, Session};
use calltap_evidence::store::Store;
use calltap_evidence::trust::Trust;
use calltap_evidence::warrant::{self, Identifier};

use crate::figures::Figures;

/// What each writes in a round.
const MIB: u64 = 1024;

/// Volumes of this size in thousands of bytes are what rotation is measured with: ten of them.
const ROTATED_KB: u64 = 107_374;

/// Somebody to whom evidence is sealed, whose identity nobody kept.
const RECIPIENT: &str = "age10aqnd7cxzd0m7esc80a6mh87n7scvc872enwahlyrhjv4lxg0g6s00xmue";

pub(crate) fn beside_dd(rounds: u32, dir: &Path, figures: &mut Figures) -> Result<()> {
    for _ in 0..rounds {
        let dir = tempfile::tempdir_in(dir)?;
        let one = Rotation { duration: None, filesize_kb: None };
        let ten = Rotation { filesize_kb: Some(ROTATED_KB), ..one };
        let ours = evidence(&dir.path().join("evidence"), &Desk::lay(), one)?;
        let theirs = dd(&dir.path().join("dd"))?;
        let rotated = evidence(&dir.path().join("rotated"), &Desk::lay(), ten)?;
        let recipient = RECIPIENT.parse().map_err(|_| anyhow!("{RECIPIENT}: no recipient"))?;
        let encrypted =
            evidence(&dir.path().join("encrypted"), &Desk::lay_for(Some(recipient)), one)?;
        figures.add("writer_mb_s", ours / 1e6);
        figures.add("dd_mb_s", theirs / 1e6);
        figures.add("writer_vs_dd", ours / theirs);
        figures.add("writer_rotated_mb_s", rotated / 1e6);
        figures.add("writer_rotated_vs_one", rotated / ours);
        figures.add("writer_encrypted_mb_s", encrypted / 1e6);
        figures.add("writer_encrypted_vs_plain", encrypted / ours);
    }
    Ok(())
}

/// Bytes a second from records in chunks to a volume that is hashed, synced, sealed and signed.
fn evidence(root: &Path, desk: &Desk, rotation: Rotation) -> Result<f64> {
    let facts = InterfaceFacts {
        name: "bench".to_owned(),
        link_type: 1,
        snaplen: 0,
        filter: String::new(),
        mode: String::new(),
    };
    let session =
        Session { interfaces: vec![facts], tool: "bench".to_owned(), ..Session::default() };
    let mut store = Store::open(root, KeyPair::generate()?, session, rotation)?;
    let trust = Trust::open(&desk.path("trust"))?;
    store
        .admit(&warrant::load(&desk.path("warrant.toml"), &trust, &|_| Ok(Identifier::Sip))?, 0)?;
    let mut talk = Talk::of(desk.authority(), 1_000);
    let (mut chunk, mut time, mut bytes) = (Chunk::default(), Duration::ZERO, 0);
    while bytes < MIB << 20 {
        chunk.clear();
        talk.fill(&mut chunk, u64::MAX);
        let begun = Instant::now();
        for record in chunk.records() {
            bytes += record.block().len() as u64;
            store.append(&record)?;
        }
        let errors = store.tick(NOW_NS);
        ensure!(errors.is_empty(), "{errors:?}");
        time += begun.elapsed();
    }
    let begun = Instant::now();
    let sealed = store.close();
    time += begun.elapsed();
    let packets: u64 = sealed.volumes.iter().map(|volume| volume.packets).sum();
    ensure!(sealed.errors.is_empty() && packets == talk.packets(), "{:?}", sealed.errors);
    Ok(bytes as f64 / time.as_secs_f64())
}

/// The same number of bytes, past the page cache, and synced.
fn dd(file: &Path) -> Result<f64> {
    let begun = Instant::now();
    let done = Command::new("dd")
        .args(["if=/dev/zero", "bs=1M", "oflag=direct", "conv=fsync"])
        .arg(format!("count={MIB}"))
        .arg(format!("of={}", file.display()))
        .stderr(Stdio::null())
        .status()
        .context("dd, of coreutils")?;
    ensure!(done.success(), "dd cannot write past the page cache in {}", file.display());
    Ok((MIB << 20) as f64 / begun.elapsed().as_secs_f64())
}
