//! How much memory and how long a wait the tracker allows itself.

use core::time::Duration;

/// Bounds of the tracker's memory and patience.
///
/// What a stranger can make it hold is bounded in bytes, entries and age; reaching a bound evicts
/// the oldest and is counted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How long an endpoint stays open after it was replaced or its call ended.
    pub grace: Duration,
    /// How long an ended call still takes messages, so that retransmissions and a new attempt
    /// with credentials stay one call; 64*T1 of RFC 3261 §17.1.1.2.
    pub linger: Duration,
    /// How long an INVITE may stay unanswered and silent; above timer C of RFC 3261 §16.6.
    pub setup: Duration,
    /// How long an established call may stay silent in signalling.
    pub silence: Duration,
    /// How long an established call whose media was seen may stay silent in signalling and in
    /// media: its BYE was lost. Longer than a hold without media lasts; session timers
    /// (RFC 4028) are refreshed twice within it.
    pub media_silence: Duration,
    /// Calls of targets followed at once.
    pub calls: usize,
    /// Media endpoints open for one call, and as many more in their grace time.
    pub endpoints: usize,
    /// Datagrams in reassembly.
    pub datagrams: usize,
    /// Bytes of frames held for datagrams in reassembly.
    pub datagram_bytes: usize,
    /// How long a datagram may take to arrive; RFC 8200 §4.5 says 60 s, senders take far less.
    pub datagram_age: Duration,
    /// How long a stranger's message is held in memory, as a later one may prove it a target's.
    pub hold: Duration,
    /// Messages held so.
    pub hold_messages: usize,
    /// Bytes of their frames.
    pub hold_bytes: usize,
    /// TCP streams (one direction of a connection) followed at once.
    pub streams: usize,
    /// Bytes of frames and text held for TCP streams.
    pub stream_bytes: usize,
    /// How long a stream is remembered without a segment.
    pub stream_age: Duration,
    /// How long a missing segment is waited for while later ones come.
    pub stream_gap: Duration,
    /// How long the rest of a message is waited for while nothing comes.
    pub stream_wait: Duration,
    /// Largest message framed in a stream: start line, header and body.
    pub message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(5),
            linger: Duration::from_secs(32),
            setup: Duration::from_secs(300),
            silence: Duration::from_secs(24 * 3600),
            media_silence: Duration::from_secs(3600),
            calls: 100_000,
            endpoints: 256,
            datagrams: 8192,
            datagram_bytes: 32 << 20,
            datagram_age: Duration::from_secs(30),
            hold: Duration::from_secs(2),
            hold_messages: 16_384,
            hold_bytes: 16 << 20,
            streams: 65_536,
            stream_bytes: 64 << 20,
            stream_age: Duration::from_secs(3600),
            stream_gap: Duration::from_secs(3),
            stream_wait: Duration::from_secs(60),
            message_bytes: 256 << 10,
        }
    }
}
