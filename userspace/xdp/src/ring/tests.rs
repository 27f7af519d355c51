//! Both sides of a ring over one piece of memory, held against a queue of the standard library.

use std::collections::VecDeque;

use super::*;

const SIZE: u32 = 8;
/// Miri is slower by three orders of magnitude.
const STEPS: u64 = if cfg!(miri) { 50 } else { 50_000 };
const OFFSETS: XdpRingOffset =
    XdpRingOffset { producer: 0, consumer: 64, flags: Some(128), desc: 192 };

/// Both sides of a ring of `size` items whose counts begin at `start`, and the memory they are over,
/// which is to outlive them.
pub(crate) fn both_sides<T: Copy>(size: u32, start: u32) -> (Producer<T>, Consumer<T>, Mapping) {
    let length = mapping_length::<T>(&OFFSETS, size).unwrap();
    let mapping = Mapping::anonymous(length).unwrap();
    let memory = Memory::new(mapping, &OFFSETS, size).unwrap();
    memory.producer().store(start, Ordering::Relaxed);
    memory.consumer().store(start, Ordering::Relaxed);
    // Each side unmaps a mapping of its own, in which there is nothing.
    let side = || Memory { _mapping: Mapping::anonymous(1).unwrap(), ..memory };
    (Producer::over(side()), Consumer::over(side()), memory._mapping)
}

#[test]
fn a_ring_is_a_bounded_queue_also_where_its_counts_wrap() {
    for start in [0, 5, u32::MAX - 3, u32::MAX, u32::MAX / 2] {
        let (mut producer, mut consumer, _memory) = both_sides(SIZE, start);
        let mut oracle = VecDeque::new();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(start);
        let mut next = 0_u64;
        for _ in 0..STEPS {
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
    let (mut producer, mut consumer, _memory) = both_sides(SIZE, u32::MAX - 10);
    let mut taken = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = 0;
            while next < STEPS {
                next += u64::from(producer.push(next..STEPS));
                std::thread::yield_now();
            }
        });
        while (taken.len() as u64) < STEPS {
            consumer.pop(5, |item| taken.push(item));
            std::thread::yield_now();
        }
    });
    assert!(taken.into_iter().eq(0..STEPS));
}

#[test]
fn the_wakeup_flag_is_read_from_the_ring() {
    let mapping = Mapping::anonymous(4096).unwrap();
    let producer = Producer::<u64>::new(mapping, &OFFSETS, SIZE).unwrap();
    assert!(!producer.needs_wakeup());
    let flag = XdpRingFlags::XDP_RING_NEED_WAKEUP.bits();
    producer.memory.flags().store(flag, Ordering::Relaxed);
    assert!(producer.needs_wakeup());
}

#[test]
fn a_ring_that_is_not_in_its_mapping_is_refused() {
    let map = || Mapping::anonymous(4096).unwrap();
    let beyond = XdpRingOffset { desc: 1 << 20, ..OFFSETS };
    assert!(Producer::<u64>::new(map(), &beyond, SIZE).is_none());
    let before_5_4 = XdpRingOffset { flags: None, ..OFFSETS };
    assert!(Producer::<u64>::new(map(), &before_5_4, SIZE).is_none());
    let astray = XdpRingOffset { consumer: 66, ..OFFSETS };
    assert!(Producer::<u64>::new(map(), &astray, SIZE).is_none());
    assert!(Producer::<u64>::new(map(), &OFFSETS, 7).is_none());
}
