//! Fields of an adverse event.

use super::{AGENTS, CAUSALITY, Field, Form, needed, needed_or_missing, optional, or_missing};

/// `data` of `adverse_event`.
pub(super) const ADVERSE_EVENT: &[Field] = &[
    or_missing(
        "action",
        Form::OneOf(&["not_changed", "reduced", "interrupted", "withdrawn", "increased", "not_applicable"]),
        "what was done with the product",
    ),
    or_missing("aware_at", Form::Instant, "when the site became aware"),
    optional("causality", Form::Map(AGENTS), "the investigator's judgement, per agent"),
    or_missing("causality.*", Form::OneOf(CAUSALITY), ""),
    or_missing("coding", Form::Object, "dictionary coding"),
    needed("coding.dictionary", Form::Text, "such as MedDRA"),
    needed("coding.pt", Form::Text, "preferred term"),
    optional("coding.pt_code", Form::Text, "its code"),
    needed("coding.soc", Form::Text, "system organ class"),
    optional("coding.soc_code", Form::Text, "its code"),
    needed_or_missing("coding.version", Form::Text, "the dictionary's version"),
    or_missing("ctcae", Form::Object, "CTCAE grade"),
    needed("ctcae.grade", Form::Integer { low: 1, high: 5 }, ""),
    needed("ctcae.version", Form::Text, "of the criteria, such as 5.0"),
    or_missing("end", Form::Object, "when it ended"),
    optional("end.at", Form::Time, "with its time, where known"),
    optional("end.on", Form::Date, "the day; absent while it goes on"),
    optional("import", Form::Object, "as in enrollment"),
    needed("import.rows", Form::List, ""),
    needed("import.rows[].row", Form::Integer { low: 0, high: 4_294_967_295 }, ""),
    needed("import.rows[].table", Form::Text, ""),
    needed("import.standard", Form::Text, ""),
    optional("narrative", Form::SealedText, "the narrative"),
    optional("onset_at", Form::Time, "onset with its time, where known"),
    or_missing(
        "outcome",
        Form::OneOf(&[
            "recovered",
            "recovered_with_sequelae",
            "recovering",
            "not_recovered",
            "fatal",
            "unknown",
        ]),
        "",
    ),
    or_missing("serious_reported", Form::Boolean, "whether the site called it serious"),
    optional(
        "seriousness",
        Form::SetOf(&[
            "death",
            "life_threatening",
            "hospitalisation",
            "disability",
            "congenital_anomaly",
            "medically_important",
        ]),
        "criteria that hold, a set: order and repetition mean nothing; any one makes the event serious",
    ),
    or_missing("severity", Form::OneOf(&["mild", "moderate", "severe"]), ""),
    optional("term", Form::SealedText, "the term as the site reported it"),
];
