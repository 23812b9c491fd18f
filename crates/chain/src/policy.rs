//! Trust policies (C2SP tlog-policy): which logs and witnesses somebody trusts, and which of the witnesses must have
//! cosigned.
//!
//! Stricter than the specification in one point: the text is UTF-8, not opaque bytes.

mod evaluate;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use evaluate::{Evaluation, Shortfall};

use crate::lines::read_number;
use crate::note::{NOTE_BYTES_MAX, VerifierKey};

/// A trust policy.
///
/// Its `Display` writes it anew: logs, witnesses and groups in their order, then the quorum; comments are not kept.
///
/// ```
/// # let key = |seed| chain::SecretKey::from_bytes(&[seed; 32]).public();
/// # let log = chain::note::VerifierKey::new("log.example/t", key(1)).unwrap();
/// # let [a, b] = [2, 3].map(|n| chain::note::VerifierKey::cosigner("w.example", key(n)).unwrap());
/// let text = format!("log {log}\nwitness nanjing {a}\nwitness regulator {b}\ngroup both all nanjing regulator\nquorum both\n");
/// let policy = chain::policy::Policy::parse(text.as_bytes()).unwrap();
/// assert_eq!(policy.to_string(), text);
///
/// let evaluation = policy.evaluate([&a]);
/// assert!(!evaluation.is_met());
/// assert_eq!(evaluation.short[0].missing, ["regulator"]);
/// assert!(policy.evaluate([&a, &b]).is_met());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    log_urls: Vec<Option<String>>,
    witnesses: Vec<VerifierKey>,
    witness_names: Vec<String>,
    witness_urls: Vec<Option<String>>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A witness or an earlier group, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    /// How many members must witness, 1 to their number.
    threshold: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    /// No cosignature is asked for.
    None,
    Of(Member),
}

/// A text that is not a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct PolicyError {
    /// The line's number, from 1; of what is missing, that behind the last.
    pub line: usize,
    /// What is wrong with it.
    pub fault: PolicyFault,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// The whole is longer than 1 MiB.
    #[error("a policy has at most {NOTE_BYTES_MAX} bytes")]
    TooLarge,
    /// Not UTF-8, or a control character other than a tab.
    #[error("a policy is UTF-8 without control characters but tabs and line feeds")]
    Characters,
    /// It does not begin with `log`, `witness`, `group` or `quorum`.
    #[error("expected log, witness, group, quorum or #")]
    Keyword,
    /// Too few or too many words.
    #[error("too few or too many words")]
    Words,
    /// Not a log's verifier key.
    #[error("expected the verifier key of a log")]
    LogKey,
    /// Not a witness's verifier key.
    #[error("expected the verifier key of a cosigner")]
    WitnessKey,
    /// A public key that stands in an earlier line of the same kind.
    #[error("this public key stands above already")]
    KeyRepeated,
    /// The name is taken, or is `none`.
    #[error("this name is taken")]
    NameTaken,
    /// No line above defines the name.
    #[error("no witness or group of this name is defined above")]
    NameUnknown,
    /// The name is a member of a group already.
    #[error("a name is a member of one group, once")]
    MemberRepeated,
    /// Not `all`, `any` or a number from 1 to the number of members.
    #[error("expected all, any or a number from 1 to the number of members")]
    Threshold,
    /// A second quorum.
    #[error("a policy has one quorum")]
    QuorumRepeated,
    /// No quorum at all.
    #[error("a policy has a quorum, if only none")]
    QuorumMissing,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`], the first.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(PolicyError { line: 1, fault: PolicyFault::TooLarge });
        }
        let mut reader = Reader {
            policy: Self {
                logs: Vec::new(),
                log_urls: Vec::new(),
                witnesses: Vec::new(),
                witness_names: Vec::new(),
                witness_urls: Vec::new(),
                groups: Vec::new(),
                quorum: Quorum::None,
            },
            names: BTreeMap::new(),
            grouped: BTreeSet::new(),
            has_quorum: false,
        };
        let mut line = 0;
        for bytes in bytes.split(|byte| *byte == b'\n') {
            line += 1;
            reader.line(bytes).map_err(|fault| PolicyError { line, fault })?;
        }
        if reader.has_quorum {
            Ok(reader.policy)
        } else {
            Err(PolicyError { line, fault: PolicyFault::QuorumMissing })
        }
    }

    /// The logs' keys. There may be none, where the log is known otherwise.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Where each of [`Policy::logs`] is to be found, if the policy says so.
    pub fn log_urls(&self) -> &[Option<String>] {
        &self.log_urls
    }

    /// The witnesses' keys.
    pub fn witnesses(&self) -> &[VerifierKey] {
        &self.witnesses
    }

    /// The names that the policy has for each of [`Policy::witnesses`]; they mean nothing outside of it.
    pub fn witness_names(&self) -> &[String] {
        &self.witness_names
    }

    /// Where each of [`Policy::witnesses`] is to be asked, if the policy says so.
    pub fn witness_urls(&self) -> &[Option<String>] {
        &self.witness_urls
    }

    fn name(&self, member: Member) -> &str {
        match member {
            Member::Witness(place) => &self.witness_names[place],
            Member::Group(place) => &self.groups[place].name,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |url: &Option<String>| url.as_ref().map_or_else(String::new, |url| format!(" {url}"));
        for (key, at) in self.logs.iter().zip(&self.log_urls) {
            writeln!(f, "log {key}{}", url(at))?;
        }
        for ((key, name), at) in self.witnesses.iter().zip(&self.witness_names).zip(&self.witness_urls) {
            writeln!(f, "witness {name} {key}{}", url(at))?;
        }
        for group in &self.groups {
            let threshold = match (group.threshold, group.members.len()) {
                (threshold, members) if threshold == members => "all".to_owned(),
                (1, _) => "any".to_owned(),
                (threshold, _) => threshold.to_string(),
            };
            write!(f, "group {} {threshold}", group.name)?;
            group.members.iter().try_for_each(|member| write!(f, " {}", self.name(*member)))?;
            writeln!(f)?;
        }
        match self.quorum {
            Quorum::None => writeln!(f, "quorum {NONE}"),
            Quorum::Of(member) => writeln!(f, "quorum {}", self.name(member)),
        }
    }
}

/// The quorum that asks for nothing.
const NONE: &str = "none";

/// A policy being read.
struct Reader {
    policy: Policy,
    names: BTreeMap<String, Member>,
    /// What is a member of a group.
    grouped: BTreeSet<Member>,
    has_quorum: bool,
}

impl Reader {
    fn line(&mut self, bytes: &[u8]) -> Result<(), PolicyFault> {
        let text = std::str::from_utf8(bytes).map_err(|_| PolicyFault::Characters)?;
        if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(PolicyFault::Characters);
        }
        let words: Vec<_> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key, url @ ..] => self.log(key, optional(url)?),
            ["witness", name, key, url @ ..] => self.witness(name, key, optional(url)?),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            ["log" | "witness" | "group" | "quorum", ..] => Err(PolicyFault::Words),
            _ => Err(PolicyFault::Keyword),
        }
    }

    fn log(&mut self, key: &str, url: Option<String>) -> Result<(), PolicyFault> {
        let key = VerifierKey::from_text(key).map_err(|_| PolicyFault::LogKey)?;
        push_key(&mut self.policy.logs, key)?;
        self.policy.log_urls.push(url);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<String>) -> Result<(), PolicyFault> {
        let key = VerifierKey::cosigner_from_text(key).map_err(|_| PolicyFault::WitnessKey)?;
        self.define(name, Member::Witness(self.policy.witnesses.len()))?;
        push_key(&mut self.policy.witnesses, key)?;
        self.policy.witness_names.push(name.to_owned());
        self.policy.witness_urls.push(url);
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<(), PolicyFault> {
        if names.is_empty() {
            return Err(PolicyFault::Words);
        }
        let mut members = Vec::with_capacity(names.len());
        for member in names {
            let member = *self.names.get(*member).ok_or(PolicyFault::NameUnknown)?;
            if !self.grouped.insert(member) {
                return Err(PolicyFault::MemberRepeated);
            }
            members.push(member);
        }
        let threshold = match threshold {
            "all" => Some(members.len()),
            "any" => Some(1),
            number => read_number(number).and_then(|number| usize::try_from(number).ok()),
        };
        let threshold = threshold
            .filter(|threshold| (1..=members.len()).contains(threshold))
            .ok_or(PolicyFault::Threshold)?;
        self.define(name, Member::Group(self.policy.groups.len()))?;
        self.policy.groups.push(Group { name: name.to_owned(), threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyFault> {
        if self.has_quorum {
            return Err(PolicyFault::QuorumRepeated);
        }
        if name != NONE {
            self.policy.quorum = Quorum::Of(*self.names.get(name).ok_or(PolicyFault::NameUnknown)?);
        }
        self.has_quorum = true;
        Ok(())
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), PolicyFault> {
        if name == NONE || self.names.contains_key(name) {
            return Err(PolicyFault::NameTaken);
        }
        self.names.insert(name.to_owned(), member);
        Ok(())
    }
}

/// One word or none.
fn optional(words: &[&str]) -> Result<Option<String>, PolicyFault> {
    match words {
        [] => Ok(None),
        [word] => Ok(Some((*word).to_owned())),
        _ => Err(PolicyFault::Words),
    }
}

/// One person's key under two names would be counted twice.
fn push_key(keys: &mut Vec<VerifierKey>, key: VerifierKey) -> Result<(), PolicyFault> {
    if keys.iter().any(|known| known.key() == key.key()) {
        return Err(PolicyFault::KeyRepeated);
    }
    keys.push(key);
    Ok(())
}

#[cfg(test)]
mod tests;
