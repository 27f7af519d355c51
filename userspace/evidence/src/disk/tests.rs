use std::fs::{self, OpenOptions};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn create(path: &Path) -> File {
    OpenOptions::new().write(true).create_new(true).open(path).unwrap()
}

/// Pushes pieces of these lengths, flushing after those that say so, and reads the file back after
/// every flush.
fn written(pieces: &[(usize, bool)], into: &Path) {
    let mut sink = Disk::start().unwrap().sink(create(into));
    let mut expected = Vec::new();
    for (number, &(length, flush)) in pieces.iter().enumerate() {
        let piece = vec![u8::try_from(number % 251).unwrap() + 1; length];
        expected.extend_from_slice(&piece);
        sink.push(&piece).unwrap();
        assert_eq!(sink.bytes(), expected.len() as u64);
        if flush {
            sink.flush().unwrap();
            assert!(fs::read(into).unwrap() == expected, "after {} pieces", number + 1);
            assert_eq!(sink.vouched(), crate::digest::read(expected.as_slice()).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_file_is_what_was_pushed_whenever_it_is_flushed(
        pieces in prop::collection::vec((0_usize..600_000, any::<bool>()), 1..12),
    ) {
        let dir = TempDir::new_in(".").unwrap();
        written(&pieces, &dir.path().join("file"));
    }
}

#[test]
fn lengths_about_a_block_and_a_buffer_come_out_whole() {
    let dir = TempDir::new_in(".").unwrap();
    for (number, edge) in [BLOCK, 1 << 20, 2 << 20].into_iter().enumerate() {
        let pieces = [(edge - 1, true), (1, true), (1, false), (BLOCK, true), (0, true)];
        written(&pieces, &dir.path().join(number.to_string()));
    }
}

#[test]
fn a_file_system_without_direct_writes_is_written_too() {
    // Of the memory's own file systems, not all know of a disk.
    let dir = TempDir::new_in("/dev/shm").unwrap();
    written(&[(5000, true), (3 << 20, true), (17, true)], &dir.path().join("file"));
    let sink = Disk::start().unwrap().sink(create(&dir.path().join("other")));
    sink.target.direct.store(false, Ordering::Relaxed);
    let mut sink = sink;
    sink.push(b"bytes").unwrap();
    assert!(sink.flush().unwrap());
    assert_eq!(fs::read(dir.path().join("other")).unwrap(), b"bytes");
}

#[test]
fn what_the_disk_refuses_is_told_to_whoever_flushes() {
    let dir = TempDir::new_in(".").unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"").unwrap();
    // Open for reading alone: every write fails.
    let mut sink = Disk::start().unwrap().sink(File::open(&path).unwrap());
    sink.push(b"bytes").unwrap();
    assert!(sink.flush().is_err());
}
