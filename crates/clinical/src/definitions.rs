//! Definitions: what a report's words mean, as data with an id and a version, shipped or a trial's own.
//!
//! A definition's id ends with its version: one whose parameters change has another id, for ever. Here is what each says
//! ([`rule`]), how it is read, what is shipped, and pure functions that apply those about disease activity to what one
//! visit says. Which subjects a report counts, and when, is the reports' matter.

pub mod activity;
pub mod flare;
mod read;
pub mod remission;
pub mod rule;
mod shipped;

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use rule::{Kind, Rule};
pub use shipped::{find, shipped};

/// Ids of the definitions that a trial's reports use, and the trial's own definitions. Each figure prints the id of its
/// own. What is not chosen is the shipped one of [`Kind::shipped_id`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definitions {
    /// Who counts as evaluable at the k-th year, such as `evaluable-1`.
    pub evaluable: String,
    /// What a flare is, such as `selena-flare-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flare: Option<String>,
    /// How partial dates are completed, such as `impute-1`.
    pub imputation: String,
    /// At which anniversaries or days status is told, such as `landmarks-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<String>,
    /// The trial's own definitions.
    #[serde(default, deserialize_with = "read::own", skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<Definition>,
    /// Which sets of subjects are told apart, such as `sets-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub populations: Option<String>,
    /// What makes an adverse event related, such as `related-1`.
    pub related: String,
    /// What a relapse is, such as `relapse-1`.
    pub relapse: String,
    /// What remission is, such as `ccr-registry-1`.
    pub remission: String,
    /// Names of ranges of the disease activity score, such as `sledai-bands-eular-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// How the disease activity score is taken, such as `sledai-2k-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sledai: Option<String>,
    /// When treatment is to be stopped, such as `stopping-beta-binomial-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<String>,
    /// Which of several visits counts for a planned one, such as `windows-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<String>,
}

impl Definitions {
    /// The id that reports use for the kind: the chosen one, or the shipped default.
    ///
    /// ```
    /// use clinical::definitions::{Definitions, Kind};
    /// let text = r#"{"evaluable": "evaluable-1", "flare": "my-flare-1", "imputation": "impute-1",
    ///     "related": "related-1", "relapse": "relapse-1", "remission": "doris-2021"}"#;
    /// let chosen: Definitions = serde_json::from_str(text)?;
    /// assert_eq!(chosen.id_of(Kind::Flare), "my-flare-1");
    /// assert_eq!(chosen.id_of(Kind::Windows), "windows-1");
    /// assert!(chosen.chosen(Kind::Flare).is_none(), "nobody says what that is");
    /// assert!(chosen.chosen(Kind::Remission).is_some_and(|one| one.rule.remission().is_some()));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn id_of(&self, kind: Kind) -> &str {
        let stated = match kind {
            Kind::Evaluable => Some(&self.evaluable),
            Kind::Imputation => Some(&self.imputation),
            Kind::Related => Some(&self.related),
            Kind::Relapse => Some(&self.relapse),
            Kind::Remission => Some(&self.remission),
            Kind::Flare => self.flare.as_ref(),
            Kind::Landmarks => self.landmarks.as_ref(),
            Kind::Populations => self.populations.as_ref(),
            Kind::Severity => self.severity.as_ref(),
            Kind::Sledai => self.sledai.as_ref(),
            Kind::Stopping => self.stopping.as_ref(),
            Kind::Windows => self.windows.as_ref(),
            Kind::Change | Kind::Measure | Kind::Serious => None,
        };
        stated.map_or(kind.shipped_id(), String::as_str)
    }

    /// The definition that reports use for the kind; `None` if neither the trial nor this version says what the id means,
    /// or it means something of another kind.
    pub fn chosen(&self, kind: Kind) -> Option<&Definition> {
        find(&self.own, self.id_of(kind)).filter(|definition| definition.rule.of() == kind)
    }

    /// [`Definitions::chosen`], or else the shipped default: a report says that it replaced one.
    pub fn chosen_or_shipped(&self, kind: Kind) -> &Definition {
        self.chosen(kind).unwrap_or_else(|| kind.shipped())
    }
}

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its id, with its version.
    pub id: DefinitionId,
    /// Its kind and parameters.
    pub rule: Rule,
    /// One or two sentences for a reader, with their source. The parameters decide where the two differ.
    pub text: String,
    /// Its name.
    pub title: String,
}

impl Serialize for Definition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Definition", 5)?;
        object.serialize_field("id", &self.id)?;
        object.serialize_field("of", &self.rule.of())?;
        object.serialize_field("parameters", &self.rule)?;
        object.serialize_field("text", &self.text)?;
        object.serialize_field("title", &self.title)?;
        object.end()
    }
}

/// Id of a definition: words of `a-z` and `0-9` joined by `-`, the last of them its version: 1 to 9999. At most 64
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionId(Box<str>);

/// A text that is no id of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected words of a-z and 0-9 joined by -, the last a version from 1 to 9999, at most 64 characters"
)]
pub struct DefinitionIdError;

impl DefinitionId {
    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DefinitionId {
    type Err = DefinitionIdError;

    fn from_str(text: &str) -> Result<Self, DefinitionIdError> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let is_version = |word: &str| {
            word.len() <= 4 && !word.starts_with('0') && word.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (name, version) = text.rsplit_once('-').ok_or(DefinitionIdError)?;
        let holds = text.len() <= 64 && text.split('-').all(is_word) && is_version(version);
        if holds && !name.is_empty() { Ok(Self(text.into())) } else { Err(DefinitionIdError) }
    }
}

impl fmt::Display for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for DefinitionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DefinitionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_ends_with_its_version() {
        for id in ["a-1", "doris-2021", "sledai-2k-1", "a-b-9999", "0-1"] {
            assert_eq!(id.parse::<DefinitionId>().unwrap().as_str(), id);
        }
        let long = format!("{}-1", "a".repeat(63));
        for wrong in
            ["", "a", "1", "-1", "a-", "a-0", "a-01", "a--1", "A-1", "a_b-1", "a-b", "a-10000", &long]
        {
            assert!(wrong.parse::<DefinitionId>().is_err(), "{wrong}");
        }
    }
}
