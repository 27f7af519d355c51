//! A change in the execution of warrants, as the evidence takes it in.

use std::time::Duration;

use calltap_evidence::store;
use calltap_evidence::warrant::{Code, Refusal, Warrant};
use tracing::error;

use super::Recorder;
use crate::config::Reloaded;
use crate::docket::Change;
use crate::follow::Order;
use crate::paper::log_refusal;
use crate::recording;

impl Recorder {
    /// Takes in a change; gives the order that is to be executed from it, if there is one.
    pub fn change(&mut self, change: Change) -> Option<Order> {
        let done = match change {
            Change::Execute { warrant, id, trust } => {
                match recording::admit(&mut self.store, &warrant, id, &trust) {
                    Ok(Ok(order)) => {
                        self.halted.remove(&id);
                        self.mask_digits(id, order.minimise.digits);
                        self.warrants.insert(order.liid.clone(), id);
                        return Some(order);
                    }
                    Ok(Err(refusal)) => {
                        log_refusal(&refusal);
                        Ok(())
                    }
                    Err(cause) => Err(cause),
                }
            }
            Change::Begun(warrant) => self.store.activated(&warrant),
            Change::Expired(warrant) => self.store.expired(&warrant),
            Change::Halt { warrant, id, refusal, at_ns } => {
                self.halted.insert(id, at_ns);
                self.halt(&warrant, refusal.as_deref())
            }
            Change::Refused(refusal) => self.store.refused(&refusal),
        };
        if let Err(cause) = done {
            error!("{cause}");
        }
        None
    }

    /// Takes over settings that were read again, and has the audit say which changed and which wait.
    pub fn settings(&mut self, reloaded: &Reloaded) {
        self.store.set_rotation(recording::rotation(reloaded.config.rotation));
        self.set_media_silence(Duration::from_secs(reloaded.config.media_silence));
        if let Err(cause) = self.audit_reloaded(reloaded) {
            error!("the audit has no word of the new settings: {cause:#}");
        }
    }

    fn audit_reloaded(&mut self, reloaded: &Reloaded) -> anyhow::Result<()> {
        let Reloaded { config, changed, waiting } = reloaded;
        let change =
            |(key, from, to): &(String, String, String)| (key.clone(), format!("{from} -> {to}"));
        let mut details: Vec<_> = changed.iter().map(change).collect();
        if !waiting.is_empty() {
            details.push(("with the next start".to_owned(), waiting.join(", ")));
        }
        let details: Vec<_> = details.iter().map(|(key, it)| (key.as_str(), it.as_str())).collect();
        self.store.audit("settings-reloaded", &details)?;
        self.store.audit_settings(&config.effective()?)?;
        Ok(())
    }

    /// Writes why a warrant is executed no longer.
    fn halt(&mut self, warrant: &Warrant, refusal: Option<&Refusal>) -> Result<(), store::Error> {
        if let Some(refusal) = refusal {
            self.store.refused(refusal)?;
        }
        match refusal.map(Refusal::code) {
            // What the authority or an operator did stands there already.
            Some(Code::Revoked | Code::Suspended) => Ok(()),
            code => self.store.withdrawn(warrant, code),
        }
    }
}
