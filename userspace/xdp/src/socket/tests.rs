//! Sockets whose kernel is these tests: descriptors come by rings of our own.
//!
//! A kernel that lies hands over what it must not, which is neither followed nor given back.
//! One that works beside its readers is what Miri is to see (`scripts/test-miri`): a byte that is
//! written while it may be read, or read before what was written there is to be seen, is an error to
//! it, whatever was read.

use std::thread;

use rustix::net::xdp::XdpDescOptions;

use super::*;
use crate::{mapping::Mapping, ring::tests::both_sides};

const CHUNKS: u32 = 8;
const CHUNK: u64 = 2048;
const RING: u32 = 16;

/// The kernel's ends of the rings, and the memory.
struct Kernel {
    receive: Producer<XdpDesc>,
    fill: Consumer<u64>,
    umem: Arc<Umem>,
    _rings: [Mapping; 2],
}

fn socket(start: u32) -> (Socket, Kernel) {
    let umem = Umem::new((CHUNKS, 2048), (2 * joining::SLOTS, 6000)).unwrap();
    let umem = Arc::new(umem);
    let (to_us, receive, receive_ring) = both_sides(RING, start);
    let (fill, to_kernel, fill_ring) = both_sides(RING, start);
    let socket = Socket {
        fd: bound_to_nothing(),
        receive,
        fill: Fill::Ring(fill),
        umem: Arc::clone(&umem),
        interface: Interface::default(),
        queue: 0,
        mode: BindMode::Copy,
        bad_descriptors: 0,
        returning: Arc::new(ArrayQueue::new(CHUNKS as usize)),
        joining: Joining::within(umem.slots().take(joining::SLOTS as usize)),
    };
    let rings = [receive_ring, fill_ring];
    (socket, Kernel { receive: to_us, fill: to_kernel, umem, _rings: rings })
}

fn bound_to_nothing() -> OwnedFd {
    std::io::pipe().unwrap().0.into()
}

impl Kernel {
    /// Hands over a chunk whose `length` bytes are all `byte`, as the last part of a frame or not.
    fn hand_over(&mut self, chunk: u64, length: u32, byte: u8, more: bool) {
        let addr = chunk * CHUNK + 256;
        let mark = Mark { arrival_ns: u64::from(byte), reason: 1, queue: 0 };
        // SAFETY: the tests hand over what is the kernel's.
        unsafe { self.umem.write(&descriptor(addr, length, more), &mark, byte) };
        self.describe(addr, length, more);
    }

    fn describe(&mut self, addr: u64, length: u32, more: bool) {
        assert_eq!(self.receive.push([descriptor(addr, length, more)]), 1);
    }

    /// The chunks that came back.
    fn given_back(&mut self) -> Vec<u64> {
        let mut chunks = Vec::new();
        self.fill.pop(u32::MAX, |addr| chunks.push(addr / CHUNK));
        chunks
    }
}

fn descriptor(addr: u64, len: u32, more: bool) -> XdpDesc {
    let options = if more { XdpDescOptions::XDP_PKT_CONTD } else { XdpDescOptions::empty() };
    XdpDesc { addr, len, options }
}

fn received(socket: &mut Socket, limit: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    socket.receive(&mut frames, limit);
    frames
}

/// Reads and releases up to `limit` frames, and adds to `came` the byte that each is full of, and
/// how many of it; returns whether there were any.
fn read(socket: &mut Socket, limit: usize, came: &mut Vec<(u8, usize)>) -> bool {
    let frames = received(socket, limit);
    let any = !frames.is_empty();
    for frame in &frames {
        let bytes = socket.bytes(frame);
        assert!(bytes == vec![bytes[0]; bytes.len()], "{} bytes", bytes.len());
        assert_eq!(socket.mark(frame).arrival_ns, u64::from(bytes[0]));
        came.push((bytes[0], bytes.len()));
    }
    socket.release(frames);
    any
}

#[test]
fn a_duplicate_and_a_foreign_descriptor_are_counted_and_never_given_back() {
    for start in [0, u32::MAX - 2] {
        let (mut socket, mut kernel) = socket(start);
        kernel.hand_over(3, 60, 7, false);
        kernel.describe(3 * CHUNK + 256, 60, false);
        for foreign in [u64::from(CHUNKS) * CHUNK + 256, u64::MAX, 3, 2 * CHUNK + 2040] {
            kernel.describe(foreign, 60, false);
        }
        kernel.hand_over(4, 60, 8, false);
        let frames = received(&mut socket, 64);
        let bytes: Vec<_> = frames.iter().map(|frame| socket.bytes(frame)[0]).collect();
        assert_eq!((bytes, socket.bad_descriptors), (vec![7, 8], 5));
        socket.release(frames);
        assert_eq!(kernel.given_back(), [3, 4], "each once");
        // The chunk is the kernel's again, and may come again.
        kernel.hand_over(3, 60, 9, false);
        assert_eq!(received(&mut socket, 64).len(), 1);
        assert_eq!(socket.bad_descriptors, 5);
    }
}

#[test]
fn chunks_go_round_where_the_counts_of_both_rings_wrap() {
    let (mut socket, mut kernel) = socket(u32::MAX - 20);
    for round in 0..100_u8 {
        let chunk = u64::from(round) % u64::from(CHUNKS);
        kernel.hand_over(chunk, 60, round, false);
        let frames = received(&mut socket, 64);
        assert_eq!(socket.bytes(&frames[0]), [round; 60]);
        assert_eq!(socket.mark(&frames[0]).arrival_ns, u64::from(round));
        socket.release(frames);
        assert_eq!(kernel.given_back(), [chunk]);
    }
}

#[test]
fn a_frame_of_several_chunks_is_put_together_wherever_the_batches_end() {
    for limit in 1..5 {
        let (mut socket, mut kernel) = socket(u32::MAX - 3);
        kernel.hand_over(0, 60, 1, false);
        for (chunk, more) in [(1, true), (2, true), (3, false)] {
            kernel.hand_over(chunk, 1700, 2, more);
        }
        kernel.hand_over(4, 60, 3, false);
        let mut all = Vec::new();
        while read(&mut socket, limit, &mut all) {}
        assert_eq!(all, [(1, 60), (2, 5100), (3, 60)], "{limit}");
        let mut back = kernel.given_back();
        back.sort_unstable();
        assert_eq!(back, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn a_bad_part_costs_its_frame_alone_and_its_other_parts_go_back() {
    let (mut socket, mut kernel) = socket(0);
    kernel.hand_over(1, 1700, 2, true);
    kernel.describe(1 << 40, 1700, true);
    kernel.hand_over(3, 1700, 2, false);
    // And one that is too long for a slot.
    for (chunk, more) in [(4, true), (5, true), (6, true), (7, false)] {
        kernel.hand_over(chunk, 1792, 3, more);
    }
    kernel.hand_over(2, 60, 4, false);
    let frames = received(&mut socket, 64);
    assert_eq!(frames.len(), 1);
    assert_eq!(socket.bytes(&frames[0]), [4; 60]);
    assert_eq!((socket.bad_descriptors, socket.joining.too_long), (1, 1));
    socket.release(frames);
    let mut back = kernel.given_back();
    back.sort_unstable();
    assert_eq!(back, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn chunks_go_round_between_the_kernel_and_two_readers_each_on_a_thread_of_its_own() {
    const TURNS: usize = if cfg!(miri) { 50 } else { 20_000 };
    let start = u32::MAX - 5;
    let (mut first, mut kernel) = socket(start);
    let (mut to_second, receive, _ring) = both_sides(RING, start);
    let mut second = open::beside(&first, bound_to_nothing(), receive);
    let Fill::Ring(fill) = &mut first.fill else { unreachable!() };
    assert_eq!(fill.push(kernel.umem.chunks()), CHUNKS);

    let mut free = Vec::new();
    let mut sent = [Vec::new(), Vec::new()];
    let mut came = [Vec::new(), Vec::new()];
    thread::scope(|scope| {
        scope.spawn(|| {
            // Frames of one chunk and of three, for the one reader and for the other, in the chunks
            // that came back last.
            for (turn, byte) in (0..TURNS).zip((0..=u8::MAX).cycle()) {
                free.extend(kernel.given_back());
                let parts = if turn % 4 < 2 { 3 } else { 1 };
                if let Some(kept) = free.len().checked_sub(parts) {
                    for (part, chunk) in free.drain(kept..).enumerate() {
                        kernel.hand_over(chunk, 1700, byte, part + 1 < parts);
                        thread::yield_now();
                    }
                    sent[turn % 2].push((byte, parts * 1700));
                }
                std::mem::swap(&mut kernel.receive, &mut to_second);
                thread::yield_now();
            }
        });
        for (socket, came) in [&mut first, &mut second].into_iter().zip(&mut came) {
            scope.spawn(|| {
                for _ in 0..4 * TURNS {
                    read(socket, 4, came);
                    thread::yield_now();
                }
            });
        }
    });
    while read(&mut second, 4, &mut came[1]) | read(&mut first, 4, &mut came[0]) {}
    assert_eq!(came, sent);
    free.extend(kernel.given_back());
    free.sort_unstable();
    assert!(free.iter().copied().eq(0..u64::from(CHUNKS)), "{free:?}");
}
