//! The rings' own code, and that which says whose a chunk is, in every order in which threads may
//! see each other's writes (loom), against a kernel that does what `net/xdp/xsk_queue.h` does.
//!
//! Counts begin where they are about to wrap.
//! Loom runs its threads in one, which is why they share by `Rc`.
//! A slot or a chunk that one side reaches while it is the other's, or before what was written there
//! is to be seen, fails the test, whatever was read.

use std::{collections::VecDeque, rc::Rc};

use held::Held;
use loom::{
    cell::UnsafeCell,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};
use sides::{Consumer, Producer};

#[allow(clippy::duplicate_mod, dead_code, reason = "the same source, over what is here")]
#[path = "../umem/held.rs"]
mod held;
#[allow(clippy::duplicate_mod, dead_code, reason = "the same source, over what is here")]
#[path = "sides.rs"]
mod sides;

/// A ring's memory, as both sides have it.
#[derive(Clone, Debug)]
struct Memory<T> {
    shared: Rc<Shared<T>>,
    size: u32,
}

#[derive(Debug)]
struct Shared<T> {
    producer: AtomicU32,
    consumer: AtomicU32,
    slots: Vec<Slot<T>>,
}

impl<T: Copy> Memory<T> {
    fn new(size: u32, start: u32) -> Self {
        let (producer, consumer) = (AtomicU32::new(start), AtomicU32::new(start));
        let slots = (0..size).map(|_| Slot(UnsafeCell::new(None))).collect();
        Self { shared: Rc::new(Shared { producer, consumer, slots }), size }
    }

    fn producer(&self) -> &AtomicU32 {
        &self.shared.producer
    }

    fn consumer(&self) -> &AtomicU32 {
        &self.shared.consumer
    }

    fn slot(&self, at: u32) -> &Slot<T> {
        // Not as the code under test finds it.
        &self.shared.slots[(at % self.size) as usize]
    }
}

/// A place that nobody may read while another writes, which loom sees to.
#[derive(Debug)]
struct Slot<T>(UnsafeCell<Option<T>>);

impl<T: Copy> Slot<T> {
    /// # Safety
    ///
    /// None is asked for: loom stops at a race. It is unsafe as a pointer's is.
    unsafe fn write(&self, item: T) {
        // SAFETY: loom has made sure that nobody else is there.
        self.0.with_mut(|slot| unsafe { *slot = Some(item) });
    }

    /// # Safety
    ///
    /// As of `write`.
    unsafe fn read(&self) -> T {
        // SAFETY: loom has made sure that nobody writes there.
        let item = self.0.with(|slot| unsafe { *slot });
        item.expect("what is read was written")
    }
}

/// A packet's number, by chunk.
type Chunks = Rc<Vec<Slot<u32>>>;

/// The kernel's ends of the rings of one queue, and what it did with the packets given to it.
///
/// Where it goes by a control dependency, which loom knows nothing of, this acquires.
struct Kernel {
    chunks: Chunks,
    fill: Memory<usize>,
    /// `cached_cons` and `cached_prod` of the fill ring.
    filled: (u32, u32),
    receive: Vec<Memory<usize>>,
    /// `cached_prod` and `cached_cons` of each receive ring.
    received: Vec<(u32, u32)>,
    /// Chunks taken off the fill ring for packets that found no room.
    spare: Vec<usize>,
    lost: u32,
}

impl Kernel {
    /// `xsk_rcv` and `xsk_flush`.
    fn deliver(&mut self, packet: u32, socket: usize) {
        let Some(chunk) = self.spare.pop().or_else(|| self.take_chunk()) else {
            self.lost += 1;
            return;
        };
        // SAFETY: loom checks that the chunk is nobody else's.
        unsafe { self.chunks[chunk].write(packet) };
        let (ring, (produced, consumed)) = (&self.receive[socket], &mut self.received[socket]);
        if produced.wrapping_sub(*consumed) == ring.size {
            *consumed = ring.consumer().load(Ordering::Acquire);
        }
        if produced.wrapping_sub(*consumed) == ring.size {
            self.spare.push(chunk);
            self.lost += 1;
        } else {
            // SAFETY: loom checks that the slot is nobody else's.
            unsafe { ring.slot(*produced).write(chunk) };
            *produced = produced.wrapping_add(1);
            ring.producer().store(*produced, Ordering::Release);
        }
        self.fill.consumer().store(self.filled.0, Ordering::Release);
    }

    /// `xskq_cons_peek_addr_unchecked`.
    fn take_chunk(&mut self) -> Option<usize> {
        let (consumed, produced) = &mut self.filled;
        if consumed == produced {
            self.fill.consumer().store(*consumed, Ordering::Release);
            *produced = self.fill.producer().load(Ordering::Acquire);
        }
        if consumed == produced {
            return None;
        }
        // SAFETY: loom checks that the slot is nobody else's.
        let chunk = unsafe { self.fill.slot(*consumed).read() };
        *consumed = consumed.wrapping_add(1);
        Some(chunk)
    }
}

/// What our sockets of one queue have in common, as `Socket` has it.
#[derive(Clone)]
struct Queue {
    chunks: Chunks,
    held: Rc<Held>,
    /// Loom cannot look into the real queue, which orders as a lock does.
    returning: Rc<Mutex<VecDeque<usize>>>,
}

/// One socket: its ring, the fill ring if it is a queue's first, and what came.
struct Socket {
    queue: Queue,
    receive: Consumer<usize>,
    fill: Option<Producer<usize>>,
    came: Vec<u32>,
}

impl Socket {
    /// `Socket::receive` and `Socket::release`, each of up to `limit` frames.
    fn turn(&mut self, limit: u32) {
        let Self { queue, receive, fill, came } = self;
        let mut back = Vec::new();
        receive.pop(limit, |chunk| {
            queue.held.take(chunk).expect("a chunk is handed over once until it goes back");
            // SAFETY: loom checks that the kernel is done with the chunk.
            came.push(unsafe { queue.chunks[chunk].read() });
            back.push(chunk);
        });
        back.iter().for_each(|&chunk| queue.held.give_up(chunk).expect("a chunk"));
        let Some(fill) = fill else {
            queue.returning.lock().unwrap().extend(back);
            return;
        };
        let count = back.len();
        assert_eq!(fill.push(back) as usize, count, "the fill ring has room for all chunks");
        let returned: Vec<_> = queue.returning.lock().unwrap().drain(..).collect();
        let count = returned.len();
        assert_eq!(fill.push(returned) as usize, count, "the fill ring has room for all chunks");
    }
}

/// A queue with all of its chunks in the fill ring, and so many sockets with rings of this size.
fn queue(start: u32, chunks: usize, ring: u32, sockets: usize) -> (Kernel, Vec<Socket>) {
    let numbers: Chunks = Rc::new((0..chunks).map(|_| Slot(UnsafeCell::new(None))).collect());
    let fill = Memory::new(2 * u32::try_from(chunks).unwrap(), start);
    let receive: Vec<_> = (0..sockets).map(|_| Memory::new(ring, start)).collect();
    let queue = Queue {
        chunks: Rc::clone(&numbers),
        held: Rc::new(Held::none_of(chunks)),
        returning: Rc::default(),
    };
    let mut filling = Producer::over(fill.clone());
    assert_eq!(filling.push(0..chunks) as usize, chunks);
    let mut filling = Some(filling);
    let socket = |ring: &Memory<usize>| Socket {
        queue: queue.clone(),
        receive: Consumer::over(ring.clone()),
        fill: filling.take(),
        came: Vec::new(),
    };
    let ours = receive.iter().map(socket).collect();
    let received = vec![(start, start); sockets];
    let filled = (start, start);
    let kernel =
        Kernel { chunks: numbers, fill, filled, receive, received, spare: Vec::new(), lost: 0 };
    (kernel, ours)
}

/// Nothing is lost without being counted, nothing comes twice or out of order, and every chunk is
/// somewhere, once.
fn settle(mut kernel: Kernel, mut sockets: Vec<Socket>, packets: u32) {
    for _ in 0..2 {
        sockets.iter_mut().rev().for_each(|socket| socket.turn(u32::MAX));
    }
    for socket in &sockets {
        assert!(socket.came.is_sorted_by(|one, next| one < next), "{:?}", socket.came);
    }
    let came: usize = sockets.iter().map(|socket| socket.came.len()).sum();
    assert_eq!(u32::try_from(came).unwrap() + kernel.lost, packets);
    let mut chunks = std::mem::take(&mut kernel.spare);
    chunks.extend(std::iter::from_fn(|| kernel.take_chunk()));
    chunks.sort_unstable();
    assert!(chunks.iter().copied().eq(0..kernel.chunks.len()), "{chunks:?}");
}

/// Looks at every order in which no thread is stopped more often than this against its will; all
/// that there are, if it says nothing of that.
fn explore(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

#[test]
fn a_ring_that_is_full_is_filled_on_as_its_slots_are_read() {
    for (size, chunks, most) in [(2, 3, 2), (2, 3, 1), (4, 5, 4)] {
        explore(Some(3), move || {
            let ring = Memory::new(size, u32::MAX);
            let (mut kernel, _) = queue(0, 1, 2, 1);
            kernel.fill = ring.clone();
            kernel.filled = (u32::MAX, u32::MAX);
            let taking = thread::spawn(move || {
                let taken: Vec<_> = (0..chunks).filter_map(|_| kernel.take_chunk()).collect();
                (kernel, taken)
            });
            let mut producer = Producer::over(ring);
            let mut next = 0;
            for _ in 0..3 {
                next += producer.push((next..chunks).take(most)) as usize;
            }
            let (mut kernel, mut taken) = taking.join().unwrap();
            taken.extend(std::iter::from_fn(|| kernel.take_chunk()));
            assert!(taken.iter().copied().eq(0..next), "{taken:?} of {next}");
        });
    }
}

#[test]
fn frames_go_round_between_kernel_and_worker_in_every_order() {
    let small = [(1, 2, 2, 3, None), (2, 2, 1, 3, None)];
    let large = [(3, 2, 2, 4, Some(3)), (2, 4, 4, 4, Some(3))];
    for (chunks, ring, limit, packets, preemptions) in small.into_iter().chain(large) {
        explore(preemptions, move || {
            let (mut kernel, mut sockets) = queue(u32::MAX, chunks, ring, 1);
            let delivering = thread::spawn(move || {
                (0..packets).for_each(|packet| kernel.deliver(packet, 0));
                kernel
            });
            (0..2).for_each(|_| sockets[0].turn(limit));
            settle(delivering.join().unwrap(), sockets, packets);
        });
    }
}

#[test]
fn a_chunk_goes_from_the_one_socket_to_the_other_and_is_held_by_one_at_a_time() {
    for (chunks, packets) in [(1, 2), (2, 3)] {
        explore(Some(3), move || {
            let (mut kernel, mut sockets) = queue(u32::MAX, chunks, 2, 2);
            let delivering = thread::spawn(move || {
                (0..packets).for_each(|packet| kernel.deliver(packet, 1 - packet as usize % 2));
                kernel
            });
            let mut second = sockets.pop().unwrap();
            let signalling = thread::spawn(move || {
                second.turn(2);
                second
            });
            (0..2).for_each(|_| sockets[0].turn(2));
            sockets.push(signalling.join().unwrap());
            settle(delivering.join().unwrap(), sockets, packets);
        });
    }
}
