//! Wires the stages together: threads, warrants on disk, audit, and the command line.
//!
//! A frame's way through a run: the [`wire`] brings it, a [`worker`] takes it in ([`intake`]);
//! [`signalling`] follows calls ([`follow`]) and says whom to listen to ([`content`]); the [`writer`]
//! has the records in order of time ([`merge`]) and the [`recorder`] counts and writes them.
//! The [`engine`] is these threads together; [`replay`] takes the same steps in one.

pub mod accounting;
pub mod acting;
pub mod audit;
pub mod batch;
pub mod body;
pub mod capture;
pub mod cards;
pub mod cli;
pub mod config;
pub mod confine;
pub mod console;
pub mod content;
pub mod delivery;
pub mod demo;
pub mod docket;
pub mod doctor;
pub mod drafting;
pub mod drift;
pub mod dry_run;
pub mod engine;
pub mod evidence;
mod excluded;
pub mod follow;
pub mod hearing;
pub mod horizon;
pub mod inspection;
pub mod intake;
pub mod lab;
mod listening;
pub mod live;
pub mod loss;
pub mod merge;
pub mod oversight;
pub mod paper;
pub mod placement;
pub mod polling;
pub mod pool;
pub mod progress;
pub mod recorder;
pub mod recording;
pub mod replay;
pub mod resume;
pub mod run;
pub mod signalling;
pub mod summary;
pub mod verify;
pub mod wire;
pub mod worker;
pub mod writer;

/// How a command ended, where nothing went wrong with the command itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The thing asked about is fine: exit code 0.
    Fine,
    /// It is not, and standard error says what: exit code 1.
    NotFine,
}
