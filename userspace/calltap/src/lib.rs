//! Wires the stages together: threads, warrants on disk, audit, and the command line.
//!
//! A frame's way: [`replay`] or [`run`] takes it in, [`follow`] turns signalling into records,
//! [`content`] turns media into records, [`recorder`] counts and writes them.

pub mod batch;
pub mod capture;
pub mod cli;
pub mod config;
pub mod content;
pub mod demo;
pub mod doctor;
pub mod follow;
pub mod intake;
pub mod lab;
pub mod paper;
pub mod pool;
pub mod loss;
pub mod merge;
pub mod recorder;
pub mod recording;
pub mod replay;
pub mod run;
pub mod signalling;
pub mod summary;
pub mod verify;
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
