//! A loss, as `manifest.jsonl` tells of it: where, when, and how many frames.

use serde::{Deserialize, Serialize};

/// Frames lost at one place within one second, or within the time between two looks where the
/// thread that looks was held up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostLine {
    /// After this time (RFC 3339).
    pub from: String,
    /// Until this time.
    pub to: String,
    /// The place, by its name in `losses`.
    pub place: String,
    /// The interface; absent where the place has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Its receive queue; absent where the place has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// How many.
    pub frames: u64,
}
