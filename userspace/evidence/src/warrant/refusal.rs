//! Why a warrant is refused: one code a cause, what is wrong, and how to mend it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Act, Draft, Warrant};

/// The cause of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The file, or its signature's, cannot be read.
    Unreadable,
    /// The file is longer than a warrant can be.
    TooLarge,
    /// No signature lies beside the file.
    Unsigned,
    /// No trusted key made the signature, or the authority named has another key.
    UnknownAuthority,
    /// The signature is not over these bytes, or is no signature.
    BadSignature,
    /// The file is no TOML.
    Malformed,
    /// A field has a name that calltap does not know, so it would not be obeyed.
    UnknownField,
    /// A field is absent.
    MissingField,
    /// A field has a value that it cannot have.
    BadField,
    /// The LIID cannot be a directory's name everywhere.
    BadLiid,
    /// The list of targets is empty.
    NoTarget,
    /// A target is none that calltap can recognise.
    BadTarget,
    /// A party is excluded that cannot be recognised, or told from others.
    BadExclusion,
    /// The window ends before it begins.
    WindowInverted,
    /// The window has not begun.
    NotYetInForce,
    /// The window has ended.
    Expired,
    /// Another warrant has the same LIID.
    DuplicateLiid,
    /// Version and `supersedes` do not go together.
    BadVersion,
    /// The warrant begins before the key that signed it was valid.
    KeyNotYetValid,
    /// The warrant begins when the key that signed it was valid no longer.
    KeyExpired,
    /// The key that signed it is revoked.
    KeyRevoked,
    /// The authority does not order under this law.
    NotItsJurisdiction,
    /// The node is in another country.
    ForeignJurisdiction,
    /// The window is longer than the authority may order.
    TooLong,
    /// The authority may order nothing urgent.
    UrgentNotAllowed,
    /// The authority may not order this delivery.
    DeliverNotAllowed,
    /// There are more targets than one warrant may have.
    TooManyTargets,
    /// The authority may not name targets of this kind.
    IdentifierNotAllowed,
    /// A target stands for many, and no signed flag says that this is meant.
    WideTarget,
    /// The networks hold more addresses than may be named.
    NetworkTooWide,
    /// A line beside the warrant was not signed by anybody who may act upon it.
    BadAct,
    /// The authority has revoked it.
    Revoked,
    /// Two operators must activate it, and have not.
    NotActivated,
    /// It is suspended.
    Suspended,
    /// A later version has taken its place.
    Superseded,
    /// Another warrant was executed under this LIID, and this is no version after it.
    NotASuccessor,
}

impl Code {
    /// The code as printed, audited and tested: lower case, hyphenated, stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too-large",
            Self::Unsigned => "unsigned",
            Self::UnknownAuthority => "unknown-authority",
            Self::BadSignature => "bad-signature",
            Self::Malformed => "malformed",
            Self::UnknownField => "unknown-field",
            Self::MissingField => "missing-field",
            Self::BadField => "bad-field",
            Self::BadLiid => "bad-liid",
            Self::NoTarget => "no-target",
            Self::BadTarget => "bad-target",
            Self::BadExclusion => "bad-exclusion",
            Self::WindowInverted => "window-inverted",
            Self::NotYetInForce => "not-yet-in-force",
            Self::Expired => "expired",
            Self::DuplicateLiid => "duplicate-liid",
            Self::BadVersion => "bad-version",
            Self::KeyNotYetValid => "key-not-yet-valid",
            Self::KeyExpired => "key-expired",
            Self::KeyRevoked => "key-revoked",
            Self::NotItsJurisdiction => "not-its-jurisdiction",
            Self::ForeignJurisdiction => "foreign-jurisdiction",
            Self::TooLong => "too-long",
            Self::UrgentNotAllowed => "urgent-not-allowed",
            Self::DeliverNotAllowed => "deliver-not-allowed",
            Self::TooManyTargets => "too-many-targets",
            Self::IdentifierNotAllowed => "identifier-not-allowed",
            Self::WideTarget => "wide-target",
            Self::NetworkTooWide => "network-too-wide",
            Self::BadAct => "bad-act",
            Self::Revoked => "revoked",
            Self::NotActivated => "not-activated",
            Self::Suspended => "suspended",
            Self::Superseded => "superseded",
            Self::NotASuccessor => "not-a-successor",
        }
    }

    fn mend(self) -> &'static str {
        match self {
            Self::Unreadable => "check the path and its permissions",
            Self::TooLarge => "a warrant is a short text; check that this is one",
            Self::Unsigned => {
                "have the authority sign it with `calltap warrant sign` or `minisign -S`"
            }
            Self::UnknownAuthority => {
                "if the authority may order here, put its .pub file into the trust directory"
            }
            Self::BadSignature => {
                "the file was changed after signing; ask the authority for the file that it signed"
            }
            Self::DuplicateLiid => "keep one warrant a LIID",
            Self::NotYetInForce => "run it again when the window has begun",
            Self::Expired => "ask the authority for a new warrant",
            Self::Malformed
            | Self::UnknownField
            | Self::MissingField
            | Self::BadField
            | Self::BadLiid
            | Self::NoTarget
            | Self::BadTarget
            | Self::BadExclusion
            | Self::WindowInverted
            | Self::BadVersion => "have the authority correct it and sign it again",
            Self::WideTarget => {
                "if the authority means it, have it set `wide_targets = true` and sign again"
            }
            Self::TooManyTargets | Self::NetworkTooWide => {
                "an order about a person is narrower: have the authority divide or narrow it"
            }
            Self::KeyNotYetValid | Self::KeyExpired | Self::KeyRevoked => {
                "have the authority sign it with its present key"
            }
            Self::ForeignJurisdiction => {
                "if it may be executed here, `executed_in` of the authority in trust.toml says so"
            }
            Self::BadAct => {
                "find out who wrote there; the files belong beside the warrant untouched"
            }
            Self::Revoked | Self::Superseded => "nothing is to be done",
            Self::NotActivated => "have two operators each run `calltap warrant activate`",
            Self::Suspended => "who suspended it ends that with `calltap warrant resume`",
            Self::NotASuccessor => {
                "a change is a new version: `calltap warrant new --supersedes`, signed"
            }
            Self::NotItsJurisdiction
            | Self::TooLong
            | Self::UrgentNotAllowed
            | Self::DeliverNotAllowed
            | Self::IdentifierNotAllowed => "trust.toml says what the authority may order",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A warrant refused. It is shown as `CODE: FILE: what is wrong; the mend`.
///
/// What is shown may quote a target's identity from the file: audit the code and the LIID alone.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {}: {what}; {}", path.display(), code.mend())]
pub struct Refusal {
    code: Code,
    path: PathBuf,
    what: String,
    liid: Option<String>,
    warrant: Option<Box<Warrant>>,
}

impl Refusal {
    pub(crate) fn new(code: Code, path: &Path, what: impl Into<String>) -> Self {
        Self { code, path: path.to_owned(), what: what.into(), liid: None, warrant: None }
    }

    pub(super) fn of(mut self, liid: &str) -> Self {
        self.liid = Some(liid.to_owned());
        self
    }

    pub(crate) fn of_warrant(self, warrant: Warrant) -> Self {
        let liid = Some(warrant.liid().to_owned());
        Self { liid, warrant: Some(Box::new(warrant)), ..self }
    }

    /// The warrant's hash, where it holds by itself and only its state or another one is against it.
    pub fn sha256(&self) -> Option<String> {
        self.warrant().map(Warrant::sha256)
    }

    /// Its fields, likewise.
    pub fn draft(&self) -> Option<&Draft> {
        self.warrant().map(Warrant::draft)
    }

    /// What was done to it, likewise.
    pub fn acts(&self) -> &[Act] {
        self.warrant().map(Warrant::acts).unwrap_or_default()
    }

    /// The warrant, which stays in here: what is refused gives no authority.
    pub(crate) fn warrant(&self) -> Option<&Warrant> {
        self.warrant.as_deref()
    }

    /// The cause.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The warrant's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The warrant's LIID, if its signature held and the file went so far as to say it.
    pub fn liid(&self) -> Option<&str> {
        self.liid.as_deref()
    }
}
