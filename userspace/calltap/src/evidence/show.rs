//! `calltap evidence show`: one call, told to a person or as JSON.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::bail;
use calltap_evidence::lines::{CallLine, StreamLine};
use calltap_proto::sip::{self, Message, StartLine};
use serde::Serialize as _;
use serde_json::json;

use super::confined;
use super::dossier::Dossier;
use super::drawing::draw;
use super::inert::{InertJson, inert};
use super::ladder::{Kind, Ladder, media_label};
use super::row::{State, nanoseconds};
use super::signalling::Said;
use super::table::terminal_columns;
use super::when;
use crate::recorder::rfc3339;
use crate::{Outcome, cli};

/// Prints a call.
///
/// # Errors
/// The call is not found, a volume is altered or cannot be read, there is no message of this
/// number, standard output is closed.
pub fn show(arguments: &cli::Show) -> anyhow::Result<Outcome> {
    let columns = terminal_columns().unwrap_or(100);
    let dossier = confined::looking(&arguments.call)?;
    let messages = dossier.signalling()?.messages;
    if let Some(number) = arguments.sip.filter(|number| *number > messages.len()) {
        bail!("call {} has {} messages, and no {number}", dossier.name(), messages.len());
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let value = json(&dossier, &messages, arguments.sip.is_some());
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, InertJson))?;
        writeln!(out)?;
        return Ok(Outcome::Fine);
    }
    match arguments.sip {
        Some(0) => {
            for number in 1..=messages.len() {
                write!(out, "{}", text(&dossier, &messages, number))?;
            }
        }
        Some(number) => write!(out, "{}", text(&dossier, &messages, number))?,
        None => {
            let ladder = Ladder::of(&messages, &dossier.line);
            write!(out, "{}", head(&dossier, &messages))?;
            writeln!(out, "\n{}", draw(&ladder, columns))?;
            write!(out, "{}", tail(&dossier))?;
        }
    }
    Ok(Outcome::Fine)
}

/// Who, when, why.
fn head(dossier: &Dossier, messages: &[Said]) -> String {
    let call = &dossier.line;
    let mut out = format!("call       {}\n", inert(&dossier.name()));
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "{name:<10} {text}");
    };
    line("from", &inert(&call.from));
    line("to", &inert(&call.to));
    line("Call-ID", &inert(&call.call_id));
    if !call.matched.target.is_empty() {
        let by = call.matched.contact.as_deref();
        let by = by.map_or_else(String::new, |it| format!(", by its contact {}", inert(it)));
        let (header, target) = (inert(&call.matched.header), inert(&call.matched.target));
        line("target", &format!("{target}, in {header}{by}"));
    }
    if let Some(joined) = &call.joined {
        line("joined", &format!("to {}/{}, by {}", call.liid, joined.cin, inert(&joined.header)));
    }
    let (started, ended) = (nanoseconds(&call.started), nanoseconds(&call.ended));
    let time = |at_ns| {
        let mut text = String::new();
        when::Writer::default().write(&mut text, at_ns);
        text + " UTC"
    };
    line("began", &time(started));
    match dossier.state {
        State::Ended | State::Continued | State::Sealed => {
            let mut text = time(ended) + ", after ";
            when::length(&mut text, ended.saturating_sub(started));
            let _ = write!(text, ": {}", inert(&call.cause));
            line("ended", &text);
        }
        State::Open => line("ended", "not yet: it goes on"),
        State::Interrupted => line("ended", "unknown: the capture was interrupted"),
    }
    if let Some(who) = hung_up(messages) {
        line("hung up", &who);
    }
    line("packets", &format!("{} signalling, {} media", call.iri_packets, call.cc_packets));
    out
}

/// Who ended the call: the sender of the first BYE, or of a CANCEL where there is none.
pub fn hung_up(messages: &[Said]) -> Option<String> {
    let by = |method: &[u8]| {
        messages.iter().find_map(|said| {
            let message = Message::parse(&said.bytes)?;
            let is = matches!(message.start, StartLine::Request { method: it, .. } if it == method);
            let from = sip::uris(message.from?).next()?;
            is.then(|| (String::from_utf8_lossy(from).into_owned(), said.source.ip()))
        })
    };
    let (word, (who, host)) =
        by(b"BYE").map(|it| ("BYE", it)).or_else(|| by(b"CANCEL").map(|it| ("CANCEL", it)))?;
    Some(format!("{} ({word} from {host})", inert(&who)))
}

/// Streams, keys, texts, and where it is kept.
fn tail(dossier: &Dossier) -> String {
    let call = &dossier.line;
    let mut out = String::new();
    for stream in &call.streams {
        out += &stream_text(stream);
    }
    if call.streams_beyond > 0 {
        let _ = writeln!(out, "streams    {} packets are of further streams", call.streams_beyond);
    }
    if !call.digits.is_empty() {
        let keys: Vec<_> = call.digits.iter().map(|digit| inert(&digit.digit)).collect();
        let _ = writeln!(out, "keys       {}", keys.join(" "));
    }
    for text in &call.messages {
        let (from, said) = (inert(&text.from), inert(&text.text));
        let _ = writeln!(out, "text       {from}: {said}");
    }
    for body in &call.bodies {
        let _ = writeln!(out, "body       {}", inert(body));
    }
    if !call.flows.is_empty() {
        let _ = writeln!(out, "flows      {} that no call explains", call.flows.len());
    }
    for source in &dossier.sources {
        match &source.sha256 {
            Some(hash) => {
                let _ =
                    writeln!(out, "kept in    {}\n           sha256 {hash}, checked", source.file);
            }
            None => {
                let _ = writeln!(out, "kept in    {}, not sealed yet", source.file);
            }
        }
    }
    out
}

fn stream_text(stream: &StreamLine) -> String {
    let mut out = format!("stream     {} -> {}\n           ", stream.src, stream.dst);
    out += &inert(&media_label(stream));
    if let Some(ssrc) = &stream.ssrc {
        let _ = write!(out, ", SSRC {}", inert(ssrc));
    }
    let _ = write!(out, ", {} lost", stream.lost);
    if stream.duplicates + stream.reordered > 0 {
        let _ = write!(out, ", {} twice, {} late", stream.duplicates, stream.reordered);
    }
    if let Some(jitter) = stream.max_jitter_ms {
        let _ = write!(out, ", jitter up to {jitter:.1} ms");
    }
    match stream.mos {
        Some(mos) => out += &format!(", MOS {mos:.2}\n"),
        None => out.push('\n'),
    }
    if stream.encryption != "none" {
        let _ = writeln!(out, "           encrypted: {}", inert(&stream.encryption));
    }
    if stream.association == "learned" {
        out += "           learned from the flow: no description names its other end\n";
    }
    out
}

/// A message in full, its lines inert.
fn text(dossier: &Dossier, messages: &[Said], number: usize) -> String {
    let Some(said) = messages.get(number - 1) else { return String::new() };
    let mut out = format!(
        "--- {} message {number}, {}, {} -> {}\n",
        inert(&dossier.name()),
        rfc3339(said.at_ns),
        said.source,
        said.destination
    );
    for line in String::from_utf8_lossy(&said.bytes).lines() {
        out += &inert(line);
        out.push('\n');
    }
    out + "\n"
}

/// The call as one JSON object: its line, its ladder, its volumes.
fn json(dossier: &Dossier, messages: &[Said], with_text: bool) -> serde_json::Value {
    let ladder = Ladder::of(messages, &dossier.line);
    let steps = ladder.steps.iter().filter_map(|step| {
        let Kind::Message { number, again, status } = step.kind else { return None };
        let said = messages.get(number - 1)?;
        let mut message = json!({
            "number": number,
            "at": rfc3339(said.at_ns),
            "src": said.source.to_string(),
            "dst": said.destination.to_string(),
            "label": step.label,
            "status": (status != 0).then_some(status),
            "again": again,
            "flaw": said.flaw,
        });
        if with_text {
            message["text"] = String::from_utf8_lossy(&said.bytes).into();
        }
        Some(message)
    });
    let call: &CallLine = &dossier.line;
    let volumes = dossier.sources.iter();
    json!({
        "call": call,
        "state": dossier.state.as_str(),
        "hung_up": hung_up(messages),
        "participants": ladder.participants,
        "messages": steps.collect::<Vec<_>>(),
        "volumes": volumes
            .map(|it| json!({ "file": it.file, "sha256": it.sha256 }))
            .collect::<Vec<_>>(),
    })
}
