//! What a listing says of a call, packed: a fixed part, then its texts.
//!
//! ```text
//! u32 length of all that follows | u32 CIN | u64 started | u64 ended, 0 if not | u64 line's offset
//! u32 streams | u64 IRI | u64 CC | u64 lost | u16 MOS * 100, 0 if none | u8 encryption | u8 state
//! five texts: u16 length, UTF-8
//! ```

use calltap_evidence::lines::{CallLine, StreamLine};

/// A call as a listing shows it; times in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// The call's number within its LIID.
    pub cin: u32,
    /// When it began.
    pub started_ns: u64,
    /// When it ended; 0 where it has not, or nobody knows.
    pub ended_ns: u64,
    /// Where its line stands in the ledger of calls, in bytes.
    pub line_at: u64,
    /// How many streams it has.
    pub streams: u32,
    /// Signalling packets.
    pub iri_packets: u64,
    /// Media packets.
    pub cc_packets: u64,
    /// Packets that its streams miss.
    pub lost: u64,
    /// The worst MOS of its streams, in hundredths; 0 where there is none.
    pub mos: u16,
    /// How its streams are encrypted: bits of [`ENCRYPTIONS`].
    pub encryption: u8,
    /// How it stands.
    pub state: State,
    /// Its Call-ID.
    pub call_id: &'a str,
    /// Who calls.
    pub from: &'a str,
    /// Who is called.
    pub to: &'a str,
    /// How it ended.
    pub cause: &'a str,
    /// The target that matched.
    pub target: &'a str,
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has ended, and its line says how.
    Ended,
    /// An earlier line of a call that went on: a refreshed registration.
    Continued,
    /// It goes on, in a volume that is being written.
    Open,
    /// Its writer died before it ended.
    Interrupted,
    /// It has ended, and its line is sealed to a recipient: nothing but its counts can be read.
    Sealed,
}

impl State {
    /// Its word in a listing.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended | Self::Continued => "ended",
            Self::Open => "open",
            Self::Interrupted => "interrupted",
            Self::Sealed => "sealed",
        }
    }
}

/// Words of `encryption` in `calls.jsonl`; the bit of each is its place.
pub const ENCRYPTIONS: [&str; 6] = ["none", "sdes", "mikey", "dtls-srtp", "zrtp", "unknown"];

const FIXED: usize = 4 + 8 * 3 + 4 + 8 * 3 + 2 + 1 + 1;

impl<'a> Row<'a> {
    /// The row of a call's line, which stands at `line_at`; a time that cannot be read is 0.
    pub fn of(line: &'a CallLine, line_at: u64) -> Self {
        let mos = line.streams.iter().filter_map(|it| it.mos).map(hundredths).min();
        Self {
            cin: line.cin,
            started_ns: nanoseconds(&line.started),
            ended_ns: nanoseconds(&line.ended),
            line_at,
            streams: u32::try_from(line.streams.len()).unwrap_or(u32::MAX),
            iri_packets: line.iri_packets,
            cc_packets: line.cc_packets,
            lost: line.streams.iter().map(|it| it.lost).sum(),
            mos: mos.unwrap_or(0),
            encryption: line.streams.iter().fold(0, |bits, it| bits | encryption_bit(it)),
            state: if line.sealed.is_some() { State::Sealed } else { State::Ended },
            call_id: &line.call_id,
            from: &line.from,
            to: &line.to,
            cause: &line.cause,
            target: &line.matched.target,
        }
    }

    /// Takes over what an earlier line of the same call says.
    pub fn continues(&mut self, earlier: &Row<'_>) {
        self.started_ns = self.started_ns.min(earlier.started_ns);
        self.streams += earlier.streams;
        self.iri_packets += earlier.iri_packets;
        self.cc_packets += earlier.cc_packets;
        self.lost += earlier.lost;
        self.encryption |= earlier.encryption;
        if earlier.mos != 0 && (self.mos == 0 || earlier.mos < self.mos) {
            self.mos = earlier.mos;
        }
    }

    /// How its streams are encrypted, in the words of `calls.jsonl`.
    pub fn encryptions(&self) -> impl Iterator<Item = &'static str> {
        encryptions(self.encryption)
    }

    /// Appends it, packed; texts beyond 65,535 bytes are cut.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let texts = [self.call_id, self.from, self.to, self.cause, self.target].map(cut);
        let length = FIXED + texts.iter().map(|text| 2 + text.len()).sum::<usize>();
        out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(self.cin.to_le_bytes());
        out.extend([self.started_ns, self.ended_ns, self.line_at].map(u64::to_le_bytes).concat());
        out.extend(self.streams.to_le_bytes());
        out.extend([self.iri_packets, self.cc_packets, self.lost].map(u64::to_le_bytes).concat());
        out.extend(self.mos.to_le_bytes());
        out.extend([self.encryption, self.state as u8]);
        for text in texts {
            out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
            out.extend(text.as_bytes());
        }
    }

    /// Changes the state of the row at the head of `packed`.
    pub fn set_state(packed: &mut [u8], state: State) {
        if let Some(byte) = packed.get_mut(4 + FIXED - 1) {
            *byte = state as u8;
        }
    }

    /// Reads the row at the head of `bytes`, and gives what follows; none where there is no row.
    pub fn unpack(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (row, rest) = rest.split_at_checked(length)?;
        let mut fields = Fields(row);
        let row = Self {
            cin: fields.u32()?,
            started_ns: fields.u64()?,
            ended_ns: fields.u64()?,
            line_at: fields.u64()?,
            streams: fields.u32()?,
            iri_packets: fields.u64()?,
            cc_packets: fields.u64()?,
            lost: fields.u64()?,
            mos: fields.u16()?,
            encryption: fields.u8()?,
            state: match fields.u8()? {
                0 => State::Ended,
                1 => State::Continued,
                2 => State::Open,
                4 => State::Sealed,
                _ => State::Interrupted,
            },
            call_id: fields.text()?,
            from: fields.text()?,
            to: fields.text()?,
            cause: fields.text()?,
            target: fields.text()?,
        };
        Some((row, rest))
    }
}

/// The words of these bits of [`ENCRYPTIONS`].
pub fn encryptions(bits: u8) -> impl Iterator<Item = &'static str> {
    (0..).zip(ENCRYPTIONS).filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, word)| word)
}

/// Every row of packed rows, with its offset.
pub fn rows(packed: &[u8]) -> impl Iterator<Item = (usize, Row<'_>)> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        let at = packed.len() - rest.len();
        let (row, after) = Row::unpack(rest)?;
        rest = after;
        Some((at, row))
    })
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(self.u16()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

/// RFC 3339 to nanoseconds since the Unix epoch; 0 where it cannot be read.
pub fn nanoseconds(text: &str) -> u64 {
    let at = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_nanosecond);
    at.ok().and_then(|at| u64::try_from(at).ok()).unwrap_or(0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a MOS is 1 to 5")]
fn hundredths(mos: f64) -> u16 {
    (mos * 100.0).round() as u16
}

fn encryption_bit(stream: &StreamLine) -> u8 {
    let unknown = ENCRYPTIONS.len() - 1;
    1 << ENCRYPTIONS.iter().position(|word| *word == stream.encryption).unwrap_or(unknown)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(usize::from(u16::MAX))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_packed_and_a_torn_one_is_none() {
        let line = CallLine {
            cin: 7,
            call_id: "a@example.net".to_owned(),
            from: "sip:alice@example.net".to_owned(),
            started: "2026-11-23T16:04:00.000000001Z".to_owned(),
            ended: "2026-11-23T16:05:00Z".to_owned(),
            cause: "bye".to_owned(),
            streams: vec![
                StreamLine { encryption: "none".to_owned(), mos: Some(4.41), ..<_>::default() },
                StreamLine { encryption: "sdes".to_owned(), mos: Some(3.2), ..<_>::default() },
            ],
            ..CallLine::default()
        };
        let row = Row::of(&line, 99);
        assert_eq!((row.mos, row.encryption, row.started_ns), (320, 3, 1_795_449_840_000_000_001));
        assert_eq!(row.encryptions().collect::<Vec<_>>(), ["none", "sdes"]);
        let mut packed = Vec::new();
        row.pack(&mut packed);
        row.pack(&mut packed);
        assert_eq!(rows(&packed).map(|(_, row)| row).collect::<Vec<_>>(), [row, row]);
        for end in 0..packed.len() / 2 {
            assert_eq!(rows(&packed[..end]).count(), 0);
        }
    }
}
