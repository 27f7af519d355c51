//! What was handed to the system is brought to the disk: by syncfs(2), once for all volumes and
//! checkpoints, on a thread of its own, so that nobody who takes packets waits for a disk.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fs::syncfs;

/// The thread; it ends with it.
#[derive(Debug)]
pub(crate) struct Sync {
    ask: SyncSender<()>,
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl Sync {
    /// Starts it for the file system of `root`.
    pub(crate) fn start(root: &Path) -> io::Result<Self> {
        let (ask, asked) = sync_channel(1);
        let failed = Arc::default();
        let (root, told) = (File::open(root)?, Arc::clone(&failed));
        thread::Builder::new().name("sync".into()).spawn(move || serve(&root, &asked, &told))?;
        Ok(Self { ask, failed })
    }

    /// Has everything that was written so far brought to the disk; while that goes on, one more
    /// time is remembered. Gives what the disk said since the last call.
    pub(crate) fn ask(&self) -> io::Result<()> {
        // Asked before, and not begun: that will do.
        let _ = self.ask.try_send(());
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

fn serve(root: &File, asked: &Receiver<()>, failed: &Mutex<Option<io::Error>>) {
    while asked.recv().is_ok() {
        if let Err(error) = syncfs(root) {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into());
        }
    }
}
