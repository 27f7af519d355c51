//! `calltap evidence`: evidence read by those who work with it.
//!
//! What is exported is a copy and says so; nothing but the destruction of all that a LIID has, and the
//! audit, is changed in an evidence directory.

use std::io;

use crate::Outcome;
use crate::cli::Evidence;

pub mod audio;
pub mod calls;
pub mod confined;
pub mod custody;
pub mod destroy;
pub mod dossier;
pub mod drawing;
pub mod export;
pub mod hep;
pub mod index;
pub mod inert;
pub mod ladder;
pub mod list;
mod listed;
pub mod new_file;
pub mod open;
pub mod ownership;
pub mod report;
pub mod row;
pub mod show;
pub mod signalling;
pub mod table;
pub mod unfinished;
pub mod when;

/// Does what `calltap evidence` is asked.
///
/// # Errors
/// A directory, ledger or volume that cannot be read, a call that is not there, an output that
/// cannot be written.
pub fn evidence(command: &Evidence) -> anyhow::Result<Outcome> {
    let done = match command {
        Evidence::List(arguments) => list::list(arguments),
        Evidence::Show(arguments) => show::show(arguments),
        Evidence::Export(arguments) => export::export(arguments),
        Evidence::Report(arguments) => report::report(arguments),
        Evidence::Audio(arguments) => audio::audio(arguments),
        Evidence::Hep(arguments) => hep::send(arguments),
        Evidence::Destroy(arguments) => destroy::destroy(arguments),
        Evidence::Open(arguments) => open::open(arguments),
    };
    match done {
        // Whoever reads has seen enough: `| head`.
        Err(error) if is_closed(&error) => Ok(Outcome::Fine),
        Err(error) if error.is::<dossier::Altered>() => {
            eprintln!("calltap: {error}");
            Ok(Outcome::NotFine)
        }
        done => done,
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    let closed = |kind| kind == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|it| closed(it.kind()))
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|it| it.io_error_kind().is_some_and(closed))
    })
}
