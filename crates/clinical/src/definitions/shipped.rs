//! The definitions that are shipped, as data in `shipped.json`.

use std::sync::LazyLock;

use super::Definition;
use super::rule::Kind;

static SHIPPED: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("shipped.json"))
        .expect("the shipped definitions read: a test reads them")
});

/// The shipped definitions, by kind and then in the order in which a reader would name them.
pub fn shipped() -> &'static [Definition] {
    &SHIPPED
}

/// The definition of that id: the trial's own, or else the shipped one.
///
/// ```
/// let remission = clinical::definitions::find(&[], "doris-2021").unwrap();
/// assert_eq!(remission.rule.of().as_str(), "remission");
/// ```
pub fn find<'a>(own: &'a [Definition], id: &str) -> Option<&'a Definition> {
    own.iter().chain(shipped()).find(|definition| definition.id.as_str() == id)
}

impl Kind {
    /// The shipped definition that holds where a trial chooses none.
    pub(super) fn shipped(self) -> &'static Definition {
        find(&[], self.shipped_id()).expect("each kind has a shipped definition: a test finds them")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_shipped_definition_that_holds_by_default() {
        for kind in Kind::ALL {
            assert_eq!(kind.shipped().rule.of(), *kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn shipped_ids_are_distinct_and_every_definition_says_what_it_means() {
        let ids: BTreeSet<_> = shipped().iter().map(|definition| &definition.id).collect();
        assert_eq!(ids.len(), shipped().len());
        for definition in shipped() {
            assert!(!definition.title.is_empty() && definition.text.ends_with('.'), "{}", definition.id);
        }
        assert!(shipped().is_sorted_by_key(|definition| definition.rule.of()));
    }

    #[test]
    fn the_form_of_the_shipped_definitions_is_stable() {
        let written = serde_json::to_value(shipped()).unwrap();
        let stated: serde_json::Value = serde_json::from_str(include_str!("shipped.json")).unwrap();
        assert_eq!(written, stated);
    }
}
