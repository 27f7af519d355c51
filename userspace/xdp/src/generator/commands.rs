//! The commands of bpf(2) that the generator needs; aya loads objects, not instructions.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::program::Instruction;
use crate::bpf::{self, bpf};

const MAP_CREATE: libc::c_long = 0;
const PROG_LOAD: libc::c_long = 5;
const PROG_TEST_RUN: libc::c_long = 10;

const MAP_TYPE_ARRAY: u32 = 2;
const MAP_TYPE_PROG_ARRAY: u32 = 3;
const PROG_TYPE_XDP: u32 = 6;
const TEST_LIVE_FRAMES: u32 = 2;

/// `union bpf_attr` for `BPF_MAP_CREATE`.
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Map {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

/// The same for `BPF_PROG_LOAD`.
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Program {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

/// `BPF_XDP`: programs that call one another must agree in it.
const ATTACH_XDP: u32 = 37;

/// The same for `BPF_PROG_TEST_RUN`.
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Run {
    program: u32,
    action: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    _hole: u32,
}

/// `struct xdp_md`: where a frame is said to come from.
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct Context {
    data: u32,
    data_end: u32,
    data_meta: u32,
    ingress_interface: u32,
    queue: u32,
    egress_interface: u32,
}

/// An array of one number.
pub(super) fn counter() -> io::Result<OwnedFd> {
    let mut map = Map {
        kind: MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        ..Map::new_zeroed()
    };
    descriptor(bpf(MAP_CREATE, &mut map)?)
}

/// An array of one program, which is this one.
pub(super) fn programs(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut map = Map {
        kind: MAP_TYPE_PROG_ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        ..Map::new_zeroed()
    };
    let map = descriptor(bpf(MAP_CREATE, &mut map)?)?;
    bpf::update(map.as_fd(), 0, &program.as_raw_fd().unsigned_abs())?;
    Ok(map)
}

/// The number in it.
pub(super) fn read(map: &OwnedFd) -> io::Result<u64> {
    bpf::lookup(map.as_fd(), 0)
}

/// Puts another number in it.
pub(super) fn write(map: &OwnedFd, value: u64) -> io::Result<()> {
    bpf::update(map.as_fd(), 0, &value)
}

/// Loads an XDP program; what the verifier says against it is in the error.
pub(super) fn load(code: &[Instruction]) -> io::Result<OwnedFd> {
    let mut log = vec![0_u8; 64 * 1024];
    let mut program = Program {
        kind: PROG_TYPE_XDP,
        instructions: u32::try_from(code.len()).unwrap_or(u32::MAX),
        code: code.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: 1,
        log_size: u32::try_from(log.len()).unwrap_or_default(),
        log: log.as_mut_ptr() as u64,
        attach_type: ATTACH_XDP,
        ..Program::new_zeroed()
    };
    let loaded = bpf(PROG_LOAD, &mut program).map_err(|cause| {
        let said: Vec<_> = log.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
        io::Error::new(cause.kind(), format!("{cause}: {}", String::from_utf8_lossy(&said)))
    });
    descriptor(loaded?)
}

/// Runs the program over a copy of `frame`, and gives what it made of it.
pub(super) fn run_once(program: &OwnedFd, frame: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = vec![0; frame.len()];
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let mut run = Run {
        program: program.as_raw_fd().unsigned_abs(),
        data_in: frame.as_ptr() as u64,
        data_size_in: length,
        data_out: out.as_mut_ptr() as u64,
        data_size_out: length,
        repeat: 1,
        ..Run::new_zeroed()
    };
    bpf(PROG_TEST_RUN, &mut run)?;
    Ok(out)
}

/// Runs the program `repeat` times over a copy of `frame`; gives its last action, and how many
/// nanoseconds a run took.
pub(super) fn run_timed(program: &OwnedFd, frame: &[u8], repeat: u32) -> io::Result<(u32, u32)> {
    let mut run = Run {
        program: program.as_raw_fd().unsigned_abs(),
        data_in: frame.as_ptr() as u64,
        data_size_in: u32::try_from(frame.len()).unwrap_or(u32::MAX),
        repeat,
        ..Run::new_zeroed()
    };
    bpf(PROG_TEST_RUN, &mut run)?;
    Ok((run.action, run.duration))
}

/// Runs the program over `frames` live frames that begin as `template`, each of which goes where
/// the program sends it.
pub(super) fn run_live(
    program: &OwnedFd,
    template: &[u8],
    interface: u32,
    frames: u32,
    batch_size: u32,
) -> io::Result<()> {
    let length = u32::try_from(template.len()).unwrap_or(u32::MAX);
    let context =
        Context { data_end: length, ingress_interface: interface, ..Context::new_zeroed() };
    let mut run = Run {
        program: program.as_raw_fd().unsigned_abs(),
        data_in: template.as_ptr() as u64,
        data_size_in: length,
        context_in: (&raw const context) as u64,
        context_size_in: u32::try_from(size_of::<Context>()).unwrap_or_default(),
        repeat: frames,
        flags: TEST_LIVE_FRAMES,
        batch_size,
        ..Run::new_zeroed()
    };
    bpf(PROG_TEST_RUN, &mut run).map(drop)
}

fn descriptor(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
