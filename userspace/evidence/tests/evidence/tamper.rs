//! No byte and no line of evidence can be changed, cut, added or moved without being named; and no
//! honest run is ever taken for a changed one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use calltap_evidence::loss::Loss;
use calltap_evidence::session::Rotation;
use calltap_evidence::verify::{State, verify};
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use crate::fixture::{Court, SECOND, START_NS, close_call, files, invite, rtp};

/// Two LIIDs, three sessions of which the second died, five volumes and more, calls in both; as it
/// was after the first session, it lies in `earlier`.
pub(crate) fn evidence() -> &'static Court {
    static EVIDENCE: OnceLock<Court> = OnceLock::new();
    EVIDENCE.get_or_init(|| {
        let court = Court::new();
        let warrants = [court.warrant("L1"), court.warrant("L2")];
        for session in 0..3_u32 {
            let rotation = Rotation { duration: Some(Duration::from_secs(1)), filesize_kb: None };
            let mut store = court.store(rotation);
            for (id, warrant) in (0..).zip(&warrants) {
                let cin = store.admit(warrant, id).unwrap();
                let at_ns = START_NS + u64::from(session) * 10 * SECOND;
                invite(&mut store, warrant, id, cin, at_ns);
                for n in 0..4 {
                    let at_ns = at_ns + u64::from(n) * SECOND / 2;
                    rtp(&mut store, warrant, id, cin, at_ns, n);
                }
                close_call(&mut store, id, cin);
                assert!(store.flush().is_empty());
            }
            if session == 1 {
                drop(store);
            } else {
                store.close();
            }
            if session == 0 {
                copy(&court.root(), &court.path("earlier"));
            }
        }
        court.assert_whole();
        court
    })
}

/// The same directory where the writer of a fourth session died, with a volume open in each LIID.
pub(crate) fn interrupted() -> &'static TempDir {
    static INTERRUPTED: OnceLock<TempDir> = OnceLock::new();
    INTERRUPTED.get_or_init(|| {
        let (court, dir) = (evidence(), TempDir::new().unwrap());
        copy(&court.root(), dir.path());
        let mut store = court.store_at(dir.path(), Rotation::default());
        for (id, liid) in (0..).zip(["L1", "L2"]) {
            let warrant = court.warrant(liid);
            let cin = store.admit(&warrant, id).unwrap();
            invite(&mut store, &warrant, id, cin, START_NS + 50 * SECOND);
            assert!(store.flush().is_empty());
            rtp(&mut store, &warrant, id, cin, START_NS + 51 * SECOND, 1);
        }
        drop(store);
        assert_eq!(verify(dir.path(), None).unwrap().state, State::Interrupted);
        dir
    })
}

#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    FlipBit { file: Index, at: Index, bit: u8 },
    CutTail { file: Index, at: Index },
    AppendByte { file: Index, byte: u8 },
    InsertByte { file: Index, at: Index, byte: u8 },
    RemoveByte { file: Index, at: Index },
    DropLine { file: Index, line: Index },
    RepeatLine { file: Index, line: Index },
    SwapLines { file: Index, one: Index, other: Index },
    Empty { file: Index },
    Remove { file: Index },
    Rename { file: Index },
    Swap { one: Index, other: Index },
    Copy { from: Index, to: Index },
    Plant { beside: Index },
    RemoveCase { second: bool },
    PutBack { second: bool },
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    use Mutation::*;
    let index = any::<Index>;
    prop_oneof![
        6 => (index(), index(), 0..8_u8).prop_map(|(file, at, bit)| FlipBit { file, at, bit }),
        2 => (index(), index()).prop_map(|(file, at)| CutTail { file, at }),
        1 => (index(), any::<u8>()).prop_map(|(file, byte)| AppendByte { file, byte }),
        1 => (index(), index(), any::<u8>())
            .prop_map(|(file, at, byte)| InsertByte { file, at, byte }),
        1 => (index(), index()).prop_map(|(file, at)| RemoveByte { file, at }),
        2 => (index(), index()).prop_map(|(file, line)| DropLine { file, line }),
        2 => (index(), index()).prop_map(|(file, line)| RepeatLine { file, line }),
        2 => (index(), index(), index())
            .prop_map(|(file, one, other)| SwapLines { file, one, other }),
        1 => index().prop_map(|file| Empty { file }),
        1 => index().prop_map(|file| Remove { file }),
        1 => index().prop_map(|file| Rename { file }),
        2 => (index(), index()).prop_map(|(one, other)| Swap { one, other }),
        1 => (index(), index()).prop_map(|(from, to)| Copy { from, to }),
        1 => index().prop_map(|beside| Plant { beside }),
        1 => any::<bool>().prop_map(|second| RemoveCase { second }),
        1 => any::<bool>().prop_map(|second| PutBack { second }),
    ]
}

/// Changes the evidence in `root`; gives the files one of which must be named, none if nothing
/// changed.
pub(crate) fn mutate(root: &Path, mutation: &Mutation) -> Vec<PathBuf> {
    use Mutation::*;
    let all = files(root);
    let text: Vec<_> = all
        .iter()
        .filter(|path| ["jsonl", "toml"].iter().any(|end| path.extension().unwrap() == *end))
        .filter(|path| fs::metadata(path).unwrap().len() > 0)
        .cloned()
        .collect();
    let full: Vec<_> =
        all.iter().filter(|path| fs::metadata(path).unwrap().len() > 0).cloned().collect();
    let edit = |path: &PathBuf, edit: &dyn Fn(&mut Vec<u8>)| {
        let old = fs::read(path).unwrap();
        let mut new = old.clone();
        edit(&mut new);
        fs::write(path, &new).unwrap();
        if old == new { Vec::new() } else { vec![path.clone()] }
    };
    let relined = |path: &PathBuf, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        edit(path, &|bytes| {
            let mut lines: Vec<_> =
                bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            change(&mut lines);
            *bytes = lines.concat();
        })
    };
    match mutation {
        FlipBit { file, at, bit } => edit(file.get(&full), &|bytes| *at.get_mut(bytes) ^= 1 << bit),
        CutTail { file, at } => {
            edit(file.get(&full), &|bytes| bytes.truncate(at.index(bytes.len())))
        }
        AppendByte { file, byte } => edit(file.get(&all), &|bytes| bytes.push(*byte)),
        InsertByte { file, at, byte } => {
            edit(file.get(&full), &|bytes| bytes.insert(at.index(bytes.len()), *byte))
        }
        RemoveByte { file, at } => edit(file.get(&full), &|bytes| {
            bytes.remove(at.index(bytes.len()));
        }),
        DropLine { file, line } => {
            relined(file.get(&text), &|lines| drop(lines.remove(line.index(lines.len()))))
        }
        RepeatLine { file, line } => relined(file.get(&text), &|lines| {
            let line = line.index(lines.len());
            lines.insert(line, lines[line].clone());
        }),
        SwapLines { file, one, other } => relined(file.get(&text), &|lines| {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
        }),
        Empty { file } => edit(file.get(&full), &Vec::clear),
        Remove { file } => {
            fs::remove_file(file.get(&all)).unwrap();
            vec![file.get(&all).clone()]
        }
        Rename { file } => {
            let path = file.get(&all);
            let mut name = path.clone().into_os_string();
            name.push(".old");
            fs::rename(path, name).unwrap();
            vec![path.clone()]
        }
        Swap { one, other } => {
            let (one, other) = (one.get(&all), other.get(&all));
            let (a, b) = (fs::read(one).unwrap(), fs::read(other).unwrap());
            fs::write(one, &b).unwrap();
            fs::write(other, &a).unwrap();
            if a == b { Vec::new() } else { vec![one.clone(), other.clone()] }
        }
        Copy { from, to } => {
            let bytes = fs::read(from.get(&all)).unwrap();
            edit(to.get(&all), &|old| old.clone_from(&bytes))
        }
        Plant { beside } => {
            let path = beside.get(&all).with_extension("planted");
            fs::write(&path, "planted").unwrap();
            vec![path]
        }
        RemoveCase { second } => {
            let dir = root.join(if *second { "L2" } else { "L1" });
            fs::remove_dir_all(&dir).unwrap();
            vec![dir]
        }
        PutBack { second } => {
            let liid = if *second { "L2" } else { "L1" };
            fs::remove_dir_all(root.join(liid)).unwrap();
            copy(&evidence().path("earlier").join(liid), &root.join(liid));
            files(&root.join(liid))
        }
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_mutation_is_found_and_its_file_named(mutation in mutation()) {
        let court = evidence();
        let dir = TempDir::new().unwrap();
        copy(&court.root(), dir.path());
        let changed = mutate(dir.path(), &mutation);
        prop_assume!(!changed.is_empty());
        let report = verify(dir.path(), None).unwrap();
        prop_assert!(!report.whole);
        // A line that begins and does not end is all that a crash can leave after a session's end.
        let torn = changed == [dir.path().join("audit.jsonl")] && report.state == State::Interrupted;
        prop_assert!(torn || report.state == State::Tampered, "{:?}", report.breaks);
        let named: Vec<_> = report.breaks.iter().map(|found| dir.path().join(&found.file)).collect();
        prop_assert!(changed.iter().any(|path| named.contains(path)), "{:?} not in {:?}", changed, named);
        prop_assert!(report.first_break.is_some_and(|found| !found.what.is_empty()));
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_small_files_is_named() {
    let court = evidence();
    let dir = TempDir::new().unwrap();
    copy(&court.root(), dir.path());
    for (file, step) in [("node.pub", 1), ("checkpoint.json", 7), ("L1/warrant.toml.minisig", 5)] {
        let path = dir.path().join(file);
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(step) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, flipped).unwrap();
            let found = verify(dir.path(), None).unwrap().first_break;
            assert_eq!(found.map(|found| found.file), Some(file.into()), "byte {at}");
        }
        fs::write(&path, bytes).unwrap();
    }
}

/// One session of an honest run.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    liids: usize,
    calls: u32,
    packets: u16,
    filesize_kb: Option<u64>,
    seconds: Option<u64>,
    flushed: bool,
    pub(crate) died: bool,
}

pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    let rotation = (prop::option::of(1..8_u64), prop::option::of(1..3_u64));
    (0..3_usize, 0..4_u32, 0..40_u16, rotation, any::<bool>(), any::<bool>()).prop_map(
        |(liids, calls, packets, (filesize_kb, seconds), flushed, died)| Shape {
            liids,
            calls,
            packets,
            filesize_kb,
            seconds,
            flushed,
            died,
        },
    )
}

pub(crate) fn session(court: &Court, number: u64, shape: &Shape) {
    let duration = shape.seconds.map(Duration::from_secs);
    let mut store = court.store(Rotation { duration, filesize_kb: shape.filesize_kb });
    for (id, liid) in (0..).zip(["L1", "L2", "L3"].iter().take(shape.liids)) {
        let warrant = court.warrant(liid);
        let first = store.admit(&warrant, id).unwrap();
        let begin_ns = START_NS + number * 1000 * SECOND;
        for cin in first..first + shape.calls {
            let begin_ns = begin_ns + u64::from(cin) * SECOND;
            invite(&mut store, &warrant, id, cin, begin_ns);
            for n in 0..shape.packets {
                rtp(&mut store, &warrant, id, cin, begin_ns + u64::from(n) * SECOND / 10, n);
            }
            if cin.is_multiple_of(2) {
                close_call(&mut store, id, cin);
            }
            let loss = Loss {
                place: "ring-full",
                frames: u64::from(cin),
                from_ns: START_NS,
                to_ns: START_NS + 1,
                interface: None,
                queue: None,
            };
            store.note_loss(&loss);
        }
    }
    if shape.flushed {
        assert!(store.flush().is_empty());
    }
    if shape.died {
        drop(store);
    } else {
        assert!(store.close().errors.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_honest_run_is_taken_for_a_changed_one(shapes in prop::collection::vec(shape(), 1..4)) {
        let court = Court::new();
        for (number, shape) in (0..).zip(&shapes) {
            session(&court, number, shape);
            let report = court.verify();
            let honest = if shape.died { State::Interrupted } else { State::Whole };
            prop_assert_eq!(report.state, honest, "{:?}", report.breaks);
        }
        court.store(Rotation::default()).close();
        let report = court.verify();
        prop_assert!(report.state == State::Whole, "{:?}", report.breaks);
    }
}
