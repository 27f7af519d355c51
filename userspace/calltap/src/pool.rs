//! Buffers that are made once and go round: lent by a pool, and back in it when dropped.
//!
//! An empty pool is the only back-pressure between the threads: who finds it empty counts a loss
//! and goes on.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use calltap_evidence::chunk::Chunk;
use crossbeam::queue::ArrayQueue;

/// A buffer that can be used again.
pub trait Reuse {
    /// Forgets the contents and keeps the memory.
    fn reset(&mut self);
}

impl Reuse for Chunk {
    fn reset(&mut self) {
        self.clear();
    }
}

/// A fixed number of buffers, shared between threads without a lock.
#[derive(Debug)]
pub struct Pool<T>(Arc<ArrayQueue<T>>);

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Reuse> Pool<T> {
    /// A pool of `count` buffers, each made by `make`.
    pub fn new(count: usize, make: impl Fn() -> T) -> Self {
        let free = ArrayQueue::new(count.max(1));
        for _ in 0..count {
            // There is room for exactly so many.
            let _ = free.push(make());
        }
        Self(Arc::new(free))
    }

    /// Whether all buffers are lent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether at least half of the buffers are free.
    pub fn is_half_free(&self) -> bool {
        self.0.len() * 2 >= self.0.capacity()
    }

    /// How many buffers are free, and how many there are.
    pub fn free(&self) -> (usize, usize) {
        (self.0.len(), self.0.capacity())
    }

    /// An empty buffer; `None` while all are lent.
    pub fn lend(&self) -> Option<Lent<T>> {
        let item = self.0.pop()?;
        Some(Lent { item: Some(item), home: Arc::clone(&self.0) })
    }
}

/// A buffer on loan.
#[derive(Debug)]
pub struct Lent<T: Reuse> {
    /// Taken out by `drop` alone.
    item: Option<T>,
    home: Arc<ArrayQueue<T>>,
}

impl<T: Reuse> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.item {
            Some(item) => item,
            None => unreachable!("only drop takes the buffer out"),
        }
    }
}

impl<T: Reuse> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.item {
            Some(item) => item,
            None => unreachable!("only drop takes the buffer out"),
        }
    }
}

impl<T: Reuse> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(mut item) = self.item.take() {
            item.reset();
            let _ = self.home.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Reuse for Vec<u8> {
        fn reset(&mut self) {
            self.clear();
        }
    }

    #[test]
    fn a_buffer_comes_back_empty_and_with_its_memory() {
        let pool = Pool::new(1, || Vec::with_capacity(64));
        let mut lent = pool.lend().unwrap();
        lent.extend_from_slice(b"someone's");
        assert!(pool.lend().is_none(), "there is but one");
        drop(lent);
        let again = pool.lend().unwrap();
        assert!(again.is_empty() && again.capacity() == 64);
    }
}
