//! Fields of an infusion.

use super::{Field, Form, SOURCES, needed, needed_or_missing, optional, or_missing};

/// `data` of `infusion`.
pub(super) const INFUSION: &[Field] = &[
    optional("cells", Form::Object, "what only a cell product has"),
    or_missing("cells.body_weight_kg", Form::Decimal, "weight in kg that the dose was computed from")
        .in_unit("kg"),
    or_missing("cells.body_weight_on", Form::Date, "when that weight was taken"),
    or_missing("cells.donor", Form::Text, "the donor's pseudonym"),
    or_missing("cells.expires_on", Form::Date, "the lot's expiry"),
    needed_or_missing(
        "cells.given_per_kg",
        Form::Integer { low: 0, high: 9_007_199_254_740_991 },
        "cells given per kg body weight",
    )
    .in_unit("cells/kg"),
    needed_or_missing("cells.lot", Form::Text, "the lot"),
    or_missing("cells.passage", Form::Integer { low: 0, high: 65_535 }, "passage of the culture"),
    needed_or_missing(
        "cells.planned_per_kg",
        Form::Integer { low: 0, high: 9_007_199_254_740_991 },
        "cells planned per kg body weight",
    )
    .in_unit("cells/kg"),
    or_missing("cells.preparation", Form::OneOf(&["fresh", "thawed"]), "how the cells came to the bedside"),
    or_missing(
        "cells.release",
        Form::OneOf(&["released", "exceptional", "not_released"]),
        "exceptional: before release, under a documented exception",
    ),
    needed("cells.source", Form::OneOf(SOURCES), "tissue"),
    or_missing("cells.total", Form::Integer { low: 0, high: 9_007_199_254_740_991 }, "cells given in all")
        .in_unit("cells"),
    or_missing("cells.viability_method", Form::Text, "how viability was measured"),
    or_missing("cells.viability_percent", Form::Decimal, "viable cells in per cent").in_unit("%"),
    optional("conditioning", Form::List, "conditioning before it"),
    or_missing("conditioning[].dose", Form::Object, "dose per administration"),
    needed("conditioning[].dose.unit", Form::Text, "UCUM unit"),
    needed("conditioning[].dose.value", Form::Decimal, ""),
    or_missing("conditioning[].from", Form::Date, "first day"),
    needed("conditioning[].name", Form::Text, "international non-proprietary name or code"),
    or_missing("conditioning[].until", Form::Date, "last day; absent while ongoing"),
    or_missing("dose", Form::Object, "the dose"),
    needed("dose.amount", Form::Decimal, "how much"),
    optional("dose.frequency", Form::Text, "how often, a CDISC term such as QD, where not once"),
    needed("dose.unit", Form::Text, "unit as reported"),
    or_missing(
        "identity_check",
        Form::Object,
        "the check by two persons that product and subject belong together",
    ),
    needed("identity_check.first", Form::Actor, "who checked first"),
    needed("identity_check.second", Form::Actor, "who checked second: another person"),
    optional("import", Form::Object, "as in enrollment"),
    needed("import.rows", Form::List, ""),
    needed("import.rows[].row", Form::Integer { low: 0, high: 4_294_967_295 }, ""),
    needed("import.rows[].table", Form::Text, ""),
    needed("import.standard", Form::Text, ""),
    optional("interruptions", Form::List, ""),
    needed("interruptions[].from", Form::Time, "from when on"),
    optional("interruptions[].until", Form::Time, "until when; absent: not resumed"),
    or_missing(
        "number",
        Form::Integer { low: 0, high: 65_535 },
        "number within the subject's course, from 1",
    ),
    optional("premedication", Form::List, ""),
    or_missing("premedication[].dose", Form::Object, "dose per administration"),
    needed("premedication[].dose.unit", Form::Text, "UCUM unit"),
    needed("premedication[].dose.value", Form::Decimal, ""),
    or_missing("premedication[].from", Form::Date, "first day"),
    needed("premedication[].name", Form::Text, "international non-proprietary name or code"),
    or_missing("premedication[].until", Form::Date, "last day; absent while ongoing"),
    or_missing("route", Form::Text, "a CDISC term such as INTRAVENOUS"),
    optional("started_at", Form::Time, "when it started"),
    optional("stopped_at", Form::Time, "when it stopped"),
    or_missing(
        "stopped_on",
        Form::Date,
        "last day, where a dosing period rather than one administration is recorded",
    ),
];
