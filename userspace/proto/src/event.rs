//! What the tracker says: calls that open and end, messages to keep, media to let in.

use core::net::SocketAddr;

use thiserror::Error;

use crate::media::MediaTerms;
use crate::packet::LinkType;
use crate::target::Identity;
use crate::time::Timestamp;
use crate::warrant::{CallKey, Keep, Side};

/// One thing that follows from the frames fed so far.
///
/// For a message that carries media the order is: `CallOpened`, `MediaOpened` for each new
/// endpoint, `Message`, so that the kernel map is set before anything is written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A Call-ID matched a warrant for the first time.
    CallOpened {
        /// The call, with the CIN it just got.
        call: CallKey,
        /// Call-ID header field value, as sent; empty where the message has none.
        call_id: &'a [u8],
        /// Method of the request, or of the request that a response answers (CSeq).
        method: &'a [u8],
        /// URI of the From header field, as sent.
        from: &'a [u8],
        /// URI of the To header field, as sent.
        to: &'a [u8],
        /// Which header field matched which target.
        matched: Matched<'a>,
        /// Why it is the target's although it names no target itself.
        joined: Option<Joined<'a>>,
        /// Arrival of the last frame of its first message, which may not be the one that matched.
        at: Timestamp,
    },
    /// A party takes part that a warrant excludes; told once, and once more where less is kept.
    ///
    /// Ahead of it stands `CallOpened` where the call has a number, behind it what closes.
    Excluded {
        /// [`Warrant::id`](crate::Warrant::id).
        warrant: u32,
        /// The call; none where nothing was given out of it, and nothing will be.
        call: Option<CallKey>,
        /// What is kept from here on.
        keep: Keep,
        /// Arrival of the last frame of the message that shows the party.
        at: Timestamp,
    },
    /// A signalling message of a call.
    Message {
        /// The call it belongs to.
        call: CallKey,
        /// Arrival of the message's first frame; the same as `at` where it came in one.
        first: Timestamp,
        /// Arrival of the message's last frame.
        at: Timestamp,
        /// Sender.
        source: SocketAddr,
        /// Receiver.
        destination: SocketAddr,
        /// Whose message it is.
        sender: Side,
        /// The message, put together of its frames; as far as it is there.
        bytes: &'a [u8],
        /// The original frames that formed the message, in order of arrival.
        ///
        /// A frame is given once for each warrant, so the second message of one TCP segment
        /// may have none.
        frames: &'a [Kept<'a>],
        /// The start line without its line end; the payload's first bytes where it has none.
        start_line: &'a [u8],
        /// Hash of the sender and its session description, where the message carries one.
        ///
        /// A retransmission has the same value.
        description: Option<u64>,
        /// The first thing found wrong with the message.
        flaw: Option<Flaw>,
    },
    /// What else than a session description stands in a message's body; behind the message.
    Body {
        /// The call.
        call: CallKey,
        /// Arrival of the message's last frame.
        at: Timestamp,
        /// Method of the request, or of the request that a response answers.
        method: &'a [u8],
        /// URI of the From header field, as sent.
        from: &'a [u8],
        /// URI of the To header field, as sent.
        to: &'a [u8],
        /// Whose message it is.
        sender: Side,
        /// The same in every copy of the message: sent again, or seen on another hop.
        copy: u64,
        /// Media type, without its parameters.
        media_type: &'a [u8],
        /// The body, or this part of it.
        bytes: &'a [u8],
    },
    /// Media from or to this endpoint belongs to the call; also sent when its terms change.
    MediaOpened {
        /// The call that announced it.
        call: CallKey,
        /// Address and port at which the media is received.
        endpoint: SocketAddr,
        /// What is received there.
        kind: MediaKind,
        /// What is announced for it: clocks, keys, ICE.
        terms: &'a MediaTerms,
        /// No description names the endpoint: it is the port of one that is behind a NAT, at the
        /// host that signals for it, and counts between two such alone.
        presumed: bool,
        /// Whose it is; told anew when that shows.
        side: Side,
        /// Arrival of the announcing message's last frame.
        at: Timestamp,
    },
    /// Media from or to this endpoint no longer belongs to the call.
    MediaClosed {
        /// The call that had announced it.
        call: CallKey,
        /// The endpoint of an earlier [`Event::MediaOpened`].
        endpoint: SocketAddr,
        /// When it was no longer the call's: the end or the replacement, and the grace time.
        at: Timestamp,
    },
    /// The call is over, and its Call-ID forgotten.
    CallEnded {
        /// The call.
        call: CallKey,
        /// When it ended, which is before the linger time that lets retransmissions follow.
        at: Timestamp,
        /// Why.
        cause: Cause,
    },
    /// A datagram that came in fragments and is no SIP: it may be media.
    ///
    /// It is given out too where fragments are missing, once they are no longer waited for.
    Reassembled {
        /// All fragments there are, in order of arrival.
        frames: &'a [Kept<'a>],
        /// Sender; its port is 0 where the first fragment is missing, or the protocol has none.
        source: SocketAddr,
        /// Receiver, likewise.
        destination: SocketAddr,
        /// UDP payload, up to the first byte that is missing.
        payload: &'a [u8],
    },
    /// A frame of something that was given out before: a fragment or a segment that was mirrored
    /// twice or sent again, or a fragment that was missing.
    Late {
        /// The frame.
        frame: Kept<'a>,
        /// The calls whose message it is a part of; none where it may be a part of media.
        calls: &'a [CallKey],
        /// Sender, as of what it is a part of.
        source: SocketAddr,
        /// Receiver, likewise.
        destination: SocketAddr,
    },
}

/// A frame as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Arrival.
    pub at: Timestamp,
    /// The caller's number for the interface.
    pub interface: u32,
    /// Link type of that interface.
    pub link: LinkType,
    /// Its length on the wire; more than `bytes` has where the capture cut it.
    pub original_len: u32,
    /// The frame, from its link header on.
    pub bytes: &'a [u8],
}

impl<'a> Kept<'a> {
    /// A frame that was captured whole.
    #[must_use]
    pub fn whole(at: Timestamp, interface: u32, link: LinkType, bytes: &'a [u8]) -> Self {
        let original_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { at, interface, link, original_len, bytes }
    }
}

/// Why a call is a target's: recorded with the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched<'a> {
    /// Header field in its long form, `Request-URI`, `IP`, or `unparsed` for a URI found in
    /// bytes that are no SIP message; of a call that is joined to another, what joins it.
    pub header: &'a str,
    /// The warrant's target.
    pub target: &'a Identity,
    /// What the message held there: URI, user name or address, as sent.
    pub value: &'a [u8],
    /// Whether that does not name the target, but is a contact that the target registered
    /// (RFC 3261 §10).
    pub is_contact: bool,
}

/// The followed call that a call is joined to, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined<'a> {
    /// Header field that holds the key: one of [`Joins`](crate::Joins), `Call-ID`, `Replaces` or
    /// `Join`.
    pub header: &'a str,
    /// The key that both have, or the dialog that is named.
    pub value: &'a [u8],
    /// The CIN of the call joined to, under the same warrant.
    pub cin: u32,
}

/// What is received at a media endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// RTP, and RTCP on the same port where both ends multiplex (RFC 5761).
    Rtp,
    /// RTCP on a port of its own.
    Rtcp,
    /// Fax over UDPTL (ITU-T T.38).
    Udptl,
    /// Anything else that SDP announces: MSRP, BFCP.
    Other,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// BYE.
    Bye,
    /// CANCEL before an answer.
    Cancelled,
    /// A final response with this status, 300 to 699.
    Failed(u16),
    /// A transaction other than INVITE was answered: REGISTER, MESSAGE, OPTIONS.
    Answered,
    /// Nothing was heard for longer than [`Limits`](crate::Limits) allows.
    TimedOut,
    /// The warrant's window closed, or the warrant was withdrawn.
    WarrantEnded,
    /// A party takes part that the warrant excludes, so that nothing more is kept.
    Excluded,
    /// The capture ended first.
    Finished,
}

/// What is wrong with a message that is kept nevertheless; offsets count from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Flaw {
    /// It does not begin with a start line (RFC 3261 §7.1, §7.2).
    #[error("no start line")]
    NoStartLine,
    /// A start line that can be read and is none of RFC 3261 §25.1: spaces too many, another version,
    /// a Request-URI that cannot be one.
    #[error("malformed start line")]
    StartLine,
    /// A request whose CSeq names another method (RFC 3261 §8.1.1.5).
    #[error("the method is another one in CSeq")]
    Method,
    /// A value of From, To, Contact, Via or Date that breaks the grammar of RFC 3261 §25.1.
    #[error("malformed value in the header field at offset {at}")]
    Value {
        /// Offset of the header field.
        at: usize,
    },
    /// A header field twice that a message has once (RFC 3261 §7.3.1).
    #[error("more than one {0}")]
    Repeated(&'static str),
    /// A header line without a colon or with a name that is no token (RFC 3261 §7.3.1).
    #[error("malformed header line at offset {at}")]
    HeaderLine {
        /// Offset of the line.
        at: usize,
    },
    /// The header has no end.
    #[error("the header does not end")]
    NoHeaderEnd,
    /// Call-ID, From, To or CSeq is missing (RFC 3261 §8.1.1).
    #[error("no {0}")]
    Missing(&'static str),
    /// CSeq is not a number below 2^31 and a method (RFC 3261 §8.1.1.5).
    #[error("malformed CSeq at offset {at}")]
    CSeq {
        /// Offset of the value.
        at: usize,
    },
    /// Content-Length is not a number, or beyond what is waited for (RFC 3261 §18.3).
    #[error("unusable Content-Length")]
    ContentLength,
    /// The body is shorter than Content-Length says.
    #[error("body of {have} bytes where Content-Length says {need}")]
    ShortBody {
        /// Content-Length.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// The body is compressed (RFC 3261 §20.12), and so not looked into.
    #[error("encoded body")]
    Encoded,
    /// Bytes of a stream were lost before the message was whole.
    #[error("stream broken off")]
    BrokenOff,
    /// Fragments of its datagram never came: it is there up to the first that is missing.
    #[error("fragments missing")]
    FragmentsMissing,
    /// Overlapping fragments or segments differed; the first was believed.
    #[error("overlapping fragments or segments differ")]
    Overlap,
    /// A line of the session description that cannot be understood (RFC 8866 §5).
    #[error("malformed session description at offset {at} of the description")]
    Description {
        /// Offset of the line within the description.
        at: usize,
    },
}
