//! The life of a warrant in the audit: received, refused, activated, modified, suspended, resumed,
//! expired, revoked, withdrawn.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::{Error, Store};
use crate::audit::{AuditLine, CaseOpened};
use crate::figures;
use crate::life::{Event, SHA256};
use crate::record::Direction;
use crate::trust::Trust;
use crate::warrant::{Act, Code, Deed, Identifier, Kind, Refusal, Warrant};

impl Store {
    /// Whether what the audit knows of a warrant lets it be executed: that it has expired, was revoked,
    /// suspended or superseded stands there, also when the files that said so are gone, or the clock
    /// says otherwise by now.
    ///
    /// # Errors
    /// [`Code::Revoked`], [`Code::Expired`], [`Code::Suspended`], [`Code::Superseded`] or [`Code::NotASuccessor`].
    pub fn standing(&self, warrant: &Warrant, trust: &Trust) -> Result<(), Refusal> {
        let sha256 = warrant.sha256();
        let refuse = |code, what: &str| {
            let refusal = Refusal::new(code, warrant.path(), what);
            Err(refusal.of_warrant(warrant.clone()))
        };
        if self.life.has(Event::Revoked, &sha256) {
            return refuse(Code::Revoked, "the audit has its revocation");
        }
        if self.life.has(Event::Expired, &sha256) {
            return refuse(Code::Expired, "the audit has its end, whatever the clock says now");
        }
        let resumed = warrant.acts().iter().any(|act| act.deed == Deed::Resumed);
        if self.life.has(Event::Suspended, &sha256) && !resumed {
            return refuse(
                Code::Suspended,
                "the audit has its suspension, and nobody has ended it",
            );
        }
        let copies = self.on_disk.get(warrant.liid()).map(Vec::as_slice).unwrap_or_default();
        let Some((last, earlier)) = copies.split_last() else { return Ok(()) };
        if last.warrant_sha256 == sha256 {
            return Ok(());
        }
        if earlier.iter().any(|copy| copy.warrant_sha256 == sha256) {
            return refuse(Code::Superseded, "the evidence has a later version");
        }
        if warrant.draft().supersedes.as_ref() == Some(&last.warrant_sha256)
            && trust.is_one_authority(warrant.signed_by(), &last.authority_key)
        {
            return Ok(());
        }
        refuse(Code::NotASuccessor, "the evidence has another warrant under its LIID")
    }

    /// Notes that a warrant was received, once, with what oversight counts: nobody is named.
    ///
    /// # Errors
    /// [`Error::File`] if the audit cannot be written.
    pub fn received(&mut self, warrant: &Warrant) -> Result<(), Error> {
        let draft = warrant.draft();
        let version = warrant.version().to_string();
        let urgent = draft.urgent.to_string();
        let identifiers = kinds(warrant.identifiers());
        let excluded = match draft.excluded.len() {
            0 => String::new(),
            parties => parties.to_string(),
        };
        let owner = fs::metadata(warrant.path()).map(|file| file.uid().to_string());
        let owner = owner.unwrap_or_default();
        let details = [
            ("version", version.as_str()),
            ("authority", &draft.authority),
            ("authority_key", warrant.signed_by()),
            ("jurisdiction", &draft.jurisdiction),
            ("deliver", draft.deliver.as_str()),
            ("identifiers", &identifiers),
            ("excluded", &excluded),
            ("direction", draft.direction.map(Direction::as_str).unwrap_or_default()),
            ("urgent", &urgent),
            ("legal_basis", draft.legal_basis.as_deref().unwrap_or_default()),
            ("offence_class", draft.offence_class.as_deref().unwrap_or_default()),
            ("not_before", &draft.not_before),
            ("not_after", &draft.not_after),
            ("file_of_uid", &owner),
        ];
        let details: Vec<_> = details.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        self.once(Event::Received, warrant.liid(), &warrant.sha256(), &details)
    }

    /// Notes that a warrant has begun to be executed, once, and by which operators.
    ///
    /// # Errors
    /// [`Error::File`] if the audit cannot be written.
    pub fn activated(&mut self, warrant: &Warrant) -> Result<(), Error> {
        let by = warrant.acts().iter().filter(|act| act.deed == Deed::Activated);
        let by: Vec<_> = by.map(|act| format!("{} {} {}", act.by, act.key, act.at)).collect();
        let by = by.join(", ");
        let details: &[_] = if by.is_empty() { &[] } else { &[("operators", by.as_str())] };
        self.once(Event::Activated, warrant.liid(), &warrant.sha256(), details)
    }

    /// Notes that a warrant's suspension is over, if it was suspended.
    ///
    /// # Errors
    /// [`Error::File`] if the audit cannot be written.
    pub fn resumed(&mut self, warrant: &Warrant) -> Result<(), Error> {
        let sha256 = warrant.sha256();
        let act = warrant.acts().iter().rev().find(|act| act.deed == Deed::Resumed);
        match act.cloned() {
            Some(act) if self.life.has(Event::Suspended, &sha256) => {
                self.acted(&act, warrant.liid(), &sha256)
            }
            _ => Ok(()),
        }
    }

    /// Notes that a warrant's window has ended, once.
    ///
    /// # Errors
    /// [`Error::File`] if the audit cannot be written.
    pub fn expired(&mut self, warrant: &Warrant) -> Result<(), Error> {
        self.once(Event::Expired, warrant.liid(), &warrant.sha256(), &[])
    }

    /// Notes that a warrant is executed no longer: with the code, or because its file is gone.
    ///
    /// # Errors
    /// [`Error::File`] if the audit cannot be written.
    pub fn withdrawn(&mut self, warrant: &Warrant, code: Option<Code>) -> Result<(), Error> {
        let code = code.map_or("removed", Code::as_str);
        self.happened(Event::Withdrawn, warrant.liid(), &warrant.sha256(), &[("code", code)])
    }

    /// Notes a refusal, and what was done to the warrant where that is the cause.
    ///
    /// # Errors
    /// [`Error::File`] if the audit cannot be written.
    pub fn refused(&mut self, refusal: &Refusal) -> Result<(), Error> {
        let liid = refusal.liid().unwrap_or("?").to_owned();
        let sha256 = refusal.sha256();
        if let Some(warrant) = refusal.warrant() {
            self.received(warrant)?;
            if refusal.code() == Code::Expired && self.life.has(Event::Activated, &warrant.sha256())
            {
                self.expired(warrant)?;
            }
        }
        let deed = match refusal.code() {
            Code::Revoked => Some(Deed::Revoked),
            Code::Suspended => Some(Deed::Suspended),
            _ => None,
        };
        let act = refusal.acts().iter().rev().find(|act| Some(act.deed) == deed).cloned();
        if let (Some(sha256), Some(act)) = (&sha256, act)
            && !self.life.has(act.deed.into(), sha256)
        {
            self.acted(&act, &liid, sha256)?;
        }
        let mut details = vec![("liid", liid.as_str()), ("code", refusal.code().as_str())];
        details.extend(sha256.as_deref().map(|sha256| (SHA256, sha256)));
        self.audit("warrant-refused", &details)
    }

    /// Has a later version take a warrant's place under the number that it has: the open volume
    /// is sealed, as a volume is one version's, and so is each line of a call that has ended, to
    /// whom that version names.
    ///
    /// # Errors
    /// [`Error::NotAdmitted`]; otherwise as [`Store::admit`].
    pub fn modify(&mut self, warrant: &Warrant, id: u32) -> Result<(), Error> {
        let Some(case) = self.cases.get_mut(&id) else {
            return Err(Error::NotAdmitted { warrant: id });
        };
        let sealed =
            case.flush_all(&self.shared).and_then(|()| case.seal(&self.shared, "modified"));
        sealed.map_err(|source| self.stop(id, source))?;
        let opened = self.copy_warrant(warrant)?;
        self.note_case(opened)?;
        if let Some(case) = self.cases.get_mut(&id) {
            case.order = warrant.into();
            case.figures.persons = figures::persons(&self.shared.node, warrant.targets());
        }
        self.modified(warrant)
    }

    /// Which warrant is executed under this number, by its hash.
    pub fn executed(&self, id: u32) -> Option<&str> {
        self.cases.get(&id).map(|case| case.order.sha256.as_str())
    }

    /// Notes that a version takes the place of the one before, once.
    pub(super) fn modified(&mut self, warrant: &Warrant) -> Result<(), Error> {
        let Some(before) = warrant.draft().supersedes.as_deref() else { return Ok(()) };
        let version = warrant.version().to_string();
        let details = [("version", version.as_str()), ("supersedes", before)];
        self.once(Event::Modified, warrant.liid(), &warrant.sha256(), &details)
    }

    /// Writes that a case is open under a warrant.
    pub(super) fn note_case(&mut self, opened: CaseOpened) -> Result<(), Error> {
        let line = AuditLine { case: Some(opened.clone()), ..AuditLine::event("case-opened", &[]) };
        self.append_audit(line)?;
        let copies = self.on_disk.entry(opened.liid.clone()).or_default();
        if !copies.contains(&opened) {
            copies.push(opened);
        }
        Ok(())
    }

    fn acted(&mut self, act: &Act, liid: &str, sha256: &str) -> Result<(), Error> {
        let role = if act.by_authority { "authority" } else { "operator" };
        let details = [
            ("role", role),
            ("signer", act.by.as_str()),
            ("signer_key", act.key.as_str()),
            ("signed_at", act.at.as_str()),
            ("reason", act.reason.as_str()),
        ];
        self.happened(act.deed.into(), liid, sha256, &details)
    }

    fn once(
        &mut self,
        event: Event,
        liid: &str,
        sha256: &str,
        details: &[(&str, &str)],
    ) -> Result<(), Error> {
        if self.life.has(event, sha256) {
            Ok(())
        } else {
            self.happened(event, liid, sha256, details)
        }
    }

    fn happened(
        &mut self,
        event: Event,
        liid: &str,
        sha256: &str,
        details: &[(&str, &str)],
    ) -> Result<(), Error> {
        let named = [&[("liid", liid), (SHA256, sha256)], details].concat();
        self.audit(event.as_str(), &named)?;
        self.life.note(event, sha256);
        Ok(())
    }
}

/// `sip 2, tel 1`: how many identifiers there are of each kind.
fn kinds(identifiers: &[Identifier]) -> String {
    let counted = Kind::ALL.into_iter().filter_map(|kind| {
        let count = identifiers.iter().filter(|it| it.kind() == kind).count();
        (count > 0).then(|| format!("{} {count}", kind.as_str()))
    });
    counted.collect::<Vec<_>>().join(", ")
}
