//! What was stated of a subject, thing by thing, each with all its versions. It reads records; it judges nothing.

use std::collections::BTreeMap;

use api::RecordView;
use serde_json::Value;

use crate::trail::Read;
use crate::values::leaves;

/// All versions of one thing that was stated, the first first.
pub(crate) struct Thing<'a> {
    pub(crate) versions: Vec<Read<'a>>,
}

impl Thing<'_> {
    pub(crate) fn first(&self) -> &Read<'_> {
        &self.versions[0]
    }

    pub(crate) fn latest(&self) -> &Read<'_> {
        self.versions.last().unwrap_or_else(|| self.first())
    }
}

/// Gathers records into the things they are versions of.
pub(crate) fn things(records: &[RecordView]) -> Vec<Thing<'_>> {
    let mut places: BTreeMap<u64, usize> = BTreeMap::new();
    let mut things: Vec<Thing<'_>> = Vec::new();
    for view in records {
        let read = Read::new(view);
        let amended = read.amends().and_then(|seq| places.get(&seq).copied());
        let place = amended.unwrap_or(things.len());
        places.insert(view.seq.0, place);
        match things.get_mut(place) {
            Some(thing) => thing.versions.push(read),
            None => things.push(Thing { versions: vec![read] }),
        }
    }
    things
}

/// A version's members: the date of the fact first, then the contents. A void one has none.
pub(crate) fn members<'a>(version: &'a Read<'_>) -> Vec<(String, &'a Value)> {
    let date = version.event().get("occurred_on").map(|date| (DATE.to_owned(), date));
    let data = version.event().get("data").map(leaves).unwrap_or_default();
    date.into_iter().chain(data).collect()
}

/// The date of the fact, as a member.
pub(crate) const DATE: &str = "date of the fact";
