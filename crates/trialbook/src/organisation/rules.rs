//! Rules by which an organisation's claims about a person become a role here.

use api::TokenRole;
use clinical::{SiteId, TrialId};
use serde_json::Value;

/// Most characters of a name that is shown.
const NAME_CHARACTERS_MAX: usize = 128;

/// One rule: whoever has `value` in `claim` may read as `role`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) claim: String,
    pub(crate) value: String,
    pub(crate) role: TokenRole,
    /// For the role site, and for no other.
    pub(crate) site: Option<SiteId>,
    pub(crate) trial: Option<TrialId>,
}

/// The rules, of which the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules(pub(crate) Vec<Rule>);

impl Rules {
    /// The first rule that fits what is claimed.
    pub(super) fn first_of(&self, claims: &Value) -> Option<&Rule> {
        self.0.iter().find(|rule| has(claims, &rule.claim, &rule.value))
    }

    /// The first rule that is about this value of a claim.
    pub(super) fn about(&self, claim: &str, value: &str) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.claim == claim && rule.value == value)
    }
}

/// The claim that is called so; with a slash before it, the one at that JSON pointer.
fn claimed<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    if name.starts_with('/') { claims.pointer(name) } else { claims.get(name) }
}

/// Whether a claim is a value, or a list in which the value is.
fn has(claims: &Value, claim: &str, value: &str) -> bool {
    let is = |claimed: &Value| match claimed {
        Value::String(text) => text == value,
        Value::Bool(true) => value == "true",
        Value::Bool(false) => value == "false",
        Value::Number(number) => *number.to_string() == *value,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    match claimed(claims, claim) {
        Some(Value::Array(several)) => several.iter().any(is),
        Some(one) => is(one),
        None => false,
    }
}

/// The name that a claim says, if it can be shown.
pub(super) fn name(claims: &Value, claim: &str) -> Option<String> {
    let name = claimed(claims, claim)?.as_str()?.trim();
    let fits = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count()) && !name.chars().any(hides);
    fits.then(|| name.to_owned())
}

/// Whether a character is none that is seen, or turns what is beside it round.
fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(claim: &str, value: &str, role: TokenRole) -> Rule {
        Rule { claim: claim.to_owned(), value: value.to_owned(), role, site: None, trial: None }
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_nothing_fits_but_the_whole_value() {
        let rules = Rules(vec![
            rule("groups", "desk", TokenRole::Operator),
            rule("/realm_access/roles", "inspector", TokenRole::Inspector),
            rule("groups", "statistics", TokenRole::Statistician),
            rule("https://claims.example/auditor", "true", TokenRole::Archive),
        ]);
        let check = |claims: Value, due: Option<TokenRole>| {
            assert_eq!(rules.first_of(&claims).map(|rule| rule.role), due, "{claims}");
        };
        check(json!({"groups": ["statistics", "desk"]}), Some(TokenRole::Operator));
        check(json!({"groups": "statistics"}), Some(TokenRole::Statistician));
        check(
            json!({"realm_access": {"roles": ["a", "inspector"]}, "groups": ["x"]}),
            Some(TokenRole::Inspector),
        );
        check(json!({"https://claims.example/auditor": true}), Some(TokenRole::Archive));
        for nobody in [
            json!({}),
            json!({"groups": null}),
            json!({"groups": []}),
            json!({"groups": ["Desk", "desk ", "desks", "xdesk", ""]}),
            json!({"groups": {"desk": true}}),
            json!({"groups": [["desk"]]}),
            json!({"group": ["desk"]}),
            json!({"roles": ["inspector"]}),
            json!(["desk"]),
        ] {
            check(nobody, None);
        }
        assert_eq!(rules.about("groups", "desk").map(|rule| rule.role), Some(TokenRole::Operator));
        assert_eq!(rules.about("groups", "inspector"), None);
    }

    #[test]
    fn a_name_is_a_text_that_can_be_shown() {
        let said = |name: Value| self::name(&json!({"sub": name}), "sub");
        assert_eq!(said(json!("li.wei")).as_deref(), Some("li.wei"));
        assert_eq!(said(json!(" 李伟 ")).as_deref(), Some("李伟"));
        let long = "x".repeat(NAME_CHARACTERS_MAX + 1);
        for none in
            [json!(""), json!(" "), json!(7), json!(["a"]), json!("a\nb"), json!("a\u{202e}b"), json!(long)]
        {
            assert_eq!(said(none.clone()), None, "{none}");
        }
        assert_eq!(name(&json!({}), "sub"), None);
    }
}
