//! `calltap evidence open`: sealed evidence opened by the recipient whom the warrant names.

use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use calltap_evidence::age::Identity;
use calltap_evidence::lines::{CallLine, VolumeLine};
use calltap_evidence::{opened, read};

use super::confined::confine;
use super::custody::Custody;
use super::new_file::NewFile;
use crate::{Outcome, cli};

/// Opens a volume, all of a LIID, or all that there is.
///
/// # Errors
/// Nothing sealed is there, the identity cannot be read or is another's, or a file cannot be read
/// or written.
pub fn open(arguments: &cli::Open) -> anyhow::Result<Outcome> {
    let cli::Open { identity, out, what } = arguments;
    let key = Identity::load(identity).with_context(|| identity.display().to_string())?;
    let what = what.canonicalize().with_context(|| what.display().to_string())?;
    let Wanted { root, liids, file } = wanted(&what)?;
    let custody = Custody::of(&root);
    confine(custody.places()?.writing(out)?, &root, false)?;
    let mut opening = Opening { key, root: &root, out, count: 0, differs: 0 };
    for liid in &liids {
        let lines = read::sealed(&root, liid).with_context(|| format!("{liid}: its manifest"))?;
        let asked = |line: &&VolumeLine| file.as_ref().is_none_or(|file| *file == line.file);
        for line in lines.iter().filter(asked) {
            opening.volume(line)?;
        }
        if file.is_none() {
            opening.calls(liid)?;
        }
    }
    let Opening { count, differs, .. } = opening;
    if count == 0 {
        bail!("{}: nothing there is sealed to a recipient", what.display());
    }
    let details = [("liids", liids.join(" ")), ("files", count.to_string())];
    custody.record("evidence-opened", &details);
    Ok(if differs == 0 { Outcome::Fine } else { Outcome::NotFine })
}

/// What is to be opened.
struct Wanted {
    root: PathBuf,
    liids: Vec<String>,
    /// This volume alone.
    file: Option<String>,
}

fn wanted(what: &Path) -> anyhow::Result<Wanted> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let file = if what.is_file() { name(what) } else { None };
    let dir = if file.is_some() { what.parent().unwrap_or(what) } else { what };
    if read::is_evidence(dir) {
        let liids = read::liids(dir).with_context(|| dir.display().to_string())?;
        return Ok(Wanted { root: dir.to_owned(), liids, file });
    }
    match (dir.parent(), name(dir)) {
        (Some(root), Some(liid)) if read::calls(root, &liid).is_file() => {
            Ok(Wanted { root: root.to_owned(), liids: vec![liid], file })
        }
        _ => bail!("{}: neither evidence nor in a LIID's directory of it", what.display()),
    }
}

struct Opening<'a> {
    key: Identity,
    root: &'a Path,
    out: &'a Path,
    /// Files opened.
    count: u64,
    /// Those that are not as the manifest has them.
    differs: u64,
}

impl Opening<'_> {
    fn volume(&mut self, line: &VolumeLine) -> anyhow::Result<()> {
        let Some(sealed) = &line.sealed else { return Ok(()) };
        let path = self.root.join(line.path());
        let name = line.file.strip_suffix(".age").unwrap_or(&line.file);
        let out = self.out.join(name);
        let new = NewFile::create(&out, self.root)?;
        let into = BufWriter::with_capacity(1 << 20, &new.file);
        let found = opened::volume(&path, sealed, &self.key, into)
            .with_context(|| path.display().to_string())?;
        new.keep().with_context(|| out.display().to_string())?;
        self.count += 1;
        match &sealed.plain {
            Some(plain) if *plain == found => {
                println!("{}: as the manifest has it, SHA-256 {}", out.display(), found.sha256);
            }
            Some(plain) => {
                self.differs += 1;
                let (is, was) = (found.sha256, &plain.sha256);
                println!("{}: ALTERED, SHA-256 {is} where the manifest has {was}", out.display());
            }
            None => println!("{}: what a loss of power has left of it", out.display()),
        }
        Ok(())
    }

    fn calls(&mut self, liid: &str) -> anyhow::Result<()> {
        let path = read::calls(self.root, liid);
        let unreadable = || path.display().to_string();
        let mut texts = Vec::new();
        for line in BufReader::new(fs::File::open(&path).with_context(unreadable)?).lines() {
            let line: CallLine = serde_json::from_str(&line.with_context(unreadable)?)
                .with_context(|| format!("{}: line {}", unreadable(), texts.len() + 1))?;
            if line.sealed.is_some() {
                texts.push(opened::call(&line, &self.key).with_context(unreadable)?);
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        let out = self.out.join(format!("{liid}_calls.jsonl"));
        let new = NewFile::create(&out, self.root)?;
        for text in texts {
            (&new.file).write_all(&[text.as_slice(), b"\n"].concat())?;
        }
        new.keep().with_context(|| out.display().to_string())?;
        self.count += 1;
        println!("{}: its calls", out.display());
        Ok(())
    }
}
