//! A court's order as a signed file: who may be intercepted, what of it, and when.
//!
//! A warrant is a TOML text ([`Draft`]) with a detached signature beside it (`W.toml.minisig`).
//! What is done to it afterwards stands in signed lines beside it ([`Act`]).
//! [`load`] is the only way to a [`Warrant`], and a [`Warrant`] the only way to an
//! [`Authority`].

mod acts;
mod check;
mod draft;
mod excluded;
mod fields;
mod identifier;
mod load;
mod refusal;
mod versions;

pub use acts::{Act, Deed, acts_path, perform, revocation_path};
pub use check::ParseTarget;
pub use draft::{Deliver, Draft};
pub use excluded::{Excluded, Keep};
pub use identifier::{Identifier, Kind, Lengths};
pub use load::{MAX_BYTES, check_draft, load, sign, signature_path};
pub use refusal::{Code, Refusal};
pub use versions::load_all;

use std::path::{Path, PathBuf};

use crate::record::Authority;

/// The lowercase SHA-256 of a warrant's text, by which the next version names it.
pub fn sha256(text: &[u8]) -> String {
    crate::digest::hex(text)
}

/// A warrant whose signature, fields and window hold. Whether it is in force depends on the time
/// that it is held against: [`Warrant::in_force`].
#[derive(Clone, Debug)]
pub struct Warrant {
    path: PathBuf,
    draft: Draft,
    from_ns: u64,
    until_ns: u64,
    signed_by: String,
    text: Vec<u8>,
    signature: String,
    acts: Vec<Act>,
    identifiers: Vec<Identifier>,
}

impl Warrant {
    /// The file from which it was loaded.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lawful interception identifier: names the warrant, its directory and its volumes.
    pub fn liid(&self) -> &str {
        &self.draft.liid
    }

    /// What it orders, field by field.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The identities to be intercepted, as written.
    pub fn targets(&self) -> &[String] {
        &self.draft.targets
    }

    /// How much each of them names.
    pub fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// Whether content is ordered, or signalling alone.
    pub fn deliver(&self) -> Deliver {
        self.draft.deliver
    }

    /// The first nanosecond that it covers.
    pub fn not_before_ns(&self) -> u64 {
        self.from_ns
    }

    /// The last nanosecond that it covers.
    pub fn not_after_ns(&self) -> u64 {
        self.until_ns
    }

    /// The id of the key that signed it.
    pub fn signed_by(&self) -> &str {
        &self.signed_by
    }

    /// The signed text, byte for byte.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The text of its `.minisig` file, byte for byte.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// What was done to it after it was signed, in the order in which that was done.
    pub fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// The lowercase SHA-256 of the signed text.
    pub fn sha256(&self) -> String {
        sha256(&self.text)
    }

    /// Which version under its LIID it is, counted from 1.
    pub fn version(&self) -> u32 {
        self.draft.version.unwrap_or(1)
    }

    /// Whether `at_ns` lies in its window, both ends included.
    ///
    /// # Errors
    /// [`Code::NotYetInForce`] or [`Code::Expired`].
    pub fn in_force(&self, at_ns: u64) -> Result<(), Refusal> {
        let (code, what) = if at_ns < self.from_ns {
            (Code::NotYetInForce, format!("it begins only at {}", self.draft.not_before))
        } else if at_ns > self.until_ns {
            (Code::Expired, format!("it ended at {}", self.draft.not_after))
        } else {
            return Ok(());
        };
        Err(Refusal::new(code, &self.path, what).of_warrant(self.clone()))
    }

    /// The authority that it gives, under the number by which the engine knows it. Each record is
    /// held against its window and its extent again.
    pub fn authority(&self, id: u32) -> Authority {
        Authority {
            warrant: id,
            from_ns: self.from_ns,
            until_ns: self.until_ns,
            content: self.draft.deliver == Deliver::IriAndContent,
            direction: self.draft.direction,
        }
    }
}
