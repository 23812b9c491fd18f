//! The outcome report's remission as computed beside the judgements, as tables for a terminal.

use outcomes::Report;

use super::Table;
use super::report_text::{heading, limits, share, words};

/// Differences shown; the report has them all.
const DIFFERENCES_SHOWN_MAX: usize = 20;

pub(super) fn computed(text: &mut String, report: &Report) {
    let remission = &report.remission;
    if remission.computed.is_empty() {
        return;
    }
    heading(text, "Remission as computed at the visit nearest the landmark, beside the judgements");
    let mut table = Table::new([
        "definition",
        "at",
        "x/n",
        "Clopper-Pearson",
        "not",
        "not determinable",
        "no visit",
        "died",
        "not followed",
    ]);
    for computed in &remission.computed {
        for one in &computed.figures {
            let figure = &one.figure;
            table.row([
                computed.definition.clone(),
                one.label.clone(),
                share(figure.numerator, figure.denominator, figure.percent.as_deref()),
                limits(&figure.intervals, "clopper-pearson"),
                one.not.to_string(),
                one.not_determinable.to_string(),
                one.without_visit.to_string(),
                one.died.to_string(),
                one.not_followed.to_string(),
            ]);
        }
    }
    text.push_str(&table.to_string());
    if remission.differences.is_empty() {
        return;
    }
    heading(text, &format!("Judged otherwise than computed by {}", remission.definition));
    let mut table =
        Table::new(["subject", "site", "landmark", "visit", "judged", "computed", "why", "records"]);
    for one in remission.differences.iter().take(DIFFERENCES_SHOWN_MAX) {
        let judgement = one.judgement.map(|stated| format!(", judged in #{}", stated.latest_seq));
        table.row([
            one.subject.clone(),
            one.site.clone(),
            words(&one.landmark),
            format!("{} (day {})", one.on, one.day),
            format!("{} ({})", words(&one.judged), one.judged_by),
            words(&one.computed),
            one.why.join("; "),
            format!("visit #{}{}", one.visit.latest_seq, judgement.unwrap_or_default()),
        ]);
    }
    text.push_str(&table.to_string());
    if remission.differences.len() > DIFFERENCES_SHOWN_MAX {
        text.push_str(&format!(
            "  the first {DIFFERENCES_SHOWN_MAX} of {}; --json has all\n",
            remission.differences.len()
        ));
    }
}
