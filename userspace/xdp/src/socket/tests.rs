//! A socket whose kernel lies: descriptors come by rings of our own, and what it must not hand over
//! is neither followed nor given back.

use calltap_ebpf::abi::Mark;
use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    net::xdp::{XdpDescOptions, XdpRingOffset},
};
use zerocopy::IntoBytes as _;

use super::*;
use crate::{mapping::Mapping, ring::mapping_length};

const CHUNKS: u32 = 8;
const CHUNK: u64 = 2048;
const RING: u32 = 16;
const OFFSETS: XdpRingOffset =
    XdpRingOffset { producer: 0, consumer: 64, flags: Some(128), desc: 192 };

/// The kernel's ends of the rings, and the memory.
struct Kernel {
    receive: Producer<XdpDesc>,
    fill: Consumer<u64>,
    umem: Arc<Umem>,
}

/// Both ends of a ring whose counts begin at `start`.
fn ring<T: Copy>(start: u32) -> (Producer<T>, Consumer<T>) {
    let memory = memfd_create("ring", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&memory, 4096).unwrap();
    rustix::io::pwrite(&memory, start.as_bytes(), OFFSETS.producer).unwrap();
    rustix::io::pwrite(&memory, start.as_bytes(), OFFSETS.consumer).unwrap();
    let length = mapping_length::<T>(&OFFSETS, RING).unwrap();
    let map = || Mapping::shared(memory.as_fd(), length, 0).unwrap();
    let producer = Producer::new(map(), &OFFSETS, RING).unwrap();
    (producer, Consumer::new(map(), &OFFSETS, RING).unwrap())
}

fn socket(start: u32) -> (Socket, Kernel) {
    let umem = Umem::new((CHUNKS, 2048), (4, 6000)).unwrap();
    let umem = Arc::new(umem);
    let (to_us, receive) = ring(start);
    let (fill, to_kernel) = ring(start);
    let socket = Socket {
        fd: memfd_create("socket", MemfdFlags::CLOEXEC).unwrap(),
        receive,
        fill: Fill::Ring(fill),
        umem: Arc::clone(&umem),
        interface: Interface::open("lo").unwrap(),
        queue: 0,
        mode: BindMode::Copy,
        bad_descriptors: 0,
        returning: Arc::new(ArrayQueue::new(CHUNKS as usize)),
        joining: Joining::within(umem.slots()),
    };
    (socket, Kernel { receive: to_us, fill: to_kernel, umem })
}

impl Kernel {
    /// Hands over a chunk whose `length` bytes are all `byte`, as the last part of a frame or not.
    fn hand_over(&mut self, chunk: u64, length: u32, byte: u8, more: bool) {
        let addr = chunk * CHUNK + 256;
        if let Some(frame) = self.umem.take(&descriptor(addr, length, false)) {
            let mark = Mark { arrival_ns: u64::from(byte), reason: 1, queue: 0 };
            self.umem.write(&frame, mark.as_bytes(), byte);
            let _ = self.umem.give_up(frame);
        }
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
        loop {
            let frames = received(&mut socket, limit);
            if frames.is_empty() {
                break;
            }
            for frame in &frames {
                let bytes = socket.bytes(frame);
                assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                assert_eq!(socket.mark(frame).arrival_ns, u64::from(bytes[0]));
                all.push((bytes[0], bytes.len()));
            }
            socket.release(frames);
        }
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
