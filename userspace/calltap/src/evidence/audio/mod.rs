//! `calltap evidence audio`: a call as a stereo WAV, the caller on the left, the called party on the
//! right, each packet at its time, and silence where there is none.

mod codec;
mod g711;
mod g722;
mod gsm;
#[cfg(test)]
mod made;
mod sides;
mod timeline;
mod track;

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
pub use sides::{Side, Sides};
use track::Track;

/// Samples a second of what is written, unless what is heard has more.
const RATE: u32 = 8000;

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
    println!("left       {}, {}", inert(&call.from), heard.time(heard.caller.len()));
    println!("right      {}, {}", inert(&call.to), heard.time(heard.called.len()));
    for why in &heard.left_out {
        println!("not heard  {why}");
    }
    println!("sha256     {sha256}");
    let details = [("call", dossier.name()), ("sha256", sha256)];
    custody::record(&dossier, "evidence-heard", &details);
    Ok(Outcome::Fine)
}

/// Both sides of a call, sample by sample from the first packet of either.
#[derive(Debug)]
pub struct Heard {
    /// Samples a second: the most that any stream of the call has.
    pub rate: u32,
    /// What the caller says.
    pub caller: Vec<i16>,
    /// What the called party says.
    pub called: Vec<i16>,
    /// When the first sample was received, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// What cannot be heard, and why.
    pub left_out: Vec<String>,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            rate: RATE,
            caller: Vec::new(),
            called: Vec::new(),
            start_ns: 0,
            left_out: Vec::new(),
        }
    }
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
        let starts = tracks.iter().filter_map(|(_, track)| Some(track.ends()?.0));
        heard.start_ns = starts.min().unwrap_or(0);
        let rates = tracks.iter().filter_map(|(_, track)| track.rate());
        heard.rate = rates.max().unwrap_or(RATE);
        for (side, track) in &tracks {
            let side = match side {
                Side::Caller => &mut heard.caller,
                Side::Called => &mut heard.called,
            };
            track.lay(heard.start_ns, heard.rate, side);
        }
        Ok(heard)
    }

    /// Samples of the longer side.
    pub fn samples(&self) -> usize {
        self.caller.len().max(self.called.len())
    }

    fn time(&self, samples: usize) -> String {
        let milliseconds = samples * 1000 / self.rate as usize;
        format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
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
            sample_rate: self.rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(out, spec)?;
        let sample = |side: &[i16], at| side.get(at).copied().unwrap_or(0);
        for at in 0..self.samples() {
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
        tracks.sort_by_key(|(_, track)| track.ends().map(|(first, _)| first));
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
            let Some((first, last)) = track.ends() else { continue };
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
    let name = sides.encoding(source, destination, header.payload_type);
    // Keys and silence are no sound.
    if !matches!(name, Some("TELEPHONE-EVENT" | "CN")) {
        track.take(placed.packet.at_ns, &header, name, payload);
    }
}
