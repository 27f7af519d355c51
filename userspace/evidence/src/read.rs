//! Evidence read back: which cases there are, and the packets of volumes, sealed or still written.
//!
//! Nothing here judges what it reads: [`crate::verify`] does. A volume's hash is taken on the way,
//! so that a reader can hold it against the manifest without reading the file twice.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};

use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::block_common::Block;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use sha2::{Digest as _, Sha256};

pub use crate::carry::Origin;
use crate::carry::origin;
use crate::lines::VolumeLine;
use crate::lock::Lock;
use crate::session::InterfaceFacts;
use crate::{digest, layout, pcapng};

/// Whether `dir` looks like an evidence directory.
pub fn is_evidence(dir: &Path) -> bool {
    dir.join(layout::NODE).exists() || dir.join(layout::AUDIT).exists()
}

/// Whether a writer lives that holds the lock of the evidence directory `dir`.
pub fn is_being_written(dir: &Path) -> bool {
    File::open(dir.join(layout::AUDIT)).is_ok_and(Lock::is_held)
}

/// The LIIDs of an evidence directory: its subdirectories that hold a ledger of calls.
///
/// # Errors
/// The directory cannot be listed.
pub fn liids(dir: &Path) -> io::Result<Vec<String>> {
    let names = layout::names(dir)?.into_iter();
    Ok(names.filter(|name| calls(dir, name).is_file()).collect())
}

/// The ledger of a LIID's calls.
pub fn calls(dir: &Path, liid: &str) -> PathBuf {
    dir.join(liid).join(layout::CALLS)
}

/// The sealed volumes of a LIID, as its manifest has them.
///
/// # Errors
/// The manifest cannot be read, or holds a line of another shape.
pub fn sealed(dir: &Path, liid: &str) -> io::Result<Vec<VolumeLine>> {
    let mut lines = Vec::new();
    for line in BufReader::new(File::open(dir.join(liid).join(layout::MANIFEST))?).lines() {
        match serde_json::from_str(&line?) {
            Ok(line) => lines.push(line),
            // A living writer may have written half of its last line.
            Err(error) if error.is_eof() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(lines)
}

/// The volumes of a LIID that are not sealed: being written, or left by a writer that died.
///
/// # Errors
/// The directory cannot be listed.
pub fn unsealed(dir: &Path, liid: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir.join(liid))? {
        names.extend(entry?.file_name().into_string().ok().filter(|it| it.ends_with(".part")));
    }
    names.sort();
    Ok(names)
}

/// A packet of a volume, borrowed from its reader.
#[derive(Clone, Copy, Debug)]
pub struct VolumePacket<'a> {
    /// Its interface's number within the volume.
    pub interface: u32,
    /// When it was received, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// Its length on the wire.
    pub original_len: u32,
    /// The frame, from its link header on.
    pub frame: &'a [u8],
    /// Its comment.
    pub comment: Option<&'a str>,
    /// What the comment says that it is.
    pub origin: Origin,
}

/// A volume, read block by block.
#[derive(Debug)]
pub struct VolumeReader {
    input: BufReader<File>,
    block: Vec<u8>,
    interfaces: Vec<InterfaceFacts>,
    hasher: Sha256,
    bytes: u64,
    /// The first block behind the head was read and not given out.
    pending: bool,
    torn: bool,
}

impl VolumeReader {
    /// Opens a volume and reads its head.
    ///
    /// # Errors
    /// The file cannot be read, or does not begin as a volume does.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut reader = Self {
            input: BufReader::with_capacity(1 << 20, File::open(path)?),
            block: Vec::new(),
            interfaces: Vec::new(),
            hasher: Sha256::new(),
            bytes: 0,
            pending: false,
            torn: false,
        };
        let mut head = Vec::new();
        while reader.advance()? {
            if !pcapng::is_head(&reader.block) {
                reader.pending = true;
                break;
            }
            head.extend_from_slice(&reader.block);
        }
        // A volume that was just begun may have nothing yet.
        if !head.is_empty() {
            reader.interfaces = interfaces(&head).map_err(io::Error::other)?;
        }
        Ok(reader)
    }

    /// Its interfaces, in the order of their numbers.
    pub fn interfaces(&self) -> &[InterfaceFacts] {
        &self.interfaces
    }

    /// The next packet; none at the end, or where what follows is no whole block.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_packet(&mut self) -> io::Result<Option<VolumePacket<'_>>> {
        loop {
            if !std::mem::take(&mut self.pending) && !self.advance()? {
                return Ok(None);
            }
            if pcapng::decode_packet(&self.block).is_some() {
                break;
            }
        }
        Ok(pcapng::decode_packet(&self.block).map(|packet| VolumePacket {
            interface: packet.interface,
            at_ns: packet.at_ns,
            original_len: packet.original_len,
            frame: packet.frame,
            comment: packet.comment,
            origin: origin(packet.comment),
        }))
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it ended in the middle of a block: it is still being written, or damaged.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// SHA-256 of all that was read, in lowercase hexadecimal.
    pub fn sha256(self) -> String {
        digest::lower(&self.hasher.finalize())
    }

    fn advance(&mut self) -> io::Result<bool> {
        let whole = pcapng::next_block(&mut self.input, &mut self.block)?;
        if whole {
            self.hasher.update(&self.block);
            let length = self.block.len().try_into().unwrap_or(u64::MAX);
            self.bytes = self.bytes.saturating_add(length);
        } else {
            self.torn = !self.block.is_empty();
        }
        Ok(whole)
    }
}

/// The interfaces that a volume's head describes.
fn interfaces(head: &[u8]) -> Result<Vec<InterfaceFacts>, pcap_file::pcapng::PcapNgReadError> {
    let mut reader = PcapNgReader::new(Cursor::new(head))?;
    let mut interfaces = Vec::new();
    while let Some(next) = reader.next_block() {
        if let (Block::InterfaceDescription(block), _) = next? {
            interfaces.push(facts(&block));
        }
    }
    Ok(interfaces)
}

fn facts(block: &InterfaceDescriptionBlock<'_>) -> InterfaceFacts {
    let mut facts = InterfaceFacts {
        name: String::new(),
        link_type: u16::try_from(u32::from(block.linktype)).unwrap_or(u16::MAX),
        snaplen: block.snaplen,
        filter: String::new(),
        mode: String::new(),
    };
    for option in &block.options {
        match option {
            InterfaceDescriptionOption::IfName(name) => facts.name = name.clone().into_owned(),
            InterfaceDescriptionOption::IfDescription(mode) => {
                facts.mode = mode.clone().into_owned();
            }
            InterfaceDescriptionOption::IfFilter(filter) => {
                let text = filter.get(1..).unwrap_or_default();
                facts.filter = String::from_utf8_lossy(text).into_owned();
            }
            _ => {}
        }
    }
    facts
}
