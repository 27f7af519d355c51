//! Calls of bpf(2) that aya has no words for.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Calls bpf(2); every address in `attributes` is that of memory that lives until it returns, and
/// the kernel may write its answer into them.
pub(crate) fn bpf<T: IntoBytes + FromBytes>(
    command: libc::c_long,
    attributes: &mut T,
) -> io::Result<i32> {
    let bytes = attributes.as_mut_bytes();
    // SAFETY: the kernel reads and writes so many bytes of `attributes`, and what they point to
    // within the lengths that stand beside the addresses, which the callers take from the same
    // slices; it keeps none of the addresses.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, bytes.as_mut_ptr(), bytes.len()) };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

const MAP_LOOKUP: libc::c_long = 1;
const MAP_UPDATE: libc::c_long = 2;

/// `union bpf_attr` for an element of a map.
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Element {
    map: u32,
    _hole: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Element {
    fn new(map: BorrowedFd<'_>, key: &u32, value: u64) -> Self {
        let map = map.as_raw_fd().unsigned_abs();
        Self { map, _hole: 0, key: (&raw const *key) as u64, value, flags: 0 }
    }
}

/// What an array map holds at `key`; its values must have the size of `T`.
pub(crate) fn lookup<T: FromZeros>(map: BorrowedFd<'_>, key: u32) -> io::Result<T> {
    let mut value = T::new_zeroed();
    bpf(MAP_LOOKUP, &mut Element::new(map, &key, (&raw mut value) as u64))?;
    Ok(value)
}

/// Puts another value there.
pub(crate) fn update<T: IntoBytes>(map: BorrowedFd<'_>, key: u32, value: &T) -> io::Result<()> {
    bpf(MAP_UPDATE, &mut Element::new(map, &key, (&raw const *value) as u64)).map(drop)
}
