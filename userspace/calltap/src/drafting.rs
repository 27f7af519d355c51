//! What an authority does: makes its key, drafts a warrant, signs it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use calltap_evidence::keys::KeyPair;
use calltap_evidence::trust::{self, Policy};
use calltap_evidence::warrant::{self, Deliver, Draft, Excluded, Keep};
use tracing::warn;

use crate::paper::identify;
use crate::{Outcome, acting, cli};

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
    let previous = new.supersedes.as_deref().map(version_of).transpose()?;
    let mut draft = Draft {
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
        legal_basis: new.legal_basis,
        offence_class: new.offence_class,
        recipient: new.recipient,
        urgent: new.urgent,
        version: previous.as_ref().map(|(number, _)| number.saturating_add(1)),
        supersedes: previous.map(|(_, sha256)| sha256),
        wide_targets: false,
        excluded: excluded(new.exclude, new.exclude_content),
        direction: new.direction,
        redact_sdes_keys: new.redact_sdes_keys,
        mask_dtmf: new.mask_dtmf,
    };
    let is_wide = |text: &String| identify(text).is_ok_and(|it| Policy::default().is_wide(it));
    draft.wide_targets = draft.targets.iter().any(is_wide);
    if draft.wide_targets {
        warn!("a target stands for many: the draft says that the authority means it");
    }
    fs::write(&out, draft.to_toml()).with_context(|| out.display().to_string())?;
    if let Err(refusal) = warrant::check_draft(&out, &draft, &identify) {
        warn!("it would be refused as it stands: {refusal}");
    }
    println!("draft  {} (read it, then: calltap warrant sign)", out.display());
    Ok(Outcome::Fine)
}

/// The parties whose calls are not kept, and those of which the signalling is.
fn excluded(nothing: Vec<String>, iri: Vec<String>) -> Vec<Excluded> {
    let all = [(nothing, Keep::Nothing), (iri, Keep::Iri)];
    let each = all.into_iter().flat_map(|(parties, keep)| {
        parties.into_iter().map(move |identifier| Excluded { identifier, keep })
    });
    each.collect()
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

/// The version of a warrant that is to be superseded, and its SHA-256.
fn version_of(path: &Path) -> anyhow::Result<(u32, String)> {
    let (text, draft) = acting::read(path)?;
    Ok((draft.version.unwrap_or(1), warrant::sha256(&text)))
}
