//! The thread that tells how a capture stands, to whoever may ask.
//!
//! It is started before the capture is confined, with sockets that are bound, and confines itself
//! first: it can accept and answer, read the evidence, and do nothing else. It has no part in the
//! packets' way, and gives way to every thread that has.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use crossbeam::channel::{Sender, bounded};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing::{info, warn};

use super::limited::Limited;
use super::place::Bound;
use super::{Snapshot, metrics};
use crate::cli;
use crate::config::{Config, Required};
use crate::confine::{Confinement, Places, Work};
use crate::console::{Console, Wish};
use crate::recorder::Act;

/// Where snapshots come from; none while there is none yet.
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// How much further down the scheduler's list than a capture's threads.
const NICE: i32 = 10;

/// Threads that read evidence for the console.
const READERS: usize = 2;

/// How long nobody is accepted after that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// The sockets, bound and not yet served.
#[derive(Debug)]
pub struct Listening {
    /// For `calltap status` and `calltap top`.
    status: Option<Bound>,
    /// For Prometheus.
    metrics: Option<TcpListener>,
    /// For browsers.
    console: Option<Console>,
}

impl Listening {
    /// Binds what was asked for.
    ///
    /// # Errors
    /// An address that cannot be bound, or that the console is not shown at; its tokens or its
    /// certificate cannot be read.
    pub fn open(arguments: &cli::Run, config: &Config, acts: Sender<Act>) -> anyhow::Result<Self> {
        // A capture is not to fail for want of somebody to look at it.
        let status = Bound::here().inspect_err(|cause| warn!("no calltap status: {cause:#}")).ok();
        let metrics = arguments.metrics.map(metrics::bind).transpose()?;
        let console = |address| {
            let beside = || config.node_key_path().with_file_name("console.tokens");
            let tokens = arguments.console_tokens.clone().unwrap_or_else(beside);
            let cli::Execution { evidence, trust, .. } = &arguments.execution;
            let tls = config.console.tls()?;
            if let Some(why) = tls.as_ref().and_then(|it| it.objection(SystemTime::now())) {
                warn!("console: {why}");
            }
            let wish = Wish { address, tls, tokens: &tokens, evidence, trust };
            let console = Console::open(wish, acts)?;
            info!("console at {}, its tokens in {}", console.address()?, tokens.display());
            anyhow::Ok(console)
        };
        let console = arguments.console.map(console).transpose()?;
        Ok(Self { status, metrics, console })
    }

    /// Starts the thread; gives it once it is confined, with what is to be removed at the end.
    ///
    /// # Errors
    /// The thread does not start, or cannot be confined where that is required.
    pub fn serve(mut self, snapshots: Snapshots, required: Required) -> anyhow::Result<Serving> {
        let status = self.status.take();
        let socket = status.as_ref().map(|it| it.listener.try_clone()).transpose()?;
        let (ready, is_ready) = bounded(1);
        let body = move || match self.prepare(socket, &snapshots, required) {
            Ok((runtime, services)) => {
                let _ = ready.send(Ok(()));
                runtime.block_on(services.serve(snapshots));
            }
            Err(cause) => drop(ready.send(Err(cause))),
        };
        let thread = std::thread::Builder::new().name("live".to_owned()).spawn(body)?;
        is_ready.recv().context("the thread that tells how it stands has panicked")??;
        Ok(Serving { thread, status })
    }

    /// Gives the sockets and the evidence to this thread's runtime, whose own descriptors must be open
    /// ahead of the confinement, and confines the thread.
    fn prepare(
        self,
        socket: Option<std::os::unix::net::UnixListener>,
        snapshots: &Snapshots,
        required: Required,
    ) -> anyhow::Result<(Runtime, Services)> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(READERS).build()?;
        let places = self.console.as_ref().map(|it| Places::default().reading(it.reads()));
        let services = {
            let _within = runtime.enter();
            let metrics = self.metrics.map(|it| metrics::service(it, snapshots.clone()));
            let console = self.console.map(|it| it.into_service(snapshots.clone()));
            let web = metrics.into_iter().chain(console).collect::<std::io::Result<_>>()?;
            Services { status: socket.map(into_async).transpose()?, web }
        };
        // On Linux this is the thread's own.
        let _ = rustix::process::nice(NICE);
        Confinement::to(Work::Watch, &places.unwrap_or_default(), required)?;
        Ok((runtime, services))
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

/// The sockets, in the runtime's hands.
struct Services {
    status: Option<UnixListener>,
    web: Vec<Limited>,
}

impl Services {
    /// Serves until the capture ends.
    async fn serve(self, mut snapshots: Snapshots) {
        for web in self.web {
            tokio::spawn(web.serve());
        }
        let told = snapshots.clone();
        let ended = async { while snapshots.changed().await.is_ok() {} };
        tokio::select! {
            () = ended => {}
            () = status(self.status, &told) => {}
        }
    }
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
