//! The page of a call, part by part.

use std::fmt::Write as _;

use calltap_evidence::lines::StreamLine;
use sha2::{Digest as _, Sha256};

use super::html::{Inert, Text, base64};
use super::{Contents, plots, rungs};
use crate::evidence::ladder::{Kind, Ladder, media_label};
use crate::evidence::row::{State, nanoseconds};
use crate::evidence::show::hung_up;
use crate::evidence::when;
use crate::paper;
use crate::recorder::rfc3339;
use crate::recording::TOOL;

const STYLE: &str = include_str!("style.css");

/// The style's name in a content security policy.
pub(crate) fn style_hash() -> String {
    format!("sha256-{}", base64(&Sha256::digest(STYLE)))
}

/// The whole page. It may load nothing, send nothing and run nothing; its one style is named by its
/// hash.
pub(super) fn page(contents: &Contents<'_>) -> String {
    let name = contents.dossier.name();
    let policy = format!(
        "default-src 'none'; style-src '{}'; media-src data:; base-uri 'none'; form-action 'none'",
        style_hash()
    );
    let mut out = format!(
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n\
         <meta http-equiv=Content-Security-Policy content=\"{policy}\">\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <meta name=referrer content=no-referrer>\n<title>Call {}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        Text(&name)
    );
    let ladder = Ladder::of(contents.messages, &contents.dossier.line);
    head(&mut out, contents);
    parties(&mut out, contents);
    section(&mut out, "Ladder", |out| *out += &rungs::svg(&ladder));
    audio(&mut out, contents);
    media(&mut out, contents);
    said(&mut out, contents);
    messages(&mut out, contents, &ladder);
    custody(&mut out, contents);
    let _ = write!(
        out,
        "<footer>A copy for reading, made by {} at {}. The evidence is in the volumes named above.\
         </footer>\n</main>\n</body>\n</html>\n",
        Text(TOOL),
        rfc3339(paper::now_ns())
    );
    out
}

fn section(out: &mut String, title: &str, body: impl FnOnce(&mut String)) {
    let _ = write!(out, "<section>\n<h2>{title}</h2>\n");
    body(out);
    out.push_str("</section>\n");
}

fn time(at_ns: u64) -> String {
    let mut text = String::new();
    when::Writer::default().write(&mut text, at_ns);
    text + " UTC"
}

fn head(out: &mut String, contents: &Contents<'_>) {
    let (dossier, call) = (contents.dossier, &contents.dossier.line);
    let started = nanoseconds(&call.started);
    let mut length = String::new();
    match dossier.state {
        State::Open => length += "goes on",
        State::Interrupted => length += "interrupted",
        _ => when::length(&mut length, nanoseconds(&call.ended).saturating_sub(started)),
    }
    let mos = call.streams.iter().filter_map(|it| it.mos).fold(f64::INFINITY, f64::min);
    let mos = if mos.is_finite() { format!("{mos:.2}") } else { "none".to_owned() };
    let mut encryption: Vec<_> = call.streams.iter().map(|it| it.encryption.as_str()).collect();
    encryption.sort_unstable();
    encryption.dedup();
    let lost: u64 = call.streams.iter().map(|it| it.lost).sum();
    let (iri, cc) = (call.iri_packets.to_string(), call.cc_packets.to_string());
    let _ = write!(
        out,
        "<header><h1>Call {}</h1><p>{} &middot; Call-ID <code>{}</code></p></header>\n\
         <dl class=tiles>",
        Text(&dossier.name()),
        time(started),
        Text(&call.call_id)
    );
    for (name, value) in [
        ("Length", length),
        ("Signalling", iri + " packets"),
        ("Media", cc + " packets"),
        ("Missing", lost.to_string() + " packets"),
        ("Lowest MOS", mos),
        ("Encryption", if encryption.is_empty() { "-".to_owned() } else { encryption.join(", ") }),
    ] {
        let _ = write!(out, "<div class=tile><dt>{name}</dt><dd>{}</dd></div>", Text(&value));
    }
    out.push_str("</dl>\n");
}

fn parties(out: &mut String, contents: &Contents<'_>) {
    let call = &contents.dossier.line;
    section(out, "Parties", |out| {
        out.push_str("<dl class=facts>");
        let _ = write!(out, "<dt class=caller>Caller</dt><dd>{}</dd>", Text(&call.from));
        let _ = write!(out, "<dt class=called>Called</dt><dd>{}</dd>", Text(&call.to));
        let mut fact = |name: &str, text: &str| {
            let _ = write!(out, "<dt>{name}</dt><dd>{text}</dd>");
        };
        if !call.matched.target.is_empty() {
            let (target, header) = (Text(&call.matched.target), Text(&call.matched.header));
            fact("Target of the warrant", &format!("{target}, named in {header}"));
        }
        if let Some(joined) = &call.joined {
            let by = Text(&joined.header);
            fact("Joined to", &format!("call {} by {by}", joined.cin));
        }
        if contents.dossier.state == State::Ended {
            let ended = time(nanoseconds(&call.ended));
            fact("Ended", &format!("{ended}: {}", Text(&call.cause)));
        }
        if let Some(who) = hung_up(contents.messages) {
            fact("Hung up", &Inert(&who).to_string());
        }
        out.push_str("</dl>\n");
    });
}

fn audio(out: &mut String, contents: &Contents<'_>) {
    let heard = contents.heard;
    if heard.is_silent() && heard.left_out.is_empty() {
        return;
    }
    section(out, "Audio", |out| {
        if !heard.is_silent() {
            let _ = write!(
                out,
                "<figure><figcaption><span class=caller>Caller, left channel, above</span> &middot; \
                 <span class=called>called party, right channel, below</span> &middot; {:.1} s from \
                 {}</figcaption>{}</figure>",
                heard.samples() as f64 / f64::from(heard.rate),
                time(heard.start_ns),
                plots::waveform(&heard.caller, &heard.called)
            );
        }
        match &contents.wav {
            Some(wav) => {
                out.push_str("<audio controls preload=metadata src=\"data:audio/wav;base64,");
                *out += &base64(wav);
                out.push_str("\"></audio>\n");
            }
            None if !heard.is_silent() => out.push_str(
                "<p class=faint>Too long to be put into a page: \
                 <code>calltap evidence audio</code> writes it.</p>\n",
            ),
            None => {}
        }
        if !heard.left_out.is_empty() {
            out.push_str("<h3>Not heard</h3><ul>");
            for why in &heard.left_out {
                let _ = write!(out, "<li>{}</li>", Inert(why));
            }
            out.push_str("</ul>\n");
        }
    });
}

fn media(out: &mut String, contents: &Contents<'_>) {
    let call = &contents.dossier.line;
    if call.streams.is_empty() {
        return;
    }
    section(out, "Streams", |out| {
        for stream in &call.streams {
            let (src, dst) = (Text(&stream.src), Text(&stream.dst));
            let _ = write!(out, "<h3 class=mono>{src} &rarr; {dst}</h3><p>{}</p>", facts(stream));
            let ssrc = stream.ssrc.as_deref().and_then(|it| it.strip_prefix("0x"));
            let ssrc = ssrc.and_then(|it| u32::from_str_radix(it, 16).ok());
            let flow = stream.src.parse().ok().zip(stream.dst.parse().ok()).zip(ssrc);
            let series = flow.and_then(|((src, dst), ssrc)| contents.series.get(&(src, dst, ssrc)));
            if let Some(series) = series {
                *out += &plots::of_stream(series);
            }
        }
        if call.streams_beyond > 0 {
            let _ = write!(out, "<p>{} packets are of further streams.</p>", call.streams_beyond);
        }
    });
}

fn facts(stream: &StreamLine) -> String {
    let mut out = Text(&media_label(stream)).to_string();
    if let Some(ssrc) = &stream.ssrc {
        let _ = write!(out, " &middot; SSRC {}", Text(ssrc));
    }
    let class = if stream.lost == 0 { "good" } else { "bad" };
    let _ = write!(out, " &middot; <span class={class}>{} missing</span>", stream.lost);
    if stream.duplicates + stream.reordered > 0 {
        let _ = write!(out, " &middot; {} twice, {} late", stream.duplicates, stream.reordered);
    }
    if let Some(mos) = stream.mos {
        let _ = write!(out, " &middot; MOS {mos:.2}");
    }
    let _ = write!(out, " &middot; encryption: {}", Text(&stream.encryption));
    if stream.association == "learned" {
        out += " &middot; learned from the flow";
    }
    out
}

/// Keys that were pressed, and texts.
fn said(out: &mut String, contents: &Contents<'_>) {
    let call = &contents.dossier.line;
    if call.digits.is_empty() && call.messages.is_empty() && call.bodies.is_empty() {
        return;
    }
    section(out, "Keys and texts", |out| {
        out.push_str("<div class=wide><table><tr><th>When</th><th>What</th><th>How</th></tr>");
        let mut row = |at: &str, what: String, how: String| {
            let _ = write!(out, "<tr><td>{}</td><td>{what}</td><td>{how}</td></tr>", Text(at));
        };
        for digit in &call.digits {
            let how = Text(&digit.by).to_string();
            row(&digit.at, format!("<b>{}</b>", Text(&digit.digit)), how);
        }
        for text in &call.messages {
            let how = format!("{}, {}", Text(&text.from), Text(&text.content_type));
            row(&text.at, format!("<bdi>{}</bdi>", Text(&text.text)), how);
        }
        for body in &call.bodies {
            row("", Text(body).to_string(), "body of a message".to_owned());
        }
        out.push_str("</table></div>\n");
    });
}

fn messages(out: &mut String, contents: &Contents<'_>, ladder: &Ladder) {
    section(out, "Messages", |out| {
        for step in &ladder.steps {
            let Kind::Message { number, again, .. } = step.kind else { continue };
            let Some(said) = contents.messages.get(number - 1) else { continue };
            let _ = write!(
                out,
                "<details><summary>{number}. {}{} <span class=\"faint mono\">{} &rarr; {}</span>\
                 </summary><p class=faint>{}</p><pre>",
                Inert(&step.label),
                if again { ", again" } else { "" },
                said.source,
                said.destination,
                rfc3339(said.at_ns)
            );
            for line in String::from_utf8_lossy(&said.bytes).lines() {
                let _ = writeln!(out, "{}", Text(line));
            }
            out.push_str("</pre></details>\n");
        }
    });
}

fn custody(out: &mut String, contents: &Contents<'_>) {
    let dossier = contents.dossier;
    section(out, "Custody", |out| {
        out.push_str(
            "<p>Every packet of this call stands in these volumes. Each was read through for this \
             page, and has the hash that the signed manifest gives it.</p>\
             <div class=wide><table><tr><th>Volume</th><th>SHA-256</th></tr>",
        );
        for source in &dossier.sources {
            let hash = source.sha256.as_deref().unwrap_or("not sealed yet: no hash holds for it");
            let (file, hash) = (Text(&source.file), Text(hash));
            let _ = write!(out, "<tr><td class=mono>{file}</td><td class=mono>{hash}</td></tr>");
        }
        out.push_str("</table></div>\n<h3>How to check it</h3><pre>");
        let liid = Text(&dossier.liid);
        let _ = writeln!(out, "# The whole evidence directory: warrants, volumes, ledgers, audit.");
        let _ = writeln!(out, "calltap verify EVIDENCE --trust TRUST\n");
        let _ = writeln!(out, "# One volume against its signed line, without calltap.");
        for source in dossier.sources.iter().filter(|source| source.sha256.is_some()) {
            let _ = writeln!(out, "sha256sum EVIDENCE/{liid}/{}", Text(&source.file));
        }
        let _ =
            writeln!(out, "jq -r '\"\\(.sha256)  \\(.file)\"' EVIDENCE/{liid}/manifest.jsonl\n");
        let _ = writeln!(out, "# This page against the audit, which has its hash.");
        let _ = writeln!(out, "sha256sum THIS.html");
        let _ = writeln!(out, "grep evidence-reported EVIDENCE/audit.jsonl");
        out.push_str("</pre>\n");
    });
}
