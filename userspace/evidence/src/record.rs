//! What may be written: a frame that an authority covers.
//!
//! No warrant, no record: the fields of [`Authority`] and [`Record`] are private, an authority
//! comes only from [`crate::warrant::Warrant::authority`], and a record only from an authority.
//!
//! ```compile_fail,E0451
//! use calltap_evidence::record::Authority;
//! let forged = Authority { warrant: 1, from_ns: 0, until_ns: u64::MAX, content: true, direction: None };
//! ```
//!
//! ```compile_fail,E0451
//! use calltap_evidence::record::{Kind, Record};
//! let forged = Record {
//!     warrant: 1, at_ns: 0, cin: 1, kind: Kind::Iri, interface: 0, frame: b"",
//!     original_len: 0, comment: None, carry: None,
//! };
//! ```

use crate::digest;

/// The longest frame that Wireshark opens; a longer one is cut, its original length kept.
pub const MAX_FRAME: usize = 262_144;

/// What a warrant in force permits to be written: copied freely, made by a warrant alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    pub(crate) warrant: u32,
    pub(crate) from_ns: u64,
    pub(crate) until_ns: u64,
    pub(crate) content: bool,
    pub(crate) direction: Option<Direction>,
}

/// Which direction of content a warrant orders, where it does not order both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the target sends.
    FromTarget,
    /// What the target receives.
    ToTarget,
}

/// Which way content goes, as far as that can be told: neither where it cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// A target sends it.
    pub from_target: bool,
    /// A target receives it.
    pub to_target: bool,
}

impl Authority {
    /// The number under which the engine knows the warrant.
    pub fn warrant(&self) -> u32 {
        self.warrant
    }

    /// The first nanosecond that it covers.
    pub fn from_ns(&self) -> u64 {
        self.from_ns
    }

    /// The last nanosecond that it covers.
    pub fn until_ns(&self) -> u64 {
        self.until_ns
    }

    /// Whether it covers content of communication, not only signalling.
    pub fn content(&self) -> bool {
        self.content
    }

    /// The one direction of content that it covers, where it does not cover both.
    pub fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// Whether content that goes this way is covered: where one direction alone is, what cannot be
    /// told is not.
    pub fn covers(&self, way: Way) -> bool {
        self.content
            && match self.direction {
                None => true,
                Some(Direction::FromTarget) => way.from_target,
                Some(Direction::ToTarget) => way.to_target,
            }
    }
}

/// Intercept-related information or content of communication (ETSI TS 102 232).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Signalling.
    Iri,
    /// Media.
    Content,
}

/// One frame to be kept, and why it may be.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub(crate) warrant: u32,
    pub(crate) at_ns: u64,
    pub(crate) cin: u32,
    pub(crate) kind: Kind,
    pub(crate) interface: u32,
    pub(crate) frame: &'a [u8],
    pub(crate) original_len: u32,
    pub(crate) comment: Option<&'a str>,
    pub(crate) carry: Option<u64>,
}

impl<'a> Record<'a> {
    /// A record of `frame`, received at `at_ns` on the session's interface number `interface`,
    /// `original_len` bytes long on the wire, of call `cin`.
    ///
    /// `comment` becomes the packet's comment: [`comment`] for IRI, none for content.
    /// `carry` marks a frame that is needed to decode the call's media and is therefore repeated at
    /// the head of later volumes; each frame of a message in several parts has a key of its own,
    /// and a key that was seen in the call is not kept a second time.
    ///
    /// # Errors
    /// [`NotAuthorised`] if the time is outside the warrant's window, or content was not ordered.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a fact of the frame; none has a default"
    )]
    pub fn new(
        authority: &Authority,
        at_ns: u64,
        cin: u32,
        kind: Kind,
        interface: u32,
        frame: &'a [u8],
        original_len: u32,
        comment: Option<&'a str>,
        carry: Option<u64>,
    ) -> Result<Self, NotAuthorised> {
        let Authority { warrant, from_ns, until_ns, content, .. } = *authority;
        if at_ns < from_ns || at_ns > until_ns {
            return Err(NotAuthorised::OutsideWindow);
        }
        if kind == Kind::Content && !content {
            return Err(NotAuthorised::ContentNotOrdered);
        }
        let frame = frame.get(..MAX_FRAME).unwrap_or(frame);
        Ok(Self { warrant, at_ns, cin, kind, interface, frame, original_len, comment, carry })
    }
}

impl Record<'_> {
    /// The number under which the engine knows the warrant.
    pub fn warrant(&self) -> u32 {
        self.warrant
    }
}

/// Why a frame may not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthorised {
    /// It was received before the warrant's window or after it.
    #[error("outside the warrant's window")]
    OutsideWindow,
    /// It is content, and the warrant orders signalling only.
    #[error("the warrant orders no content")]
    ContentNotOrdered,
}

/// The comment of an IRI packet: `calltap LIID=L CIN=3 IRI`, and after it what is odd about the
/// message, or more than the packet itself says, if anything. Salvage reads call numbers back from it.
pub fn comment(liid: &str, cin: u32, note: Option<&str>) -> String {
    match note {
        Some(note) => format!("calltap LIID={liid} CIN={cin} IRI; {note}"),
        None => format!("calltap LIID={liid} CIN={cin} IRI"),
    }
}

/// What begins, in the comment of a packet, the note that bytes of it were overwritten.
const MASKED: &str = "; masked ";

/// A packet's comment with a note that so many of its bytes were overwritten: it has the SHA-256 of
/// the frame as it came, against which whoever has that frame can prove it.
pub fn masked(comment: &str, count: usize, original: &[u8]) -> String {
    format!("{comment}{MASKED}{count} bytes; original SHA-256 {}", digest::hex(original))
}

/// That note, with what stands behind it, in a packet's comment.
pub(crate) fn masked_note(comment: Option<&str>) -> Option<&str> {
    let comment = comment?;
    let at = comment.find(MASKED)?;
    comment.get(at..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Authority =
        Authority { warrant: 7, from_ns: 100, until_ns: 200, content: false, direction: None };

    fn record(authority: &Authority, at_ns: u64, kind: Kind) -> Result<(), NotAuthorised> {
        Record::new(authority, at_ns, 1, kind, 0, b"frame", 5, None, None).map(|_| ())
    }

    #[test]
    fn only_the_window_is_covered_both_ends_included() {
        for (at_ns, covered) in [(99, false), (100, true), (200, true), (201, false)] {
            assert_eq!(record(&ORDER, at_ns, Kind::Iri).is_ok(), covered, "{at_ns}");
        }
        assert_eq!(record(&ORDER, 99, Kind::Iri), Err(NotAuthorised::OutsideWindow));
    }

    #[test]
    fn content_is_refused_where_only_signalling_was_ordered() {
        assert_eq!(record(&ORDER, 150, Kind::Content), Err(NotAuthorised::ContentNotOrdered));
        assert!(record(&Authority { content: true, ..ORDER }, 150, Kind::Content).is_ok());
    }

    #[test]
    fn of_one_direction_what_cannot_be_told_is_not_covered() {
        let way = |from_target, to_target| Way { from_target, to_target };
        let covers = |direction| {
            let order = Authority { content: true, direction, ..ORDER };
            [(true, false), (false, true), (true, true), (false, false)]
                .map(|(from, to)| order.covers(way(from, to)))
        };
        assert_eq!(covers(None), [true; 4]);
        assert_eq!(covers(Some(Direction::FromTarget)), [true, false, true, false]);
        assert_eq!(covers(Some(Direction::ToTarget)), [false, true, true, false]);
        assert!(!ORDER.covers(way(true, true)), "no content is ordered");
    }

    #[test]
    fn a_frame_that_wireshark_would_refuse_is_cut() {
        let frame = vec![0; MAX_FRAME + 1];
        let record =
            Record::new(&ORDER, 150, 1, Kind::Iri, 0, &frame, 262_145, None, None).unwrap();
        assert_eq!((record.frame.len(), record.original_len), (MAX_FRAME, 262_145));
    }
}
