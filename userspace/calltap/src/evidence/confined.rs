//! Who reads evidence is confined ahead of its first byte, as it may be anybody's.

use std::path::Path;

use super::calls;
use super::custody::Custody;
use super::dossier::Dossier;
use super::index;
use super::new_file::NewFile;
use crate::config::Required;
use crate::confine::{Confinement, Places, Work};
use crate::{cli, progress};

/// Confines this thread to `places` and, with `indexed`, to the index of the calls in `dir`.
///
/// # Errors
/// The place of the index is no directory any more.
pub fn confine(places: Places, dir: &Path, indexed: bool) -> anyhow::Result<()> {
    progress::look();
    let places = match index::place(dir).filter(|_| indexed) {
        Some(place) => places.writing(&place)?,
        None => places,
    };
    Confinement::to(Work::Files, &places, Required::Offered)?;
    Ok(())
}

/// Opens a call to be looked at.
///
/// # Errors
/// As [`Dossier::open`].
pub fn looking(call: &cli::Call) -> anyhow::Result<Dossier> {
    let dir = calls::directory(call.evidence.as_deref())?;
    confine(Places::default().reading([&dir]), &dir, true)?;
    Dossier::open(call)
}

/// Opens a call to be told to somebody, and the audit that says so; what tells it is open already.
///
/// # Errors
/// As [`Dossier::open`].
pub fn telling(call: &cli::Call) -> anyhow::Result<(Dossier, Custody)> {
    let dir = calls::directory(call.evidence.as_deref())?;
    let custody = Custody::of(&dir);
    confine(custody.places()?, &dir, true)?;
    Ok((Dossier::open(call)?, custody))
}

/// Opens a call to be copied, the file for the copy, and the audit that says so.
///
/// # Errors
/// As [`NewFile::create`] and [`Dossier::open`].
pub fn copying(call: &cli::Call, out: &Path) -> anyhow::Result<(Dossier, NewFile, Custody)> {
    let dir = calls::directory(call.evidence.as_deref())?;
    let out = NewFile::create(out, &dir)?;
    let custody = Custody::of(&dir);
    confine(out.places(custody.places()?), &dir, true)?;
    Ok((Dossier::open(call)?, out, custody))
}
