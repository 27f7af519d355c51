//! The rows of a ledger of calls, and the index that spares reading a large one again.
//!
//! The index is a file in the user's cache directory, and never in the evidence: it holds what the
//! ledger of calls holds, can be thrown away at any time, and is made anew where it does not fit.
//! A ledger that is read fast anyway leaves none, because it would be a copy of identities.
//!
//! ```text
//! magic, 16 bytes | u64 ledger's bytes covered | u64 bytes of rows | the last 64 bytes covered
//! u32 length of the ledger's path | path | rows
//! ```

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use calltap_evidence::lines::CallLine;
use calltap_evidence::read;

use super::row::{Row, State, rows};
use crate::progress;

const MAGIC: &[u8; 16] = b"calltap index 2\n";

/// The end of what is covered is held against the ledger: the last line's signature.
const TAIL: usize = 64;

const HEAD: usize = MAGIC.len() + 8 + 8 + TAIL + 4;

/// A ledger that is shorter than this, or has grown by less since, is read instead of indexed.
const WORTHWHILE: u64 = 8 << 20;

/// The rows of a LIID's calls, packed, in the order of its ledger.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) rows: Vec<u8>,
    covered: u64,
}

/// Gives the packed rows of a LIID's ledger of calls; with `indexed`, an index is read and written
/// where that is worthwhile.
///
/// # Errors
/// The ledger cannot be read, or has a line that is none of a call. An index that cannot be read
/// or written is done without.
pub fn rows_of(dir: &Path, liid: &str, indexed: bool) -> anyhow::Result<Vec<u8>> {
    let ledger = read::calls(dir, liid);
    let unreadable = || ledger.display().to_string();
    let length = fs::metadata(&ledger).with_context(unreadable)?.len();
    let ledger = ledger.canonicalize().with_context(unreadable)?;
    let place = (indexed && length >= WORTHWHILE).then(cache).flatten();
    let Some(place) = place else {
        return Ok(extend(&ledger, Known::default())?.rows);
    };
    forget_missing(&place);
    let path = place.join(name(&ledger));
    let known = load(&path, &ledger, length).unwrap_or_default();
    let before = known.covered;
    let known = extend(&ledger, known)?;
    if known.covered - before >= WORTHWHILE.min(length / 2) {
        // A full disk or a read-only home costs time, not the answer.
        let _ = store(&place, &path, &ledger, &known);
    }
    Ok(known.rows)
}

/// Removes the index of a LIID's ledger, if there is one: to be called when its evidence is
/// destroyed, as the index has the identities.
pub fn forget(dir: &Path, liid: &str) {
    let ledger = read::calls(dir, liid);
    let ledger = ledger.canonicalize().unwrap_or(ledger);
    if let Some(place) = cache() {
        let _ = fs::remove_file(place.join(name(&ledger)));
    }
}

/// Reads the ledger's lines behind what is known.
pub(crate) fn extend(ledger: &Path, mut known: Known) -> anyhow::Result<Known> {
    let mut file = File::open(ledger).with_context(|| ledger.display().to_string())?;
    let length = file.metadata()?.len();
    if known.covered >= length {
        return Ok(known);
    }
    let bar = progress::bytes("indexing", length - known.covered);
    file.seek(SeekFrom::Start(known.covered))?;
    let mut places: HashMap<u32, usize> =
        rows(&known.rows).map(|(at, row)| (row.cin, at)).collect();
    let mut input = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = input.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            // Nothing, or half a line that a living writer has not ended.
            return Ok(known);
        }
        let at = known.covered;
        let call: CallLine = serde_json::from_slice(&line).with_context(|| {
            format!("{}: offset {at}: no line of a call; see calltap verify", ledger.display())
        })?;
        let row_at = known.rows.len();
        let mut row = Row::of(&call, at);
        match places.insert(call.cin, row_at) {
            None => row.pack(&mut known.rows),
            Some(earlier_at) => {
                let earlier = known.rows.get(earlier_at..).and_then(Row::unpack);
                if let Some((earlier, _)) = earlier {
                    row.continues(&earlier);
                }
                row.pack(&mut known.rows);
                Row::set_state(&mut known.rows[earlier_at..], State::Continued);
            }
        }
        known.covered += bytes as u64;
        bar.inc(bytes as u64);
    }
}

/// Reads the index at `path`, if it is one of this ledger as far as it goes.
fn load(path: &Path, ledger: &Path, length: u64) -> Option<Known> {
    let mut file = File::open(path).ok()?;
    let mut head = [0; HEAD];
    file.read_exact(&mut head).ok()?;
    let mut rest = head.strip_prefix(MAGIC)?;
    let mut number = || {
        let (number, after) = rest.split_first_chunk()?;
        rest = after;
        Some(u64::from_le_bytes(*number))
    };
    let (covered, bytes) = (number()?, usize::try_from(number()?).ok()?);
    let (tail, path_length) = rest.split_first_chunk::<TAIL>()?;
    let path_length = u32::from_le_bytes(path_length.try_into().ok()?);
    let mut of = vec![0; usize::try_from(path_length).ok()?.min(1 << 16)];
    file.read_exact(&mut of).ok()?;
    let mut now = [0; TAIL];
    let at = covered.checked_sub(TAIL as u64).filter(|_| covered <= length)?;
    File::open(ledger).ok()?.read_exact_at(&mut now, at).ok()?;
    if of != ledger.as_os_str().as_bytes() || now != *tail {
        return None;
    }
    let mut rows = Vec::with_capacity(bytes);
    file.read_to_end(&mut rows).ok()?;
    (rows.len() == bytes).then_some(Known { rows, covered })
}

/// Writes the index, readable by this user alone, in one step.
fn store(place: &Path, path: &Path, ledger: &Path, known: &Known) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(place)?;
    let mut tail = [0; TAIL];
    let at = known.covered.saturating_sub(TAIL as u64);
    File::open(ledger)?.read_exact_at(&mut tail, at)?;
    let name = ledger.as_os_str().as_bytes();
    let temporary = path.with_extension(std::process::id().to_string());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = (|| {
        file.write_all(MAGIC)?;
        file.write_all(&known.covered.to_le_bytes())?;
        file.write_all(&(known.rows.len() as u64).to_le_bytes())?;
        file.write_all(&tail)?;
        file.write_all(&u32::try_from(name.len()).map_err(io::Error::other)?.to_le_bytes())?;
        file.write_all(name)?;
        file.write_all(&known.rows)?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes indexes of ledgers that are no more.
fn forget_missing(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if ledger_of(&entry.path()).is_none_or(|ledger| !ledger.exists()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The ledger that an index says it is of.
fn ledger_of(index: &Path) -> Option<PathBuf> {
    let mut file = File::open(index).ok()?;
    let mut head = [0; HEAD];
    file.read_exact(&mut head).ok()?;
    let (_, length) = head.strip_prefix(MAGIC)?.split_last_chunk::<4>()?;
    let mut path = vec![0; usize::try_from(u32::from_le_bytes(*length)).ok()?.min(1 << 16)];
    file.read_exact(&mut path).ok()?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(&path)))
}

/// Where the index of a ledger in `dir` is read and written, where one is that long: made, for its
/// owner alone, if it can be.
pub fn place(dir: &Path) -> Option<PathBuf> {
    let is_long = |liid: &String| {
        fs::metadata(read::calls(dir, liid)).is_ok_and(|ledger| ledger.len() >= WORTHWHILE)
    };
    read::liids(dir).ok()?.iter().find(|liid| is_long(liid))?;
    let place = cache()?;
    DirBuilder::new().recursive(true).mode(0o700).create(&place).ok().map(|()| place)
}

/// Where indexes are kept (XDG Base Directory Specification); none without a home.
fn cache() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").filter(|it| it.is_absolute());
    Some(base.or_else(|| Some(set("HOME")?.join(".cache")))?.join("calltap"))
}

fn name(ledger: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    ledger.hash(&mut hasher);
    format!("{:016x}.index", hasher.finish())
}
