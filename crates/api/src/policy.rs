//! Who may read what: one table of roles and resources.
//!
//! It is about holders of bearer tokens and those without one. It decides nothing about what may be recorded: an event is
//! admitted for its signature, by the trial's rules.

use std::fmt;
use std::str::FromStr;

/// What the holder of a token is to the registry. Not a role in the trial: that is granted to a key, in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenRole {
    /// Staff of one site.
    Site,
    /// Makes and examines reports.
    Statistician,
    /// Verifies everything: a regulator, an auditor.
    Inspector,
    /// Keeps the server running.
    Operator,
    /// Keeps an independent copy of the whole log.
    Archive,
}

impl TokenRole {
    /// All roles.
    pub const ALL: [Self; 5] =
        [Self::Site, Self::Statistician, Self::Inspector, Self::Operator, Self::Archive];

    /// The role's name, on the command line and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Statistician => "statistician",
            Self::Inspector => "inspector",
            Self::Operator => "operator",
            Self::Archive => "archive",
        }
    }
}

impl fmt::Display for TokenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of site, statistician, inspector, operator, archive")]
pub struct NoSuchRole;

impl FromStr for TokenRole {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, NoSuchRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(NoSuchRole)
    }
}

/// What can be asked of a registry, as far as it is permitted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Whether the process lives and can work, without the reasons.
    Health,
    /// What is signed of the log: checkpoints, hash tiles, proofs. Hashes and signatures, no record.
    Seals,
    /// Handing in signed events, and asking for a text key in a signed request. Both authenticate themselves.
    Submission,
    /// The list of trials, each with its sites and the keys of its people.
    Trials,
    /// Single records.
    Records,
    /// The list of subjects, and the records of one.
    Subjects,
    /// The work list.
    Findings,
    /// All records as they come.
    Feed,
    /// The reports.
    Reports,
    /// The archive's bundles of whole records.
    Bundles,
    /// A site's own part of the log.
    SitePart,
    /// What is the matter where something does not work.
    Reasons,
    /// Metrics.
    Metrics,
    /// Opening a new trial.
    Opening,
    /// How it works: read models, records from outside, what was refused to whom. No clinical value and no subject.
    Workings,
    /// The effective configuration, and having a read model made anew.
    Upkeep,
}

impl Resource {
    /// All resources.
    pub const ALL: [Self; 16] = [
        Self::Health,
        Self::Seals,
        Self::Submission,
        Self::Trials,
        Self::Records,
        Self::Subjects,
        Self::Findings,
        Self::Feed,
        Self::Reports,
        Self::Bundles,
        Self::SitePart,
        Self::Reasons,
        Self::Metrics,
        Self::Opening,
        Self::Workings,
        Self::Upkeep,
    ];

    /// What it is, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Health => "whether it lives and is ready",
            Self::Seals => "checkpoints, hash tiles, proofs",
            Self::Submission => "submitting signed events",
            Self::Trials => "trials, their sites and keys",
            Self::Records => "single records",
            Self::Subjects => "subjects and their records",
            Self::Findings => "findings",
            Self::Feed => "the feed of records",
            Self::Reports => "reports",
            Self::Bundles => "bundles of whole records",
            Self::SitePart => "a site's own part of the log",
            Self::Reasons => "why it is not ready",
            Self::Metrics => "metrics",
            Self::Opening => "opening a trial",
            Self::Workings => "how it works: read models, records from outside, refusals",
            Self::Upkeep => "configuration, and making a read model anew",
        }
    }
}

/// How much of a resource somebody may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// All of it.
    All,
    /// What is of the trial as a whole and of the own site's subjects.
    OwnSite,
    /// Nothing.
    Nothing,
}

impl Permission {
    /// The permission in a table's cell.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::OwnSite => "own site",
            Self::Nothing => "–",
        }
    }
}

/// What the holder of a token with `role`, or somebody without a token, may have of `resource`.
///
/// ```
/// use api::{Permission, Resource, TokenRole, permission};
/// assert_eq!(permission(None, Resource::Seals), Permission::All);
/// assert_eq!(permission(Some(TokenRole::Site), Resource::Subjects), Permission::OwnSite);
/// assert_eq!(permission(Some(TokenRole::Operator), Resource::Records), Permission::Nothing);
/// ```
pub fn permission(role: Option<TokenRole>, resource: Resource) -> Permission {
    use Permission::{All, Nothing, OwnSite};
    use TokenRole::{Archive, Inspector, Operator, Site, Statistician};
    match (resource, role) {
        (Resource::Health | Resource::Seals | Resource::Submission, _) => All,
        (_, None) => Nothing,

        (Resource::Trials, Some(Site | Statistician | Inspector | Operator)) => All,
        (Resource::Trials, Some(Archive)) => Nothing,

        (Resource::Records | Resource::Subjects | Resource::Findings, Some(role)) => match role {
            Statistician | Inspector => All,
            Site => OwnSite,
            Operator | Archive => Nothing,
        },

        // A statistician examines records one by one; whole copies are for those who have to hold one.
        (Resource::Feed, Some(role)) => match role {
            Inspector => All,
            Site => OwnSite,
            Statistician | Operator | Archive => Nothing,
        },
        (Resource::Bundles, Some(Inspector | Archive)) => All,
        (Resource::Bundles, Some(Site | Statistician | Operator)) => Nothing,
        (Resource::SitePart, Some(role)) => match role {
            Inspector | Archive => All,
            Site => OwnSite,
            Statistician | Operator => Nothing,
        },

        (Resource::Reports, Some(Statistician | Inspector)) => All,
        (Resource::Reports, Some(Site | Operator | Archive)) => Nothing,

        (Resource::Workings, Some(Inspector | Operator)) => All,
        (Resource::Workings, Some(Site | Statistician | Archive)) => Nothing,

        (Resource::Reasons | Resource::Metrics | Resource::Opening | Resource::Upkeep, Some(Operator)) => All,
        (
            Resource::Reasons | Resource::Metrics | Resource::Opening | Resource::Upkeep,
            Some(Site | Statistician | Inspector | Archive),
        ) => Nothing,
    }
}

/// Whether holders of tokens with `role` read open reports, and so MUST NOT come to know who is in which arm.
pub fn is_blinded(role: TokenRole) -> bool {
    role == TokenRole::Statistician
}

/// As [`permission`], in a trial that has arms: whole records tell arms apart, and so does what is said of single subjects.
///
/// ```
/// use api::{Permission, Resource, TokenRole, permission_beside_arms};
/// assert_eq!(permission_beside_arms(Some(TokenRole::Statistician), Resource::Records), Permission::Nothing);
/// assert_eq!(permission_beside_arms(Some(TokenRole::Inspector), Resource::Records), Permission::All);
/// ```
pub fn permission_beside_arms(role: Option<TokenRole>, resource: Resource) -> Permission {
    let tells = match resource {
        Resource::Records
        | Resource::Subjects
        | Resource::Findings
        | Resource::Feed
        | Resource::Bundles
        | Resource::SitePart => true,
        // Open reports withhold by themselves what tells.
        Resource::Reports
        | Resource::Health
        | Resource::Seals
        | Resource::Submission
        | Resource::Trials
        | Resource::Reasons
        | Resource::Metrics
        | Resource::Opening
        | Resource::Workings
        | Resource::Upkeep => false,
    };
    if tells && role.is_some_and(is_blinded) { Permission::Nothing } else { permission(role, resource) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_of_the_table_is_as_decided() {
        use Permission::{All as A, Nothing as N, OwnSite as O};
        let due = [
            // without a token, site, statistician, inspector, operator, archive
            (Resource::Health, [A, A, A, A, A, A]),
            (Resource::Seals, [A, A, A, A, A, A]),
            (Resource::Submission, [A, A, A, A, A, A]),
            (Resource::Trials, [N, A, A, A, A, N]),
            (Resource::Records, [N, O, A, A, N, N]),
            (Resource::Subjects, [N, O, A, A, N, N]),
            (Resource::Findings, [N, O, A, A, N, N]),
            (Resource::Feed, [N, O, N, A, N, N]),
            (Resource::Reports, [N, N, A, A, N, N]),
            (Resource::Bundles, [N, N, N, A, N, A]),
            (Resource::SitePart, [N, O, N, A, N, A]),
            (Resource::Reasons, [N, N, N, N, A, N]),
            (Resource::Metrics, [N, N, N, N, A, N]),
            (Resource::Opening, [N, N, N, N, A, N]),
            (Resource::Workings, [N, N, N, A, A, N]),
            (Resource::Upkeep, [N, N, N, N, A, N]),
        ];
        assert_eq!(due.map(|(resource, _)| resource), Resource::ALL);
        let roles: Vec<_> = std::iter::once(None).chain(TokenRole::ALL.map(Some)).collect();
        for (resource, cells) in due {
            for (role, due) in roles.iter().zip(cells) {
                assert_eq!(permission(*role, resource), due, "{role:?} {resource:?}");
            }
        }
    }

    #[test]
    fn beside_arms_a_reader_of_open_reports_has_no_whole_record_and_all_others_what_they_have() {
        let open =
            [Resource::Health, Resource::Seals, Resource::Submission, Resource::Trials, Resource::Reports];
        for resource in Resource::ALL {
            let statistician = permission_beside_arms(Some(TokenRole::Statistician), resource);
            assert_eq!(statistician == Permission::All, open.contains(&resource), "{resource:?}");
            for role in TokenRole::ALL.map(Some).into_iter().chain([None]) {
                if role != Some(TokenRole::Statistician) {
                    assert_eq!(permission_beside_arms(role, resource), permission(role, resource));
                }
            }
        }
    }

    #[test]
    fn a_role_is_read_by_its_own_name_alone() {
        for role in TokenRole::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for text in ["", "Site", "sites", "admin"] {
            assert_eq!(text.parse::<TokenRole>(), Err(NoSuchRole), "{text}");
        }
    }
}
