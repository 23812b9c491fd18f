//! How far the log is signed for and witnessed, in the banner of every page; loudly where that is late.

use api::{Evidence, Sealed, Witnesses};
use maud::{Markup, html};

use crate::links::Links;
use crate::page::to_record;
use crate::words::{count, counted, instant};

/// The line of the banner; `None` where the registry does not say.
pub(crate) fn line(evidence: Option<&Evidence>, links: Option<&Links>) -> Markup {
    let Some(evidence) = evidence else { return html! { span { "what is sealed is not known" } } };
    html! {
        span {
            @match &evidence.checkpoint {
                Some(sealed) => {
                    "sealed up to " (last_of(sealed, links)) " · "
                    @match sealed.signed_at {
                        Some(at) => (instant(at)),
                        None => "before this server started",
                    }
                },
                None => "nothing is sealed yet",
            }
        }
        " · "
        (witnesses(evidence, links))
    }
}

/// The last record that a checkpoint covers.
fn last_of(sealed: &Sealed, links: Option<&Links>) -> Markup {
    html! {
        @match sealed.size.0.checked_sub(1) {
            Some(last) => (to_record(last, links)),
            None => "no record",
        }
    }
}

fn witnesses(evidence: &Evidence, links: Option<&Links>) -> Markup {
    let Witnesses { cosigned, asked, demanded, .. } = evidence.witnesses;
    let latest = evidence.checkpoint.as_ref().map(|sealed| sealed.size);
    html! {
        @if demanded {
            span {
                "witnesses " (count(cosigned)) " of " (count(asked))
                @match &evidence.witnessed {
                    Some(witnessed) if Some(witnessed.size) == latest => { " · " span.good { "✓ witnessed" } },
                    Some(witnessed) => { " · witnessed up to " (last_of(witnessed, links)) },
                    None => { " · " strong.unsure { "? not witnessed" } },
                }
            }
        } @else {
            span title="A server set back to an earlier state signs another history, and nobody else has seen the first." {
                "no witnesses: a restored backup could fork unseen"
            }
        }
    }
}

/// What is to be said aloud. Why it is so is for operators: the registry tells the reason to nobody else.
pub(crate) fn alerts(evidence: &Evidence) -> Markup {
    let covered = evidence.checkpoint.as_ref().map_or(0, |sealed| sealed.size.0);
    let waiting = counted(evidence.lag_records, "record is", "records are");
    html! {
        @if let Some(refused) = &evidence.refused {
            p.alert role="alert" {
                strong { "✗ Sealing has stopped. " }
                "Records are taken in, but no checkpoint is signed; " (waiting) " not signed for: " (refused) "."
            }
        } @else if evidence.late {
            p.alert role="alert" {
                strong { "✗ Sealing is late. " }
                "The last checkpoint covers " (counted(covered, "record", "records")) "; " (waiting) " not signed for yet"
                @if let Some(trouble) = &evidence.trouble { ": " (trouble) }
                "."
            }
        }
        @if evidence.witnesses.late {
            p.alert role="alert" {
                strong { "✗ Witnesses are late. " }
                (count(evidence.witnesses.cosigned)) " of " (count(evidence.witnesses.asked))
                " have cosigned the last checkpoint, fewer than the policy asks for; "
                @match &evidence.witnessed {
                    Some(witnessed) => { "as many as it asks for have cosigned the first " (counted(witnessed.size.0, "record", "records")) "." },
                    None => "as many as it asks for have cosigned nothing yet.",
                }
            }
        }
    }
}
