//! How good a stream sounds, estimated from its codec and its losses: the E-model (ITU-T G.107).
//!
//! All of the model's parameters but the equipment impairment have their default values, so that
//! `R = 93.2 - Ie,eff` (G.107 §7.7, table 2); one-way delay is not known to a listener in the middle
//! and counts as none, which makes every figure an upper bound.

/// A speech codec with published impairment figures (ITU-T G.113 Appendix I, tables I.1 and I.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// None, or one without such figures: its quality is not computed.
    #[default]
    Unknown,
    /// G.711 in either law; the receiver is taken to conceal losses (G.711 Appendix I).
    G711,
    /// G.729, all annexes alike.
    G729,
    /// G.723.1 at 6.3 kbit/s.
    G7231,
    /// GSM enhanced full rate.
    GsmEfr,
}

/// The parameters of an estimate, and the estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Transmission rating factor R.
    pub r_factor: f64,
    /// Mean opinion score of a conversation, 1 to 4.5 (G.107 Annex B).
    pub mos: f64,
    /// Equipment impairment factor Ie of the codec.
    pub ie: f64,
    /// Packet-loss robustness factor Bpl of the codec.
    pub bpl: f64,
    /// Packets lost, per cent.
    pub ppl: f64,
    /// Burst ratio BurstR: how much longer the runs of losses are than random losses would be.
    pub burst_r: f64,
}

/// R where nothing is impaired (G.107 table 3).
pub const R0: f64 = 93.2;

impl Codec {
    /// The codec of an encoding name as in `a=rtpmap` (RFC 3551 §6).
    #[must_use]
    pub fn named(encoding: &[u8]) -> Self {
        const NAMES: [(&[u8], Codec); 6] = [
            (b"PCMU", Codec::G711),
            (b"PCMA", Codec::G711),
            (b"G729", Codec::G729),
            (b"G729A", Codec::G729),
            (b"G723", Codec::G7231),
            (b"GSM-EFR", Codec::GsmEfr),
        ];
        let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(encoding));
        known.map_or(Self::Unknown, |(_, codec)| *codec)
    }

    /// Its name in ITU-T or ETSI documents.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Unknown => return None,
            Self::G711 => "G.711",
            Self::G729 => "G.729",
            Self::G7231 => "G.723.1",
            Self::GsmEfr => "GSM-EFR",
        })
    }

    /// Ie and Bpl.
    fn impairment(self) -> Option<(f64, f64)> {
        Some(match self {
            Self::Unknown => return None,
            Self::G711 => (0.0, 25.1),
            Self::G729 => (11.0, 19.0),
            Self::G7231 => (15.0, 16.1),
            Self::GsmEfr => (5.0, 10.0),
        })
    }
}

impl Quality {
    /// The estimate for a stream of which `received` packets came and `lost` did not, in so many
    /// runs; `None` for a codec without figures.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^53 packets are more than a call has")]
    pub fn of(codec: Codec, received: u64, lost: u64, runs: u64) -> Option<Self> {
        let (ie, bpl) = codec.impairment()?;
        let expected = received + lost;
        let share = if expected == 0 { 0.0 } else { lost as f64 / expected as f64 };
        // G.107 §3.4: of random losses with this share, a run has 1 / (1 - share) on average.
        let mean_run = if runs == 0 { 1.0 } else { lost as f64 / runs as f64 };
        Some(Self::estimate(ie, bpl, share * 100.0, (mean_run * (1.0 - share)).max(1.0)))
    }

    /// G.107 (7-29) and Annex B.
    fn estimate(ie: f64, bpl: f64, ppl: f64, burst_r: f64) -> Self {
        let ie_eff = ie + (95.0 - ie) * ppl / (ppl / burst_r + bpl);
        let r = R0 - ie_eff;
        let mos = match r {
            r if r <= 0.0 => 1.0,
            r if r >= 100.0 => 4.5,
            r => 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6,
        };
        // Annex B dips below 1 for small R.
        Self { r_factor: r.max(0.0), mos: mos.max(1.0), ie, bpl, ppl, burst_r }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_recommendation() {
        // Table B.1 of G.107 and the curve of Annex B.
        for (r, mos) in [(50.0, 2.58), (60.0, 3.10), (70.0, 3.60), (80.0, 4.02), (90.0, 4.34)] {
            let found = Quality::estimate(R0 - r, 1.0, 0.0, 1.0).mos;
            assert!((found - mos).abs() < 0.01, "R {r}: {found}, not {mos}");
        }
    }

    #[test]
    fn losses_impair_each_codec_as_published() {
        let percent = [0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0];
        let table = [
            (0.0, 4.3, [4.41, 4.14, 3.83, 3.26, 2.79, 2.17, 1.48, 1.12]),
            (0.0, 25.1, [4.41, 4.37, 4.33, 4.23, 4.13, 3.92, 3.41, 2.63]),
            (11.0, 19.0, [4.10, 4.03, 3.95, 3.79, 3.63, 3.34, 2.75, 2.02]),
        ];
        for (ie, bpl, scores) in table {
            for (ppl, mos) in percent.iter().zip(scores) {
                let found = Quality::estimate(ie, bpl, *ppl, 1.0).mos;
                assert!((found - mos).abs() <= 0.01, "Ie {ie}, Bpl {bpl}, {ppl} %: {found}");
            }
        }
    }

    #[test]
    fn a_clean_g711_stream_has_the_best_score_and_an_unknown_codec_has_none() {
        let clean = Quality::of(Codec::G711, 500, 0, 0).unwrap();
        assert!((clean.r_factor - 93.2).abs() < 1e-9 && (clean.mos - 4.41).abs() < 0.01);
        assert_eq!(Quality::of(Codec::Unknown, 500, 0, 0), None);
    }

    #[test]
    fn losses_in_bursts_impair_more_than_single_ones() {
        let single = Quality::of(Codec::G711, 450, 50, 50).unwrap();
        let bursts = Quality::of(Codec::G711, 450, 50, 10).unwrap();
        assert!((single.ppl - 10.0).abs() < 1e-9 && (single.burst_r - 1.0).abs() < 1e-9);
        // Runs of 5 where 1 / 0.9 is random.
        assert!((bursts.burst_r - 4.5).abs() < 1e-9, "{bursts:?}");
        assert!(bursts.mos < single.mos);
    }

    #[test]
    fn names_are_those_of_rtpmap() {
        assert_eq!(Codec::named(b"pcma"), Codec::G711);
        assert_eq!(Codec::named(b"opus"), Codec::Unknown);
    }
}
