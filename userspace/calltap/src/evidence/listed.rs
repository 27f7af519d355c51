//! Calls as `calltap evidence list --json` has them.

use std::time::Duration;

use serde::Serialize;

use super::inert::InertJson;
use super::row::{Row, State};
use super::when;

/// Between two calls.
pub(super) const SEPARATOR: &[u8] = b",\n";

/// Appends calls, a separator ahead of each.
///
/// Member by member, as a listing of a million calls waits for little else: what derives this from a
/// structure looks through each name and each text for what is to be escaped.
pub(super) fn json<'a>(
    calls: impl Iterator<Item = (&'a str, Row<'a>)>,
    out: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let mut when = when::Writer::default();
    for (liid, row) in calls {
        out.extend(SEPARATOR);
        let ended = row.state == State::Ended;
        let length_ns = row.ended_ns.saturating_sub(row.started_ns);
        let mut call = Members { out: &mut *out, before: b"{" };
        call.text("liid", liid)?;
        call.number("cin", &row.cin)?;
        call.text("call_id", row.call_id)?;
        call.text("from", row.from)?;
        call.text("to", row.to)?;
        call.text("target", row.target)?;
        call.time("started", (row.state != State::Sealed).then(|| when.rfc3339(row.started_ns)));
        call.time("ended", ended.then(|| when.rfc3339(row.ended_ns)));
        let duration_s = ended.then(|| Duration::from_nanos(length_ns).as_secs_f64());
        call.number("duration_s", &duration_s)?;
        call.text("state", row.state.as_str())?;
        call.text("cause", row.cause)?;
        call.number("iri_packets", &row.iri_packets)?;
        call.number("cc_packets", &row.cc_packets)?;
        call.number("streams", &row.streams)?;
        call.number("lost", &row.lost)?;
        call.number("mos", &(row.mos != 0).then(|| f64::from(row.mos) / 100.0))?;
        call.texts("encryption", row.encryptions())?;
        out.push(b'}');
    }
    Ok(())
}

/// The members of an object, as they are appended.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    /// What stands ahead of the next.
    before: &'static [u8],
}

impl Members<'_> {
    fn name(&mut self, name: &str) {
        self.out.extend(self.before);
        self.before = b",";
        quoted(self.out, name);
        self.out.push(b':');
    }

    fn text(&mut self, name: &str, text: &str) -> serde_json::Result<()> {
        self.name(name);
        string(self.out, text)
    }

    fn texts<'a>(
        &mut self,
        name: &str,
        texts: impl Iterator<Item = &'a str>,
    ) -> serde_json::Result<()> {
        self.name(name);
        self.out.push(b'[');
        for (number, text) in texts.enumerate() {
            if number > 0 {
                self.out.push(b',');
            }
            string(self.out, text)?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// A number, or none.
    fn number(&mut self, name: &str, number: &impl Serialize) -> serde_json::Result<()> {
        self.name(name);
        serde_json::to_writer(&mut *self.out, number)
    }

    /// A time, or none.
    fn time(&mut self, name: &str, time: Option<&str>) {
        self.name(name);
        match time {
            Some(time) => quoted(self.out, time),
            None => self.out.extend(b"null"),
        }
    }
}

/// Appends a string of JSON, inert.
fn string(out: &mut Vec<u8>, text: &str) -> serde_json::Result<()> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        quoted(out, text);
        return Ok(());
    }
    text.serialize(&mut serde_json::Serializer::with_formatter(out, InertJson))
}

/// Appends a text in which there is nothing to escape.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::inert::is_hostile;
    use super::*;

    const ROW: Row<'_> = Row {
        cin: 7,
        started_ns: 1_795_435_200_000_000_001,
        ended_ns: 1_795_435_283_250_000_001,
        line_at: 0,
        streams: 2,
        iri_packets: 6,
        cc_packets: 200,
        lost: 3,
        mos: 320,
        encryption: 3,
        state: State::Ended,
        call_id: "3-24365@192.0.2.10",
        from: "sip:alice@example.net",
        to: "sip:bob@example.net",
        cause: "bye",
        target: "sip:alice@example.net",
    };

    fn listed(row: Row<'_>) -> (String, Value) {
        let mut out = Vec::new();
        json([("CASE-1", row)].into_iter(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let value = serde_json::from_str(text.strip_prefix(",\n").unwrap()).unwrap();
        (text, value)
    }

    #[test]
    fn a_call_is_listed_with_every_member_in_its_order() {
        let (text, _) = listed(ROW);
        assert_eq!(
            text,
            ",\n{\"liid\":\"CASE-1\",\"cin\":7,\"call_id\":\"3-24365@192.0.2.10\",\
             \"from\":\"sip:alice@example.net\",\"to\":\"sip:bob@example.net\",\
             \"target\":\"sip:alice@example.net\",\"started\":\"2026-11-23T12:00:00.000000001Z\",\
             \"ended\":\"2026-11-23T12:01:23.250000001Z\",\"duration_s\":83.25,\"state\":\"ended\",\
             \"cause\":\"bye\",\"iri_packets\":6,\"cc_packets\":200,\"streams\":2,\"lost\":3,\
             \"mos\":3.2,\"encryption\":[\"none\",\"sdes\"]}"
        );
    }

    #[test]
    fn what_nobody_knows_of_a_call_is_null() {
        let (_, open) = listed(Row { state: State::Open, mos: 0, encryption: 0, ..ROW });
        assert_eq!(open["started"], "2026-11-23T12:00:00.000000001Z");
        for name in ["ended", "duration_s", "mos"] {
            assert_eq!(open[name], Value::Null, "{name}");
        }
        assert_eq!(open["encryption"], Value::Array(Vec::new()));
        let (_, sealed) = listed(Row { state: State::Sealed, ..ROW });
        assert_eq!((&sealed["started"], sealed["state"].as_str()), (&Value::Null, Some("sealed")));
    }

    #[test]
    fn texts_from_the_network_say_the_same_and_are_shown_inert() {
        for text in ["\"}],", "C:\\", "\u{1b}[2J", "\u{202e}gpj", "a\r\nb", "é 漢 👩‍👩‍👧", "", "\u{7f}"]
        {
            let (written, call) = listed(Row { call_id: text, from: text, cause: text, ..ROW });
            assert!(!written[2..].contains(is_hostile), "{written:?}");
            for name in ["call_id", "from", "cause"] {
                assert_eq!(call[name], text);
            }
        }
    }
}
