//! Where a running capture can be asked: a socket that its own user alone can open, in the directory
//! that the system has for such things.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::Snapshot;

/// A capture tells something once a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// The directories that a socket may be in, the one for a new socket first: that of the systemd unit,
/// of the user's session, of the system.
fn directories() -> Vec<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let session = absolute("XDG_RUNTIME_DIR").map(|it| it.join("calltap"));
    let mut all: Vec<_> = absolute("RUNTIME_DIRECTORY").into_iter().chain(session).collect();
    all.push(PathBuf::from("/run/calltap"));
    all.dedup();
    all
}

/// A socket that was bound, and is removed when this is dropped.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub listener: UnixListener,
    /// Where it is.
    pub path: PathBuf,
}

impl Bound {
    /// Binds this process's socket, and removes those of processes that are no more.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn here() -> anyhow::Result<Self> {
        Self::within(directories().first().context("no runtime directory")?)
    }

    fn within(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(format!("{}.sock", std::process::id()));
        let unusable = || format!("the status socket {}", path.display());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.with_context(unusable)?;
        for (other, _) in sockets(directory).into_iter().filter(|(_, stream)| stream.is_none()) {
            let _ = fs::remove_file(other);
        }
        let listener = UnixListener::bind(&path).with_context(unusable)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).with_context(unusable)?;
        Ok(Self { listener, path })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The sockets of a directory; without a stream, one that nobody listens at.
fn sockets(directory: &Path) -> Vec<(PathBuf, Option<UnixStream>)> {
    let mut sockets = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "sock") {
            continue;
        }
        match UnixStream::connect(&path) {
            Ok(stream) => sockets.push((path, Some(stream))),
            Err(cause) if cause.kind() == ErrorKind::ConnectionRefused => {
                sockets.push((path, None));
            }
            // Another user's, or gone meanwhile.
            Err(_) => {}
        }
    }
    sockets.sort_by(|(one, _), (other, _)| one.cmp(other));
    sockets
}

/// A capture that is asked.
#[derive(Debug)]
pub struct Watched {
    stream: BufReader<UnixStream>,
    /// What it told last.
    pub snapshot: Snapshot,
}

impl Watched {
    /// Waits for the next snapshot; none once the capture has ended.
    ///
    /// # Errors
    /// It tells nothing, or nothing that this program understands.
    pub fn hear(&mut self) -> anyhow::Result<Option<&Snapshot>> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).context("the capture tells nothing")?;
        if read == 0 || !line.ends_with('\n') {
            return Ok(None);
        }
        self.snapshot = serde_json::from_str(&line)
            .context("the capture is of another version of this program")?;
        Ok(Some(&self.snapshot))
    }
}

/// The capture into this evidence directory, or the only one there is; none where none runs.
///
/// # Errors
/// Several run and none is named, or one does not answer.
pub fn watch(evidence: Option<&Path>) -> anyhow::Result<Option<Watched>> {
    let wanted = evidence.map(|it| it.canonicalize().unwrap_or_else(|_| it.to_owned()));
    let mut found: Vec<Watched> = Vec::new();
    for (_, stream) in directories().iter().flat_map(|directory| sockets(directory)) {
        let Some(stream) = stream else { continue };
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream = BufReader::new(stream);
        let mut watched = Watched { stream, snapshot: Snapshot::default() };
        // One that ends just now is none.
        if watched.hear()?.is_none() {
            continue;
        }
        if wanted.as_ref().is_none_or(|it| *it == Path::new(&watched.snapshot.evidence)) {
            found.push(watched);
        }
    }
    if found.len() > 1 {
        let all: Vec<_> = found.iter().map(|it| it.snapshot.evidence.as_str()).collect();
        bail!("several captures run; name the evidence directory of one: {}", all.join(", "));
    }
    Ok(found.pop())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_a_killed_capture_left_is_removed_by_the_next_and_no_other() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        drop(UnixListener::bind(path("1.sock")).unwrap());
        let _lives = UnixListener::bind(path("2.sock")).unwrap();
        fs::write(path("other"), "a file").unwrap();
        let bound = Bound::within(directory.path()).unwrap();
        assert!(!path("1.sock").exists() && path("2.sock").exists() && path("other").exists());
        let own = bound.path.clone();
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o600);
        drop(bound);
        assert!(!own.exists());
    }
}
