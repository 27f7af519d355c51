//! Samples of a stream at their time: by the RTP time stamps, which say it to a sample, and anew by
//! the arrival where the two have come apart.

/// Where the samples of a stream go.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    anchor: Option<Anchor>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    timestamp: u32,
    sample: u64,
}

/// A stream whose time stamps are further off than this has begun them anew: one second of samples.
const APART: u64 = 8000;

impl Timeline {
    /// The place of a packet's first sample: it came `arrival` samples after the beginning.
    pub(super) fn place(&mut self, timestamp: u32, arrival: u64) -> u64 {
        if let Some(anchor) = self.anchor {
            let since = i64::from(timestamp.wrapping_sub(anchor.timestamp).cast_signed());
            let sample = anchor.sample.checked_add_signed(since);
            if let Some(sample) = sample.filter(|sample| sample.abs_diff(arrival) <= APART) {
                // The time stamp may wrap in the next half of its range.
                self.anchor = Some(Anchor { timestamp, sample });
                return sample;
            }
        }
        self.anchor = Some(Anchor { timestamp, sample: arrival });
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_decide_as_long_as_they_agree_with_the_arrival() {
        let cases: [(u32, u64, u64); 8] = [
            (u32::MAX - 159, 100, 100),
            (0, 275, 260),
            (160, 300, 420),
            // Late, and then a packet that is missing.
            (0, 450, 260),
            (480, 730, 740),
            // Begun anew, and again after a pause in which the time stamp stood still.
            (70_000, 950, 950),
            (70_160, 1200, 1110),
            (70_320, 90_000, 90_000),
        ];
        let mut timeline = Timeline::default();
        for (timestamp, arrival, place) in cases {
            assert_eq!(timeline.place(timestamp, arrival), place, "{timestamp} at {arrival}");
        }
    }
}
