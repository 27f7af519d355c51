//! Warrants on disk: checked, and loaded for execution.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use calltap_evidence::trust::Trust;
use calltap_evidence::warrant::{self, Identifier, Refusal, Warrant};
use calltap_proto::target::{self, Identity};
use tracing::{info, warn};

use crate::Outcome;
use crate::config::Config;

/// Warrants that were loaded, and those that were refused.
#[derive(Debug, Default)]
pub struct Papers {
    /// Valid and signed; whether one is in force depends on the time.
    pub warrants: Vec<Warrant>,
    /// Refused: nothing is captured for these.
    pub refused: Vec<Refusal>,
    /// Who was trusted when they were loaded.
    pub trust: Arc<Trust>,
}

/// `calltap warrant check`: prints what each warrant orders, or why it is refused.
///
/// # Errors
/// The trust directory or the settings cannot be read.
pub fn check(files: &[PathBuf], trust: &Path, config: Option<&Path>) -> anyhow::Result<Outcome> {
    let trust = trusted(trust, &Config::load(config)?)?;
    let now_ns = now_ns();
    let mut outcome = Outcome::Fine;
    for loaded in warrant::load_all(files, &trust, &identify) {
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

/// Opens the trust directory as a node with these settings reads it.
///
/// # Errors
/// It cannot be read, or `trust.toml` in it not be obeyed.
pub fn trusted(dir: &Path, config: &Config) -> anyhow::Result<Trust> {
    Ok(Trust::open(dir)?.in_country(config.country.as_deref()))
}

/// Loads the warrants named on a command line.
pub fn files(paths: &[PathBuf], trust: Trust) -> Papers {
    let mut papers = Papers::default();
    for loaded in warrant::load_all(paths, &trust, &identify) {
        match loaded {
            Ok(warrant) => papers.warrants.push(warrant),
            Err(refusal) => papers.refused.push(refusal),
        }
    }
    papers.trust = Arc::new(trust);
    papers
}

/// Loads every `*.toml` of a directory, as of `now_ns`.
///
/// # Errors
/// The directory cannot be read.
pub fn directory(dir: &Path, trust: Trust, now_ns: u64) -> anyhow::Result<Papers> {
    let unreadable = || format!("warrants {}", dir.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut papers = files(&paths, trust);
    // A warrant that has ended is refused here; one that has not begun is waited for.
    let mut live = Vec::new();
    for warrant in papers.warrants {
        match warrant.in_force(now_ns) {
            Err(refusal) if warrant.not_after_ns() < now_ns => papers.refused.push(refusal),
            _ => live.push(warrant),
        }
    }
    papers.warrants = live;
    Ok(papers)
}

impl Papers {
    /// Logs what was refused: the code and the file. Why, in words, may quote an identity, which
    /// no log bears; `calltap warrant check` says it to whoever may read the file.
    pub fn log_refusals(&self) {
        self.refused.iter().for_each(log_refusal);
    }

    /// Logs how many of a directory's warrants there are to execute.
    pub fn log_count(&self, dir: &Path) {
        let (fine, all) = (self.warrants.len(), self.warrants.len() + self.refused.len());
        info!("{fine} of {all} warrants can be executed");
        if fine == 0 {
            warn!("nothing is captured: {} holds no warrant that can be executed", dir.display());
        }
    }
}

/// Logs a refusal, without what it quotes.
pub(crate) fn log_refusal(refusal: &Refusal) {
    let (code, path) = (refusal.code(), refusal.path().display());
    warn!("refused: {code}: {path}: nothing is captured for it; see calltap warrant check");
}

/// Whether a target is one that can be followed, and how much it names.
pub(crate) fn identify(text: &str) -> Result<Identifier, String> {
    match target::parse(text).map_err(|bad| bad.to_string())? {
        Identity::Sip { user: Some(_), host: Some(_) } => Ok(Identifier::Sip),
        Identity::Sip { host: None, .. } => Ok(Identifier::SipAnyHost),
        Identity::Sip { user: None, .. } => Ok(Identifier::SipHost),
        Identity::Number { .. } => Ok(Identifier::Tel),
        Identity::Network { address, length } => Ok(Identifier::Ip { address, length }),
        _ => Err("a target of this kind cannot be held against a policy".to_owned()),
    }
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
    let signer = signer
        .map_or("?", |trusted| trust.policy(&trusted.name).name.as_ref().unwrap_or(&trusted.name));
    println!("  signed by  {signer}");
    println!("  delivers   {}", draft.deliver.as_str());
    for (name, value) in [("basis", &draft.legal_basis), ("offence", &draft.offence_class)] {
        if let Some(value) = value {
            println!("  {name:<10} {value}");
        }
    }
    if draft.urgent {
        println!("  urgent     yes");
    }
    if let Some(before) = &draft.supersedes {
        println!("  version    {}, in place of {before}", warrant.version());
    }
    println!("  window     {} to {}", draft.not_before, draft.not_after);
    for target in &draft.targets {
        println!("  target     {target}");
    }
    if let Some(direction) = draft.direction {
        println!("  direction  {}", direction.as_str());
    }
    for excluded in &draft.excluded {
        println!("  excluded   {} (keep {})", excluded.identifier, excluded.keep.as_str());
    }
}
