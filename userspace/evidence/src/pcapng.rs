//! pcapng blocks (draft-ietf-opsawg-pcapng), little-endian, nanoseconds.
//!
//! The head and the statistics of a volume are written by the `pcap-file` crate; the packet block,
//! of which there are millions, by [`encode_packet`], which copies the frame once and allocates
//! nothing once its buffer has grown.

use std::borrow::Cow;
use std::io::{self, Read};
use std::net::IpAddr;
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::name_resolution::{
    Ipv4Record, Ipv6Record, NameResolutionBlock, Record,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness};

use crate::session::InterfaceFacts;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const OPT_COMMENT: u16 = 1;

/// No block that we write is longer: the longest frame, the longest comment, and the fields.
const MAX_BLOCK: usize = crate::record::MAX_FRAME + 65_536 + 256;

/// One packet as it stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) interface: u32,
    pub(crate) at_ns: u64,
    pub(crate) original_len: u32,
    pub(crate) frame: &'a [u8],
    pub(crate) comment: Option<&'a str>,
}

/// How many bytes [`encode_packet`] appends.
pub(crate) fn packet_len(frame: &[u8], comment: Option<&str>) -> usize {
    let options = comment.map_or(0, |text| 4 + padded(cut(text).len()) + 4);
    28 + padded(frame.len()) + options + 4
}

/// Appends an Enhanced Packet Block.
///
/// ```text
/// 0         4        8           12       16      20        24        28
/// | type=6  | length | interface | time (high, low) | captured | original | frame, padded to 4
/// | comment: code=1, length, text, padded to 4 | end of options | length |
/// ```
pub(crate) fn encode_packet(out: &mut Vec<u8>, packet: &Packet<'_>) {
    let &Packet { interface, at_ns, original_len, frame, comment } = packet;
    let length = word(packet_len(frame, comment));
    let [h0, h1, h2, h3, l0, l1, l2, l3] = at_ns.to_be_bytes();
    let head = [
        ENHANCED_PACKET.to_le_bytes(),
        length.to_le_bytes(),
        interface.to_le_bytes(),
        [h3, h2, h1, h0],
        [l3, l2, l1, l0],
        word(frame.len()).to_le_bytes(),
        original_len.to_le_bytes(),
    ];
    out.extend_from_slice(head.as_flattened());
    out.extend_from_slice(frame);
    pad(out, frame.len());
    if let Some(text) = comment.map(cut) {
        out.extend_from_slice(&OPT_COMMENT.to_le_bytes());
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        pad(out, text.len());
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(&length.to_le_bytes());
}

/// The frame of a block that [`encode_packet`] wrote.
pub(crate) fn frame(block: &[u8]) -> Option<&[u8]> {
    let captured = usize::try_from(u32_at(block, 20)?).ok()?;
    block.get(28..28_usize.checked_add(captured)?)
}

/// Reads back a block that [`encode_packet`] wrote; `None` for any other block.
pub(crate) fn decode_packet(block: &[u8]) -> Option<Packet<'_>> {
    if u32_at(block, 0)? != ENHANCED_PACKET {
        return None;
    }
    let frame = frame(block)?;
    let options =
        block.get(28_usize.checked_add(padded(frame.len()))?..block.len().checked_sub(4)?)?;
    let comment = match options {
        [] => None,
        options => {
            let length = u16::from_le_bytes([*options.get(2)?, *options.get(3)?]);
            let text = options.get(4..4_usize.checked_add(usize::from(length))?)?;
            Some(std::str::from_utf8(text).ok()?)
        }
    };
    Some(Packet {
        interface: u32_at(block, 8)?,
        at_ns: (u64::from(u32_at(block, 12)?) << 32) | u64::from(u32_at(block, 16)?),
        original_len: u32_at(block, 24)?,
        frame,
        comment,
    })
}

/// Whether a block describes the section or an interface.
pub(crate) fn is_head(block: &[u8]) -> bool {
    matches!(u32_at(block, 0), Some(SECTION_HEADER | INTERFACE_DESCRIPTION))
}

/// Reads the next whole block into `block`, the old contents lost; `false` where the file ends or
/// is torn: what follows is no evidence.
pub(crate) fn next_block(input: &mut impl Read, block: &mut Vec<u8>) -> io::Result<bool> {
    block.clear();
    input.by_ref().take(8).read_to_end(block)?;
    let Some(length) = u32_at(block, 4).and_then(|length| usize::try_from(length).ok()) else {
        return Ok(false);
    };
    if length < 12 || !length.is_multiple_of(4) || length > MAX_BLOCK {
        return Ok(false);
    }
    let rest = u64::try_from(length).unwrap_or(u64::MAX).saturating_sub(8);
    input.by_ref().take(rest).read_to_end(block)?;
    let closing = length.checked_sub(4).and_then(|offset| u32_at(block, offset));
    Ok(block.len() == length && closing == u32_at(block, 4))
}

/// The head of a volume: the section, described by `comment`, and its interfaces.
pub(crate) fn head(
    tool: &str,
    comment: &str,
    interfaces: &[InterfaceFacts],
) -> io::Result<Vec<u8>> {
    Ok(describe(tool, comment, interfaces)?.into_inner())
}

/// A block that gives addresses names; nothing, where there are none.
pub(crate) fn names(names: &[(IpAddr, String)]) -> io::Result<Vec<u8>> {
    let mut writer = describe("", "", &[])?;
    let head = writer.get_ref().len();
    if !names.is_empty() {
        let record = |(address, name): &(IpAddr, String)| {
            let names = vec![Cow::Owned(name.clone())];
            match *address {
                IpAddr::V4(ip_addr) => Record::Ipv4(Ipv4Record { ip_addr, names }),
                IpAddr::V6(ip_addr) => Record::Ipv6(Ipv6Record { ip_addr, names }),
            }
        };
        let records = names.iter().map(record).chain([Record::End]).collect();
        let block = NameResolutionBlock { records, options: Vec::new() };
        writer.write_pcapng_block(block).map_err(io::Error::other)?;
    }
    Ok(writer.into_inner().split_off(head))
}

/// A packet's block with `text` at the end of its comment.
pub(crate) fn with_comment(packet: &Packet<'_>, text: &str) -> Vec<u8> {
    let joined = packet.comment.map(|comment| format!("{comment}; {text}"));
    let comment = Some(joined.as_deref().unwrap_or(text));
    let mut block = Vec::with_capacity(packet_len(packet.frame, comment));
    encode_packet(&mut block, &Packet { comment, ..*packet });
    block
}

/// What a volume's foot says of one interface, since the foot of the volume before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InterfaceCounts {
    /// Its packets in the volume (`isb_usrdeliv`).
    pub(crate) packets: u64,
    /// Frames that the card dropped (`isb_ifdrop`).
    pub(crate) if_drop: u64,
    /// Frames that were lost between the card and the volume (`isb_osdrop`).
    pub(crate) os_drop: u64,
}

/// The foot of a volume: for each interface, how many of its packets stand in the volume, and how
/// many frames were lost.
///
/// There is no `isb_filteraccept`: it would count strangers' signalling.
pub(crate) fn foot(
    interfaces: &[InterfaceFacts],
    first_ns: u64,
    last_ns: u64,
    counts: &[InterfaceCounts],
) -> io::Result<Vec<u8>> {
    let mut writer = describe("", "", interfaces)?;
    let head = writer.get_ref().len();
    for (interface_id, counts) in (0..).zip(counts) {
        let InterfaceCounts { packets, if_drop, os_drop } = *counts;
        let block = InterfaceStatisticsBlock {
            interface_id,
            timestamp: Duration::from_nanos(last_ns),
            options: vec![
                InterfaceStatisticsOption::IsbStartTime(Duration::from_nanos(first_ns)),
                InterfaceStatisticsOption::IsbEndTime(Duration::from_nanos(last_ns)),
                InterfaceStatisticsOption::IsbIfDrop(if_drop),
                InterfaceStatisticsOption::IsbOsDrop(os_drop),
                InterfaceStatisticsOption::IsbUsrDeliv(packets),
            ],
        };
        writer.write_pcapng_block(block).map_err(io::Error::other)?;
    }
    Ok(writer.into_inner().split_off(head))
}

fn describe(
    tool: &str,
    comment: &str,
    interfaces: &[InterfaceFacts],
) -> io::Result<PcapNgWriter<Vec<u8>>> {
    let section = SectionHeaderBlock {
        endianness: Endianness::Little,
        options: vec![
            SectionHeaderOption::Common(CommonOption::Comment(Cow::Borrowed(comment))),
            SectionHeaderOption::UserApplication(Cow::Borrowed(tool)),
        ],
        ..SectionHeaderBlock::default()
    };
    let mut writer =
        PcapNgWriter::with_section_header(Vec::new(), section).map_err(io::Error::other)?;
    for facts in interfaces {
        // The filter's first byte says that it is text, not instructions.
        let filter = [&[0], facts.filter.as_bytes()].concat();
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::from(u32::from(facts.link_type)),
            snaplen: facts.snaplen,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(&facts.name)),
                InterfaceDescriptionOption::IfDescription(Cow::Borrowed(&facts.mode)),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
                InterfaceDescriptionOption::IfFilter(Cow::Borrowed(&filter)),
            ],
        };
        writer.write_pcapng_block(block).map_err(io::Error::other)?;
    }
    Ok(writer)
}

/// The start of `text` that an option can hold.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(usize::from(u16::MAX))).unwrap_or(text)
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn pad(out: &mut Vec<u8>, length: usize) {
    let missing = padded(length).saturating_sub(length);
    out.extend_from_slice([0; 3].get(..missing).unwrap_or_default());
}

fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let word = bytes.get(offset..offset.checked_add(4)?)?;
    word.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};

    use super::*;

    fn interfaces() -> Vec<InterfaceFacts> {
        let facts = InterfaceFacts {
            name: "mirror0".to_owned(),
            link_type: 1,
            snaplen: 0,
            filter: "warranted calls".to_owned(),
            mode: "xdp native, copy".to_owned(),
        };
        vec![facts.clone(), facts]
    }

    fn packets() -> Vec<Packet<'static>> {
        const FRAME: &[u8] = &[0xa5; 70];
        const LATE: u64 = 18_000_000_000_123_456_789;
        let packet = |length, at_ns, comment| Packet {
            interface: 1,
            at_ns,
            original_len: 1500,
            frame: &FRAME[..length],
            comment,
        };
        vec![
            packet(0, 0, None),
            packet(1, 1, Some("")),
            packet(2, u64::from(u32::MAX), Some("a")),
            packet(60, 1_795_449_840_123_456_789, Some("calltap LIID=L1 CIN=1 IRI")),
            packet(63, LATE, Some("four")),
            packet(70, LATE, None),
        ]
    }

    #[test]
    fn our_packet_block_is_pcap_files_byte_for_byte() {
        for packet in packets() {
            let mut ours = Vec::new();
            encode_packet(&mut ours, &packet);
            assert_eq!(ours.len(), packet_len(packet.frame, packet.comment));

            let mut writer = describe("tool", "comment", &interfaces()).unwrap();
            let head = writer.get_ref().len();
            let comment = packet.comment.map(|text| CommonOption::Comment(Cow::Borrowed(text)));
            let block = EnhancedPacketBlock {
                interface_id: packet.interface,
                timestamp: Duration::from_nanos(packet.at_ns),
                original_len: packet.original_len,
                data: Cow::Borrowed(packet.frame),
                options: comment.map(EnhancedPacketOption::Common).into_iter().collect(),
            };
            writer.write_pcapng_block(block).unwrap();
            assert_eq!(ours, writer.into_inner()[head..], "{packet:?}");
            assert_eq!(decode_packet(&ours), Some(packet));
        }
    }

    #[test]
    fn blocks_are_read_back_up_to_the_torn_one() {
        let mut file = head("tool", "comment", &interfaces()).unwrap();
        let heads = file.len();
        for packet in packets() {
            encode_packet(&mut file, &packet);
        }
        let read = |mut input: &[u8]| {
            let (mut block, mut count, mut bytes) = (Vec::new(), 0, 0);
            while next_block(&mut input, &mut block).unwrap() {
                (count, bytes) = (count + 1, bytes + block.len());
            }
            (count, bytes)
        };
        assert_eq!(read(&file), (3 + packets().len(), file.len()));
        for cut in heads..file.len() {
            let (count, bytes) = read(&file[..cut]);
            assert!(count >= 3 && bytes <= cut, "{cut}");
        }
        assert_eq!(read(&[0xff; 64]), (0, 0));
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        let mut block = Vec::new();
        encode_packet(&mut block, &packets()[3]);
        for at in 0..block.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = block.clone();
                bad[at] = value;
                let _ = decode_packet(&bad);
                let _ = decode_packet(&bad[..at]);
            }
        }
    }

    #[test]
    fn a_comment_that_no_option_can_hold_is_cut_between_characters() {
        let comment = "é".repeat(40_000);
        let mut block = Vec::new();
        encode_packet(&mut block, &Packet { comment: Some(&comment), ..packets()[3] });
        assert_eq!(decode_packet(&block).unwrap().comment.unwrap().len(), 65_534);
    }
}
