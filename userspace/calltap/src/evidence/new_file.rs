//! The file that a copy is written to, and its hash.

use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

/// A file that was not there before, and is not there after a failure.
pub struct NewFile {
    path: PathBuf,
    /// The open file.
    pub file: fs::File,
    kept: bool,
}

impl NewFile {
    /// Creates it, readable by this user alone: it holds what a warrant gave access to.
    ///
    /// # Errors
    /// It is there already, cannot be created, or would lie in the evidence directory, which a file
    /// that nothing names would break.
    pub fn create(path: &Path, evidence: &Path) -> anyhow::Result<Self> {
        let home =
            path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let home = home.canonicalize().with_context(|| home.display().to_string())?;
        if evidence.canonicalize().is_ok_and(|evidence| home.starts_with(evidence)) {
            bail!("{} would lie in the evidence; name a file elsewhere", path.display());
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match file {
            Ok(file) => Ok(Self { path: path.to_owned(), file, kept: false }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                bail!("{} is there already; name another file", path.display())
            }
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Keeps it, once the disk has it.
    ///
    /// # Errors
    /// The disk has not.
    pub fn keep(mut self) -> std::io::Result<()> {
        self.file.sync_all()?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// SHA-256 of a file, in lowercase hexadecimal.
///
/// # Errors
/// It cannot be read.
pub fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(hasher)),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes what is written through it.
pub struct Hashing<'a> {
    file: &'a fs::File,
    hasher: Sha256,
}

impl<'a> Hashing<'a> {
    /// Writes to `file`.
    pub fn new(file: &'a fs::File) -> Self {
        Self { file, hasher: Sha256::new() }
    }

    /// SHA-256 of all that was written, in lowercase hexadecimal.
    pub fn hex(self) -> String {
        hex(self.hasher)
    }
}

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
