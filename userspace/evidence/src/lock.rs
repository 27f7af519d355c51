//! One writer to an evidence directory: `flock(2)` on its audit, which lives as long as its holder.

use std::fs::{File, TryLockError};

/// A lock held; dropping it, or the death of the process, lets it go.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the writer's lock.
    pub(crate) fn exclusive(file: File) -> Result<Self, TryLockError> {
        file.try_lock()?;
        Ok(Self(file))
    }

    /// Whether a writer holds the lock of `file`.
    pub(crate) fn is_held(file: File) -> bool {
        match file.try_lock_shared() {
            Ok(()) => {
                drop(Self(file));
                false
            }
            Err(error) => matches!(error, TryLockError::WouldBlock),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would leave it to a child that is just being started, until its exec.
        let _ = self.0.unlock();
    }
}
