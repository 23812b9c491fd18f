//! A process's configuration: a TOML file, the environment over it, the command line over both; and where each value came
//! from.
//!
//! [`SETTINGS`] is the one list of what can be set: the file, the environment's variables, `trialbook config show` and
//! docs/guide/configuration.md are all held against it.

mod file;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

pub(crate) use settings::{Form, SETTINGS, Setting};

/// What a setting is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<String>),
    Number(u32),
    Flag(bool),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment { variable: String },
    CommandLine,
}

/// The effective configuration.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    values: BTreeMap<&'static str, (Value, Origin)>,
}

/// A `KEY=VALUE` from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    key: &'static str,
    value: Value,
}

impl Configuration {
    /// Reads `file`, then what `environment` says, then `assignments`; each later one over the one before.
    ///
    /// # Errors
    /// With file and line, or variable: a key that there is not, a value of another form.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<String>,
        assignments: &[Assignment],
    ) -> Result<Self> {
        let mut values = BTreeMap::new();
        for setting in SETTINGS {
            if let Some(default) = setting.default {
                let value =
                    setting.read(default).expect("a default is of its setting's form: a test reads each");
                values.insert(setting.key, (value, Origin::Default));
            }
        }
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the configuration {}", path.display()))?;
            values.extend(file::read(path, &text)?);
        }
        for setting in SETTINGS {
            let variable = setting.variable();
            if let Some(text) = environment(&variable).filter(|text| !text.is_empty()) {
                let value =
                    setting.read(&text).with_context(|| format!("in the environment's {variable}"))?;
                values.insert(setting.key, (value, Origin::Environment { variable }));
            }
        }
        for Assignment { key, value } in assignments {
            values.insert(key, (value.clone(), Origin::CommandLine));
        }
        Ok(Self { values })
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(crate) fn texts(&self, key: &str) -> &[String] {
        match self.value(key) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    pub(crate) fn number(&self, key: &str) -> Option<u32> {
        match self.value(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Flag(true)))
    }

    /// The text of a setting without which the process cannot work.
    ///
    /// # Errors
    /// It is not set.
    pub(crate) fn required(&self, key: &str) -> Result<&str> {
        let variable = setting(key).map(Setting::variable).unwrap_or_default();
        self.text(key).with_context(|| format!("set {key} in the configuration, or {variable}"))
    }

    /// The two paths of settings that go together; `None` where neither is set.
    ///
    /// # Errors
    /// One is set without the other.
    pub(crate) fn paths_together(&self, one: &str, other: &str) -> Result<Option<(PathBuf, PathBuf)>> {
        match (self.path(one), self.path(other)) {
            (Some(one), Some(other)) => Ok(Some((one, other))),
            (None, None) => Ok(None),
            _ => bail!("{one} and {other} go together: set both or neither"),
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        debug_assert!(setting(key).is_some(), "{key} is not in the list of settings");
        self.values.get(key).map(|(value, _)| value)
    }

    /// Every setting with its value and origin; secrets are not in it.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let show = |setting: &Setting| {
            let found = self.values.get(setting.key);
            Shown {
                key: setting.key,
                value: found.map(|(value, _)| if setting.secret { masked(value) } else { value.to_string() }),
                meaning: setting.meaning,
                origin: found.map_or_else(|| "not set".to_owned(), |(_, origin)| origin.to_string()),
            }
        };
        SETTINGS.iter().map(show).collect()
    }
}

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Shown {
    pub(crate) key: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) meaning: &'static str,
    pub(crate) origin: String,
}

/// That there is a secret, and nothing of it.
fn masked(value: &Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() => String::new(),
        _ => "********".to_owned(),
    }
}

pub(crate) fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

impl std::str::FromStr for Assignment {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (key, value) = text.split_once('=').context("give KEY=VALUE")?;
        let setting = setting(key).with_context(|| unknown(key))?;
        ensure!(!setting.secret, "{key} is a secret, which other users of this machine would see here");
        Ok(Self { key: setting.key, value: setting.read(value)? })
    }
}

impl Assignment {
    /// The data directory and the address, which have options of their own.
    pub(crate) fn of(key: &'static str, value: String) -> Self {
        Self { key, value: Value::Text(value) }
    }
}

/// What is said of a key that there is not.
fn unknown(key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let alike: Vec<_> = SETTINGS
        .iter()
        .map(|setting| setting.key)
        .filter(|known| {
            known.ends_with(last) || known.rsplit('.').next().is_some_and(|end| key.ends_with(end))
        })
        .collect();
    if alike.is_empty() {
        format!("there is no setting {key}")
    } else {
        format!("there is no setting {key}; is it {} that is meant?", alike.join(" or "))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) => f.write_str(&texts.join(",")),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment { variable } => write!(f, "environment, {variable}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Configuration> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trialbook.toml");
        crate::data::replace(&path, file.as_bytes()).unwrap();
        let variables: BTreeMap<_, _> = environment.iter().copied().collect();
        let assignments: Vec<Assignment> = set.iter().map(|text| text.parse().unwrap()).collect();
        Configuration::load(
            Some(&path),
            &|name| variables.get(name).map(|text| (*text).to_owned()),
            &assignments,
        )
    }

    #[test]
    fn the_command_line_stands_over_the_environment_over_the_file_over_defaults() {
        let file = "listen = \"127.0.0.1:1\"\nhosts = [\"a\", \"b\"]\n[nats]\nreplicas = 5\nplay = true\n";
        let environment =
            [("TRIALBOOK_NATS_REPLICAS", "1"), ("TRIALBOOK_NATS_SERVERS", "nats://a, nats://b")];
        let loaded = load(file, &environment, &["nats.play=false"]).unwrap();
        assert_eq!(loaded.text("listen"), Some("127.0.0.1:1"));
        assert_eq!(loaded.texts("hosts"), ["a", "b"]);
        assert_eq!(loaded.number("nats.replicas"), Some(1));
        assert_eq!(loaded.texts("nats.servers"), ["nats://a", "nats://b"]);
        assert!(!loaded.flag("nats.play"));
        assert_eq!(loaded.text("log.filter"), Some("warn"));
        let origin = |key| loaded.shown().into_iter().find(|shown| shown.key == key).unwrap().origin;
        assert!(origin("hosts").ends_with("trialbook.toml, line 2"), "{}", origin("hosts"));
        assert_eq!(origin("nats.replicas"), "environment, TRIALBOOK_NATS_REPLICAS");
        assert_eq!(origin("nats.play"), "command line");
        assert_eq!(origin("log.filter"), "default");
        assert_eq!(origin("tls.cert"), "not set");
    }

    #[test]
    fn a_secret_is_not_shown_and_not_taken_from_the_command_line() {
        let loaded =
            load("[services]\ntoken = \"tbk_secret\"\n", &[("TRIALBOOK_NATS_PASSWORD", "pw-9")], &[]);
        let shown = serde_json::to_string(&loaded.unwrap().shown()).unwrap();
        assert!(!shown.contains("tbk_secret") && !shown.contains("pw-9"), "{shown}");
        assert_eq!(shown.matches("********").count(), 2, "{shown}");
        let refused = "services.token=x".parse::<Assignment>().unwrap_err();
        assert!(refused.to_string().contains("secret"), "{refused}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        let said = |file: &str| format!("{:#}", load(file, &[], &[]).unwrap_err());
        let check = |file: &str, line: &str, what: &str| {
            let said = said(file);
            assert!(said.contains(&format!("trialbook.toml, line {line}")) && said.contains(what), "{said}");
        };
        check("\nlisten = 7878\n", "2", "text");
        check("[nats]\nserver = \"nats://a\"\n", "2", "there is no setting nats.server");
        check("[nats]\nreplicas = \"three\"\n", "2", "whole number");
        check("[nats]\n\nreplicas = -1\n", "3", "whole number");
        check("[nats]\nservers = [\"a\", 1]\n", "2", "texts");
        check("data = \"x\"\nnats = 1\n", "2", "table");
        check("data = \"x\"\ndata = \"y\"\n", "2", "duplicate");
        check("data = \n", "1", "");
        check("[unknown.deeply]\nkey = 1\n", "2", "there is no setting unknown.deeply.key");
        let environment = load("", &[("TRIALBOOK_NATS_PLAY", "perhaps")], &[]).unwrap_err();
        assert!(format!("{environment:#}").contains("TRIALBOOK_NATS_PLAY"), "{environment:#}");
    }

    #[test]
    fn each_default_is_of_its_form_and_each_key_stands_once() {
        let mut keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        for setting in SETTINGS {
            if let Some(default) = setting.default {
                setting.read(default).unwrap();
            }
        }
        let mut variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        let count = SETTINGS.len();
        keys.sort_unstable();
        keys.dedup();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!((keys.len(), variables.len()), (count, count));
    }

    #[test]
    fn the_guide_lists_every_setting_and_no_other() {
        let guide = include_str!("../../../docs/guide/configuration.md");
        let rows: Vec<_> = guide.lines().filter(|line| line.starts_with("| `")).collect();
        let due: Vec<_> = SETTINGS.iter().map(Setting::row).chain(crate::organisation::rows()).collect();
        assert_eq!(rows, due, "docs/guide/configuration.md");
    }
}
