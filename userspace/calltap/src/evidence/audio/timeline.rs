//! Samples of a stream at their time: by the RTP time stamps, which say it to a sample, and anew by
//! the arrival where the two have come apart.

/// Where the samples of a stream go, in units of its time stamps.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    anchor: Option<Anchor>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    /// Units a second.
    clock: u32,
    timestamp: u32,
    sample: u64,
}

impl Timeline {
    /// The place of a packet's first sample: it came `arrival` units after the beginning.
    ///
    /// A stream whose time stamps are off by more than a second has begun them anew, and so has one
    /// of another clock.
    pub(super) fn place(&mut self, clock: u32, timestamp: u32, arrival: u64) -> u64 {
        let told = self.anchor.filter(|anchor| anchor.clock == clock).and_then(|anchor| {
            let since = i64::from(timestamp.wrapping_sub(anchor.timestamp).cast_signed());
            let sample = anchor.sample.checked_add_signed(since)?;
            (sample.abs_diff(arrival) <= u64::from(clock)).then_some(sample)
        });
        let sample = told.unwrap_or(arrival);
        // The time stamp may wrap in the next half of its range.
        self.anchor = Some(Anchor { clock, timestamp, sample });
        sample
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
            assert_eq!(timeline.place(8000, timestamp, arrival), place, "{timestamp} at {arrival}");
        }
    }

    #[test]
    fn another_clock_is_another_beginning() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.place(8000, 0, 100), 100);
        assert_eq!(timeline.place(48_000, 160, 1_500), 1_500);
        assert_eq!(timeline.place(48_000, 1120, 2_400), 2_460);
    }
}
