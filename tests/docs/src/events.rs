//! One event of each open kind with every member there is. Written as struct literals: a new member does not compile
//! until it is here, and then not pass until it is in the document.

mod later;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::str::FromStr;

use clinical::data::{
    Action, AdverseEvent, Age, AgeUnit, Agent, Causality, CellSource, Cells, Coding, Consent, Contact,
    ContactMeans, Criterion, CriterionResult, Ctcae, Death, Definitions, Disposition, DispositionReason,
    DispositionScope, Dose, End, Enrollment, GvhdStages, IdentityCheck, Import, ImportRow, Infusion,
    Interruption, KeyGranted, KeyRevoked, LocalCode, LogKeyChanged, Medication, MissedReason, Observation,
    Outcome, PlannedVisit, Preparation, PriorTherapy, Quantity, Range, RelapseJudgement, ReleaseStatus,
    RemissionStatus, Reported, Response, RevocationReason, SchemaProfile, Seriousness, Service,
    ServiceKeyGranted, SeverityOfEvent, Sex, SiteActivated, SponsorKey, TrialOpened, Visit, VisitPart,
    VisitStatus, VitalStatus, WithdrawalScope,
};
use clinical::definitions::rule::{self, Bound, Condition};
use clinical::definitions::{Definition, Kind, Rule};
use clinical::kind::Scope;
use clinical::sledai::{Descriptor, Presence};
use clinical::text::Algorithm;
use clinical::{EventKind, Role, SealedText, Stated};
use serde_json::{Value, json};

fn p<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what is filled in are members that need not be there")]
fn s<T>(value: T) -> Option<Stated<T>> {
    Some(Stated::Value(value))
}

fn text() -> String {
    "x".to_owned()
}

fn import() -> Import {
    Import { standard: text(), rows: vec![ImportRow { table: text(), row: 1 }] }
}

fn sealed() -> SealedText {
    SealedText {
        alg: Algorithm::XChaCha20Poly1305,
        ciphertext: chain::key::to_base64(&[1; 48]),
        commitment: p(&"44".repeat(32)),
        nonce: chain::key::to_base64(&[2; 24]),
        wrapped_key: chain::key::to_base64(&[3; 72]),
    }
}

fn medications() -> Vec<Medication> {
    let dose = Quantity { unit: text(), value: p("1") };
    vec![Medication { dose: s(dose), from: s(p("2008")), name: text(), until: s(p("2008")) }]
}

fn causality() -> BTreeMap<Agent, Stated<Causality>> {
    [(Agent::Product, Causality::None.into())].into()
}

fn conditions() -> Vec<Condition> {
    vec![Condition { is: Bound::AtMost, measure: text(), unit: Some(text()), value: p("1") }]
}

/// Parameters of a kind with every member.
fn rule(kind: Kind) -> Rule {
    match kind {
        Kind::Change => Rule::Change(rule::Change { within: 1 }),
        Kind::Evaluable => {
            Rule::Evaluable(rule::Evaluable { rule: rule::EvaluableRule::Anniversary, window_days: Some(1) })
        }
        Kind::Flare => Rule::Flare(rule::Flare {
            conditions_severe: conditions(),
            drugs_mild: vec![text()],
            drugs_severe: vec![text()],
            items_mild: vec![Descriptor::Rash],
            items_severe: vec![Descriptor::Seizure],
            pga_rise_min: p("1"),
            pga_severe_above: p("1"),
            prednisone_severe_above: p("1"),
            sledai_rise_min: 1,
            sledai_severe_above: 1,
        }),
        Kind::Imputation => Rule::Imputation(rule::Imputation {
            death: rule::End::Earliest,
            death_sensitivity: rule::End::Latest,
            event_end: rule::End::Latest,
            onset: rule::End::Earliest,
            relapse: rule::End::Earliest,
        }),
        Kind::Landmarks => {
            Rule::Landmarks(rule::Landmarks { days: Some(vec![1]), window_days: 1, years: vec![1] })
        }
        Kind::Measure => Rule::Measure(rule::Measure {
            denominator: rule::Denominator::AtRisk,
            period: rule::Period::Year,
        }),
        Kind::Populations => Rule::Populations(rule::Populations { sets: vec![rule::Set::Infused] }),
        Kind::Related => Rule::Related(rule::Related {
            agents: vec![Agent::Product],
            missing_is_related: true,
            threshold: Causality::Possible,
        }),
        Kind::Relapse => {
            Rule::Relapse(rule::Relapse { judged_by: vec![rule::Judge::Investigator], prior_response: true })
        }
        Kind::Remission => Rule::Remission(rule::Remission {
            conditions: conditions(),
            items_absent: vec![Descriptor::Rash],
            no_new_items: true,
            taken_as_absent: vec![text()],
        }),
        Kind::Serious => Rule::Serious(rule::Serious { any_of: vec![Seriousness::Death] }),
        Kind::Severity => {
            Rule::Severity(rule::Severity { bands: vec![rule::Band { from: 1, name: text() }] })
        }
        Kind::Sledai => Rule::Sledai(rule::Sledai {
            arthritis_joints_min: 1,
            persistent_counts: true,
            window_days: rule::Lookback::Days28,
        }),
        Kind::Stopping => Rule::Stopping(rule::Stopping {
            event: rule::StoppingEvent::Death,
            prior_alpha: p("1"),
            prior_beta: p("1"),
            probability: p("1"),
            rate: p("1"),
            window_days: 1,
        }),
        Kind::Windows => Rule::Windows(rule::Windows { tie: rule::Tie::Later, unscheduled: true }),
    }
}

fn definition(kind: Kind) -> Definition {
    Definition { id: p("x-1"), rule: rule(kind), text: text(), title: text() }
}

/// An opening that brings a definition of the kind, with every parameter.
pub(crate) fn opening_with(kind: Kind) -> Value {
    let mut event = event_of(EventKind::TrialOpened);
    event["data"]["definitions"]["own"] = serde_json::to_value([definition(kind)]).unwrap();
    event
}

fn trial_opened() -> TrialOpened {
    TrialOpened {
        definitions: Definitions {
            evaluable: text(),
            flare: Some(text()),
            imputation: text(),
            landmarks: Some(text()),
            own: vec![definition(Kind::Change)],
            populations: Some(text()),
            related: text(),
            relapse: text(),
            remission: text(),
            severity: Some(text()),
            sledai: Some(text()),
            stopping: Some(text()),
            windows: Some(text()),
        },
        log_key: text(),
        profile: SchemaProfile { mandatory: [("visit".to_owned(), vec!["/status".to_owned()])].into() },
        rule_set: 1,
        schedule: vec![PlannedVisit { day: 30, name: text(), window_after: 7, window_before: 7 }],
        sponsor_keys: vec![SponsorKey { holder: p("a"), organisation: text(), public_key: text() }],
        synthetic: true,
        title: text(),
        zone: p("UTC"),
    }
}

fn key_granted() -> KeyGranted {
    KeyGranted {
        holder: p("a"),
        organisation: text(),
        possession: text(),
        public_key: text(),
        role: Role::Investigator,
        sites: vec![p("CN-NJ")],
        valid_from: Some(p("2026-11-22T13:28:45.123456Z")),
        valid_until: Some(p("2026-11-22T13:28:45.123456Z")),
    }
}

fn enrollment() -> Enrollment {
    Enrollment {
        age: s(Age { unit: AgeUnit::Years, value: 1 }),
        birth_year: s(1970),
        consent: s(Consent { document_version: text(), language: text(), signed_on: p("2008") }),
        criteria: vec![Criterion { id: text(), result: CriterionResult::Met }],
        diagnosed_on: s(p("2008")),
        import: Some(import()),
        planned_infusions: s(1),
        prior_therapies: vec![PriorTherapy { from: s(p("2008")), name: text(), until: s(p("2008")) }],
        sex: s(Sex::Female),
        text_key: Some(p(&"44".repeat(32))),
    }
}

fn infusion() -> Infusion {
    Infusion {
        cells: Some(Cells {
            body_weight_kg: s(p("1")),
            body_weight_on: s(p("2008")),
            donor: s(text()),
            expires_on: s(p("2008")),
            given_per_kg: 1.into(),
            lot: text().into(),
            passage: s(1),
            planned_per_kg: 1.into(),
            preparation: s(Preparation::Fresh),
            release: s(ReleaseStatus::Released),
            source: CellSource::Other,
            total: s(1),
            viability_method: s(text()),
            viability_percent: s(p("1")),
        }),
        conditioning: medications(),
        dose: s(Dose { amount: p("1"), frequency: Some(text()), unit: text() }),
        identity_check: s(IdentityCheck { first: p("a"), second: p("b") }),
        import: Some(import()),
        interruptions: vec![Interruption {
            from: p("2008-03-11T09:30+08:00"),
            until: Some(p("2008-03-11T09:30+08:00")),
        }],
        number: s(1),
        premedication: medications(),
        route: s(text()),
        started_at: Some(p("2008-03-11T09:30+08:00")),
        stopped_at: Some(p("2008-03-11T09:30+08:00")),
        stopped_on: s(p("2008")),
    }
}

fn visit() -> Visit {
    Visit {
        gvhd: s(GvhdStages { liver: 0, lower_gi: 0, skin: 0, upper_gi: 0 }),
        import: Some(import()),
        medications: medications(),
        missed_because: s(MissedReason::Other),
        missed_because_text: Some(sealed()),
        observations: vec![Observation {
            local: Some(LocalCode { code: text(), name: Some(text()), system: text() }),
            loinc: Some(text()),
            method: Some(text()),
            on: Some(p("2008")),
            range: Some(Range { high: Some(p("1")), low: Some(p("1")) }),
            reported: Reported { unit: Some(text()), value: text() }.into(),
            ucum: Some(Quantity { unit: text(), value: p("1") }),
        }],
        part: Some(VisitPart { number: 1, of: 2 }),
        pga: s(p("1")),
        planned: Some(text()),
        prednisone_mg_per_day: s(p("1")),
        relapse: Some(RelapseJudgement { definition: text(), relapsed: true }),
        response: Some(Response { definition: text(), status: RemissionStatus::None }),
        sledai: Some([(Descriptor::Seizure, Presence::Absent)].into()),
        status: VisitStatus::Done,
    }
}

fn adverse_event() -> AdverseEvent {
    AdverseEvent {
        action: s(Action::NotChanged),
        aware_at: s(p("2026-11-22T13:28:45.123456Z")),
        causality: causality(),
        coding: s(Coding {
            dictionary: text(),
            pt: text(),
            pt_code: Some(text()),
            soc: text(),
            soc_code: Some(text()),
            version: text().into(),
        }),
        ctcae: s(Ctcae { grade: 1, version: text() }),
        end: s(End { at: Some(p("2008-03-11T09:30+08:00")), on: Some(p("2008")) }),
        import: Some(import()),
        narrative: Some(sealed()),
        onset_at: Some(p("2008-03-11T09:30+08:00")),
        outcome: s(Outcome::Fatal),
        serious_reported: s(true),
        seriousness: BTreeSet::from([Seriousness::Death]),
        severity: s(SeverityOfEvent::Mild),
        term: Some(sealed()),
    }
}

fn disposition() -> Disposition {
    Disposition {
        death: Some(Death { cause: Some(sealed()), relatedness: causality() }),
        import: Some(import()),
        reason: DispositionReason::Death,
        scope: DispositionScope::Study,
        withdrawal: s(WithdrawalScope::Visits),
    }
}

/// `data` of an open kind with every member.
pub(crate) fn data_of(kind: EventKind) -> Value {
    let data = match kind {
        EventKind::TrialOpened => serde_json::to_value(trial_opened()),
        EventKind::SiteActivated => {
            serde_json::to_value(SiteActivated { country: text(), name: text(), zone: p("UTC") })
        }
        EventKind::KeyGranted => serde_json::to_value(key_granted()),
        EventKind::KeyRevoked => serde_json::to_value(KeyRevoked {
            key: p(&"44".repeat(32)),
            reason: RevocationReason::Lost,
            suspected_since: Some(p("2008")),
        }),
        EventKind::ServiceKeyGranted => serde_json::to_value(ServiceKeyGranted {
            possession: text(),
            service: Service::Receipts,
            verifier_key: text(),
        }),
        EventKind::LogKeyChanged => {
            serde_json::to_value(LogKeyChanged { possession: text(), verifier_key: text() })
        }
        EventKind::Enrollment => serde_json::to_value(enrollment()),
        EventKind::Infusion => serde_json::to_value(infusion()),
        EventKind::Visit => serde_json::to_value(visit()),
        EventKind::AdverseEvent => serde_json::to_value(adverse_event()),
        EventKind::Disposition => serde_json::to_value(disposition()),
        EventKind::Contact => serde_json::to_value(Contact {
            import: Some(import()),
            means: ContactMeans::Phone,
            vital_status: VitalStatus::Alive,
        }),
        later => return later::data_of(later),
    };
    data.unwrap()
}

/// An event of an open kind with every member of `data`.
pub(crate) fn event_of(kind: EventKind) -> Value {
    let mut event = json!({
        "actor": {"id": "li.wei", "organisation": "CN-NJ Hospital", "role": "investigator"},
        "data": data_of(kind),
        "id": "01936b2e-7c5a-7d3e-8f10-0123456789ab",
        "key": "11".repeat(32),
        "kind": kind,
        "log": "22".repeat(32),
        "schema": 1,
        "signed_at": "2008-03-12T01:10:00.000000Z",
        "trial": "lupus-msct",
        "zone": "Asia/Shanghai"
    });
    if kind.scope() == Scope::Subject {
        if kind != EventKind::Signature {
            event["occurred_on"] = json!("2008-03-11");
        }
        event["site"] = json!("CN-NJ");
        event["subject"] = json!("S0007");
    } else if kind == EventKind::SiteActivated {
        event["site"] = json!("CN-NJ");
    }
    event
}
