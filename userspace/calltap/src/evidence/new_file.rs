//! The file that a copy is written to, and its hash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use sha2::{Digest as _, Sha256};

use crate::confine::Places;

/// A file that was not there before, and is not there after a failure.
pub struct NewFile {
    path: PathBuf,
    /// The directory that it is in.
    home: PathBuf,
    /// The open file.
    pub file: File,
    /// Whether it has its name: where the file system can, it is given that when it is whole, so that
    /// nothing needs to be removed by who has read anybody's bytes, and nothing is left of a process
    /// that was killed.
    named: bool,
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
        if path.symlink_metadata().is_ok() {
            return Err(is_there(path));
        }
        let (file, named) = match nameless(&home) {
            Some(file) => (file, false),
            None => (named(path)?, true),
        };
        Ok(Self { path: path.to_owned(), home, file, named, kept: false })
    }

    /// `places`, and what is needed to keep this file, or to remove it.
    #[must_use]
    pub fn places(&self, places: Places) -> Places {
        let places = places.naming([&self.home]);
        if self.named { places.removing([&self.home]) } else { places }
    }

    /// SHA-256 of what is in it, in lowercase hexadecimal.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn sha256(&self) -> io::Result<String> {
        let mut file = &self.file;
        file.rewind()?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex(hasher)),
                read => hasher.update(&buffer[..read]),
            }
        }
    }

    /// Keeps it, once the disk has it.
    ///
    /// # Errors
    /// The disk has not, or somebody has made a file of its name meanwhile.
    pub fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if !self.named {
            let open = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            linkat(CWD, open, CWD, &self.path, AtFlags::SYMLINK_FOLLOW)?;
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.named && !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file in `home` without a name, where the file system has such files.
fn nameless(home: &Path) -> Option<File> {
    let flag = OFlags::TMPFILE.bits().cast_signed();
    OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(flag).open(home).ok()
}

fn named(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => is_there(path),
        _ => anyhow::Error::new(error).context(path.display().to_string()),
    })
}

fn is_there(path: &Path) -> anyhow::Error {
    anyhow::anyhow!("{} is there already; name another file", path.display())
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes what is written through it.
pub struct Hashing<'a> {
    file: &'a File,
    hasher: Sha256,
}

impl<'a> Hashing<'a> {
    /// Writes to `file`.
    pub fn new(file: &'a File) -> Self {
        Self { file, hasher: Sha256::new() }
    }

    /// SHA-256 of all that was written, in lowercase hexadecimal.
    pub fn hex(self) -> String {
        hex(self.hasher)
    }
}

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_there_once_it_is_kept_and_never_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("copy");
        for is_named in [true, false] {
            let new = || {
                let file = if is_named { named(&path).ok() } else { nameless(dir.path()) };
                let (path, home, file) = (path.clone(), dir.path().to_owned(), file?);
                Some(NewFile { path, home, file, named: is_named, kept: false })
            };
            let Some(dropped) = new() else {
                println!("SKIPPED: the file system has no files without a name");
                continue;
            };
            drop(dropped);
            assert!(!path.exists());
            let kept = new().unwrap();
            (&kept.file).write_all(b"abc").unwrap();
            // FIPS 180-2, B.1.
            assert!(kept.sha256().unwrap().starts_with("ba7816bf8f01cfea"));
            kept.keep().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"abc");
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_somebody_has_made_meanwhile_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("copy");
        let new = NewFile::create(&path, Path::new("/nowhere")).unwrap();
        let made = fs::write(&path, "theirs");
        if !new.named {
            made.unwrap();
            assert_eq!(new.keep().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&path).unwrap(), b"theirs");
        }
        let again = NewFile::create(&path, Path::new("/nowhere"));
        assert!(again.is_err_and(|error| error.to_string().contains("is there already")));
    }
}
