//! `calltap evidence export`: one call as one file that decodes alone.

use std::io::BufWriter;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use calltap_evidence::export::{Copy, Format};
use calltap_evidence::read::{Origin, VolumePacket};
use calltap_evidence::session::InterfaceFacts;

use super::audio::{Side, Sides};
use super::dossier::{Dossier, Placed};
use super::new_file::Hashing;
use super::signalling::{self, Signalling};
use super::{confined, custody};
use crate::recording::TOOL;
use crate::{Outcome, cli};

/// Copies a call's packets into a new file.
///
/// # Errors
/// The call is not found, a volume is altered or cannot be read, the file is there already or cannot
/// be written.
pub fn export(arguments: &cli::Export) -> anyhow::Result<Outcome> {
    let (dossier, out, custody) = confined::copying(&arguments.call, &arguments.out)?;
    let signalling = dossier.signalling()?;
    let interfaces = interfaces(&dossier)?;
    let format = match arguments.format {
        cli::CopyFormat::Pcapng => Format::Pcapng,
        cli::CopyFormat::Pcap => Format::Pcap,
    };
    let comment = custody::of_copy(&dossier);
    let writer = BufWriter::with_capacity(1 << 20, Hashing::new(&out.file));
    let unwritable = || arguments.out.display().to_string();
    let mut copy =
        Copy::begin(writer, format, TOOL, &comment, &interfaces).with_context(unwritable)?;
    copy.names(&names(&dossier, &signalling)).with_context(unwritable)?;
    let mut counts = Counts::default();
    dossier.read("exporting", true, &mut |placed| {
        if counts.takes(&dossier, &signalling, &placed) {
            let facts = usize::try_from(placed.packet.interface).ok();
            let facts = facts.and_then(|at| placed.interfaces.get(at));
            let number = facts.and_then(|facts| position(&interfaces, facts)).unwrap_or(0);
            copy.packet(&placed.packet, u32::try_from(number)?).with_context(unwritable)?;
        }
        Ok(())
    })?;
    let hashing = copy.finish().into_inner().map_err(|error| error.into_error());
    let sha256 = hashing.with_context(unwritable)?.hex();
    out.keep().with_context(unwritable)?;
    counts.print(&dossier, &arguments.out, &sha256);
    let details = [
        ("call", dossier.name()),
        ("sha256", sha256),
        ("packets", (counts.iri + counts.content + counts.repeated).to_string()),
    ];
    custody.record("evidence-exported", &details);
    let expected = (dossier.line.iri_packets, dossier.line.cc_packets);
    Ok(match custody::is_complete(&dossier, expected, (counts.iri, counts.content)) {
        true => Outcome::Fine,
        false => Outcome::NotFine,
    })
}

/// What was copied.
#[derive(Debug, Default)]
pub struct Counts {
    /// Signalling recorded for the call.
    pub iri: u64,
    /// Its media.
    pub content: u64,
    /// Signalling repeated from volumes that are not at hand, or recorded for another call of the
    /// case with a message of this one in the same frame.
    pub repeated: u64,
}

impl Counts {
    /// Whether a packet belongs into the copy; counts it.
    pub fn takes(
        &mut self,
        dossier: &Dossier,
        signalling: &Signalling,
        placed: &Placed<'_>,
    ) -> bool {
        let cin = dossier.line.cin;
        let packet = &placed.packet;
        let count = match packet.origin {
            Origin::Iri(owner) if owner == cin => &mut self.iri,
            Origin::Iri(_) if signalling.frames.contains(&signalling::key(packet)) => {
                &mut self.repeated
            }
            Origin::Repeated(owner) if owner == cin && is_orphan(dossier, packet) => {
                &mut self.repeated
            }
            Origin::Content if owner(signalling, placed) == Some(cin) => &mut self.content,
            _ => return false,
        };
        *count += 1;
        true
    }

    fn print(&self, dossier: &Dossier, out: &Path, sha256: &str) {
        println!("copy       {} of call {}", out.display(), dossier.name());
        print!("packets    {} signalling, {} media", self.iri, self.content);
        match self.repeated {
            0 => println!(),
            more => println!(", {more} more for their messages"),
        }
        println!("sha256     {sha256}");
    }
}

/// The call that a media packet is of.
pub fn owner(signalling: &Signalling, placed: &Placed<'_>) -> Option<u32> {
    let VolumePacket { frame, at_ns, .. } = placed.packet;
    signalling.ownership.of(placed.link?, frame, at_ns, placed.copy)
}

/// Whether the volume that a repeated packet comes from is not among those that are read.
fn is_orphan(dossier: &Dossier, packet: &VolumePacket<'_>) -> bool {
    let from = packet.comment.and_then(|text| text.split_once(", repeated from "));
    let file = from.and_then(|(_, rest)| rest.split(' ').next());
    !dossier.sources.iter().any(|source| Some(source.file.as_str()) == file)
}

/// The parties' names for the addresses that each of them alone announced.
fn names(dossier: &Dossier, signalling: &Signalling) -> Vec<(IpAddr, String)> {
    let sides = Sides::of(&signalling.messages);
    let named = sides.addresses().map(|(address, side)| {
        let uri = match side {
            Side::Caller => &dossier.line.from,
            Side::Called => &dossier.line.to,
        };
        (address, host_like(uri))
    });
    named.filter(|(_, name)| !name.is_empty()).collect()
}

/// A URI as a name that no program takes for anything else: it came from the network.
fn host_like(uri: &str) -> String {
    let name = uri.split_once(':').map_or(uri, |(_, name)| name);
    let letters = name.chars().take(64);
    letters
        .map(|it| if it.is_ascii_alphanumeric() || "@.-+".contains(it) { it } else { '_' })
        .collect()
}

/// Every interface of the volumes, each once.
fn interfaces(dossier: &Dossier) -> anyhow::Result<Vec<InterfaceFacts>> {
    let mut interfaces: Vec<InterfaceFacts> = Vec::new();
    for source in &dossier.sources {
        let reader = calltap_evidence::read::VolumeReader::open(&source.path);
        for facts in reader.with_context(|| source.path.display().to_string())?.interfaces() {
            if position(&interfaces, facts).is_none() {
                interfaces.push(facts.clone());
            }
        }
    }
    Ok(interfaces)
}

fn position(interfaces: &[InterfaceFacts], facts: &InterfaceFacts) -> Option<usize> {
    interfaces.iter().position(|it| it == facts)
}

#[cfg(test)]
mod tests {
    use super::host_like;

    #[test]
    fn a_name_holds_nothing_that_a_program_could_act_on() {
        assert_eq!(host_like("sip:alice@example.net"), "alice@example.net");
        assert_eq!(host_like("tel:+3225550100"), "+3225550100");
        assert_eq!(host_like("sip:\u{1b}[2J\u{202e}<b>@x"), "__2J__b_@x");
        assert_eq!(host_like(&"a".repeat(1000)).len(), 64);
    }
}
