//! What is done to a warrant after it was signed: revoked, activated, suspended, resumed.

use std::fs;
use std::io::{self, BufRead as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use calltap_evidence::keys::KeyPair;
use calltap_evidence::warrant::{self, Deed, Draft};
use calltap_proto::target::{self, Identity};

use crate::config::Config;
use crate::{Outcome, cli, paper};

/// `calltap warrant revoke`, by the authority.
///
/// # Errors
/// The warrant or the key cannot be read, or the revocation not be written.
pub fn revoke(act: &cli::Act) -> anyhow::Result<Outcome> {
    perform(act, Deed::Revoked)
}

/// `calltap warrant suspend` and `resume`, by an operator or the authority.
///
/// # Errors
/// As [`revoke`]; a key that the trust directory does not know.
pub fn suspend_or_resume(act: &cli::TrustedAct, deed: Deed) -> anyhow::Result<Outcome> {
    let trust = paper::trusted(&act.trust, &Config::default())?;
    let key = KeyPair::load(&act.act.key)?.public().id();
    let mut known = trust.operators().iter().chain(trust.keys());
    if !known.any(|trusted| trusted.key.id() == key) {
        bail!(
            "the trust directory {} knows no operator or authority with the key {key}: \
             an operator's public key lies there as NAME.operator.pub",
            act.trust.display()
        );
    }
    perform(&act.act, deed)
}

/// Signs the act and puts it beside the warrant.
fn perform(act: &cli::Act, deed: Deed) -> anyhow::Result<Outcome> {
    if act.reason.trim().is_empty() || act.reason.chars().any(char::is_control) {
        bail!("--reason is a line that says why");
    }
    let (text, draft) = read(&act.file)?;
    let key = KeyPair::load(&act.key)?;
    let of = (draft.liid.as_str(), text.as_slice());
    let path = warrant::perform(&act.file, of, deed, &act.reason, &key)?;
    println!("signed  {}", path.display());
    Ok(Outcome::Fine)
}

/// `calltap warrant activate`, by an operator who enters each identifier again, without looking.
///
/// # Errors
/// As [`suspend_or_resume`]; standard input that ends early.
pub fn activate(arguments: &cli::Activate) -> anyhow::Result<Outcome> {
    let cli::Activate { file, key, trust: dir, targets } = arguments;
    let trust = paper::trusted(dir, &Config::default())?;
    let key = KeyPair::load(key)?;
    let id = key.public().id();
    if !trust.operators().iter().any(|trusted| trusted.key.id() == id) {
        bail!(
            "{}: knows no operator with the key {id}: it lies there as NAME.operator.pub",
            dir.display()
        );
    }
    let (text, draft) = read(file)?;
    let entered = match targets.as_slice() {
        [] => ask(draft.targets.len())?,
        given => given.to_vec(),
    };
    // Neither the right identifier nor the wrong one is shown: it is not to be copied from here.
    let Some(entered) = identities(&entered) else {
        eprintln!("refused: identifier-mismatch: what was entered is no list of identifiers");
        return Ok(Outcome::NotFine);
    };
    if identities(&draft.targets).as_ref() != Some(&entered) {
        eprintln!(
            "refused: identifier-mismatch: what was entered is not what the warrant names; \
             look at the order itself, and not at the file"
        );
        return Ok(Outcome::NotFine);
    }
    let of = (draft.liid.as_str(), text.as_slice());
    let path = warrant::perform(file, of, Deed::Activated, "", &key)?;
    println!("signed  {}", path.display());
    Ok(Outcome::Fine)
}

/// Asks for each identifier of the order.
fn ask(count: usize) -> anyhow::Result<Vec<String>> {
    let mut lines = io::stdin().lock().lines();
    let mut entered = Vec::new();
    for number in 1..=count {
        eprintln!("identifier {number} of {count}, from the order:");
        let line = lines.next().context("standard input ended before every identifier")??;
        entered.push(line.trim().to_owned());
    }
    Ok(entered)
}

/// The identifiers in one order and one spelling; `None` if one of them names nobody.
fn identities(texts: &[String]) -> Option<Vec<Identity>> {
    let mut identities: Vec<_> =
        texts.iter().map(|text| target::parse(text)).collect::<Result<_, _>>().ok()?;
    identities.sort();
    identities.dedup();
    Some(identities)
}

/// A warrant's text and fields, whoever signed it.
pub(crate) fn read(path: &Path) -> anyhow::Result<(Vec<u8>, Draft)> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    let draft = std::str::from_utf8(&text).map_err(|bad| bad.to_string());
    let draft = draft.and_then(|text| Draft::from_toml(text).map_err(|(_, what)| what));
    let draft = draft.map_err(|what| anyhow::anyhow!("{}: {what}", path.display()))?;
    Ok((text, draft))
}
