//! The tokens that the console knows its visitors by: a file of lines `ROLE NAME TOKEN`, for its owner
//! alone.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

/// Fewer characters can be guessed.
const SHORTEST: usize = 32;

/// What a visitor may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// How the capture stands, by LIID: no identity.
    Watch,
    /// Calls with their parties, too.
    Inspect,
}

impl Role {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Inspect => "inspect",
        }
    }
}

/// A visitor's token; only its hash is kept.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) role: Role,
    /// How the audit names who has it.
    pub(super) name: String,
    hash: [u8; 32],
}

/// Every token that is known.
#[derive(Debug)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads the file, or makes one with a token for each role.
    ///
    /// # Errors
    /// The file can be read by others, has a line of another shape, or cannot be made.
    pub fn load_or_make(path: &Path) -> anyhow::Result<Self> {
        let about = || format!("the console's tokens {}", path.display());
        if !path.exists() {
            make(path).with_context(about)?;
        }
        let mode = fs::metadata(path).with_context(about)?.mode();
        if mode & 0o077 != 0 {
            bail!("{} can be read by others: chmod 600 it", about());
        }
        let text = fs::read_to_string(path).with_context(about)?;
        Self::parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", about()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut tokens: Vec<Token> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let token = match (words.next(), words.next(), words.next(), words.next()) {
                (Some(role), Some(name), Some(token), None) => {
                    let role = match role {
                        "watch" => Role::Watch,
                        "inspect" => Role::Inspect,
                        _ => return Err(format!("line {number}: a role is watch or inspect")),
                    };
                    if token.len() < SHORTEST {
                        return Err(format!("line {number}: a token has {SHORTEST} characters"));
                    }
                    Token { role, name: name.to_owned(), hash: hash(token) }
                }
                _ => return Err(format!("line {number}: expected ROLE NAME TOKEN")),
            };
            if tokens.iter().any(|it| it.hash == token.hash || it.name == token.name) {
                return Err(format!("line {number}: the name or the token is there twice"));
            }
            tokens.push(token);
        }
        Ok(Self(tokens))
    }

    /// Whose token this is. Hashes are compared, so that the time it takes tells nothing of a token.
    pub(super) fn find(&self, presented: &str) -> Option<&Token> {
        let hash = hash(presented);
        self.0.iter().find(|token| token.hash == hash)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn make(path: &Path) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "# ROLE NAME TOKEN: the name is how the audit names who has the token.")?;
    for (role, name) in [("watch", "watcher"), ("inspect", "inspector")] {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(file, "{role} {name} {secret}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn tokens_are_made_for_their_owner_alone_and_known_again() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("state/console.tokens");
        Tokens::load_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        let tokens = Tokens::load_or_make(&path).unwrap();
        for (role, line) in [(Role::Watch, "watch "), (Role::Inspect, "inspect ")] {
            let line = text.lines().find(|it| it.starts_with(line)).unwrap();
            let token = line.rsplit(' ').next().unwrap();
            assert_eq!(tokens.find(token).unwrap().role, role);
            assert!(
                tokens.find(&token[1..]).is_none() && tokens.find(&token.to_uppercase()).is_none()
            );
        }
        assert!(tokens.find("").is_none());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Tokens::load_or_make(&path).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }

    #[test]
    fn lines_of_another_shape_are_refused_by_number() {
        let long = "x".repeat(SHORTEST);
        assert_eq!(Tokens::parse(&format!("# a\n\nwatch a {long}\n")).unwrap().0.len(), 1);
        for bad in [
            "watch a short".to_owned(),
            format!("look a {long}"),
            format!("watch {long}"),
            format!("watch a b {long}"),
            format!("watch a {long}\ninspect b {long}"),
            format!("watch a {long}\ninspect a y{long}"),
        ] {
            assert!(Tokens::parse(&bad).unwrap_err().contains("line "), "{bad}");
        }
    }
}
