//! The thread that tells how a capture stands, to whoever may ask.
//!
//! It is started before the capture is confined, with sockets that are bound, and confines itself
//! first: it can accept and answer, read the evidence, and do nothing else. It has no part in the
//! packets' way, and gives way to every thread that has.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use crossbeam::channel::{Sender, bounded};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tracing::warn;

use super::Snapshot;
use super::place::Bound;
use crate::config::Required;
use crate::confine::{Confinement, Places, Work};

/// Where snapshots come from; none while there is none yet.
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// How much further down the scheduler's list than a capture's threads.
const NICE: i32 = 10;

/// How long nobody is accepted after that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// The sockets, bound and not yet served.
#[derive(Debug)]
pub struct Listening {
    /// For `calltap status` and `calltap top`.
    pub status: Option<Bound>,
}

impl Listening {
    /// Binds what was asked for.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub fn open() -> anyhow::Result<Self> {
        // A capture is not to fail for want of somebody to look at it.
        let status = Bound::here().inspect_err(|cause| warn!("no calltap status: {cause:#}")).ok();
        Ok(Self { status })
    }

    /// Starts the thread; gives it once it is confined, with what is to be removed at the end.
    ///
    /// # Errors
    /// The thread does not start, or cannot be confined where that is required.
    pub fn serve(self, snapshots: Snapshots, required: Required) -> anyhow::Result<Serving> {
        let socket = self.status.as_ref().map(|it| it.listener.try_clone()).transpose()?;
        let (ready, is_ready) = bounded(1);
        let body = move || work(socket, snapshots, required, &ready);
        let thread = std::thread::Builder::new().name("live".to_owned()).spawn(body)?;
        is_ready.recv().context("the thread that tells how it stands has panicked")??;
        Ok(Serving { thread, status: self.status })
    }
}

/// The thread, which ends when the capture does.
#[derive(Debug)]
pub struct Serving {
    thread: JoinHandle<()>,
    status: Option<Bound>,
}

impl Serving {
    /// Where files are removed at the end.
    pub fn directory(&self) -> Option<&Path> {
        self.status.as_ref()?.path.parent()
    }

    /// Waits for its end, which comes once nobody makes snapshots any more.
    pub fn finish(self) {
        let _ = self.thread.join();
        drop(self.status);
    }
}

/// Serves until the capture ends.
fn work(
    socket: Option<std::os::unix::net::UnixListener>,
    snapshots: Snapshots,
    required: Required,
    ready: &Sender<anyhow::Result<()>>,
) {
    // The runtime's own descriptors are opened, and the sockets made its own, ahead of the confinement.
    let prepared = || -> anyhow::Result<_> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let socket = {
            let _within = runtime.enter();
            socket.map(into_async).transpose()?
        };
        // On Linux this is the thread's own.
        let _ = rustix::process::nice(NICE);
        Confinement::to(Work::Watch, &Places::default(), required)?;
        Ok((runtime, socket))
    };
    let (runtime, socket) = match prepared() {
        Ok(prepared) => prepared,
        Err(cause) => {
            let _ = ready.send(Err(cause));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    runtime.block_on(async {
        let mut end = snapshots.clone();
        let ended = async { while end.changed().await.is_ok() {} };
        tokio::select! {
            () = ended => {}
            () = status(socket, &snapshots) => {}
        }
    });
}

fn into_async(socket: std::os::unix::net::UnixListener) -> std::io::Result<UnixListener> {
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket)
}

/// Serves the socket for as long as the capture runs.
async fn status(socket: Option<UnixListener>, snapshots: &Snapshots) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        match socket.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(tell(stream, snapshots.clone()))),
            // Too many are open: those that are there come first.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Tells one who asks each snapshot, as a line of JSON, until he has heard enough.
async fn tell(mut stream: UnixStream, mut snapshots: Snapshots) {
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            let Ok(mut line) = serde_json::to_vec(&*snapshot) else { return };
            line.push(b'\n');
            if stream.write_all(&line).await.is_err() {
                return;
            }
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}
