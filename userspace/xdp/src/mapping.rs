//! Memory shared with the kernel, unmapped when dropped.

use std::{os::fd::BorrowedFd, ptr::NonNull};

use rustix::{
    io::{Errno, Result},
    mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap},
};

/// A mapping, readable and writable.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and only its owner reaches it.
unsafe impl Send for Mapping {}

// SAFETY: through a shared reference only addresses are to be had; who follows one says why he may.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` bytes of what `fd` stands for, from `offset` on.
    pub(crate) fn shared(fd: BorrowedFd<'_>, length: usize, offset: u64) -> Result<Self> {
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: the kernel chooses the address, so that no other mapping is replaced.
        let start = unsafe { mmap(std::ptr::null_mut(), length, PROTECTION, flags, fd, offset) }?;
        Self::new(start.cast(), length)
    }

    /// Maps `length` zero bytes of memory.
    pub(crate) fn anonymous(length: usize) -> Result<Self> {
        // Miri knows no other flag.
        let populate = if cfg!(miri) { MapFlags::empty() } else { MapFlags::POPULATE };
        let flags = MapFlags::PRIVATE | populate;
        // SAFETY: the kernel chooses the address, so that no other mapping is replaced.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), length, PROTECTION, flags) }?;
        Self::new(start.cast(), length)
    }

    fn new(start: *mut u8, length: usize) -> Result<Self> {
        Ok(Self { start: NonNull::new(start).ok_or(Errno::FAULT)?, length })
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The address of `count` items of `T` at `offset` bytes, or `None` if they do not lie within
    /// the mapping or not on `T`'s alignment.
    pub(crate) fn at<T>(&self, offset: usize, count: usize) -> Option<NonNull<T>> {
        let end = count.checked_mul(size_of::<T>())?.checked_add(offset)?;
        if end > self.length {
            return None;
        }
        // SAFETY: `offset` does not exceed `end`, which lies within the mapping.
        let item = unsafe { self.start.add(offset) }.cast::<T>();
        item.is_aligned().then_some(item)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the one that was mapped, and nothing outlives its owner.
        // It can only fail for a range that is none, and then nothing was mapped.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

const PROTECTION: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
