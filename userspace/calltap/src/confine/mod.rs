//! The program confined to what its work still needs, once everything is open: no capability, no new
//! privileges, its own paths (Landlock), its own system calls (seccomp).
//!
//! A confined thread's children are confined, too; so this comes ahead of every other thread.
//! What the kernel does not offer is said in the log and in the audit; it stops nothing, unless the
//! setting `confinement = "required"` says so.

mod memory;
mod paths;
mod privileges;
mod syscalls;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tracing::{debug, info, warn};

pub use memory::protect_memory;
pub(crate) use paths::offered as landlock_offered;

use crate::config::Required;

/// What is confined, and so what it may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `run`: it hears its sockets, and reads and writes the maps that it has open.
    Capture,
    /// `replay`, `verify` and what is asked of evidence: they read and write files.
    Files,
    /// The thread that tells how a capture stands: it answers at sockets that are bound.
    Watch,
}

/// The paths that are opened from here on.
#[derive(Debug, Default)]
pub struct Places {
    /// Files and directories to be read.
    pub read: Vec<PathBuf>,
    /// Directories to be read and written.
    pub write: Vec<PathBuf>,
    /// Directories from which files are removed.
    pub remove: Vec<PathBuf>,
    /// Directories in which files that are open are given a name.
    pub name: Vec<PathBuf>,
}

impl Places {
    /// These are to be read.
    #[must_use]
    pub fn reading<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.read.extend(paths.into_iter().map(|path| path.as_ref().to_owned()));
        self
    }

    /// Files are removed from these directories.
    #[must_use]
    pub fn removing<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.remove.extend(paths.into_iter().map(|path| path.as_ref().to_owned()));
        self
    }

    /// Files that are open are given a name in these directories.
    #[must_use]
    pub fn naming<P: AsRef<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.name.extend(paths.into_iter().map(|path| path.as_ref().to_owned()));
        self
    }

    /// This directory is to be read and written; it is made, for its owner alone, if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn writing(mut self, path: &Path) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| path.display().to_string())?;
        self.write.push(path.to_owned());
        Ok(self)
    }
}

/// What took effect of the confinement: each measure with its extent, or why it is not in force.
#[derive(Debug, Default)]
pub struct Confinement(Vec<(&'static str, Result<String, String>)>);

impl Confinement {
    /// Confines this thread, and those that it will start, to `work` on `places`.
    ///
    /// # Errors
    /// A measure that is not offered here, where `required` asks for all of them.
    pub fn to(work: Work, places: &Places, required: Required) -> anyhow::Result<Self> {
        let memory = memory::state();
        let capabilities = privileges::drop(places);
        let no_new_privileges = privileges::no_new();
        let paths = paths::restrict(places);
        let syscalls = syscalls::restrict(work);
        let confinement = Self(vec![
            ("capabilities", capabilities),
            ("no_new_privileges", no_new_privileges),
            ("paths", paths),
            ("system_calls", syscalls),
            ("core_dumps", memory.core_dumps),
            ("memory", memory.locked),
        ]);
        confinement.log(work);
        if required == Required::Required
            && let Some((measure, why)) = confinement.missing().next()
        {
            bail!("{measure}: {why}; mend that, or set confinement = \"offered\" to go on without");
        }
        Ok(confinement)
    }

    fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter_map(|(measure, effect)| Some((*measure, effect.as_ref().err()?.as_str())))
    }

    fn log(&self, work: Work) {
        let there = self
            .0
            .iter()
            .filter_map(|(measure, effect)| Some(format!("{measure}: {}", effect.as_ref().ok()?)));
        let there = there.collect::<Vec<_>>().join("; ");
        // Who runs a capture must know; who reads files is told by the audit.
        if work == Work::Capture {
            info!("confined: {there}");
            self.missing().for_each(|(measure, why)| warn!("not confined in {measure}: {why}"));
        } else {
            debug!("confined: {there}");
            self.missing().for_each(|(measure, why)| debug!("not confined in {measure}: {why}"));
        }
    }

    /// What the audit has of it.
    pub fn details(&self) -> Vec<(&str, &str)> {
        // Why something is not in force stands in the log: it may name paths.
        self.0
            .iter()
            .map(|(measure, effect)| match effect {
                Ok(extent) => (*measure, extent.as_str()),
                Err(_) => (*measure, "not in force"),
            })
            .collect()
    }
}
