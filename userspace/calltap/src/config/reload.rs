//! The settings of a running capture: read again at SIGHUP, and taken over as far as they can be
//! without losing a packet.

use std::path::PathBuf;

use super::Config;
use super::check::flatten;
use crate::cli::Execution;

/// The settings in effect, and where they came from.
#[derive(Debug)]
pub struct Settings {
    file: Option<PathBuf>,
    /// What the command line says instead.
    switches: Vec<String>,
    config: Config,
}

/// What came of reading the settings again.
#[derive(Debug)]
pub struct Reloaded {
    /// The settings in effect from now on.
    pub config: Config,
    /// What changed at once: key, value before, value now.
    pub changed: Vec<(String, String, String)>,
    /// What the file says otherwise and only another start takes over, by key.
    pub waiting: Vec<String>,
}

impl Settings {
    /// The settings that a capture began with.
    pub fn new(execution: &Execution, config: &Config) -> Self {
        let Execution { config: file, rotate, .. } = execution;
        Self { file: file.clone(), switches: rotate.clone(), config: config.clone() }
    }

    /// Reads the file again; nothing, where there is none or it says what is in effect.
    ///
    /// # Errors
    /// The file cannot be read or obeyed: everything goes on as it was.
    pub fn reload(&mut self) -> anyhow::Result<Option<Reloaded>> {
        let Some(file) = &self.file else { return Ok(None) };
        let mut read = Config::load(Some(file))?;
        read.rotation = read.rotation.with_switches(&self.switches)?;
        let now = taken_over(&self.config, &read);
        let before = std::mem::replace(&mut self.config, now);
        let differences = |one: &Config, other: &Config| {
            let flat = |config: &Config| {
                let mut keys = Vec::new();
                flatten(&serde_json::to_value(config).unwrap_or_default(), "", &mut keys);
                keys
            };
            let pairs = flat(one).into_iter().zip(flat(other));
            let pairs = pairs.filter(|((_, from), (_, to))| from != to);
            pairs.map(|((key, from), (_, to))| (key, from, to)).collect::<Vec<_>>()
        };
        let changed = differences(&before, &self.config);
        let waiting = differences(&self.config, &read);
        let waiting: Vec<_> = waiting.into_iter().map(|(key, ..)| key).collect();
        let same = changed.is_empty() && waiting.is_empty();
        Ok((!same).then(|| Reloaded { config: self.config.clone(), changed, waiting }))
    }
}

/// What stands in `read` and can change while frames are taken in, with all else as in `now`.
///
/// The rest is bound to sockets, maps and threads, is described in the head of each volume, or would
/// forget what is known of calls that live.
fn taken_over(now: &Config, read: &Config) -> Config {
    let Config { country, grace, media_silence, numbers, rotation, .. } = read.clone();
    Config { country, grace, media_silence, numbers, rotation, ..now.clone() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn settings(dir: &TempDir, text: &str) -> Settings {
        let file = dir.path().join("calltap.toml");
        fs::write(&file, text).unwrap();
        Settings {
            config: Config::load(Some(&file)).unwrap(),
            file: Some(file),
            switches: Vec::new(),
        }
    }

    fn write(settings: &Settings, text: &str) {
        fs::write(settings.file.as_ref().unwrap(), text).unwrap();
    }

    #[test]
    fn what_can_change_does_and_the_rest_waits_for_a_start() {
        let dir = TempDir::new().unwrap();
        let mut settings = settings(&dir, "grace = 5\nsignalling_ports = [5060]\n");
        write(&settings, "grace = 7\nsignalling_ports = [5062]\n[rotation]\nduration = 60\n");
        let Reloaded { config, changed, waiting } = settings.reload().unwrap().unwrap();
        assert_eq!((config.grace, config.rotation.duration), (7, 60));
        assert_eq!(config.signalling_ports, [5060]);
        let changed: Vec<_> = changed.iter().map(|(key, ..)| key.as_str()).collect();
        assert_eq!(changed, ["grace", "rotation.duration"]);
        assert_eq!(waiting, ["signalling_ports"]);
    }

    #[test]
    fn a_file_that_cannot_be_obeyed_changes_nothing() {
        let dir = TempDir::new().unwrap();
        let mut settings = settings(&dir, "grace = 6\n");
        write(&settings, "grace = 7\nmodes = 1\n");
        assert!(settings.reload().unwrap_err().to_string().contains("line 2: modes"));
        assert_eq!(settings.config.grace, 6);
        write(&settings, "grace = 6\n");
        assert!(settings.reload().unwrap().is_none());
    }

    #[test]
    fn the_command_lines_word_on_rotation_stays() {
        let dir = TempDir::new().unwrap();
        let mut settings = settings(&dir, "");
        settings.switches = vec!["duration:9".into()];
        settings.config.rotation.duration = 9;
        write(&settings, "[rotation]\nduration = 60\n");
        assert!(settings.reload().unwrap().is_none());
    }
}
