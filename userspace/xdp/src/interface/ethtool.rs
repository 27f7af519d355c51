//! What an interface's driver says of it (`SIOCETHTOOL`, `linux/ethtool.h`).

use std::{
    fs,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

use rustix::ioctl::{Opcode, Updater, ioctl};

use super::Offloads;

const SIOCETHTOOL: Opcode = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x0000_0003;
const ETHTOOL_GFLAGS: u32 = 0x0000_0025;
const ETHTOOL_GGRO: u32 = 0x0000_002b;
const ETHTOOL_GCHANNELS: u32 = 0x0000_003c;
const ETHTOOL_GET_TS_INFO: u32 = 0x0000_0041;
const ETHTOOL_GRSSH: u32 = 0x0000_0046;

const ETH_FLAG_RXVLAN: u32 = 1 << 8;
const ETH_FLAG_LRO: u32 = 1 << 15;
const SOF_TIMESTAMPING_RX_HARDWARE: u32 = 1 << 2;

/// `struct ifreq` with `ifr_data`.
#[repr(C)]
struct Request<'a, T> {
    name: [u8; 16],
    data: &'a mut T,
    padding: [u64; 2],
}

/// `struct ethtool_drvinfo`, of which the driver's name is read.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// `struct ethtool_channels`: the most there can be, then what is in use.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    most: [u32; 4],
    receive: u32,
    transmit: u32,
    other: u32,
    combined: u32,
}

/// `struct ethtool_value`: one word.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ethtool_ts_info`, of which is read what the card can stamp.
#[repr(C)]
#[derive(Default)]
struct TimeStamps {
    command: u32,
    can: u32,
    rest: [u32; 9],
}

/// `struct ethtool_rxfh`: the sizes of the indirection table (in words) and of the key (in bytes),
/// and both of them where the sizes are not 0.
#[repr(C)]
struct Spread {
    command: u32,
    context: u32,
    table: u32,
    key: u32,
    function: u8,
    transform: u8,
    rest: [u8; 2],
    rest32: u32,
    both: [u8; SPREAD_BYTES],
}

/// Room for the largest tables of today's drivers, 1,024 words, and their keys.
const SPREAD_BYTES: usize = 8192;

/// What the driver does with frames ahead of every program.
pub(super) fn offloads(socket: BorrowedFd<'_>, name: &str) -> Offloads {
    let value = |command| {
        let mut value = Value { command, data: 0 };
        ask(socket, name, &mut value).map(|()| value.data)
    };
    let flag = |flag| value(ETHTOOL_GFLAGS).map(|flags| flags & flag != 0);
    Offloads {
        gro: value(ETHTOOL_GGRO).map(|on| on != 0),
        lro: flag(ETH_FLAG_LRO),
        rx_vlan: flag(ETH_FLAG_RXVLAN),
    }
}

/// Whether the card can stamp frames as they arrive; `None` if the driver does not say.
pub(super) fn stamps(socket: BorrowedFd<'_>, name: &str) -> Option<bool> {
    let mut stamps = TimeStamps { command: ETHTOOL_GET_TS_INFO, ..TimeStamps::default() };
    ask(socket, name, &mut stamps)?;
    Some(stamps.can & SOF_TIMESTAMPING_RX_HARDWARE != 0)
}

/// Whether both directions of a flow come by one queue; `None` if the driver does not say.
pub(super) fn is_symmetric(socket: BorrowedFd<'_>, name: &str) -> Option<bool> {
    let mut spread = Spread {
        command: ETHTOOL_GRSSH,
        context: 0,
        table: 0,
        key: 0,
        function: 0,
        transform: 0,
        rest: [0; 2],
        rest32: 0,
        both: [0; SPREAD_BYTES],
    };
    ask(socket, name, &mut spread)?;
    let table = usize::try_from(spread.table).ok()?.checked_mul(4)?;
    let key = usize::try_from(spread.key).ok()?;
    let key = table..table.checked_add(key).filter(|end| *end <= SPREAD_BYTES)?;
    ask(socket, name, &mut spread)?;
    Some(spread.transform != 0 || is_symmetric_key(spread.both.get(key)?))
}

/// A Toeplitz key that repeats every 16 bits gives a flow and its opposite one hash (Woo and Park,
/// "Scalable TCP session monitoring with symmetric receive-side scaling").
fn is_symmetric_key(key: &[u8]) -> bool {
    let mut pairs = key.chunks_exact(2);
    let first = pairs.next();
    first.is_some_and(|first| first != [0, 0] && pairs.all(|pair| pair == first))
}

/// How many receive queues `name` uses: as its driver says, or as `/sys` shows, or one.
pub(super) fn receive_queues(socket: BorrowedFd<'_>, name: &str) -> u32 {
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    if ask(socket, name, &mut channels).is_some() {
        let queues = channels.receive.saturating_add(channels.combined);
        if queues > 0 {
            return queues;
        }
    }
    let shown = fs::read_dir(Path::new("/sys/class/net").join(name).join("queues"))
        .map_or(0, |entries| entries.flatten().filter(is_receive_queue).count());
    u32::try_from(shown).unwrap_or(u32::MAX).max(1)
}

fn is_receive_queue(entry: &fs::DirEntry) -> bool {
    PathBuf::from(entry.file_name()).to_string_lossy().starts_with("rx-")
}

/// The name of the driver of `name`, or `unknown`.
pub(super) fn driver(socket: BorrowedFd<'_>, name: &str) -> String {
    let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    match ask(socket, name, &mut info) {
        Some(()) => {
            let name = info.driver.split(|&byte| byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(name).into_owned()
        }
        None => "unknown".into(),
    }
}

/// Has the driver fill `data` in; `None` if it does not know the command.
fn ask<T>(socket: BorrowedFd<'_>, name: &str, data: &mut T) -> Option<()> {
    let mut padded = [0; 16];
    padded.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    let mut request = Request { name: padded, data, padding: [0; 2] };
    // SAFETY: the opcode takes a `struct ifreq`, whose data are the struct its command names.
    let update = unsafe { Updater::<SIOCETHTOOL, Request<'_, T>>::new(&mut request) };
    // SAFETY: as above; the kernel writes no further than the struct the command names.
    unsafe { ioctl(socket, update) }.ok()
}

#[cfg(test)]
mod tests {
    use super::is_symmetric_key;

    #[test]
    fn a_key_that_repeats_every_two_bytes_is_symmetric() {
        assert!(is_symmetric_key(&[0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a]));
        assert!(!is_symmetric_key(&[0x6d, 0x5a, 0x6d, 0x5b]));
        assert!(!is_symmetric_key(&[0; 40]) && !is_symmetric_key(&[]));
    }
}
