//! What can go wrong while evidence is written, and what a crash had left.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why evidence cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory outside any warrant's cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes to the directory.
    #[error("{}: another calltap writes here; stop it or use another evidence directory", path.display())]
    Locked {
        /// The evidence directory.
        path: PathBuf,
    },
    /// The directory is no evidence directory and not empty.
    #[error(
        "{}: holds `{name}`, which is no evidence; use an empty or a new directory",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What stands in it.
        name: String,
    },
    /// The directory was begun with another node's key.
    #[error(
        "{}: begun with node key {found}, and this node's is {given}; \
         use that key or another evidence directory",
        path.display()
    )]
    OtherNode {
        /// The evidence directory.
        path: PathBuf,
        /// The id of the key in `node.pub`.
        found: String,
        /// The id of the key given.
        given: String,
    },
    /// Something there is not as it was written, and no crash explains it.
    #[error(
        "{}: {what}; this is no crash: keep the directory as it is, look with `calltap verify`, \
         and use another",
        path.display()
    )]
    Tampered {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A session was interrupted there, and its end is not mended yet.
    #[error(
        "{}: its last session was interrupted; the next `calltap run` or `calltap replay` into it \
         mends that",
        path.display()
    )]
    Unmended {
        /// The evidence directory.
        path: PathBuf,
    },
    /// The system took evidence, and could not bring it to the disk.
    #[error("{}: what was written did not reach the disk: {source}; look at it now", path.display())]
    Sync {
        /// The evidence directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The evidence of a warrant cannot be written: the warrant is stopped.
    #[error("LIID {liid}: stopped, its evidence in {} cannot be written: {source}", path.display())]
    Write {
        /// The warrant's LIID.
        liid: String,
        /// Its directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The warrant was stopped by an earlier [`Error::Write`].
    #[error("LIID {liid}: stopped, because its evidence could not be written")]
    Stopped {
        /// The warrant's LIID.
        liid: String,
    },
    /// The evidence of the LIID was destroyed.
    #[error("LIID {liid}: its evidence was destroyed; a new measure needs a new LIID")]
    Destroyed {
        /// The LIID.
        liid: String,
    },
    /// No warrant was admitted under this number.
    #[error("no warrant was admitted as number {warrant}")]
    NotAdmitted {
        /// The number.
        warrant: u32,
    },
    /// The warrant, or its number, was admitted before.
    #[error("LIID {liid}: admitted before, or its number is in use")]
    Admitted {
        /// The warrant's LIID.
        liid: String,
    },
}

/// Something that an interrupted session left and the next one mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The file.
    pub path: PathBuf,
    /// What was found and done.
    pub what: String,
}

impl fmt::Display for Mended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}
