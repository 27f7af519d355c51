//! The lines of the ledgers: one a call in `calls.jsonl`, one a sealed volume in `manifest.jsonl`.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::age::{self, Recipient};
use crate::base64;
use crate::checkpoint::SealedSoFar;
use crate::digest::Digested;
use crate::session::{Clock, Program};

mod flow;
mod lost;

pub use flow::{FlowLine, StunLine};
pub use lost::LostLine;

/// One call: who, when, what was kept of it and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallLine {
    /// The warrant's LIID; set by the store.
    pub liid: String,
    /// The call's number within the LIID.
    pub cin: u32,
    /// The SIP Call-ID.
    pub call_id: String,
    /// Why it is the target's.
    pub matched: Match,
    /// The call of the same LIID that it is joined to, where it names no target itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Joined>,
    /// The From header of its first message.
    pub from: String,
    /// The To header of its first message.
    pub to: String,
    /// When its first message was received (RFC 3339).
    pub started: String,
    /// When it ended (RFC 3339).
    pub ended: String,
    /// How it ended.
    pub cause: String,
    /// Signalling packets kept; set by the store.
    pub iri_packets: u64,
    /// Media packets kept; set by the store.
    pub cc_packets: u64,
    /// Its RTP streams.
    pub streams: Vec<StreamLine>,
    /// Media packets of streams beyond those that there was room to tell apart; absent where there
    /// were none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub streams_beyond: u64,
    /// Keys that were pressed, in order of time; absent where there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digits: Vec<DigitLine>,
    /// Texts that were sent, in order of time; absent where there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<TextLine>,
    /// Media types of message bodies other than session descriptions, such as `application/isup`;
    /// absent where there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bodies: Vec<String>,
    /// The flows of a network target that no signalling explains, in the order in which they began;
    /// absent in a call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<FlowLine>,
    /// Packets of flows beyond those that there was room to tell apart.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flows_beyond: u64,
    /// From when until when nothing was captured, as the program was restarted in the midst of it:
    /// what is counted came after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Interrupted>,
    /// A party took part whom the warrant excludes, so that less was kept; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Exclusion>,
    /// The volumes that hold its packets, repeated ones not counted; set by the store.
    pub volumes: Vec<String>,
    /// The whole line, as an age file in base64, where the warrant names a recipient: then nothing
    /// else here says more than that there was a call; set by the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

impl CallLine {
    /// The line as it is written where the warrant names a recipient.
    pub(crate) fn sealed_to(&self, recipient: &Recipient) -> io::Result<Self> {
        let sealed = age::seal(recipient, &serde_json::to_vec(self)?)?;
        let (liid, volumes) = (self.liid.clone(), self.volumes.clone());
        let Self { cin, iri_packets, cc_packets, .. } = *self;
        let sealed = Some(base64::encode(&sealed));
        Ok(Self { liid, cin, iri_packets, cc_packets, volumes, sealed, ..Self::default() })
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What matched: `{"header":"From","target":"sip:..."}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The SIP header.
    pub header: String,
    /// The target as the warrant has it.
    pub target: String,
    /// What the header held, where that does not name the target, but is a contact that the target
    /// had registered (RFC 3261 §10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// A time in which nothing was captured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// The last packet of the LIID before (RFC 3339).
    pub from: String,
    /// When the call was followed again (RFC 3339).
    pub until: String,
}

/// From when on less was kept of a call, as a party took part whom the warrant excludes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// When the message was received that shows the party (RFC 3339).
    pub from: String,
    /// What was kept from then on: `iri` or `nothing`.
    pub keep: String,
}

/// What joins a call to another one that has a Call-ID of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// The header that holds the key.
    pub header: String,
    /// The key that both calls have; for `Replaces` and `Join`, the dialog that is named.
    pub value: String,
    /// The number of the call joined to.
    pub cin: u32,
}

/// A key that was pressed during a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigitLine {
    /// When its first packet, or the message that names it, was received (RFC 3339).
    pub at: String,
    /// `0` to `9`, `*`, `#`, `A` to `D`, `flash`, or `event-` and the code of another event.
    pub digit: String,
    /// How it was sent: `rtp-event` (RFC 4733), or `info`, in the body of a SIP INFO (RFC 6086).
    pub by: String,
    /// How long it lasted, in milliseconds; none where nothing says so.
    pub duration_ms: Option<u64>,
}

/// A text that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextLine {
    /// When the message was received (RFC 3339).
    pub at: String,
    /// Who sent it, a URI.
    pub from: String,
    /// To whom, a URI.
    pub to: String,
    /// Its media type.
    pub content_type: String,
    /// The text; bytes that are no UTF-8 are replaced, the packets have them.
    pub text: String,
}

/// One stream of a call: RTP (RFC 3550), or fax over UDPTL (ITU-T T.38).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamLine {
    /// Sender, `ip:port`, IPv6 in brackets.
    pub src: String,
    /// Receiver.
    pub dst: String,
    /// `sdp-match` where descriptions name both ends, `learned` where they name one.
    #[serde(default)]
    pub association: String,
    /// How its media is encrypted by what descriptions say and handshakes on its path show:
    /// `none`, `sdes`, `mikey`, `dtls-srtp`, `zrtp`, or `unknown` where that cannot be told.
    #[serde(default)]
    pub encryption: String,
    /// `udptl` where it is fax; absent where it is RTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Synchronisation source, `0x` and 8 hexadecimal digits; none where it is no RTP.
    pub ssrc: Option<String>,
    /// Payload type of its first packet that was no telephone event or comfort noise; none where it
    /// is no RTP.
    pub payload_type: Option<u8>,
    /// Codec, where its quality can be estimated.
    #[serde(default)]
    pub codec: Option<String>,
    /// When its first packet was received (RFC 3339).
    #[serde(default)]
    pub first: String,
    /// When its last packet was received.
    #[serde(default)]
    pub last: String,
    /// Packets received.
    pub packets: u64,
    /// Bytes of their UDP payload.
    #[serde(default)]
    pub bytes: u64,
    /// Packets that its sequence numbers miss.
    pub lost: u64,
    /// Of these, those that may have been lost on the way into the evidence, as frames were lost
    /// there at the time: the others were lost in the network.
    #[serde(default)]
    pub lost_unknown: u64,
    /// Packets received twice.
    pub duplicates: u64,
    /// Packets received out of order.
    pub reordered: u64,
    /// Largest interarrival jitter, in milliseconds; none where it is no RTP.
    pub max_jitter_ms: Option<f64>,
    /// Transmission rating factor (ITU-T G.107); none where the codec has no published figures, where
    /// there were fewer than 50 packets, or where frames were lost on the way into the evidence.
    #[serde(default)]
    pub r_factor: Option<f64>,
    /// Mean opinion score that follows from it.
    #[serde(default)]
    pub mos: Option<f64>,
    /// The parameters of both.
    #[serde(default)]
    pub e_model: Option<EModelLine>,
    /// What its receiver reported about it; absent where there was no RTCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtcp: Option<RtcpLine>,
}

/// What the receiver of a stream reported about it by RTCP (RFC 3550 §6.4, RFC 3611).
///
/// Nothing is known where the reports are encrypted: then all figures are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RtcpLine {
    /// Report blocks about the stream that were read.
    pub reports: u64,
    /// RTCP datagrams of the receiver that could not be read: encrypted, or malformed.
    pub unreadable: u64,
    /// Share of packets lost, 0 to 1, by the last report block.
    pub fraction_lost: Option<f64>,
    /// The highest such share.
    pub max_fraction_lost: Option<f64>,
    /// Packets lost since the stream began, by the last report block; duplicates can make it
    /// negative.
    pub cumulative_lost: Option<i32>,
    /// Interarrival jitter by the last report block, in milliseconds; none where the stream's
    /// clock is unknown.
    pub jitter_ms: Option<f64>,
    /// The highest such jitter.
    pub max_jitter_ms: Option<f64>,
    /// From the point of capture to the receiver and back, in milliseconds, as last measured from
    /// a sender report and its answer.
    pub round_trip_ms: Option<f64>,
    /// The longest such round trip.
    pub max_round_trip_ms: Option<f64>,
    /// The last VoIP metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voip_metrics: Option<VoipMetricsLine>,
    /// The worst of each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_voip_metrics: Option<VoipMetricsLine>,
}

/// VoIP metrics of an extended report (RFC 3611 §4.7), as the receiver computed them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VoipMetricsLine {
    /// Share of packets lost, 0 to 1.
    pub loss_rate: f64,
    /// Share of packets that came too early or too late to be played.
    pub discard_rate: f64,
    /// Round trip between the parties, in milliseconds; none where unknown.
    pub round_trip_ms: Option<u16>,
    /// Delay within the receiver, in milliseconds; none where unknown.
    pub end_system_delay_ms: Option<u16>,
    /// Rating factor R.
    pub r_factor: Option<u8>,
    /// Mean opinion score of listening.
    pub mos_lq: Option<f64>,
    /// Mean opinion score of conversation.
    pub mos_cq: Option<f64>,
}

/// Parameters of the E-model (ITU-T G.107) with which a stream's quality was estimated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EModelLine {
    /// Rating without impairment.
    pub r0: f64,
    /// Equipment impairment factor of the codec (ITU-T G.113 Appendix I).
    pub ie: f64,
    /// Packet-loss robustness factor of the codec.
    pub bpl: f64,
    /// Packets lost, per cent.
    pub ppl: f64,
    /// Burst ratio.
    pub burst_r: f64,
    /// One-way delay that was reckoned with, in milliseconds: none, as it is not known.
    pub delay_ms: f64,
}

/// One sealed volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeLine {
    /// The warrant's LIID.
    pub liid: String,
    /// The volume's file, beside the manifest.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Root of the Merkle tree over its pieces of 65,536 bytes (RFC 6962 §2.1); empty in lines of
    /// before there was one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub merkle: String,
    /// Packets, repeated ones not counted.
    pub packets: u64,
    /// Of these, signalling.
    pub iri: u64,
    /// Of these, media.
    pub content: u64,
    /// Packets repeated at the head from earlier volumes, counted nowhere else.
    pub carried: u64,
    /// Packets of which bytes were overwritten, as the warrant does not order them; repeated ones
    /// not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub masked: u64,
    /// When its first packet was received (RFC 3339); repeated ones do not count.
    pub first_packet: Option<String>,
    /// When its last packet was received.
    pub last_packet: Option<String>,
    /// The highest call number used so far under this LIID.
    pub last_cin: u32,
    /// Frames lost since the volume before it, by place. Places that stand before the warrants are
    /// told apart count for the whole node.
    pub losses: BTreeMap<String, u64>,
    /// When and where within that time, a bounded list; absent where nothing was lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostLine>,
    /// What it holds, where it is sealed to a recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedLine>,
    /// How each interface took its frames: `name: mode`.
    pub modes: Vec<String>,
    /// The clock that stamped the packets; absent from a salvaged volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// What decided in the kernel; absent where nothing did, and from a salvaged volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// SHA-256 of the warrant.
    pub warrant_sha256: String,
    /// Id of the node's key.
    pub node: String,
    /// Program and version.
    pub tool: String,
    /// Why it was sealed: `duration`, `filesize`, `interface`, `end`, `failed` or `interrupted`.
    pub reason: String,
    /// Whether the writer died before it was sealed: it ends at the last whole block.
    pub interrupted: bool,
}

impl VolumeLine {
    /// Its path within the evidence directory.
    pub fn path(&self) -> String {
        format!("{}/{}", self.liid, self.file)
    }

    /// Names the file that the line is about.
    pub(crate) fn describe(&mut self, file: &str, digest: Digested) {
        self.file = file.to_owned();
        (self.bytes, self.sha256, self.merkle) = (digest.bytes, digest.sha256, digest.merkle);
    }
}

/// What a volume that is sealed to a recipient holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedLine {
    /// Whom it is sealed to: an X25519 recipient of age.
    pub recipient: String,
    /// The pcapng inside; none where a loss of power took a part of it that nobody here can name.
    pub plain: Option<Digested>,
    /// Where in the file a second age file begins, which holds the end of the pcapng: there is one
    /// where the writer died, and then the first ends without its last chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_at: Option<u64>,
}

impl From<SealedSoFar> for SealedLine {
    fn from(SealedSoFar { recipient, plain, .. }: SealedSoFar) -> Self {
        Self { recipient, plain: Some(plain), tail_at: None }
    }
}
