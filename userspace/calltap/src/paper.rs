//! Keys and warrants on disk: made, signed, checked, and loaded for execution.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use calltap_evidence::keys::KeyPair;
use calltap_evidence::trust::{self, Trust};
use calltap_evidence::warrant::{self, Deliver, Draft, Refusal, Warrant};
use calltap_proto::target;
use tracing::{info, warn};

use crate::{Outcome, cli};

/// Warrants that were loaded, and those that were refused.
#[derive(Debug, Default)]
pub struct Papers {
    /// Valid and signed; whether one is in force depends on the time.
    pub warrants: Vec<Warrant>,
    /// Refused: nothing is captured for these.
    pub refused: Vec<Refusal>,
}

/// `calltap authority new`.
///
/// # Errors
/// The directory cannot be written, or a key of this name is there.
pub fn new_authority(name: &str, out: &Path) -> anyhow::Result<Outcome> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        bail!("the name {name:?} cannot be a file name");
    }
    if trust::is_node(name) {
        bail!("the name {name:?} is one that a trust directory keeps for nodes' keys");
    }
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let (secret, public) = KeyPair::generate()?.store(out, name)?;
    println!("secret key  {} (keep it with the authority alone)", secret.display());
    println!("public key  {} (goes into the trust directory)", public.display());
    Ok(Outcome::Fine)
}

/// `calltap warrant new`: writes what it is told, and says so if that would be refused.
///
/// # Errors
/// The file cannot be written, or is there already.
pub fn draft(new: cli::NewWarrant) -> anyhow::Result<Outcome> {
    let out = new.out;
    let draft = Draft {
        liid: new.liid,
        authority: new.authority_name,
        reference: new.reference,
        jurisdiction: new.jurisdiction,
        deliver: match new.deliver {
            cli::Deliver::IriOnly => Deliver::IriOnly,
            cli::Deliver::IriAndContent => Deliver::IriAndContent,
        },
        targets: new.targets,
        not_before: new.not_before,
        not_after: new.not_after,
    };
    fs::write(&out, draft.to_toml()).with_context(|| out.display().to_string())?;
    if let Err(refusal) = warrant::check_draft(&out, &draft, &parse_target) {
        warn!("it would be refused as it stands: {refusal}");
    }
    println!("draft  {} (read it, then: calltap warrant sign)", out.display());
    Ok(Outcome::Fine)
}

/// `calltap warrant sign`.
///
/// # Errors
/// The key or the warrant cannot be read, or the signature not written.
pub fn sign(file: &Path, key: &Path) -> anyhow::Result<Outcome> {
    let key = KeyPair::load(key)?;
    let signature = warrant::sign(file, &key)?;
    println!("signature  {}", signature.display());
    Ok(Outcome::Fine)
}

/// `calltap warrant check`: prints what each warrant orders, or why it is refused.
///
/// # Errors
/// The trust directory cannot be read.
pub fn check(files: &[PathBuf], trust: &Path) -> anyhow::Result<Outcome> {
    let trust = Trust::open(trust)?;
    let now_ns = now_ns();
    let mut outcome = Outcome::Fine;
    for loaded in warrant::load_all(files, &trust, &parse_target) {
        match loaded.and_then(|warrant| warrant.in_force(now_ns).map(|()| warrant)) {
            Ok(warrant) => print_order(&warrant, &trust),
            Err(refusal) => {
                eprintln!("refused: {refusal}");
                outcome = Outcome::NotFine;
            }
        }
    }
    Ok(outcome)
}

/// Loads the warrants named on a command line.
///
/// # Errors
/// The trust directory cannot be read.
pub fn files(paths: &[PathBuf], trust: &Path) -> anyhow::Result<Papers> {
    let trust = Trust::open(trust)?;
    let mut papers = Papers::default();
    for loaded in warrant::load_all(paths, &trust, &parse_target) {
        match loaded {
            Ok(warrant) => papers.warrants.push(warrant),
            Err(refusal) => papers.refused.push(refusal),
        }
    }
    Ok(papers)
}

/// Loads every `*.toml` of a directory; refusals are logged, and the others are executed.
///
/// # Errors
/// One of the two directories cannot be read.
pub fn directory(dir: &Path, trust: &Path) -> anyhow::Result<Papers> {
    let unreadable = || format!("warrants {}", dir.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut papers = files(&paths, trust)?;
    // A warrant that has ended is refused here; one that has not begun is waited for.
    let now_ns = now_ns();
    let mut live = Vec::new();
    for warrant in papers.warrants {
        match warrant.in_force(now_ns) {
            Err(refusal) if warrant.not_after_ns() < now_ns => papers.refused.push(refusal),
            _ => live.push(warrant),
        }
    }
    papers.warrants = live;
    info!("{} of {} warrants can be executed", papers.warrants.len(), paths.len());
    if papers.warrants.is_empty() {
        warn!("nothing will be captured: {} holds no warrant that can be executed", dir.display());
    }
    Ok(papers)
}

impl Papers {
    /// Logs what was refused: the code and the file. Why, in words, may quote an identity, which
    /// no log bears; `calltap warrant check` says it to whoever may read the file.
    pub fn log_refusals(&self) {
        for refusal in &self.refused {
            let (code, path) = (refusal.code(), refusal.path().display());
            warn!("refused: {code}: {path}: nothing is captured for it; see calltap warrant check");
        }
    }
}

/// Whether a target is one that can be followed.
fn parse_target(text: &str) -> Result<(), String> {
    target::parse(text).map(|_| ()).map_err(|bad| bad.to_string())
}

/// The time of day, for what is judged outside any capture.
pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn print_order(warrant: &Warrant, trust: &Trust) {
    let draft = warrant.draft();
    let signer = trust.keys().iter().find(|trusted| trusted.key.id() == warrant.signed_by());
    println!("{}: valid and in force", warrant.path().display());
    println!("  LIID       {}", draft.liid);
    println!(
        "  authority  {} ({}), reference {}",
        draft.authority, draft.jurisdiction, draft.reference
    );
    println!("  signed by  {}", signer.map_or("?", |trusted| &trusted.name));
    println!("  delivers   {}", draft.deliver.as_str());
    println!("  window     {} to {}", draft.not_before, draft.not_after);
    for target in &draft.targets {
        println!("  target     {target}");
    }
}
