//! The way of evidence to the disk: full buffers are hashed by two threads and written by a third,
//! one after the other, while the next are filled.
//!
//! Two, as each byte is hashed twice, for the whole and for its piece of the Merkle tree, and one
//! CPU hashes a byte once in the time that a disk takes for it.
//!
//! Where the file system allows it they are written past the page cache (`O_DIRECT`): fresh pages
//! of the cache cost several times what the disk itself takes.

mod buffer;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

pub(crate) use buffer::Buffer;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::digest::{Digest, Digested, Whole};
use crate::merkle::Tree;

/// What a disk writes at once: offsets and lengths of direct writes are multiples of it.
const BLOCK: usize = 4096;

/// Buffers of one file under way at once.
const UNDER_WAY: usize = 6;

/// The three threads; they end with it.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    jobs: Sender<Job>,
}

/// A buffer under way.
#[derive(Debug)]
struct Job {
    buffer: Buffer,
    target: Arc<Target>,
    /// Where in the file it belongs: a multiple of [`BLOCK`].
    at: u64,
    done: Sender<Done>,
}

type Done = io::Result<Buffer>;

/// A file, with the hash of what was sent to it.
#[derive(Debug)]
struct Target {
    file: File,
    /// Whether it is written past the page cache.
    direct: AtomicBool,
    whole: Mutex<Whole>,
    tree: Mutex<Tree>,
}

impl Disk {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, to_hash) = channel();
        let (hashed, to_piece) = channel();
        let (pieced, to_write) = channel();
        let whole = |target: &Target, bytes: &[u8]| locked(&target.whole).update(bytes);
        let tree = |target: &Target, bytes: &[u8]| locked(&target.tree).update(bytes);
        let named = |name: &str| thread::Builder::new().name(name.into());
        named("hash").spawn(move || hash(&to_hash, &hashed, whole))?;
        named("tree").spawn(move || hash(&to_piece, &pieced, tree))?;
        named("disk").spawn(move || write(&to_write))?;
        Ok(Self { jobs })
    }

    /// Has `file`, which is empty, written by the threads.
    pub(crate) fn sink(&self, file: File) -> Sink {
        let flags = fcntl_getfl(&file).unwrap_or(OFlags::empty());
        let direct = fcntl_setfl(&file, flags | OFlags::DIRECT).is_ok();
        let (whole, tree) = (Mutex::default(), Mutex::default());
        let target = Target { file, direct: AtomicBool::new(direct), whole, tree };
        let (done, finished) = channel();
        Sink {
            disk: self.clone(),
            target: Arc::new(target),
            sent: 0,
            vouched: Digest::default(),
            under_way: 0,
            filling: None,
            spare: Vec::new(),
            tail: Vec::new(),
            done,
            finished,
        }
    }
}

/// The end of a file that grows.
#[derive(Debug)]
pub(crate) struct Sink {
    disk: Disk,
    target: Arc<Target>,
    /// Bytes sent to the disk: a multiple of [`BLOCK`].
    sent: u64,
    /// The digest of what was last flushed.
    vouched: Digest,
    under_way: usize,
    filling: Option<Buffer>,
    spare: Vec<Buffer>,
    /// What follows the last whole block, written and hashed already: it is written again with what
    /// comes after it.
    tail: Vec<u8>,
    done: Sender<Done>,
    finished: Receiver<Done>,
}

impl Sink {
    /// Its length, with what has not been sent.
    pub(crate) fn bytes(&self) -> u64 {
        let filled = self.filling.as_ref().map_or(self.tail.len(), Buffer::len);
        self.sent.saturating_add(filled as u64)
    }

    /// Appends bytes; waits where the disk is behind.
    ///
    /// # Errors
    /// What the disk said of bytes appended earlier: what was lost of them is not known.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.filling.is_none() {
                self.filling = Some(self.empty_buffer()?);
            }
            let Some(buffer) = &mut self.filling else { continue };
            bytes = buffer.fill(bytes);
            if buffer.is_full() {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Hands all that was appended to the system, and waits for it; gives whether there was
    /// anything. From here on the death of this program loses nothing of it.
    ///
    /// # Errors
    /// As [`Sink::push`].
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let grown = self.bytes() > self.vouched.bytes();
        self.send()?;
        while self.under_way > 0 {
            self.wait()?;
        }
        self.vouched = self.target.digest();
        // An idle file holds no memory.
        self.spare.clear();
        Ok(grown)
    }

    /// The digest of all that was flushed.
    pub(crate) fn vouched(&self) -> Digested {
        self.vouched.clone().finish()
    }

    /// Waits until the disk itself has what was flushed.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.target.file.sync_all()
    }

    /// A buffer that begins with the tail.
    fn empty_buffer(&mut self) -> io::Result<Buffer> {
        while self.spare.is_empty() && self.under_way >= UNDER_WAY {
            self.wait()?;
        }
        let mut buffer = self.spare.pop().unwrap_or_else(Buffer::new);
        buffer.begin(&self.tail);
        Ok(buffer)
    }

    /// Sends off what is filled; what follows its last whole block stays as the tail.
    fn send(&mut self) -> io::Result<()> {
        let Some(buffer) = self.filling.take() else { return Ok(()) };
        let whole = buffer.len() - buffer.len() % BLOCK;
        self.tail.clear();
        self.tail.extend_from_slice(buffer.filled().get(whole..).unwrap_or_default());
        let at = self.sent;
        self.sent = self.sent.saturating_add(whole as u64);
        let target = Arc::clone(&self.target);
        let job = Job { buffer, target, at, done: self.done.clone() };
        self.disk.jobs.send(job).map_err(|_| ended())?;
        self.under_way += 1;
        while let Ok(done) = self.finished.try_recv() {
            self.take_back(done)?;
        }
        Ok(())
    }

    fn wait(&mut self) -> io::Result<()> {
        let done = self.finished.recv().map_err(|_| ended())?;
        self.take_back(done)
    }

    fn take_back(&mut self, done: Done) -> io::Result<()> {
        self.under_way = self.under_way.saturating_sub(1);
        self.spare.push(done?);
        Ok(())
    }
}

fn ended() -> io::Error {
    io::Error::other("the threads that write have ended")
}

/// Hashes the new bytes of each buffer, in the order in which they were sent.
fn hash(jobs: &Receiver<Job>, hashed: &Sender<Job>, update: impl Fn(&Target, &[u8])) {
    while let Ok(job) = jobs.recv() {
        update(&job.target, job.buffer.new_bytes());
        if hashed.send(job).is_err() {
            return;
        }
    }
}

/// Writes each buffer, in the order in which they were sent.
fn write(jobs: &Receiver<Job>) {
    while let Ok(Job { mut buffer, target, at, done }) = jobs.recv() {
        let written = target.write(&mut buffer, at);
        // Nobody waits where the file was given up.
        let _ = done.send(written.map(|()| buffer));
    }
}

fn locked<T>(hash: &Mutex<T>) -> MutexGuard<'_, T> {
    hash.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    /// The digest of all that was hashed; nothing must be under way.
    fn digest(&self) -> Digest {
        Digest::of(locked(&self.whole).clone(), locked(&self.tree).clone())
    }

    fn write(&self, buffer: &mut Buffer, at: u64) -> io::Result<()> {
        if self.direct.load(Ordering::Relaxed) {
            match self.write_direct(buffer, at) {
                // The file system took the flag, and refuses what it means.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let flags = fcntl_getfl(&self.file)?;
                    fcntl_setfl(&self.file, flags - OFlags::DIRECT)?;
                    self.direct.store(false, Ordering::Relaxed);
                }
                written => return written,
            }
        }
        self.file.write_all_at(buffer.filled(), at)
    }

    /// Writes whole blocks, and takes what fills up the last one off the file again.
    fn write_direct(&self, buffer: &mut Buffer, at: u64) -> io::Result<()> {
        let length = buffer.len();
        self.file.write_all_at(buffer.padded(BLOCK), at)?;
        if length.is_multiple_of(BLOCK) {
            return Ok(());
        }
        self.file.set_len(at.saturating_add(length as u64))
    }
}

#[cfg(test)]
mod tests;
