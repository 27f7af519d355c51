//! What an investigator asks of evidence, asked of the real program.

#[path = "../desk/mod.rs"]
mod desk;
mod list;
mod unfinished;
