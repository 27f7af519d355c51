//! Keys and values of maps as aya takes them.

use aya::{
    Ebpf, Pod,
    maps::{Map, MapError},
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::Error;

/// Plain data: every bit pattern is a value, and no byte is padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Plain<T>(pub(super) T);

// SAFETY: the bounds say that `T` has no padding and that every bit pattern is a value, and a
// `'static` copy holds no reference; the wrapper is transparent.
unsafe impl<T: FromBytes + IntoBytes + Immutable + Copy + 'static> Pod for Plain<T> {}

/// Takes a map out of the object, as a typed one.
pub(super) fn map<M: TryFrom<Map, Error = MapError>>(
    program: &mut Ebpf,
    name: &'static str,
) -> Result<M, Error> {
    let map = program.take_map(name).ok_or_else(|| missing(name))?;
    M::try_from(map).map_err(map_error(name))
}

pub(super) fn missing(name: &'static str) -> Error {
    Error::Map { map: name, cause: "not in the program".into() }
}

pub(super) fn map_error(map: &'static str) -> impl Fn(MapError) -> Error {
    move |cause| {
        // aya names the call; what the kernel said is its source.
        let source = std::error::Error::source(&cause);
        let cause = source.map_or_else(|| cause.to_string(), |source| format!("{cause}: {source}"));
        Error::Map { map, cause }
    }
}
