//! Session descriptions (RFC 8866) as a scan for where media goes.
//!
//! `o=` is not read: it identifies a session, and on some systems many sessions at once.

mod bundle;
mod candidate;
mod keying;
mod media;
mod scan;
mod words;

pub use candidate::Candidate;
pub use media::{Direction, Media};
pub use scan::{Session, scan};
