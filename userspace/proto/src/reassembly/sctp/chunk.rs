//! The chunks of an SCTP packet that carry user data: DATA (RFC 9260 §3.3.1) and I-DATA (RFC 8260
//! §2.1).

/// A part of a user message, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data<'a> {
    pub(crate) message: Name,
    /// Parts of one message have consecutive numbers: in DATA the transmission sequence number, in
    /// I-DATA the fragment sequence number.
    pub(crate) number: u32,
    pub(crate) begins: bool,
    pub(crate) ends: bool,
    pub(crate) user_data: &'a [u8],
    /// Whether the packet ends ahead of the chunk.
    pub(crate) is_cut: bool,
}

/// What parts of one message have in common, in one direction of an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    stream: u16,
    /// In I-DATA, whether it is unordered, and its message identifier; in DATA the parts' numbers
    /// alone say what belongs together.
    message: Option<(bool, u32)>,
}

const DATA: u8 = 0;
const I_DATA: u8 = 64;

/// Flags of both.
const UNORDERED: u8 = 4;
const BEGINS: u8 = 2;
const ENDS: u8 = 1;

/// Those of a packet; a chunk of an impossible length ends it.
pub(crate) fn data(mut chunks: &[u8]) -> impl Iterator<Item = Data<'_>> {
    core::iter::from_fn(move || {
        loop {
            let (&[kind, flags, l0, l1], _) = chunks.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            if length < 4 {
                return None;
            }
            let is_cut = length > chunks.len();
            let chunk = chunks.get(..length).unwrap_or(chunks);
            chunks = chunks.get(length.next_multiple_of(4)..).unwrap_or_default();
            let read = match kind {
                DATA => plain(flags, chunk)?,
                I_DATA => interleaved(flags, chunk)?,
                _ => continue,
            };
            return Some(Data { is_cut, ..read });
        }
    })
}

fn plain(flags: u8, chunk: &[u8]) -> Option<Data<'_>> {
    let (&[_, _, _, _, t0, t1, t2, t3, s0, s1, ..], user_data) = chunk.split_first_chunk::<16>()?;
    Some(Data {
        message: Name { stream: u16::from_be_bytes([s0, s1]), message: None },
        number: u32::from_be_bytes([t0, t1, t2, t3]),
        begins: flags & BEGINS != 0,
        ends: flags & ENDS != 0,
        user_data,
        is_cut: false,
    })
}

fn interleaved(flags: u8, chunk: &[u8]) -> Option<Data<'_>> {
    let (header, user_data) = chunk.split_first_chunk::<20>()?;
    let &[_, _, _, _, _, _, _, _, s0, s1, _, _, m0, m1, m2, m3, f0, f1, f2, f3] = header;
    let begins = flags & BEGINS != 0;
    let message = (flags & UNORDERED != 0, u32::from_be_bytes([m0, m1, m2, m3]));
    Some(Data {
        message: Name { stream: u16::from_be_bytes([s0, s1]), message: Some(message) },
        // The first part has the payload protocol there, and its number is 0.
        number: if begins { 0 } else { u32::from_be_bytes([f0, f1, f2, f3]) },
        begins,
        ends: flags & ENDS != 0,
        user_data,
        is_cut: false,
    })
}
