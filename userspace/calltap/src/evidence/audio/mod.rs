//! `calltap evidence audio`: a call as a stereo WAV, the caller on the left, the called party on the
//! right, each packet at its time, and silence where there is none.

mod g711;
mod sides;
mod timeline;

use std::collections::BTreeMap;
use std::io::{BufWriter, Seek, Write};
use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use calltap_evidence::read::Origin;
use calltap_proto::packet::{self, Body};
use calltap_proto::rtp::Header;
use calltap_proto::sip::Message;
use calltap_proto::{media::Keying, sdp};

use super::custody;
use super::dossier::{Dossier, Placed};
use super::export::owner;
use super::inert::inert;
use super::new_file::{self, NewFile};
use super::signalling::{Said, Signalling};
use crate::{Outcome, cli};
use g711::Law;
pub use sides::{Side, Sides};
use timeline::Timeline;

/// Samples a second of what is written; G.711 has no other.
pub const RATE: u32 = 8000;

/// Writes a call's audio into a new file.
///
/// # Errors
/// The call is not found, nothing of it can be heard, a volume is altered or cannot be read, the
/// file is there already or cannot be written.
pub fn audio(arguments: &cli::Audio) -> anyhow::Result<Outcome> {
    let dossier = Dossier::open(&arguments.call)?;
    let out = NewFile::create(&arguments.out, &dossier.dir)?;
    let signalling = dossier.signalling()?;
    let heard = Heard::of(&dossier, &signalling)?;
    if heard.is_silent() {
        let why: Vec<_> = heard.left_out.iter().map(|why| format!("\n  {why}")).collect();
        bail!("nothing of call {} can be heard{}", dossier.name(), why.concat());
    }
    let unwritable = || arguments.out.display().to_string();
    heard.write(BufWriter::new(&out.file)).with_context(unwritable)?;
    let sha256 = new_file::sha256(&arguments.out).with_context(unwritable)?;
    out.keep().with_context(unwritable)?;
    let call = &dossier.line;
    println!("audio      {} of call {}", arguments.out.display(), dossier.name());
    println!("left       {}, {}", inert(&call.from), seconds(heard.caller.len()));
    println!("right      {}, {}", inert(&call.to), seconds(heard.called.len()));
    for why in &heard.left_out {
        println!("not heard  {why}");
    }
    println!("sha256     {sha256}");
    let details = [("call", dossier.name()), ("sha256", sha256)];
    custody::record(&dossier, "evidence-heard", &details);
    Ok(Outcome::Fine)
}

fn seconds(samples: usize) -> String {
    let milliseconds = samples * 1000 / RATE as usize;
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

/// Both sides of a call, sample by sample from the first packet of either.
#[derive(Debug, Default)]
pub struct Heard {
    /// What the caller says.
    pub caller: Vec<i16>,
    /// What the called party says.
    pub called: Vec<i16>,
    /// When the first sample was received, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// What cannot be heard, and why.
    pub left_out: Vec<String>,
}

/// One stream's packets.
#[derive(Debug, Default)]
struct Track {
    packets: Vec<Packet>,
    /// Packets of encodings that cannot be decoded, by name.
    undecoded: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Packet {
    at_ns: u64,
    timestamp: u32,
    law: Law,
    payload: Box<[u8]>,
}

type Flow = (SocketAddr, SocketAddr, u32);

impl Heard {
    /// Hears a call, as far as it is not encrypted and its encodings are known.
    ///
    /// # Errors
    /// A volume cannot be read or is altered.
    pub fn of(dossier: &Dossier, signalling: &Signalling) -> anyhow::Result<Self> {
        let sides = Sides::of(&signalling.messages);
        let mut tracks: BTreeMap<Flow, Track> = BTreeMap::new();
        dossier.read("decoding", true, &mut |placed| {
            let is_ours = placed.packet.origin == Origin::Content
                && owner(signalling, &placed) == Some(dossier.line.cin);
            if is_ours {
                take(&placed, &sides, &mut tracks);
            }
            Ok(())
        })?;
        let mut heard = Self::default();
        let tracks = heard.choose(dossier, signalling, &sides, tracks);
        let starts = tracks.iter().filter_map(|(_, track)| Some(track.packets.first()?.at_ns));
        heard.start_ns = starts.min().unwrap_or(0);
        for (side, track) in &tracks {
            let start_ns = heard.start_ns;
            match side {
                Side::Caller => mix(track, start_ns, &mut heard.caller),
                Side::Called => mix(track, start_ns, &mut heard.called),
            }
        }
        Ok(heard)
    }

    /// Whether there is nothing to hear.
    pub fn is_silent(&self) -> bool {
        self.caller.is_empty() && self.called.is_empty()
    }

    /// Writes both sides as WAV: 16 bits, two channels.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, out: impl Write + Seek) -> Result<(), hound::Error> {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(out, spec)?;
        let sample = |side: &[i16], at| side.get(at).copied().unwrap_or(0);
        for at in 0..self.caller.len().max(self.called.len()) {
            writer.write_sample(sample(&self.caller, at))?;
            writer.write_sample(sample(&self.called, at))?;
        }
        writer.finalize()
    }

    /// The tracks that are heard, each with who speaks; says why the others are not.
    fn choose(
        &mut self,
        dossier: &Dossier,
        signalling: &Signalling,
        sides: &Sides,
        tracks: BTreeMap<Flow, Track>,
    ) -> Vec<(Side, Track)> {
        let mut tracks: Vec<_> = tracks.into_iter().collect();
        tracks.sort_by_key(|(_, track)| track.packets.first().map(|packet| packet.at_ns));
        let mut chosen: Vec<(Side, Flow, (u64, u64), Track)> = Vec::new();
        for (flow, track) in tracks {
            let (source, destination, ssrc) = flow;
            let name = format!("{source} -> {destination}, SSRC {ssrc:#010x}");
            if let Some(how) = encryption(dossier, &signalling.messages, flow) {
                self.left_out.push(format!("{name}: encrypted ({how}), and kept as it came"));
                continue;
            }
            for (encoding, packets) in &track.undecoded {
                let encoding = inert(encoding);
                self.left_out.push(format!("{name}: {packets} packets of {encoding}"));
            }
            let ends = track.packets.first().zip(track.packets.last());
            let Some((first, last)) = ends.map(|(first, last)| (first.at_ns, last.at_ns)) else {
                continue;
            };
            // Where nothing says who speaks: whoever is first, and then whoever is not he.
            let side = sides.speaker(source, destination).unwrap_or_else(|| match chosen.first() {
                Some((side, (first, ..), ..)) if *first != source => side.other(),
                Some((side, ..)) => *side,
                None => Side::Caller,
            });
            let same = chosen.iter().find(|(other, of, (from, until), _)| {
                *other == side
                    && (of.0, of.1) != (source, destination)
                    && first < *until
                    && *from < last
            });
            if let Some((_, (source, destination, _), ..)) = same {
                let of = format!("{source} -> {destination}");
                self.left_out.push(format!("{name}: heard on another hop, {of}"));
                continue;
            }
            chosen.push((side, flow, (first, last), track));
        }
        chosen.into_iter().map(|(side, _, _, track)| (side, track)).collect()
    }
}

/// How a stream is encrypted, if it is; of a call without a line, what its descriptions announce.
fn encryption(
    dossier: &Dossier,
    messages: &[Said],
    (source, destination, ssrc): Flow,
) -> Option<String> {
    let (source, destination) = (source.to_string(), destination.to_string());
    let ssrc = format!("{ssrc:#010x}");
    let known = dossier.line.streams.iter().find(|stream| {
        (&stream.src, &stream.dst, stream.ssrc.as_ref()) == (&source, &destination, Some(&ssrc))
    });
    if let Some(known) = known {
        return (known.encryption != "none").then(|| known.encryption.clone());
    }
    let is_keyed = messages.iter().any(|said| {
        let message = Message::parse(&said.bytes);
        let description = message.as_ref().and_then(Message::description);
        let media = description.map(|it| sdp::scan(it).media).unwrap_or_default();
        media.iter().any(|media| media.keying != Keying::None)
    });
    is_keyed.then(|| "announced".to_owned())
}

fn take(placed: &Placed<'_>, sides: &Sides, tracks: &mut BTreeMap<Flow, Track>) {
    let Some(link) = placed.link else { return };
    let Ok(packet) = packet::parse(link, placed.packet.frame) else { return };
    let Body::Udp(datagram) = packet.body else { return };
    let Ok((header, payload)) = Header::with_payload(datagram.payload) else { return };
    let (source, destination) = (datagram.source, datagram.destination);
    let track = tracks.entry((source, destination, header.ssrc)).or_default();
    let law = match sides.encoding(source, destination, header.payload_type) {
        Some("PCMU") => Law::Mu,
        Some("PCMA") => Law::A,
        // Keys and silence are no sound.
        Some("TELEPHONE-EVENT" | "CN") => return,
        other => {
            let name = other.map_or_else(
                || format!("payload type {}", header.payload_type),
                |name| format!("{name}, which is not decoded here"),
            );
            *track.undecoded.entry(name).or_default() += 1;
            return;
        }
    };
    let (at_ns, timestamp) = (placed.packet.at_ns, header.timestamp);
    track.packets.push(Packet { at_ns, timestamp, law, payload: payload.into() });
}

/// Puts a track's samples at their places.
fn mix(track: &Track, start_ns: u64, side: &mut Vec<i16>) {
    let mut timeline = Timeline::default();
    let mut samples = Vec::new();
    for packet in &track.packets {
        let since = u128::from(packet.at_ns.saturating_sub(start_ns));
        let arrival = (since * u128::from(RATE) + 500_000_000) / 1_000_000_000;
        let place = timeline.place(packet.timestamp, u64::try_from(arrival).unwrap_or(u64::MAX));
        samples.clear();
        packet.law.decode(&packet.payload, &mut samples);
        let Ok(place) = usize::try_from(place) else { continue };
        let end = place + samples.len();
        if side.len() < end {
            side.resize(end, 0);
        }
        side[place..end].copy_from_slice(&samples);
    }
}
