//! One stream's packets, and their samples at their places.

use std::collections::BTreeMap;

use calltap_proto::rtp::Header;

use super::codec::{Codec, Decoder};
use super::timeline::Timeline;

/// One stream's packets.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Its ends and its SSRC.
    pub(super) name: String,
    /// In order of arrival.
    packets: Vec<Packet>,
    /// Packets that cannot be decoded, by what they hold.
    pub(super) undecoded: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Packet {
    at_ns: u64,
    timestamp: u32,
    codec: Codec,
    payload: Box<[u8]>,
}

impl Track {
    /// Takes a packet of the encoding `name`; without one, of an unknown one.
    pub(super) fn take(&mut self, at_ns: u64, header: &Header, name: Option<&str>, payload: &[u8]) {
        let Some(name) = name else {
            return self.leave(format!("payload type {}", header.payload_type));
        };
        let Some(codec) = Codec::named(name) else {
            return self.leave(format!("{name}, which is not decoded here"));
        };
        if !codec.fits(payload) {
            return self.leave(format!("{name} that is not made of its frames"));
        }
        let timestamp = header.timestamp;
        self.packets.push(Packet { at_ns, timestamp, codec, payload: payload.into() });
    }

    fn leave(&mut self, what: String) {
        *self.undecoded.entry(what).or_default() += 1;
    }

    /// When the first and the last packet came that are heard, in nanoseconds since the Unix epoch.
    pub(super) fn ends(&self) -> Option<(u64, u64)> {
        Some((self.packets.first()?.at_ns, self.packets.last()?.at_ns))
    }

    /// The most samples a second that it has.
    pub(super) fn rate(&self) -> Option<u32> {
        self.packets.iter().map(|packet| packet.codec.rate()).max()
    }

    /// Puts its samples at their places in `side`, which begins at `start_ns` and has `rate` samples
    /// a second.
    ///
    /// The places are found in the order of arrival; the samples in the order of the places, each once,
    /// as decoders remember what came before. Gives how many packets could not be decoded.
    pub(super) fn lay(&self, start_ns: u64, rate: u32, side: &mut Vec<i16>) -> u64 {
        let mut timeline = Timeline::default();
        let place = |packet: &Packet| packet.place(start_ns, rate, &mut timeline);
        let mut placed: Vec<_> = self.packets.iter().map(place).zip(&self.packets).collect();
        placed.sort_by_key(|(place, _)| *place);
        placed.dedup_by_key(|(place, _)| *place);
        let mut decoder: Option<(Codec, Decoder)> = None;
        let (mut samples, mut line) = (Vec::new(), Line { side, before: None });
        let mut failed = 0;
        for (place, packet) in placed {
            let codec = packet.codec;
            let decoder = match &mut decoder {
                Some((of, decoder)) if *of == codec => decoder,
                // A stream that changes its encoding begins it anew.
                other => &mut other.insert((codec, Decoder::new(codec))).1,
            };
            samples.clear();
            failed += u64::from(decoder.decode(&packet.payload, &mut samples).is_none());
            if let Ok(place) = usize::try_from(place) {
                line.put(&samples, place, (rate / codec.rate()) as usize);
            }
        }
        failed
    }
}

impl Packet {
    /// The place of its first sample, at `rate` samples a second.
    fn place(&self, start_ns: u64, rate: u32, timeline: &mut Timeline) -> u64 {
        let clock = self.codec.clock();
        let since = u128::from(self.at_ns.saturating_sub(start_ns));
        let arrival = (since * u128::from(clock) + 500_000_000) / 1_000_000_000;
        let arrival = u64::try_from(arrival).unwrap_or(u64::MAX);
        timeline.place(clock, self.timestamp, arrival).saturating_mul(u64::from(rate / clock))
    }
}

/// A side that is being written.
struct Line<'a> {
    side: &'a mut Vec<i16>,
    /// The last sample, and where it stands.
    before: Option<(usize, i16)>,
}

impl Line<'_> {
    /// Puts samples every `apart` places; between two that follow each other is a straight line.
    fn put(&mut self, samples: &[i16], place: usize, apart: usize) {
        let end = place + samples.len() * apart;
        if self.side.len() < end {
            self.side.resize(end, 0);
        }
        for (&sample, at) in samples.iter().zip((place..).step_by(apart)) {
            if let Some((from, before)) = self.before.filter(|(from, _)| from + apart == at) {
                for (step, between) in (1..).zip(&mut self.side[from + 1..at]) {
                    let rise = (i32::from(sample) - i32::from(before)) * step;
                    let risen = i32::from(before) + rise / i32::try_from(apart).unwrap_or(i32::MAX);
                    *between = i16::try_from(risen).unwrap_or(sample);
                }
            }
            self.side[at] = sample;
            self.before = Some((at, sample));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet that came `at_ms` after the beginning.
    fn take(track: &mut Track, at_ms: u64, timestamp: u32, name: &str, payload: &[u8]) {
        let mut datagram = vec![0x80, 0, 0, 1];
        datagram.extend(timestamp.to_be_bytes());
        datagram.extend([0, 0, 0, 9]);
        datagram.extend(payload);
        let (header, payload) = Header::with_payload(&datagram).unwrap();
        track.take(at_ms * 1_000_000, &header, Some(name), payload);
    }

    fn laid(track: &Track, rate: u32) -> Vec<i16> {
        let mut side = Vec::new();
        assert_eq!(track.lay(0, rate, &mut side), 0);
        side
    }

    #[test]
    fn a_side_of_fewer_samples_is_drawn_in_straight_lines_between_them() {
        let mut track = Track::default();
        // 8 and -8 in A-law; then a packet that follows, and one that does not.
        take(&mut track, 0, 0, "PCMA", &[0xd5, 0x55]);
        take(&mut track, 1, 2, "PCMA", &[0xd5]);
        take(&mut track, 2, 5, "PCMA", &[0xd5]);
        assert_eq!(track.rate(), Some(8000));
        assert_eq!(laid(&track, 8000), [8, -8, 8, 0, 0, 8]);
        assert_eq!(laid(&track, 16_000), [8, 0, -8, 0, 8, 0, 0, 0, 0, 0, 8, 0]);
        let sixfold = laid(&track, 48_000);
        assert_eq!(sixfold[..14], [8, 6, 3, 0, -2, -5, -8, -6, -3, 0, 2, 5, 8, 0]);
        assert_eq!((sixfold.len(), sixfold[30]), (36, 8));
    }

    #[test]
    fn what_is_late_or_comes_twice_is_decoded_once_and_in_the_order_of_sending() {
        let payload = |number: u8| [number.wrapping_mul(77); 160];
        let sent: Vec<_> =
            (0..6).map(|number| (u32::from(number) * 160, payload(number))).collect();
        let (mut track, mut other) = (Track::default(), Track::default());
        for (timestamp, payload) in &sent {
            take(&mut track, u64::from(*timestamp / 8), *timestamp, "G722", payload);
        }
        for number in [0, 2, 1, 1, 3, 5, 5, 4] {
            let (timestamp, payload) = &sent[number];
            take(&mut other, u64::from(*timestamp / 8), *timestamp, "G722", payload);
        }
        let side = laid(&track, 16_000);
        assert_eq!((track.rate(), side.len()), (Some(16_000), 6 * 320));
        assert_eq!(laid(&other, 16_000), side);
    }

    #[test]
    fn what_cannot_be_decoded_is_counted_by_what_it_is() {
        let mut track = Track::default();
        take(&mut track, 0, 0, "GSM", &[0xd0; 33]);
        take(&mut track, 20, 160, "GSM", &[0xd0; 34]);
        take(&mut track, 40, 320, "GSM", &[0x10; 33]);
        take(&mut track, 60, 480, "G729", &[0; 20]);
        let undecoded: Vec<_> = track.undecoded.iter().map(|(it, count)| (&**it, *count)).collect();
        let expected =
            [("G729, which is not decoded here", 1), ("GSM that is not made of its frames", 2)];
        assert_eq!(undecoded, expected);
        assert_eq!(laid(&track, 8000).len(), 160);
    }
}
