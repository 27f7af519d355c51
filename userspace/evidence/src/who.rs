//! Who acts: the operating system's user on whose behalf the program runs, for the audit.
//!
//! Nobody can state this for himself: it is read from the kernel, and never given by a caller.

use std::fs;

use serde::{Deserialize, Serialize};

/// The user of the process, and behind `sudo` or `su` the one who logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The real user id.
    pub uid: u32,
    /// Its name in `/etc/passwd`; none where it has none there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user id with which the session began, where that is another one: the kernel's login id
    /// (`/proc/self/loginuid`), which stays through `sudo` and `su`; where the system sets none,
    /// and for root alone, the `SUDO_UID` that sudo sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

/// What the kernel says for a process that nobody's login began.
const NOBODY: u32 = u32::MAX;

impl Who {
    /// Who runs this process.
    pub fn here() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let by_kernel = fs::read_to_string("/proc/self/loginuid").ok();
        let by_kernel = by_kernel.and_then(|text| text.trim().parse().ok());
        // Who is root can set this, and anything else; who is not could pretend to be another.
        let by_sudo = || std::env::var("SUDO_UID").ok().filter(|_| uid == 0)?.parse().ok();
        let login_uid =
            by_kernel.filter(|login| *login != NOBODY).or_else(by_sudo).filter(|it| *it != uid);
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self {
            uid,
            user: name(&passwd, uid),
            login_uid,
            login: login_uid.and_then(|uid| name(&passwd, uid)),
        }
    }
}

/// The name of a user id in the text of passwd(5).
fn name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nbroken\noperator:x:1000:1000::/home/operator:/bin/sh\n";

    #[test]
    fn a_user_is_named_as_passwd_has_it() {
        assert_eq!(name(PASSWD, 0).as_deref(), Some("root"));
        assert_eq!(name(PASSWD, 1000).as_deref(), Some("operator"));
        assert_eq!(name(PASSWD, 1), None);
    }

    #[test]
    fn this_process_has_the_user_that_the_kernel_says() {
        let who = Who::here();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
        assert_eq!(uid.split_whitespace().next().unwrap(), who.uid.to_string());
        assert_ne!(who.login_uid, Some(who.uid));
    }
}
