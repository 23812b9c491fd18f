//! Reading a definition: its kind tells the form of its parameters.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::rule::{Kind, Rule};
use super::{Definition, DefinitionId, find};

const MEMBERS: [&str; 5] = ["id", "of", "parameters", "text", "title"];

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Id,
    Of,
    Parameters,
    Text,
    Title,
}

/// Reads a trial's own definitions: no id twice, and none of a shipped one that says something else.
pub(super) fn own<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Definition>, D::Error> {
    deserializer.deserialize_seq(Own)
}

struct Own;

impl<'de> Visitor<'de> for Own {
    type Value = Vec<Definition>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of definitions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut taken = BTreeSet::new();
        let mut own = Vec::new();
        while let Some(definition) = list.next_element_seed(One { taken: Some(&taken) })? {
            taken.insert(definition.id.clone());
            own.push(definition);
        }
        Ok(own)
    }
}

impl<'de> Deserialize<'de> for Definition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        One { taken: None }.deserialize(deserializer)
    }
}

/// One definition. With `taken` it is a trial's own, and these are the ids before it.
struct One<'a> {
    taken: Option<&'a BTreeSet<DefinitionId>>,
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = Definition;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Definition, D::Error> {
        deserializer.deserialize_struct("Definition", &MEMBERS, self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = Definition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a definition")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Definition, A::Error> {
        let (mut id, mut of, mut rule, mut text, mut title) = (None, None, None, None, None);
        while let Some(member) = map.next_key()? {
            match member {
                Member::Id if id.is_none() => id = Some(map.next_value_seed(Id { taken: self.taken })?),
                Member::Of if of.is_none() => of = Some(map.next_value::<Kind>()?),
                Member::Parameters if rule.is_none() => {
                    // The canonical order: the kind stands before what it tells the form of.
                    let kind = of.ok_or_else(|| A::Error::missing_field("of"))?;
                    let shipped = self.taken.and(id.as_ref()).and_then(|id: &DefinitionId| {
                        find(&[], id.as_str()).map(|definition| &definition.rule)
                    });
                    rule = Some(map.next_value_seed(Parameters { kind, shipped })?);
                }
                Member::Text if text.is_none() => text = Some(map.next_value()?),
                Member::Title if title.is_none() => title = Some(map.next_value()?),
                _ => return Err(A::Error::custom("a member stands twice")),
            }
        }
        Ok(Definition {
            id: id.ok_or_else(|| A::Error::missing_field("id"))?,
            rule: rule.ok_or_else(|| A::Error::missing_field("parameters"))?,
            text: text.ok_or_else(|| A::Error::missing_field("text"))?,
            title: title.ok_or_else(|| A::Error::missing_field("title"))?,
        })
    }
}

struct Id<'a> {
    taken: Option<&'a BTreeSet<DefinitionId>>,
}

impl<'de> DeserializeSeed<'de> for Id<'_> {
    type Value = DefinitionId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<DefinitionId, D::Error> {
        let id = DefinitionId::deserialize(deserializer)?;
        if self.taken.is_some_and(|taken| taken.contains(&id)) {
            return Err(D::Error::custom("the id stands twice"));
        }
        Ok(id)
    }
}

struct Parameters<'a> {
    kind: Kind,
    shipped: Option<&'a Rule>,
}

impl<'de> DeserializeSeed<'de> for Parameters<'_> {
    type Value = Rule;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rule, D::Error> {
        let rule = self.kind.read(deserializer)?;
        if self.shipped.is_some_and(|shipped| *shipped != rule) {
            return Err(D::Error::custom("a shipped definition of this id says something else"));
        }
        Ok(rule)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::definitions::Definitions;

    fn own(definitions: &[Value]) -> Value {
        json!({"evaluable": "evaluable-1", "imputation": "impute-1", "own": definitions, "related": "related-1",
               "relapse": "relapse-1", "remission": "quiet-1"})
    }

    fn quiet() -> Value {
        json!({"id": "quiet-1", "of": "change", "parameters": {"within": 2}, "text": "x", "title": "y"})
    }

    fn refused(definitions: &[Value]) -> (String, String) {
        let text = own(definitions).to_string();
        let mut reader = serde_json::Deserializer::from_str(&text);
        let error = serde_path_to_error::deserialize::<_, Definitions>(&mut reader).unwrap_err();
        (crate::data::pointer_of(error.path()), crate::data::reason_of(error.inner()))
    }

    #[test]
    fn a_definition_of_the_trials_own_reads_back_and_is_found() {
        let value = own(&[quiet()]);
        let read: Definitions = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), value);
        assert_eq!(read.own[0].rule.change().unwrap().within, 2);
        assert_eq!(super::find(&read.own, "quiet-1"), Some(&read.own[0]));
    }

    #[test]
    fn a_choice_that_is_not_made_is_not_written() {
        let mut value = own(&[]);
        let read: Definitions = serde_json::from_value(value.clone()).unwrap();
        value.as_object_mut().unwrap().remove("own");
        assert_eq!(serde_json::to_value(&read).unwrap(), value);
    }

    #[test]
    fn what_is_wrong_with_a_definition_is_said_where_it_stands() {
        let check = |member: &str, change: Value, pointer: &str| {
            let mut other = quiet();
            other["id"] = json!("other-1");
            other[member] = change;
            assert_eq!(refused(&[quiet(), other]).0, format!("/own/1{pointer}"), "{member}");
        };
        check("id", json!("quiet-1"), "/id");
        check("id", json!("quiet"), "/id");
        check("of", json!("luck"), "/of");
        check("of", json!("windows"), "/parameters/within");
        check("parameters", json!({}), "/parameters");
        check("parameters", json!({"within": "2"}), "/parameters/within");
        check("parameters", json!({"within": 2, "other": 1}), "/parameters/other");
        check("other", json!(1), "/other");
        check("text", json!(1), "/text");
    }

    #[test]
    fn a_shipped_definition_may_be_carried_in_other_words_and_not_with_other_contents() {
        let mut carried = quiet();
        carried["id"] = json!("sledai-change-1");
        assert_eq!(refused(&[carried.clone()]).0, "/own/0/parameters");
        carried["parameters"] = json!({"within": 3});
        let read: Definitions = serde_json::from_value(own(&[carried.clone()])).unwrap();
        assert_eq!(read.own[0].title, "y");
        carried["of"] = json!("windows");
        carried["parameters"] = json!({"tie": "later", "unscheduled": true});
        assert_eq!(refused(&[carried]).0, "/own/0/parameters");
    }
}
