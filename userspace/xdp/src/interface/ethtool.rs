//! What an interface's driver says of it (`SIOCETHTOOL`, `linux/ethtool.h`).

use std::{
    fs,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

use rustix::ioctl::{Opcode, Updater, ioctl};

const SIOCETHTOOL: Opcode = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x0000_0003;
const ETHTOOL_GCHANNELS: u32 = 0x0000_003c;

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
