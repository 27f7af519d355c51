//! The endpoint map read in batches: two system calls an entry would be too many.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use calltap_ebpf::abi::{Deadline, Endpoint};
use rustix::io::Errno;
use zerocopy::{FromBytes, FromZeros as _, IntoBytes};

use crate::Error;
use crate::bpf::bpf;

/// Entries read at once: what takes some tenths of a millisecond where memory is slow, for which a
/// message may have to wait.
///
/// The kernel fills a batch with whole buckets, so it must hold the fullest of them, and of as many
/// buckets as there may be entries the fullest has some ten.
const BATCH: usize = 512;

const MAP_LOOKUP_BATCH: libc::c_long = 24;

/// `union bpf_attr` for `BPF_MAP_LOOKUP_BATCH`.
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Batch {
    from: u64,
    next: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// A walk over the entries of the endpoint map.
#[derive(Debug)]
pub(super) struct Entries {
    map: OwnedFd,
    /// The bucket that the next batch begins with; `None` before the first.
    bucket: Option<u32>,
    keys: Box<[Endpoint; BATCH]>,
    values: Box<[Deadline; BATCH]>,
}

impl Entries {
    pub(super) fn of(map: OwnedFd) -> Self {
        let keys = Box::new([Endpoint::new_zeroed(); BATCH]);
        let values = Box::new([Deadline::new_zeroed(); BATCH]);
        Self { map, bucket: None, keys, values }
    }

    /// The next entries, and whether there are more; after the last the walk begins anew.
    ///
    /// # Errors
    ///
    /// [`Error::Map`].
    pub(super) fn next(
        &mut self,
    ) -> Result<(impl Iterator<Item = (&Endpoint, &Deadline)>, bool), Error> {
        let mut next = 0_u32;
        let mut batch = Batch {
            from: self.bucket.as_ref().map_or(0, |bucket| (&raw const *bucket) as u64),
            next: (&raw mut next) as u64,
            keys: self.keys.as_mut_ptr() as u64,
            values: self.values.as_mut_ptr() as u64,
            count: u32::try_from(BATCH).unwrap_or_default(),
            map: self.map.as_raw_fd().unsigned_abs(),
            ..Batch::new_zeroed()
        };
        let more = match bpf(MAP_LOOKUP_BATCH, &mut batch) {
            Ok(_) => true,
            // The end: what was read on the way there counts.
            Err(cause) if Errno::from_io_error(&cause) == Some(Errno::NOENT) => false,
            Err(cause) => return Err(self.failed(&cause)),
        };
        self.bucket = more.then_some(next);
        let count = usize::try_from(batch.count).unwrap_or_default();
        Ok((self.keys.iter().zip(&self.values[..]).take(count), more))
    }

    fn failed(&mut self, cause: &io::Error) -> Error {
        self.bucket = None;
        Error::Map { map: "ENDPOINTS", cause: cause.to_string() }
    }
}
