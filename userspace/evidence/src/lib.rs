//! Warrants checked, records authorised, volumes sealed, evidence verified.
//!
//! The one way to a byte on disk, in the order in which the modules stand below:
//! a [`warrant::Warrant`] is loaded only with a signature that the [`trust::Trust`] store knows;
//! only a warrant gives an [`record::Authority`]; only an authority makes a [`record::Record`];
//! only a record enters a [`chunk::Chunk`]; and a [`store::Store`] takes nothing else.
//! [`verify::verify`] reads the result back and says whether it is whole; [`mod@read`] gives it to
//! whoever is to look at it.
//!
//! Times are nanoseconds since the Unix epoch, UTC, in parameters named `*_ns`.
//! `docs/evidence.md` describes every file well enough to write a second verifier.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod act;
pub mod age;
pub mod calls;
pub mod chunk;
pub mod destroy;
pub mod digest;
pub mod export;
pub mod keys;
pub mod lines;
pub mod loss;
pub mod opened;
pub mod oversight;
pub mod read;
pub mod record;
pub mod session;
pub mod stamp;
pub mod store;
pub mod tlog;
pub mod trust;
pub mod verify;
pub mod warrant;
pub mod who;

mod audit;
mod base64;
mod carry;
mod case;
mod checkpoint;
mod clock;
mod disk;
mod figures;
mod layout;
mod ledger;
mod life;
mod lock;
mod merkle;
mod pcapng;
mod salvage;
mod sealing;
mod sync;
mod volume;
