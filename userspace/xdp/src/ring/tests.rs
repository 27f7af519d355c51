//! Both sides of a ring over one piece of memory, held against a queue of the standard library.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::*;

const SIZE: u32 = 8;
const OFFSETS: XdpRingOffset =
    XdpRingOffset { producer: 0, consumer: 64, flags: Some(128), desc: 192 };

/// Memory that both sides map, with both counts at `start`.
fn memory(start: u32) -> OwnedFd {
    let memory = memfd_create("ring", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&memory, 4096).unwrap();
    let mapping = map(&memory);
    let ring = Memory::<u64>::new(mapping, &OFFSETS, SIZE).unwrap();
    ring.producer().store(start, Ordering::Relaxed);
    ring.consumer().store(start, Ordering::Relaxed);
    memory
}

fn map(memory: &OwnedFd) -> Mapping {
    let length = mapping_length::<u64>(&OFFSETS, SIZE).unwrap();
    Mapping::shared(memory.as_fd(), length, 0).unwrap()
}

fn both_sides(start: u32) -> (Producer<u64>, Consumer<u64>, OwnedFd) {
    let memory = memory(start);
    let producer = Producer::new(map(&memory), &OFFSETS, SIZE).unwrap();
    let consumer = Consumer::new(map(&memory), &OFFSETS, SIZE).unwrap();
    (producer, consumer, memory)
}

#[test]
fn a_ring_is_a_bounded_queue_also_where_its_counts_wrap() {
    for start in [0, 5, u32::MAX - 3, u32::MAX, u32::MAX / 2] {
        let (mut producer, mut consumer, _memory) = both_sides(start);
        let mut oracle = VecDeque::new();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(start);
        let mut next = 0_u64;
        for _ in 0..20_000 {
            // A small xorshift draws what is done next, and how much of it.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let count = state >> 8 & 15;
            if state & 1 == 0 {
                let pushed = u64::from(producer.push(next..next + count));
                assert_eq!(pushed, count.min(u64::from(SIZE) - oracle.len() as u64));
                oracle.extend(next..next + pushed);
                next += pushed;
            } else {
                let mut taken = Vec::new();
                let limit = u32::try_from(count).unwrap();
                let popped = consumer.pop(limit, |item| taken.push(item));
                assert_eq!(popped as usize, taken.len());
                // A pop may stop short at the counts it last read, but never skips or repeats.
                assert!(oracle.is_empty() || limit == 0 || popped > 0);
                for item in taken {
                    assert_eq!(oracle.pop_front(), Some(item));
                }
            }
        }
    }
}

#[test]
fn two_threads_lose_nothing_and_keep_the_order() {
    let (mut producer, mut consumer, _memory) = both_sides(u32::MAX - 1000);
    const ITEMS: u64 = 50_000;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = 0;
            while next < ITEMS {
                next += u64::from(producer.push(next..ITEMS));
                std::thread::yield_now();
            }
        });
        let mut expected = 0;
        while expected < ITEMS {
            consumer.pop(5, |item| {
                assert_eq!(item, expected);
                expected += 1;
            });
            std::thread::yield_now();
        }
    });
}

#[test]
fn the_wakeup_flag_is_read_from_the_ring() {
    let (producer, _consumer, _memory) = both_sides(0);
    assert!(!producer.needs_wakeup());
    let flag = XdpRingFlags::XDP_RING_NEED_WAKEUP.bits();
    producer.memory.flags().store(flag, Ordering::Relaxed);
    assert!(producer.needs_wakeup());
}

#[test]
fn a_ring_that_is_not_in_its_mapping_is_refused() {
    let memory = memory(0);
    let beyond = XdpRingOffset { desc: 1 << 20, ..OFFSETS };
    assert!(Producer::<u64>::new(map(&memory), &beyond, SIZE).is_none());
    let before_5_4 = XdpRingOffset { flags: None, ..OFFSETS };
    assert!(Producer::<u64>::new(map(&memory), &before_5_4, SIZE).is_none());
    assert!(Producer::<u64>::new(map(&memory), &OFFSETS, 7).is_none());
}
