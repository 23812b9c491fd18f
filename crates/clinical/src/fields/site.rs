//! Fields of the short kinds that people at a site sign.

use super::{AGE_UNITS, AGENTS, CAUSALITY, Field, Form, RESULTS, ROLES, SEXES, needed, optional, or_missing};

/// `data` of `screening`.
pub(super) const SCREENING: &[Field] = &[
    or_missing("age", Form::Object, "as in enrollment"),
    needed("age.unit", Form::OneOf(AGE_UNITS), ""),
    needed("age.value", Form::Integer { low: 0, high: 65_535 }, ""),
    or_missing("birth_year", Form::Integer { low: 0, high: 65_535 }, "year of birth"),
    or_missing("consent", Form::Object, "the consent that the examinations rest on"),
    needed("consent.document_version", Form::Text, ""),
    needed("consent.language", Form::Text, ""),
    needed("consent.signed_on", Form::Date, ""),
    optional("criteria", Form::List, "each eligibility criterion"),
    needed("criteria[].id", Form::Text, ""),
    needed("criteria[].result", Form::OneOf(RESULTS), ""),
    optional("import", Form::Object, "as in enrollment"),
    needed("import.rows", Form::List, ""),
    needed("import.rows[].row", Form::Integer { low: 0, high: 4_294_967_295 }, ""),
    needed("import.rows[].table", Form::Text, ""),
    needed("import.standard", Form::Text, ""),
    needed(
        "result",
        Form::OneOf(&["passed", "failed", "withdrawn"]),
        "passed: may be enrolled; failed: does not enter; withdrawn: withdrew before it was decided",
    ),
    or_missing("sex", Form::OneOf(SEXES), ""),
    optional("text_key", Form::Hash, "commitment to the subject's text key"),
];

/// `data` of `consent`.
pub(super) const CONSENT: &[Field] = &[
    needed("document_version", Form::Text, "version of the document that was signed"),
    needed("language", Form::Text, "its language, a BCP 47 tag"),
    needed(
        "occasion",
        Form::OneOf(&["initial", "new_version", "new_circumstances"]),
        "why it was signed: the first; the document changed; the subject came to be able to consent, or moved to another site",
    ),
    or_missing("signed_by", Form::OneOf(&["subject", "representative", "both"]), "who signed"),
    optional("text_key", Form::Hash, "commitment to the subject's text key"),
];

/// `data` of `enrollment`.
pub(super) const ENROLLMENT: &[Field] = &[
    or_missing("age", Form::Object, "age as stated, where no year of birth is"),
    needed("age.unit", Form::OneOf(AGE_UNITS), ""),
    needed(
        "age.value",
        Form::Integer { low: 0, high: 65_535 },
        "above 89 years the exact age may identify: 90 stands for all",
    ),
    or_missing("birth_year", Form::Integer { low: 0, high: 65_535 }, "year of birth"),
    or_missing("consent", Form::Object, "the consent that the enrollment rests on"),
    needed("consent.document_version", Form::Text, "version of the document that was signed"),
    needed("consent.language", Form::Text, "its language, a BCP 47 tag"),
    needed("consent.signed_on", Form::Date, "day of signature"),
    optional("criteria", Form::List, "each eligibility criterion"),
    needed("criteria[].id", Form::Text, "its id in the protocol, such as I3"),
    needed("criteria[].result", Form::OneOf(RESULTS), "met: it does not stand against enrollment"),
    or_missing("diagnosed_on", Form::Date, "when the disease was diagnosed"),
    optional("import", Form::Object, "where imported facts came from"),
    needed("import.rows", Form::List, "the rows they were taken from"),
    needed("import.rows[].row", Form::Integer { low: 0, high: 4_294_967_295 }, "number of the row, from 1"),
    needed("import.rows[].table", Form::Text, "name of the table, such as DM"),
    needed("import.standard", Form::Text, "the source's standard, such as sdtm"),
    or_missing(
        "planned_infusions",
        Form::Integer { low: 0, high: 65_535 },
        "infusions of the planned course",
    ),
    optional("prior_therapies", Form::List, "therapies before enrollment"),
    or_missing("prior_therapies[].from", Form::Date, "first day"),
    needed("prior_therapies[].name", Form::Text, "international non-proprietary name or code"),
    or_missing("prior_therapies[].until", Form::Date, "last day"),
    or_missing("sex", Form::OneOf(SEXES), ""),
    optional("text_key", Form::Hash, "commitment to the subject's text key"),
];

/// `data` of `contact`.
pub(super) const CONTACT: &[Field] = &[
    optional("import", Form::Object, "as in enrollment"),
    needed("import.rows", Form::List, ""),
    needed("import.rows[].row", Form::Integer { low: 0, high: 4_294_967_295 }, ""),
    needed("import.rows[].table", Form::Text, ""),
    needed("import.standard", Form::Text, ""),
    needed(
        "means",
        Form::OneOf(&["phone", "letter", "registry", "third_party", "other"]),
        "how contact was had",
    ),
    needed(
        "vital_status",
        Form::OneOf(&["alive", "dead", "unknown"]),
        "what was learnt; the death itself is a disposition",
    ),
];

/// `data` of `disposition`.
pub(super) const DISPOSITION: &[Field] = &[
    optional("death", Form::Object, "what is known of a death"),
    optional("death.cause", Form::SealedText, "its cause"),
    optional("death.relatedness", Form::Map(AGENTS), "per agent"),
    or_missing("death.relatedness.*", Form::OneOf(CAUSALITY), ""),
    optional("import", Form::Object, "as in enrollment"),
    needed("import.rows", Form::List, ""),
    needed("import.rows[].row", Form::Integer { low: 0, high: 4_294_967_295 }, ""),
    needed("import.rows[].table", Form::Text, ""),
    needed("import.standard", Form::Text, ""),
    needed(
        "reason",
        Form::OneOf(&[
            "completed",
            "death",
            "screen_failure",
            "adverse_event",
            "withdrawal_by_subject",
            "lost_to_follow_up",
            "physician_decision",
            "sponsor_decision",
            "protocol_violation",
            "lack_of_efficacy",
            "study_terminated",
            "other",
        ]),
        "why",
    ),
    needed("scope", Form::OneOf(&["screening", "treatment", "study"]), "of what"),
    or_missing(
        "withdrawal",
        Form::OneOf(&["treatment", "visits", "all_contact", "samples"]),
        "for a withdrawal: from what",
    ),
];

/// `data` of `protocol_deviation`.
pub(super) const PROTOCOL_DEVIATION: &[Field] = &[
    needed(
        "category",
        Form::OneOf(&[
            "eligibility",
            "consent",
            "treatment",
            "visit",
            "procedure",
            "medication",
            "safety_reporting",
            "blinding",
            "other",
        ]),
        "what was not followed",
    ),
    optional("description", Form::SealedText, "what happened"),
    needed(
        "severity",
        Form::OneOf(&["minor", "important"]),
        "important: it may touch rights, safety or endpoints (ICH E3)",
    ),
];

/// `data` of `subject_transferred`.
pub(super) const SUBJECT_TRANSFERRED: &[Field] = &[needed("to", Form::Site, "the site it goes to")];

/// `data` of `unblinding`.
pub(super) const UNBLINDING: &[Field] = &[
    optional("comment", Form::SealedText, "more about why"),
    needed("informed", Form::SetOf(ROLES), "which roles came to know the subject's arm"),
    needed("reason", Form::OneOf(&["emergency", "safety_report", "analysis", "accidental", "other"]), "why"),
];
