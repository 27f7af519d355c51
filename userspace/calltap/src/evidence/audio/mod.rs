//! `calltap evidence audio`: a call as a stereo WAV, the caller on the left, the called party on the
//! right, each packet at its time, and silence where there is none.

mod codec;
mod g711;
mod g722;
mod gsm;
#[cfg(test)]
mod made;
#[cfg(feature = "opus")]
mod opus;
mod sides;
mod srtp;
mod streams;
mod timeline;
mod track;

use std::io::{BufWriter, Seek, Write};

use anyhow::{Context as _, bail};
use calltap_evidence::read::Origin;

use super::confined;
use super::dossier::Dossier;
use super::export::owner;
use super::inert::inert;
use super::signalling::Signalling;
use crate::{Outcome, cli};
pub use sides::{Side, Sides};
use streams::{Chosen, Streams};

/// Samples a second of what is written, unless what is heard has more.
const RATE: u32 = 8000;

/// Writes a call's audio into a new file.
///
/// # Errors
/// The call is not found, nothing of it can be heard, a volume is altered or cannot be read, the
/// file is there already or cannot be written.
pub fn audio(arguments: &cli::Audio) -> anyhow::Result<Outcome> {
    let (dossier, out, custody) = confined::copying(&arguments.call, &arguments.out)?;
    let signalling = dossier.signalling()?;
    let heard = Heard::of(&dossier, &signalling, true)?;
    if heard.is_silent() {
        let why: Vec<_> = heard.left_out.iter().map(|why| format!("\n  {why}")).collect();
        bail!("nothing of call {} can be heard{}", dossier.name(), why.concat());
    }
    let unwritable = || arguments.out.display().to_string();
    heard.write(BufWriter::new(&out.file)).with_context(unwritable)?;
    let sha256 = out.sha256().with_context(unwritable)?;
    out.keep().with_context(unwritable)?;
    let call = &dossier.line;
    println!("audio      {} of call {}", arguments.out.display(), dossier.name());
    println!("left       {}, {}", inert(&call.from), heard.time(heard.caller.len()));
    println!("right      {}, {}", inert(&call.to), heard.time(heard.called.len()));
    for how in &heard.decrypted {
        println!("decrypted  {how}");
    }
    for why in &heard.left_out {
        println!("not heard  {why}");
    }
    println!("sha256     {sha256}");
    let mut details = vec![("call", dossier.name()), ("sha256", sha256)];
    if !heard.decrypted.is_empty() {
        details.push(("decrypted", heard.decrypted.len().to_string()));
    }
    custody.record("evidence-heard", &details);
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
    /// Streams that were decrypted, and how.
    pub decrypted: Vec<String>,
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
            decrypted: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

impl Heard {
    /// Hears a call, as far as its encodings are known; what is encrypted only `by_keys` that its
    /// signalling holds.
    ///
    /// # Errors
    /// A volume cannot be read or is altered.
    pub fn of(dossier: &Dossier, signalling: &Signalling, by_keys: bool) -> anyhow::Result<Self> {
        let mut streams = Streams::new(dossier, signalling, by_keys);
        dossier.read("decoding", true, &mut |placed| {
            let is_ours = placed.packet.origin == Origin::Content
                && owner(signalling, &placed) == Some(dossier.line.cin);
            if is_ours {
                streams.take(&placed);
            }
            Ok(())
        })?;
        let Chosen { tracks, decrypted, left_out } = streams.choose();
        let mut heard = Self { decrypted, left_out, ..Self::default() };
        let starts = tracks.iter().filter_map(|(_, track)| Some(track.ends()?.0));
        heard.start_ns = starts.min().unwrap_or(0);
        let rates = tracks.iter().filter_map(|(_, track)| track.rate());
        heard.rate = rates.max().unwrap_or(RATE);
        for (side, track) in &tracks {
            let side = match side {
                Side::Caller => &mut heard.caller,
                Side::Called => &mut heard.called,
            };
            let failed = track.lay(heard.start_ns, heard.rate, side);
            if failed > 0 {
                let name = &track.name;
                heard.left_out.push(format!("{name}: {failed} packets that cannot be decoded"));
            }
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
}
