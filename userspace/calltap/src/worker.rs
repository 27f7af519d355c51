//! One receive queue's worker: takes frames from its AF_XDP socket, copies what is kept, and gives
//! the frames back.
//!
//! It owns its socket and its table, so it shares nothing and locks nothing. Signalling goes on as
//! it is; media becomes records at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use calltap_evidence::chunk::Chunk;
use calltap_proto::Timestamp;
use calltap_proto::packet::{self, Body, LinkType};
use calltap_xdp::clock::Offset;
use calltap_xdp::{Frame, Reason, Socket, Statistics};
use crossbeam::channel::{Receiver, Sender};

use crate::batch::Batch;
use crate::content::{Command, Content, Seen};
use crate::pool::{Lent, Pool};
use crate::recorder::Delivery;

/// Frames taken from the ring at once.
const BURST: usize = 64;

/// The longest sleep while nothing arrives.
const NAP: Duration = Duration::from_millis(10);

/// A chunk is handed over when it is this old, full or not.
const CHUNK_AGE: Duration = Duration::from_millis(50);

/// How long the ring must stay empty after the filter was taken off the interface, before nothing
/// more is expected.
const SETTLED: Duration = Duration::from_millis(50);

/// One queue's worker.
pub struct Worker {
    /// The queue's socket.
    pub socket: Socket,
    /// The volume's interface number.
    pub interface: u32,
    /// Turns the boot times of frames into Unix time.
    pub clock: Offset,
    /// Changes of who is listened to; sent ahead of the kernel's map.
    pub commands: Receiver<Command>,
    /// Where frames go that may be signalling.
    pub signalling: Sender<Lent<Batch>>,
    /// Empty batches.
    pub batches: Pool<Batch>,
    /// Where records go.
    pub recorder: Sender<Delivery>,
    /// Empty chunks.
    pub chunks: Pool<Chunk>,
    /// Set once the filter is off the interface: the worker ends when its ring is empty.
    pub stop: Arc<AtomicBool>,
}

/// What a worker did in its life.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Frames taken from the ring.
    pub received: u64,
    /// Frames that may be signalling, lost because the signalling thread was behind.
    pub lost_signalling: u64,
    /// Frames of media, lost because the recorder was behind.
    pub lost_content: u64,
    /// What the kernel counted for the socket.
    pub kernel: Statistics,
}

/// Where the worker copies to, and what it lost for want of room.
struct Copies {
    batch: Option<Lent<Batch>>,
    chunk: Option<Lent<Chunk>>,
    chunk_since: Instant,
    tally: Tally,
}

impl Worker {
    /// Works until it is told to stop and the ring is empty.
    ///
    /// `failed` is called where the socket fails, because the interface went away; what was
    /// received is handed over all the same.
    pub fn work(mut self, failed: impl FnOnce(calltap_xdp::Error)) -> Tally {
        let mut content = Content::default();
        let mut frames = Vec::with_capacity(BURST);
        let mut copies = Copies {
            batch: None,
            chunk: None,
            chunk_since: Instant::now(),
            tally: Tally::default(),
        };
        let mut settled = None;
        loop {
            let received = self.socket.receive(&mut frames, BURST);
            // The order matters: a command is sent before the kernel's map is set, so whatever
            // this burst holds because of it, the command is here by now.
            for command in self.commands.try_iter() {
                content.apply(command);
            }
            for frame in &frames {
                self.take(frame, &content, &mut copies);
            }
            self.socket.release(frames.drain(..));
            self.hand_over(&mut copies);
            if received > 0 {
                settled = None;
                continue;
            }
            if self.stop.load(Ordering::Acquire) {
                let since = *settled.get_or_insert_with(Instant::now);
                if since.elapsed() >= SETTLED {
                    break;
                }
            }
            if let Err(error) = self.socket.wait(NAP) {
                failed(error);
                break;
            }
        }
        if let Some(chunk) = copies.chunk.take() {
            // The recorder outlives the workers, so this can only fail when it has died itself.
            let _ = self.recorder.send(Delivery::Chunk(chunk));
        }
        if let Ok(kernel) = self.socket.statistics() {
            copies.tally.kernel = kernel;
        }
        copies.tally
    }

    fn take(&self, frame: &Frame, content: &Content, copies: &mut Copies) {
        copies.tally.received += 1;
        let mark = self.socket.mark(frame);
        let at = Timestamp(self.clock.unix_ns(mark.arrival_ns));
        let bytes = self.socket.bytes(frame);
        if mark.reason == Reason::Endpoint as u32 || mark.reason == Reason::Prefix as u32 {
            if let Ok(packet) = packet::parse(LinkType::Ethernet, bytes) {
                if !matches!(packet.body, Body::Fragment(_)) {
                    return self.keep(at, bytes, &packet, content, copies);
                }
            }
        }
        // A fragment of media also goes to the thread that puts datagrams together.
        if copies.batch.is_none() {
            copies.batch = self.batches.lend();
        }
        if !copies.batch.as_mut().is_some_and(|batch| batch.try_push(at, self.interface, bytes)) {
            copies.tally.lost_signalling += 1;
        }
    }

    fn keep(
        &self,
        at: Timestamp,
        bytes: &[u8],
        packet: &packet::Packet<'_>,
        content: &Content,
        copies: &mut Copies,
    ) {
        let (source, destination) = packet.endpoints();
        let original_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let seen = Seen { at_ns: at.0, interface: self.interface, original_len, frame: bytes };
        let mut lost = false;
        content.keep(seen, source, destination, |record| {
            loop {
                if copies.chunk.is_none() {
                    copies.chunk = self.chunks.lend();
                    copies.chunk_since = Instant::now();
                }
                let Some(chunk) = &mut copies.chunk else {
                    lost = true;
                    return;
                };
                if chunk.try_push(&record).is_ok() {
                    return;
                }
                if let Some(full) = copies.chunk.take() {
                    // The channel has room for every chunk of the pool.
                    let _ = self.recorder.try_send(Delivery::Chunk(full));
                }
            }
        });
        copies.tally.lost_content += u64::from(lost);
    }

    fn hand_over(&self, copies: &mut Copies) {
        if copies.batch.as_ref().is_some_and(|batch| !batch.is_empty()) {
            if let Some(batch) = copies.batch.take() {
                let _ = self.signalling.try_send(batch);
            }
        }
        let old = copies.chunk_since.elapsed() >= CHUNK_AGE;
        if copies.chunk.as_ref().is_some_and(|chunk| old && !chunk.is_empty()) {
            if let Some(chunk) = copies.chunk.take() {
                let _ = self.recorder.try_send(Delivery::Chunk(chunk));
            }
        }
    }
}
