//! A configuration file: TOML, of which every key is one of the list.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Form, Origin, SETTINGS, Setting, Value, setting, unknown};

type Values = BTreeMap<&'static str, (Value, Origin)>;

/// Reads the text of the file at `path`.
///
/// # Errors
/// With the line: it is no TOML, or a key or value is none of ours.
pub(super) fn read(path: &Path, text: &str) -> Result<Values> {
    let file = File { path, text };
    let table = DeTable::parse(text)
        .map_err(|error| file.at(error.span().map_or(0, |span| span.start), error.message()))?;
    let mut values = Values::new();
    file.table("", table.get_ref(), &mut values)?;
    Ok(values)
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// The line of a byte offset, from 1.
    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    fn at(&self, offset: usize, what: &str) -> anyhow::Error {
        anyhow!("{}, line {}: {what}", self.path.display(), self.line(offset))
    }

    fn table(&self, prefix: &str, table: &DeTable<'_>, values: &mut Values) -> Result<()> {
        for (key, value) in table {
            let offset = key.span().start;
            let key = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            let is_table = SETTINGS
                .iter()
                .any(|setting| setting.key.strip_prefix(&*key).is_some_and(|rest| rest.starts_with('.')));
            match (setting(&key), value.get_ref()) {
                (None, DeValue::Table(inner)) => self.table(&key, inner, values)?,
                (None, _) if is_table => return Err(self.at(offset, &format!("{key} is a table"))),
                (None, _) => return Err(self.at(offset, &unknown(&key))),
                (Some(setting), value) => {
                    let read = of(setting, value)
                        .ok_or_else(|| self.at(offset, &format!("{key} is {}", setting.form.name())))?;
                    let origin = Origin::File { path: self.path.to_owned(), line: self.line(offset) };
                    values.insert(setting.key, (read, origin));
                }
            }
        }
        Ok(())
    }
}

/// The value, if it is of the setting's form.
fn of(setting: &Setting, value: &DeValue<'_>) -> Option<Value> {
    Some(match (setting.form, value) {
        (Form::Text, DeValue::String(text)) if !text.is_empty() => Value::Text(text.to_string()),
        (Form::Texts, DeValue::Array(texts)) => {
            let text = |text: &Spanned<DeValue<'_>>| text.get_ref().as_str().map(str::to_owned);
            Value::Texts(texts.iter().map(text).collect::<Option<_>>()?)
        }
        (Form::Number, DeValue::Integer(number)) if number.radix() == 10 => {
            Value::Number(number.as_str().parse().ok()?)
        }
        (Form::Flag, DeValue::Boolean(flag)) => Value::Flag(*flag),
        _ => return None,
    })
}
