//! Frames of pcap and pcapng files, as far as they can be read.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use calltap_proto::Timestamp;
use calltap_proto::packet::LinkType;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::block_common::Block;

/// A frame of a capture.
pub(crate) struct Frame {
    pub at: Timestamp,
    pub link: LinkType,
    pub bytes: Vec<u8>,
}

/// Every file that may be a capture.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let is_capture = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng")
    };
    all_files(folder).into_iter().filter(is_capture).collect()
}

/// Every file below a folder.
pub(crate) fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// A payload in a UDP datagram from 192.0.2.1, without a link header.
pub(crate) fn udp(payload: &[u8]) -> Vec<u8> {
    let length = |header| u16::try_from(header + payload.len()).expect("a length").to_be_bytes();
    let mut frame = vec![0x45, 0];
    frame.extend(length(28));
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
    frame.extend([0x13, 0xc4, 0x13, 0xc4]);
    frame.extend(length(8));
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// The frames up to the end or the first damage; `None` where it is no capture at all.
pub(crate) fn frames(path: &Path) -> Result<Vec<Frame>, String> {
    let open = || File::open(path).map_err(|error| error.to_string());
    match PcapReader::new(open()?) {
        Ok(reader) => Ok(pcap(reader)),
        Err(_) => {
            let reader = PcapNgReader::new(open()?).map_err(|error| error.to_string())?;
            Ok(pcapng(reader))
        }
    }
}

fn pcap(mut reader: PcapReader<File>) -> Vec<Frame> {
    let link = link(u32::from(reader.header().datalink));
    let mut frames = Vec::new();
    while let Some(Ok(packet)) = reader.next_packet() {
        frames.extend(frame(packet.timestamp(), link, packet.data()));
    }
    frames
}

fn pcapng(mut reader: PcapNgReader<File>) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(Ok((block, state))) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block {
            let interface = usize::try_from(packet.interface_id).unwrap_or(usize::MAX);
            let Some(interface) = state.interfaces().get(interface) else { continue };
            let link = link(u32::from(interface.linktype));
            frames.extend(frame(packet.timestamp, link, &packet.data));
        }
    }
    frames
}

fn link(number: u32) -> Option<LinkType> {
    LinkType::from_number(u16::try_from(number).ok()?)
}

fn frame(at: Duration, link: Option<LinkType>, bytes: &[u8]) -> Option<Frame> {
    let at = Timestamp(u64::try_from(at.as_nanos()).ok()?);
    Some(Frame { at, link: link?, bytes: bytes.to_vec() })
}
