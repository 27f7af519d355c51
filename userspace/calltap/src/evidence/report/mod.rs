//! `calltap evidence report`: one call as one page that opens without a network and runs no script.

mod html;
mod page;
mod plots;
mod rungs;
mod series;

use std::io::{BufWriter, Cursor, Write as _};

use anyhow::Context as _;

use super::audio::Heard;
use super::confined;
use super::dossier::Dossier;
use super::signalling::Said;
use crate::{Outcome, cli};
pub(crate) use page::style_hash;
use series::Flow;

/// Audio beyond this many samples, twenty minutes of G.711, is not put into the page.
const PLAYABLE: usize = 8000 * 20 * 60;

/// Writes a call's report into a new file.
///
/// # Errors
/// The call is not found, a volume is altered or cannot be read, the file is there already or cannot
/// be written.
pub fn report(arguments: &cli::Report) -> anyhow::Result<Outcome> {
    let (dossier, out, custody) = confined::copying(&arguments.call, &arguments.html)?;
    let signalling = dossier.signalling()?;
    // A page is read by many; what is encrypted is decrypted for who asks for that alone.
    let heard = Heard::of(&dossier, &signalling, false)?;
    let series = series::read(&dossier, &signalling)?;
    let page = page::page(&Contents {
        dossier: &dossier,
        messages: &signalling.messages,
        heard: &heard,
        wav: wav(&heard)?,
        series: &series,
    });
    let unwritable = || arguments.html.display().to_string();
    let mut writer = BufWriter::new(&out.file);
    writer.write_all(page.as_bytes()).and_then(|()| writer.flush()).with_context(unwritable)?;
    drop(writer);
    let sha256 = out.sha256().with_context(unwritable)?;
    out.keep().with_context(unwritable)?;
    println!("report     {} of call {}", arguments.html.display(), dossier.name());
    println!("sha256     {sha256}");
    let details = [("call", dossier.name()), ("sha256", sha256)];
    custody.record("evidence-reported", &details);
    Ok(Outcome::Fine)
}

/// The page of a call without its audio, for who looks at it and takes no copy.
///
/// # Errors
/// A volume is altered or cannot be read.
pub(crate) fn seen(dossier: &Dossier) -> anyhow::Result<String> {
    let signalling = dossier.signalling()?;
    let series = series::read(dossier, &signalling)?;
    Ok(page::page(&Contents {
        dossier,
        messages: &signalling.messages,
        heard: &Heard::default(),
        wav: None,
        series: &series,
    }))
}

/// What a page is made of.
struct Contents<'a> {
    dossier: &'a Dossier,
    messages: &'a [Said],
    heard: &'a Heard,
    /// The audio as WAV; none where there is none, or too much.
    wav: Option<Vec<u8>>,
    series: &'a std::collections::BTreeMap<Flow, series::Series>,
}

fn wav(heard: &Heard) -> anyhow::Result<Option<Vec<u8>>> {
    if heard.is_silent() || heard.samples() > PLAYABLE {
        return Ok(None);
    }
    let mut out = Cursor::new(Vec::new());
    heard.write(&mut out)?;
    Ok(Some(out.into_inner()))
}
