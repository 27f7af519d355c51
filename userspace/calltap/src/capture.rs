//! Capture files read frame by frame: pcap and pcapng, either byte order, micro- or nanoseconds.
//!
//! A damaged file gives every frame ahead of the damage, then an error that names the file and
//! the byte offset. What a frame holds is not looked at here.

use std::fs::File;
use std::io::{Chain, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcap_file::pcap::{PcapReadError, PcapReader, PcapTsResolution};
use pcap_file::pcapng::blocks::block_common::Block;
use pcap_file::pcapng::{PcapNgReadError, PcapNgReader};

/// One frame of a capture file.
#[derive(Debug)]
pub struct CapturedFrame<'a> {
    /// Capture time in nanoseconds since the Unix epoch, as the file states it.
    pub at_ns: u64,
    /// Link type number of the interface the frame was captured on (tcpdump.org LINKTYPE list).
    pub link_type: u32,
    /// Length on the wire, in bytes; longer than `bytes` where a snap length cut the frame.
    pub original_len: u32,
    /// The captured bytes, link header first.
    pub bytes: &'a [u8],
}

/// Why a capture file cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file cannot be opened or read at all.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// The path is a directory.
    #[error("{} is a directory; name the capture files in it", path.display())]
    Directory {
        /// The path asked for.
        path: PathBuf,
    },
    /// The first bytes are those of no capture format that is read here.
    #[error("{}: offset 0: {what}", path.display())]
    NotACapture {
        /// The file asked for.
        path: PathBuf,
        /// What the first bytes look like, and the mend.
        what: String,
    },
    /// The file is damaged: frames ahead of `offset` were given out.
    #[error("{}: offset {offset}: {what} ({frames} frames before it were read)", path.display())]
    Damaged {
        /// The file being read.
        path: PathBuf,
        /// Byte offset of the record that cannot be read.
        offset: u64,
        /// Frames read ahead of the damage.
        frames: u64,
        /// What is wrong there.
        what: String,
    },
}

impl CaptureError {
    /// Whether frames may have come out of the file before this error.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// An open capture file.
pub struct CaptureFile {
    path: PathBuf,
    /// Bytes of the file; 0 where it is a pipe.
    length: u64,
    format: Format,
    frames: u64,
    /// The bytes of the frame given out last.
    bytes: Vec<u8>,
}

/// A file from its beginning, which a pipe gives once.
type Input = Chain<Cursor<Vec<u8>>, File>;

enum Format {
    Pcap { reader: Box<PcapReader<Input>>, link_type: u32, tick_ns: u64, offset: u64 },
    Pcapng { reader: Box<PcapNgReader<Input>> },
}

/// What a record says of its frame; the bytes are in [`CaptureFile::bytes`].
struct FrameFacts {
    at_ns: u64,
    link_type: u32,
    original_len: u32,
}

/// A frame, the end, or the offset and nature of the damage.
type Next = Result<Option<FrameFacts>, (u64, String)>;

/// Bytes of a classic pcap file header, and of each record header in it.
const PCAP_HEADER: u64 = 24;
const PCAP_RECORD_HEADER: u64 = 16;

impl CaptureFile {
    /// Opens `path` and reads its header.
    ///
    /// # Errors
    /// A path that cannot be read, a directory, and a file that is no pcap or pcapng.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let unreadable = |cause| CaptureError::Unreadable { path: path.to_owned(), cause };
        let foreign = |what| CaptureError::NotACapture { path: path.to_owned(), what };
        if path.is_dir() {
            return Err(CaptureError::Directory { path: path.to_owned() });
        }
        let mut magic = Vec::with_capacity(4);
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_or(0, |it| it.len());
        file.by_ref().take(4).read_to_end(&mut magic).map_err(unreadable)?;
        let file = Cursor::new(magic.clone()).chain(file);
        let format = match magic.as_slice() {
            [0x0a, 0x0d, 0x0d, 0x0a] => PcapNgReader::new(file)
                .map(|reader| Format::Pcapng { reader: Box::new(reader) })
                .map_err(|error| foreign(pcapng_cause(&error)))?,
            [0xa1, 0xb2, 0xc3, 0xd4]
            | [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x4d, 0x3c, 0xb2, 0xa1] => PcapReader::new(file)
                .map(Format::pcap)
                .map_err(|error| foreign(pcap_cause(&error)))?,
            other => return Err(foreign(foreign_format(other))),
        };
        Ok(Self { path: path.to_owned(), length, format, frames: 0, bytes: Vec::new() })
    }

    /// Bytes of the file; 0 where that is not known.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of it that were read.
    pub fn position(&self) -> u64 {
        match &self.format {
            Format::Pcap { offset, .. } => *offset,
            Format::Pcapng { reader } => reader.bytes_parsed(),
        }
    }

    /// The next frame; `None` at the end of the file.
    ///
    /// # Errors
    /// [`CaptureError::Damaged`] with the offset; nothing can be read behind it.
    pub fn next_frame(&mut self) -> Result<Option<CapturedFrame<'_>>, CaptureError> {
        let next = match &mut self.format {
            Format::Pcap { reader, link_type, tick_ns, offset } => {
                pcap_frame(reader, *link_type, *tick_ns, offset, &mut self.bytes)
            }
            Format::Pcapng { reader } => pcapng_frame(reader, &mut self.bytes),
        };
        let facts = next.map_err(|(offset, what)| CaptureError::Damaged {
            path: self.path.clone(),
            offset,
            frames: self.frames,
            what,
        })?;
        self.frames += u64::from(facts.is_some());
        Ok(facts.map(|facts| CapturedFrame {
            at_ns: facts.at_ns,
            link_type: facts.link_type,
            original_len: facts.original_len,
            bytes: &self.bytes,
        }))
    }
}

impl Format {
    fn pcap(reader: PcapReader<Input>) -> Self {
        let header = reader.header();
        let tick_ns = match header.ts_resolution {
            PcapTsResolution::MicroSecond => 1_000,
            PcapTsResolution::NanoSecond => 1,
        };
        // The upper half of the field tells of frame check sequences, not of the link type.
        let link_type = u32::from(header.datalink) & 0xffff;
        Self::Pcap { reader: Box::new(reader), link_type, tick_ns, offset: PCAP_HEADER }
    }
}

fn pcap_frame(
    reader: &mut PcapReader<Input>,
    link_type: u32,
    tick_ns: u64,
    offset: &mut u64,
    bytes: &mut Vec<u8>,
) -> Next {
    // The raw record is taken, because many honest files state a snap length that their frames
    // pass, and none of the other checks would make the bytes any less evidence.
    let packet = match reader.next_raw_packet() {
        None => return Ok(None),
        Some(Err(error)) => return Err((*offset, pcap_cause(&error))),
        Some(Ok(packet)) => packet,
    };
    *offset += PCAP_RECORD_HEADER + u64::from(packet.incl_len);
    bytes.clear();
    bytes.extend_from_slice(&packet.data);
    let at_ns = u64::from(packet.ts_sec) * 1_000_000_000 + u64::from(packet.ts_frac) * tick_ns;
    Ok(Some(FrameFacts { at_ns, link_type, original_len: packet.orig_len.max(packet.incl_len) }))
}

fn pcapng_frame(reader: &mut PcapNgReader<Input>, bytes: &mut Vec<u8>) -> Next {
    loop {
        let offset = reader.bytes_parsed();
        let (block, state) = match reader.next_block() {
            None => return Ok(None),
            Some(Err(error)) => return Err((offset, pcapng_cause(&error))),
            Some(Ok(found)) => found,
        };
        let (interface, timestamp, original_len, data) = match block {
            Block::EnhancedPacket(it) => (it.interface_id, it.timestamp, it.original_len, it.data),
            // A Simple Packet Block has no time and belongs to the section's first interface.
            Block::SimplePacket(it) => (0, Duration::ZERO, it.original_len, it.data),
            Block::Packet(it) => {
                (u32::from(it.interface_id), it.timestamp, it.original_len, it.data)
            }
            _ => continue,
        };
        let described = usize::try_from(interface).ok().and_then(|id| state.interfaces().get(id));
        let Some(described) = described else {
            return Err((
                offset,
                format!("a packet of interface {interface}, which is not described"),
            ));
        };
        let Ok(at_ns) = u64::try_from(timestamp.as_nanos()) else {
            return Err((offset, "a packet from after the year 2554".to_owned()));
        };
        let link_type = u32::from(described.linktype);
        bytes.clear();
        bytes.extend_from_slice(&data);
        return Ok(Some(FrameFacts { at_ns, link_type, original_len }));
    }
}

fn pcap_cause(error: &PcapReadError) -> String {
    match error {
        PcapReadError::Io(cause) => io_cause(cause),
        other => other.to_string(),
    }
}

fn pcapng_cause(error: &PcapNgReadError) -> String {
    use std::error::Error as _;
    match error {
        PcapNgReadError::Io(cause) => io_cause(cause),
        other => match other.source() {
            Some(source) => format!("{other}: {source}"),
            None => other.to_string(),
        },
    }
}

fn io_cause(cause: &std::io::Error) -> String {
    match cause.kind() {
        ErrorKind::UnexpectedEof => "the file ends in the middle of a record".to_owned(),
        _ => cause.to_string(),
    }
}

/// Names what the first bytes of a file that is no capture look like.
fn foreign_format(magic: &[u8]) -> String {
    match magic {
        [] => "the file is empty".to_owned(),
        [0x1f, 0x8b, ..] => "gzip; unpack it first (gunzip)".to_owned(),
        [0x28, 0xb5, 0x2f, 0xfd] => "zstd; unpack it first (unzstd)".to_owned(),
        [_, _, _, _] => format!(
            "no pcap or pcapng: it begins with {magic:02x?}; editcap -F pcapng converts most formats"
        ),
        _ => "the file is too short for a capture".to_owned(),
    }
}
