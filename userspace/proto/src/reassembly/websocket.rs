//! SIP in WebSocket frames (RFC 7118): each WebSocket message is one SIP message.
//!
//! ```text
//! | FIN, opcode | MASK, length | length, 0, 2 or 8 bytes | mask, 0 or 4 bytes | payload |
//! ```
//!
//! RFC 6455 §5.2; a client's payload is masked, a server's is not.

use alloc::vec::Vec;

use crate::sip::{Beginning, beginning, past_empty_lines};

/// What the front of a WebSocket stream is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// More bytes are needed.
    Incomplete,
    /// Frames of this length that hold no SIP: ping, pong, close, a keep-alive.
    Passed {
        /// Bytes of the stream.
        length: usize,
    },
    /// A SIP message.
    Message {
        /// Bytes of the stream that it took, frames of control in between included.
        length: usize,
        /// Its bytes, unmasked.
        bytes: Vec<u8>,
    },
    /// Nothing behind it can be believed to be a frame.
    Endless,
}

/// Whether a stream changes over to WebSocket at its front.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// Not here.
    No,
    /// It may, once more bytes are there.
    Unclear,
    /// It does, behind so many bytes of HTTP.
    Behind {
        /// Bytes of the handshake.
        length: usize,
    },
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const FIN: u8 = 0x80;
/// Set by extensions alone, of which SIP uses none; a compressed message has the first.
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// A longer HTTP header is no handshake.
const MAX_HANDSHAKE: usize = 8 << 10;

/// Bytes of a message that tell whether it is SIP.
const GLIMPSE: usize = 512;

/// The header of a frame.
pub(crate) struct Header {
    pub(crate) fin: bool,
    opcode: u8,
    reserved: bool,
    /// Bytes of the header.
    pub(crate) length: usize,
    pub(crate) payload: u64,
    pub(crate) mask: [u8; 4],
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[first, second, ref rest @ ..] = bytes else { return None };
        let (payload, rest) = match second & !MASKED {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*length), rest)
            }
            short => (u64::from(short), rest),
        };
        let (mask, rest) = match second & MASKED {
            0 => ([0; 4], rest),
            _ => rest.split_first_chunk().map(|(mask, rest)| (*mask, rest))?,
        };
        Some(Self {
            fin: first & FIN != 0,
            opcode: first & 0x0f,
            reserved: first & RESERVED != 0,
            length: bytes.len() - rest.len(),
            payload,
            mask,
        })
    }

    pub(crate) fn is_data(&self) -> bool {
        matches!(self.opcode, CONTINUATION | TEXT | BINARY)
    }

    /// Whether RFC 6455 §5.2 and §5.5 allow it, in this place.
    pub(crate) fn is_sound(&self, continues: bool) -> bool {
        match self.opcode {
            CONTINUATION => continues && !self.reserved,
            TEXT | BINARY => !continues && !self.reserved,
            8..=10 => self.fin && self.payload < 126 && !self.reserved,
            _ => false,
        }
    }
}

/// What the first message of `stream` is; one longer than `limit` is not waited for.
pub(super) fn front(stream: &[u8], limit: usize) -> Front {
    let (mut at, mut bytes, mut continues) = (0, Vec::new(), false);
    while let Some(header) = stream.get(at..).and_then(Header::parse) {
        let room = limit.saturating_sub(bytes.len());
        let payload = usize::try_from(header.payload).ok().filter(|&length| length <= room);
        let (true, Some(payload)) = (header.is_sound(continues), payload) else {
            return Front::Endless;
        };
        let from = at + header.length;
        let Some(masked) = stream.get(from..from + payload) else { return Front::Incomplete };
        at = from + payload;
        if header.is_data() {
            unmask(masked, header.mask, &mut bytes);
            continues = !header.fin;
        }
        if continues {
            continue;
        }
        return match header.is_data() && is_sip(&bytes) {
            true => Front::Message { length: at, bytes },
            false => Front::Passed { length: at },
        };
    }
    Front::Incomplete
}

/// What there is of the first message of `stream`, which will not become whole.
pub(super) fn rest(stream: &[u8]) -> Vec<u8> {
    let (mut at, mut bytes) = (0, Vec::new());
    while let Some(header) = stream.get(at..).and_then(Header::parse) {
        let from = at + header.length;
        let left = stream.get(from..).unwrap_or_default();
        let payload = usize::try_from(header.payload).unwrap_or(usize::MAX).min(left.len());
        if header.is_data() {
            unmask(left.get(..payload).unwrap_or_default(), header.mask, &mut bytes);
        }
        at = from + payload;
    }
    bytes
}

/// Whether a frame begins here, and in it a SIP message: so a stream is known whose handshake was
/// not seen.
pub(super) fn carries_sip(stream: &[u8]) -> Beginning {
    if stream.first().is_none_or(|first| !matches!(first & !FIN, TEXT | BINARY)) {
        return Beginning::Other;
    }
    let Some(header) = Header::parse(stream) else { return Beginning::Unclear };
    let payload = stream.get(header.length..).unwrap_or_default();
    let whole = usize::try_from(header.payload).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    unmask(payload.get(..whole.min(GLIMPSE)).unwrap_or(payload), header.mask, &mut bytes);
    match beginning(past_empty_lines(&bytes)) {
        Beginning::Unclear if bytes.len() == whole => Beginning::Other,
        Beginning::Unclear if bytes.len() >= GLIMPSE => Beginning::Other,
        seen => seen,
    }
}

/// Whether the opening handshake stands here (RFC 6455 §4.2, RFC 7118 §4).
pub(super) fn upgrade(stream: &[u8]) -> Upgrade {
    let begins = |with: &[u8]| {
        let common = with.len().min(stream.len());
        stream.get(..common) == with.get(..common)
    };
    if stream.is_empty() || !(begins(b"GET /") || begins(b"HTTP/1.1 101")) {
        return Upgrade::No;
    }
    let end = memchr::memmem::find(stream, b"\r\n\r\n").map(|at| at + 4);
    let Some(length) = end.filter(|&length| length <= MAX_HANDSHAKE) else {
        return if stream.len() < MAX_HANDSHAKE { Upgrade::Unclear } else { Upgrade::No };
    };
    let header = stream.get(..length).unwrap_or_default();
    let mut fields = header.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        Some((name, value.get(1..)?))
    });
    let is_sip = fields.any(|(name, value)| {
        name.eq_ignore_ascii_case(b"Sec-WebSocket-Protocol")
            && value.split(|&b| b == b',').any(|it| it.trim_ascii().eq_ignore_ascii_case(b"sip"))
    });
    if is_sip { Upgrade::Behind { length } } else { Upgrade::No }
}

fn is_sip(bytes: &[u8]) -> bool {
    beginning(past_empty_lines(bytes)) == Beginning::StartLine
}

fn unmask(masked: &[u8], mask: [u8; 4], into: &mut Vec<u8>) {
    into.extend(masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}
