//! The role table, dates, times, decimals, identifiers, the SLEDAI-2K, and a trial's own definitions.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clinical::authority::{Entitlement, entitlement};
use clinical::data::allocation_message;
use clinical::definitions::{Definitions, shipped};
use clinical::sledai::{Descriptor, Presence, score};
use clinical::{
    ActorId, ClinicalTime, Decimal, EventId, EventKind, PartialDate, Role, SiteId, SubjectId, TrialId, Zone,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Family, Input, accepted_or_refused, bytes_member};

fn texts(texts: &[&str]) -> Vec<(String, Value)> {
    texts.iter().map(|text| (format!("`{text}`"), json!({"text": text}))).collect()
}

pub(crate) const ROLE_TABLE: Family = Family {
    name: "role-table",
    about: "Which kinds a role may sign, and on what condition: trial (anywhere), own_sites (at the sites of the grant), \
            imports (only what is marked as imported). A kind that is not named: not at all.",
    cases: || Role::ALL.map(|role| (role.as_str().to_owned(), json!({"role": role}))).into(),
    compute: |input| {
        let role: Role = serde_json::from_value(input.member("role")?.clone())?;
        let cells = EventKind::ALL.iter().filter_map(|kind| {
            let condition = match entitlement(role, *kind) {
                Entitlement::No => return None,
                Entitlement::Trial => "trial",
                Entitlement::OwnSites => "own_sites",
                Entitlement::Imports => "imports",
            };
            Some((kind.as_str(), condition))
        });
        Ok(json!(cells.collect::<BTreeMap<_, _>>()))
    },
};

pub(crate) const ALLOCATION: Family = Family {
    name: "allocation",
    about: "What an allocation commits to: the message with the subject's arm and key, and its SHA-256.",
    cases: || {
        let case = |name: &str, subject: &str, arm: &str, key: &str| {
            let input =
                json!({"arm": arm, "key_hex": key.repeat(32), "subject": subject, "trial": "lupus-msct"});
            (name.to_owned(), input)
        };
        vec![
            case("an arm", "S0001", "cells", "07"),
            case("another arm", "S0001", "placebo", "07"),
            case("another key", "S0001", "cells", "08"),
            case("another subject", "S0002", "cells", "07"),
            case(
                "an arm of two words, in letters beyond ASCII",
                "S0001",
                "Arm B \u{2013} pl\u{e1}cebo",
                "07",
            ),
        ]
    },
    compute: |input| {
        let (trial, subject, arm) = (input.text("trial")?, input.text("subject")?, input.text("arm")?);
        let message = allocation_message(trial, subject, arm, &input.array("key_hex")?);
        let mut output = bytes_member("message", &message);
        output["commitment"] = json!(chain::hash::to_hex(&Sha256::digest(&message)));
        Ok(output)
    },
};

pub(crate) const PARTIAL_DATE: Family = Family {
    name: "partial-date",
    about: "Clinical dates as intervals: the first and the last day they can mean.",
    cases: || {
        texts(&[
            "2008",
            "2008-02",
            "2009-02",
            "2008-12",
            "2008-02-29",
            "2008-03-11",
            "0000",
            "9999-12-31",
            "2009-02-29",
            "2008-00",
            "2008-13",
            "2008-3-1",
            "08",
            "2008-03-11T00:00",
            "2008/03/11",
            "-008",
            "",
        ])
    },
    compute: |input| {
        Ok(accepted_or_refused(
            input.text("text")?.parse::<PartialDate>(),
            |date| json!({"earliest": date.earliest().to_string(), "latest": date.latest().to_string()}),
        ))
    },
};

pub(crate) const CLINICAL_TIME: Family = Family {
    name: "clinical-time",
    about: "Clinical times with their offset, in seconds since 1970-01-01T00:00:00Z.",
    cases: || {
        texts(&[
            "2008-03-11T09:30+08:00",
            "2008-03-11T01:30:00+00:00",
            "2008-03-10T20:30:59-05:00",
            "2008-03-11T09:30+14:00",
            "2008-03-11T09:30+15:00",
            "2008-03-11T09:30-00:00",
            "2008-03-11T09:30Z",
            "2008-03-11T09:30",
            "2008-03-11T24:00+08:00",
            "2008-03-11T09:30:60+08:00",
            "2008-03-11 09:30+08:00",
            "2008-03T09:30+08:00",
        ])
    },
    compute: |input| {
        Ok(accepted_or_refused(input.text("text")?.parse::<ClinicalTime>(), |time| json!(time.utc_seconds())))
    },
};

pub(crate) const DECIMAL: Family = Family {
    name: "decimal",
    about: "Decimals, which are strings: -?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,9})?, no negative zero. Their precision is kept.",
    cases: || {
        texts(&[
            "0",
            "-1",
            "1.20",
            "0.0",
            "-0.5",
            "999999999999999999.999999999",
            "1000000000000000000",
            "1.0000000000",
            "-0",
            "-0.00",
            "01",
            "1.",
            ".5",
            "+1",
            "1e3",
            "1,5",
            "NaN",
            "",
        ])
    },
    compute: |input| {
        Ok(accepted_or_refused(input.text("text")?.parse::<Decimal>(), |decimal| json!(decimal)))
    },
};

pub(crate) const IDENTIFIER: Family = Family {
    name: "identifier",
    about: "Identifiers of each grammar, accepted and refused.",
    cases: || {
        let long = |letter: &str, length: usize| letter.repeat(length);
        let grammars: [(&str, Vec<String>); 6] = [
            ("trial", ["lupus-msct", "0", "-a", "A", "a/b", "..", "a b", ""].map(str::to_owned).into()),
            ("trial", vec![long("a", 63), long("a", 64)]),
            ("site", ["CN-NJ", "0", "-A", "cn-nj", "A_B", "A/B", ""].map(str::to_owned).into()),
            ("subject", vec!["01-701-1015".to_owned(), "s1".to_owned(), long("A", 32), long("A", 33)]),
            ("actor", ["li.wei", "a-b.c", ".a", "Li", "a_b", ""].map(str::to_owned).into()),
            (
                "zone",
                ["Asia/Shanghai", "America/Argentina/Buenos_Aires", "Etc/GMT+8", "/Asia", "", "A B"]
                    .map(str::to_owned)
                    .into(),
            ),
        ];
        let event_ids = [
            "01936b2e-7c5a-7d3e-8f10-0123456789ab",
            "01936B2E-7C5A-7D3E-8F10-0123456789AB",
            "01936b2e-7c5a-4d3e-8f10-0123456789ab",
            "01936b2e-7c5a-7d3e-cf10-0123456789ab",
            "01936b2e7c5a7d3e8f100123456789ab",
        ];
        grammars
            .into_iter()
            .chain([("event", event_ids.map(str::to_owned).into())])
            .flat_map(|(grammar, texts)| texts.into_iter().map(move |text| (grammar, text)))
            .map(|(grammar, text)| (format!("{grammar} `{text}`"), json!({"grammar": grammar, "text": text})))
            .collect()
    },
    compute: |input| match input.text("grammar")? {
        "trial" => identifier::<TrialId>(input),
        "site" => identifier::<SiteId>(input),
        "subject" => identifier::<SubjectId>(input),
        "actor" => identifier::<ActorId>(input),
        "zone" => identifier::<Zone>(input),
        "event" => identifier::<EventId>(input),
        other => bail!("no grammar {other}"),
    },
};

fn identifier<T: FromStr + ToString>(input: &Input<'_>) -> Result<Value> {
    Ok(accepted_or_refused(input.text("text")?.parse::<T>(), |id| json!(id.to_string())))
}

pub(crate) const SLEDAI: Family = Family {
    name: "sledai-2k",
    about: "SLEDAI-2K: scores of sets of descriptors that are present, all others being absent but for those not done. One \
            vector for each of the 24 gives its weight and whether it is clinical.",
    cases: || {
        let name = |descriptor: Descriptor| serde_json::to_value(descriptor).unwrap_or_default();
        let case = |label: String, present: Vec<Descriptor>, not_done: Vec<Descriptor>| {
            let list = |items: Vec<Descriptor>| items.into_iter().map(name).collect::<Vec<_>>();
            (label, json!({"not_done": list(not_done), "present": list(present)}))
        };
        let single = |item: Descriptor| {
            case(name(item).as_str().unwrap_or_default().to_owned(), vec![item], Vec::new())
        };
        let mut cases: Vec<_> = Descriptor::ALL.into_iter().map(single).collect();
        cases.push(case("all".to_owned(), Descriptor::ALL.into(), Vec::new()));
        cases.push(case("none".to_owned(), Vec::new(), Vec::new()));
        cases.push(case("none examined".to_owned(), Vec::new(), Descriptor::ALL.into()));
        let (present, not_done) =
            (vec![Descriptor::Rash, Descriptor::LowComplement], vec![Descriptor::Fever]);
        cases.push(case("rash and low complement, fever not done".to_owned(), present, not_done));
        cases
    },
    compute: |input| {
        let list = |member: &str| -> Result<Vec<Descriptor>> {
            serde_json::from_value(input.member(member)?.clone()).context("descriptors")
        };
        let mut items: BTreeMap<_, _> = Descriptor::ALL.map(|item| (item, Presence::Absent)).into();
        items.extend(list("present")?.into_iter().map(|item| (item, Presence::Present)));
        items.extend(list("not_done")?.into_iter().map(|item| (item, Presence::NotDone)));
        let score = score(&items);
        Ok(json!({"clinical": score.clinical, "not_done": score.not_done, "total": score.total}))
    },
};

pub(crate) const DEFINITIONS: Family = Family {
    name: "definitions",
    about: "A trial's own definitions, as an opening brings them: the ids of those accepted. Every shipped one is accepted in other \
            words, and with other parameters only under another id.",
    cases: || {
        let own = |label: &str, own: Value| (label.to_owned(), json!({"own": own}));
        let change = |id: &str, within: u64| json!({"id": id, "of": "change", "parameters": {"within": within}, "text": "x", "title": "y"});
        let landmarks = |days: Value| {
            let parameters = json!({"days": days, "window_days": 7, "years": []});
            json!({"id": "weeks-1", "of": "landmarks", "parameters": parameters, "text": "x", "title": "y"})
        };
        let changed = |pointer: &str, value: Value| {
            let mut own = json!([{
                "id": "quiet-1", "of": "remission", "text": "x", "title": "y", "parameters": {
                    "conditions": [{"is": "at_most", "measure": "loinc:1751-7", "unit": "g/L", "value": "9.5"}],
                    "items_absent": ["rash"], "no_new_items": true, "taken_as_absent": ["pain"]}}]);
            if let Some(member) = own.pointer_mut(pointer) {
                *member = value;
            }
            own
        };
        let mut cases: Vec<_> = shipped()
            .iter()
            .map(|definition| {
                let id = definition.id.as_str();
                let parameters = &definition.rule;
                let carried = json!({"id": id, "of": definition.rule.of(), "parameters": parameters, "text": "x", "title": "y"});
                own(id, json!([carried]))
            })
            .collect();
        cases.extend([
            own("none", json!([])),
            own("one of its own", changed("/none", Value::Null)),
            own("two", json!([change("a-1", 0), change("a-2", 65535)])),
            own("an id twice", json!([change("a-1", 0), change("a-1", 0)])),
            own("a shipped id with other parameters", json!([change("sledai-change-1", 2)])),
            own("a shipped id of another kind", json!([change("windows-1", 3)])),
            own("an id without version", json!([change("quiet", 2)])),
            own("a version with a leading zero", json!([change("quiet-01", 2)])),
            own("an unknown kind", changed("/0/of", json!("luck"))),
            own("parameters of another kind", changed("/0/of", json!("change"))),
            own("an unknown item", changed("/0/parameters/items_absent/0", json!("luck"))),
            own("an unknown side", changed("/0/parameters/conditions/0/is", json!("near"))),
            own("a number for a decimal", changed("/0/parameters/conditions/0/value", json!(9))),
            own("no decimal", changed("/0/parameters/conditions/0/value", json!("09"))),
            own("a text for a boolean", changed("/0/parameters/no_new_items", json!("true"))),
            own("a parameter missing", changed("/0/parameters", json!({"conditions": []}))),
            own("out of range", json!([change("a-1", 65536)])),
            own("no list", json!({})),
            own("landmarks in days", json!([landmarks(json!([28, 4_294_967_295_u64]))])),
            own("a landmark before day 0", json!([landmarks(json!([-1]))])),
        ]);
        cases
    },
    compute: |input| {
        let opening = json!({"evaluable": "", "imputation": "", "own": input.member("own")?, "related": "", "relapse": "",
                             "remission": ""});
        let ids = |read: Definitions| read.own.iter().map(|one| json!(one.id)).collect::<Value>();
        Ok(accepted_or_refused(serde_json::from_value::<Definitions>(opening), ids))
    },
};
