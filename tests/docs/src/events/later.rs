//! `data` of the kinds that opened after the first ones.

use clinical::data::{
    Adjudication, AeAssessment, Age, AgeUnit, Allocation, CellSource, Consent, ConsentOccasion,
    ConsentSignatory, ConsentSigned, Criterion, CriterionResult, DataCut, DeviationCategory,
    DeviationSeverity, Expectedness, ProductLot, ProtocolAmended, ProtocolDeviation, Reference,
    RelapseJudgement, ReleaseStatus, RemissionStatus, ReportAccess, ReportPublished, Response,
    SafetyReportKind, SafetyReportSent, Screening, ScreeningResult, Seriousness, Sex, SignatureMeaning,
    StatementsSigned, SubjectTransferred, SubjectsLinked, Unblinding, UnblindingReason,
};
use clinical::{EventKind, Role};
use serde_json::Value;

use super::{causality, import, p, s, sealed, text, trial_opened};

fn hash() -> chain::RecordHash {
    p(&"44".repeat(32))
}

fn adverse_event() -> Reference {
    Reference { hash: hash(), seq: chain::Position(3) }
}

fn screening() -> Screening {
    Screening {
        age: s(Age { unit: AgeUnit::Years, value: 1 }),
        birth_year: s(1970),
        consent: s(Consent { document_version: text(), language: text(), signed_on: p("2008") }),
        criteria: vec![Criterion { id: text(), result: CriterionResult::Met }],
        import: Some(import()),
        result: ScreeningResult::Passed,
        sex: s(Sex::Female),
        text_key: Some(hash()),
    }
}

fn product_lot() -> ProductLot {
    ProductLot {
        donors: vec![text()],
        expires_on: s(p("2008")),
        lot: text(),
        manufactured_on: s(p("2008")),
        manufacturer: Some(text()),
        passage: s(1),
        release: ReleaseStatus::Released,
        source: CellSource::Other,
        viability_method: s(text()),
        viability_percent: s(p("1")),
    }
}

fn ae_assessment() -> AeAssessment {
    AeAssessment {
        adverse_event: adverse_event(),
        aware_at: s(p("2026-11-22T13:28:45.123456Z")),
        causality: causality(),
        comment: Some(sealed()),
        expectedness: Expectedness::Unexpected.into(),
        reference_information: s(text()),
        seriousness: [Seriousness::Death].into(),
    }
}

fn safety_report_sent() -> SafetyReportSent {
    SafetyReportSent {
        adverse_event: adverse_event(),
        jurisdiction: text(),
        recipient: text(),
        reference: Some(text()),
        report: SafetyReportKind::Initial,
        sent_at: p("2026-11-22T13:28:45.123456Z"),
    }
}

fn adjudication() -> Adjudication {
    Adjudication {
        comment: Some(sealed()),
        landmark_years: Some(1),
        relapse: Some(RelapseJudgement { definition: text(), relapsed: true }),
        response: Some(Response { definition: text(), status: RemissionStatus::None }),
    }
}

fn protocol_amended() -> ProtocolAmended {
    let opened = trial_opened();
    ProtocolAmended {
        definitions: Some(opened.definitions),
        effective_on: p("2008"),
        profile: Some(opened.profile),
        schedule: Some(opened.schedule),
        summary: text(),
        version: text(),
    }
}

fn data_cut() -> DataCut {
    DataCut {
        cutoff_date: p("2008-03-11"),
        head: hash(),
        name: p("interim-1"),
        previous: Some(p("interim-0")),
        records: 1,
        root: p(&"44".repeat(32)),
    }
}

pub(super) fn data_of(kind: EventKind) -> Value {
    let data = match kind {
        EventKind::Screening => serde_json::to_value(screening()),
        EventKind::Consent => serde_json::to_value(ConsentSigned {
            document_version: text(),
            language: text(),
            occasion: ConsentOccasion::Initial,
            signed_by: s(ConsentSignatory::Subject),
            text_key: Some(hash()),
        }),
        EventKind::ProductLot => serde_json::to_value(product_lot()),
        EventKind::AeAssessment => serde_json::to_value(ae_assessment()),
        EventKind::SafetyReportSent => serde_json::to_value(safety_report_sent()),
        EventKind::Adjudication => serde_json::to_value(adjudication()),
        EventKind::Allocation => serde_json::to_value(Allocation { commitment: hash(), number: Some(1) }),
        EventKind::Unblinding => serde_json::to_value(Unblinding {
            comment: Some(sealed()),
            informed: vec![Role::Investigator],
            reason: UnblindingReason::Emergency,
        }),
        EventKind::ProtocolDeviation => serde_json::to_value(ProtocolDeviation {
            category: DeviationCategory::Visit,
            description: Some(sealed()),
            severity: DeviationSeverity::Minor,
        }),
        EventKind::ProtocolAmended => serde_json::to_value(protocol_amended()),
        EventKind::DataCut => serde_json::to_value(data_cut()),
        EventKind::ReportPublished => serde_json::to_value(ReportPublished {
            access: ReportAccess::Open,
            bytes: 1,
            cut: p("interim-1"),
            engine: text(),
            report: text(),
            sha256: hash(),
        }),
        EventKind::Signature => serde_json::to_value(StatementsSigned {
            meaning: SignatureMeaning::Endorsement,
            statements: vec![adverse_event()],
        }),
        EventKind::SubjectTransferred => serde_json::to_value(SubjectTransferred { to: p("CN-BJ") }),
        EventKind::SubjectsLinked => {
            serde_json::to_value(SubjectsLinked { duplicate: p("S2"), kept: p("S1") })
        }
        reserved => panic!("{reserved} is reserved"),
    };
    data.unwrap()
}
