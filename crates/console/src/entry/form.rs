//! The form of a kind of event, made from its fields.

use api::{KeyView, Problem, SiteView};
use clinical::EventKind;
use clinical::fields::{AMEND_REASONS, Field, Form, MISSING_REASONS};
use clinical::taken_from::{Means, Reporter};
use maud::{Markup, html};

use super::values::{asked_below, items, missing_name, place, place_of, value_name};
use crate::posted::Given;
use crate::posting;
use crate::words::{heading, words};

/// Blank items that a list shows beyond those that are filled in.
const BLANK_ITEMS: usize = 1;

/// What a form is made from.
pub(super) struct Sheet<'a> {
    pub(super) kind: EventKind,
    pub(super) fields: &'static [Field],
    pub(super) given: &'a Given,
    pub(super) sites: &'a [SiteView],
    /// Keys that may sign it.
    pub(super) signers: Vec<&'a KeyView>,
    /// The subject, where the address names one.
    pub(super) subject: Option<&'a str>,
    /// The record that is corrected.
    pub(super) amends: Option<u64>,
    /// What is asked for in the place of the fields: what a signature names.
    pub(super) choice: Option<Markup>,
    /// Why what was sent cannot be recorded.
    pub(super) problem: Option<&'a Problem>,
}

impl Sheet<'_> {
    /// The whole form, sent to where it stands.
    pub(super) fn markup(&self) -> Markup {
        html! {
            @if let Some(problem) = self.problem { (refused(problem)) }
            form.stated method="post" {
                (posting::token())
                // The first button is the one that Enter presses.
                p.hidden-button { button name="step" value="prepare" { "Look at what would be signed" } }
                (self.envelope())
                @if let Some(seq) = self.amends { (self.correction(seq)) }
                fieldset {
                    legend { "What it states" }
                    @match &self.choice {
                        Some(choice) => (choice),
                        None => (self.members("", "")),
                    }
                }
                p { button.main name="step" value="prepare" { "Look at what would be signed" } }
                p.quiet { "Nothing is kept on the server, and nothing is recorded before you have signed it." }
            }
        }
    }

    fn envelope(&self) -> Markup {
        let choose = |name: &str, value: &str, text: Markup, is_only: bool| {
            let chosen = self.given.value(name).map_or(is_only, |given| given == value);
            html! { option value=(value) selected[chosen] { (text) } }
        };
        html! {
            fieldset {
                legend { "Who, about whom, when" }
                div.field {
                    label for="signer" { "Who signs" }
                    div {
                        select #signer name="signer" required {
                            option value="" { "choose" }
                            @for key in &self.signers {
                                (choose("signer", &key.key.to_string(), html! {
                                    (key.holder) ", " (words(key.role.as_str())) ", " (key.organisation)
                                }, self.signers.len() == 1))
                            }
                        }
                        @if self.signers.is_empty() { p.quiet { "No key is granted that may sign this." } }
                        (self.said_about("/key"))
                    }
                }
                div.field {
                    label for="subject" { "Subject" }
                    div {
                        @match self.subject {
                            Some(subject) => { input #subject name="subject" value=(subject) readonly; }
                            None => {
                                input #subject name="subject" value=[self.given.value("subject")] required
                                    aria-describedby="subject-hint";
                            }
                        }
                        @if self.subject.is_none() {
                            p.quiet #subject-hint { "The pseudonym: capitals, digits and hyphens, such as S0007. Nobody may be known by it." }
                        }
                        (self.said_about("/subject"))
                    }
                }
                div.field {
                    label for="site" { "Site" }
                    div {
                        select #site name="site" required {
                            option value="" { "choose" }
                            @for site in self.sites {
                                (choose("site", site.site.as_str(), html! { (site.site) " · " (site.name) }, self.sites.len() == 1))
                            }
                        }
                        (self.said_about("/site"))
                    }
                }
                @if self.choice.is_none() { (self.date()) }
            }
            @if self.choice.is_none() { (self.taken_from()) }
        }
    }

    /// Where the signer has it from; for what they saw or judged themselves it stays as it is.
    fn taken_from(&self) -> Markup {
        let chosen = |name: &str, value: &str| self.given.value(name) == Some(value);
        let is_filled =
            ["means", "reported_by", "reporter"].iter().any(|name| self.given.value(name).is_some());
        html! {
            details.group open[is_filled || self.problem.is_some_and(|problem| problem.pointer.starts_with("/taken_from"))] {
                summary { "Entered for another" span.quiet { " leave it blank for what you saw or judged yourself" } }
                div.field {
                    label for="means" { "Taken from" }
                    div {
                        select #means name="means" {
                            option value="" { "my own observation" }
                            @for means in Means::ALL {
                                option value=(means.as_str()) selected[chosen("means", means.as_str())] { (words(means.as_str())) }
                            }
                        }
                        (self.said_about("/taken_from/means"))
                    }
                }
                div.field {
                    label for="reported_by" { "Reported by" }
                    div {
                        select #reported_by name="reported_by" {
                            option value="" { "not stated" }
                            @for role in Reporter::ALL {
                                option value=(role.as_str()) selected[chosen("reported_by", role.as_str())] { (words(role.as_str())) }
                            }
                        }
                        (self.said_about("/taken_from/reported_by/role"))
                    }
                }
                div.field {
                    label for="reporter" { "Who of the site" }
                    div {
                        input #reporter name="reporter" value=[self.given.value("reporter")] aria-describedby="reporter-hint";
                        p.quiet #reporter-hint { "The person's id, such as li.wei: of investigators, coordinators and other staff of the site alone. Nobody else is named in the log." }
                        (self.said_about("/taken_from/reported_by/id"))
                    }
                }
            }
        }
    }

    fn date(&self) -> Markup {
        html! {
            div.field {
                label for="occurred_on" { (self.date_is()) }
                div {
                    input #occurred_on name="occurred_on" value=[self.given.value("occurred_on")]
                        required[self.kind != EventKind::AdverseEvent] aria-describedby="occurred-hint";
                    p.quiet #occurred-hint { "2008-03-11, or as much of it as is known: 2008-03, 2008" }
                    (self.said_about("/occurred_on"))
                }
            }
        }
    }

    fn date_is(&self) -> &'static str {
        match self.kind {
            EventKind::Enrollment => "Day of enrollment",
            EventKind::Infusion => "Day it started",
            EventKind::Visit => "Day of the visit, or on which a missed one was due",
            EventKind::AdverseEvent => "Onset, as far as known",
            EventKind::Screening => "Day on which it was decided",
            EventKind::Consent => "Day of signature",
            EventKind::Contact => "Day on which the status was true",
            EventKind::Disposition => "Day of the fact; of a death its date",
            _ => "Day",
        }
    }

    fn correction(&self, seq: u64) -> Markup {
        let is = |name: &str, value: &str| self.given.value(name) == Some(value);
        html! {
            fieldset {
                legend { "Correction of record #" (seq) }
                input type="hidden" name="amends" value=(seq);
                div.field {
                    label for="effect" { "What it does" }
                    div {
                        select #effect name="effect" required {
                            option value="replace" selected[!is("effect", "void")] { "states the whole thing anew" }
                            option value="void" selected[is("effect", "void")] { "says that it never held; what is below counts for nothing" }
                        }
                    }
                }
                div.field {
                    label for="reason" { "Why" }
                    div {
                        select #reason name="reason" required {
                            option value="" { "choose" }
                            @for reason in AMEND_REASONS { option value=(reason) selected[is("reason", reason)] { (words(reason)) } }
                        }
                        (self.said_about("/amends/reason"))
                    }
                }
                div.field {
                    label for="comment" { "More about why" }
                    div {
                        textarea #comment name="comment" rows="2" { (self.given.value("comment").unwrap_or_default()) }
                        p.quiet { "Free text; sealed before it is signed." }
                    }
                }
                p.quiet { "The first statement stays readable. Sealed texts of the earlier version are not carried over: write again what still holds." }
            }
        }
    }

    fn members(&self, path: &str, around: &str) -> Markup {
        html! { @for field in asked_below(self.fields, path) { (self.field(field, &place(around, field.name()))) } }
    }

    fn field(&self, field: &Field, place: &str) -> Markup {
        match field.form {
            Form::Object => self.object(field, place),
            Form::Map(names) => html! {
                details.group open[self.is_filled(place)] {
                    summary { (heading(field.name())) (meaning(field)) }
                    @if let Some(value) = asked_below(self.fields, field.path).next() {
                        @for name in names { (self.value(value, &self::place(place, name), name)) }
                    }
                }
            },
            Form::List => self.list(field, place),
            Form::SetOf(names) => html! {
                fieldset.set {
                    legend { (heading(field.name())) (meaning(field)) }
                    @for name in names {
                        label.choice {
                            input type="checkbox" name=(value_name(place)) value=(name)
                                checked[self.given.all(&value_name(place)).any(|given| given == *name)];
                            " " (words(name))
                        }
                    }
                }
            },
            _ => self.value(field, place, field.name()),
        }
    }

    fn object(&self, field: &Field, place: &str) -> Markup {
        html! {
            details.group open[self.is_filled(place) || field.is_needed] {
                summary { (heading(field.name())) (meaning(field)) }
                @if field.may_be_missing { (self.missing(place, "Or no value, because")) }
                (self.members(field.path, place))
            }
        }
    }

    fn list(&self, field: &Field, place: &str) -> Markup {
        let path = format!("{}[]", field.path);
        let filled = items(self.given, place);
        let asked = self.given.value(&format!("n:{place}")).and_then(|text| text.parse().ok()).unwrap_or(0);
        let more = if self.given.value("more") == Some(place) { 3 } else { 0 };
        let items = (filled + BLANK_ITEMS).max(asked).min(filled + 20) + more;
        html! {
            details.group open[filled > 0 || more > 0] {
                summary { (heading(field.name())) (meaning(field)) }
                input type="hidden" name=(format!("n:{place}")) value=(items);
                // What is left blank between others is not drawn again.
                @for index in (0..items).filter(|index| *index >= filled || self.is_filled(&format!("{place}[{index}]"))) {
                    fieldset {
                        legend { (heading(field.name())) " " (index + 1) }
                        (self.members(&path, &format!("{place}[{index}]")))
                    }
                }
                p { button name="more" value=(place) formnovalidate { "More lines for " (words(field.name())) } }
            }
        }
    }

    /// One value: label, field, and why there may be none.
    fn value(&self, field: &Field, place: &str, called: &str) -> Markup {
        let name = value_name(place);
        let hint = format!("h:{place}");
        let given = self.given.value(&name);
        let is_due = field.is_needed && !field.may_be_missing && !field.path.contains('.');
        let is_wrong = self.problem.and_then(|problem| place_of(&problem.pointer)).as_deref() == Some(place);
        let says = !field.meaning.is_empty() || field.unit.is_some() || example(field.form).is_some();
        let described = says.then_some(hint.as_str());
        let options = |names: &[&'static str]| {
            html! {
                option value="" { @if is_due { "choose" } @else { "not stated" } }
                @for one in names { option value=(one) selected[given == Some(*one)] { (words(one)) } }
            }
        };
        html! {
            div.field.wrong[is_wrong] {
                label for=(name) { (heading(called)) @if is_due { " (needed)" } }
                div {
                    @match field.form {
                        Form::OneOf(names) => {
                            select id=(name) name=(name) required[is_due] aria-describedby=[described] { (options(names)) }
                        }
                        Form::Boolean => {
                            select id=(name) name=(name) required[is_due] aria-describedby=[described] { (options(&["yes", "no"])) }
                        }
                        Form::SealedText => {
                            textarea id=(name) name=(name) rows="3" aria-describedby=[described] { (given.unwrap_or_default()) }
                        }
                        _ => {
                            input id=(name) name=(name) value=[given] required[is_due] aria-describedby=[described]
                                inputmode=[input_mode(field.form)];
                        }
                    }
                    @if let Some(unit) = field.unit { " " (unit) }
                    @if field.may_be_missing { (self.missing(place, "or no value, because")) }
                    @if says {
                        p.quiet id=(hint) {
                            (field.meaning)
                            @if let Some(example) = example(field.form) { @if !field.meaning.is_empty() { "; " } (example) }
                        }
                    }
                    (self.said_about(&pointer(place)))
                }
            }
        }
    }

    fn missing(&self, place: &str, label: &str) -> Markup {
        let name = missing_name(place);
        let given = self.given.value(&name);
        html! {
            span.missing {
                label for=(name) { (label) } " "
                select id=(name) name=(name) {
                    option value="" { "–" }
                    @for reason in MISSING_REASONS { option value=(reason) selected[given == Some(*reason)] { (words(reason)) } }
                }
            }
        }
    }

    fn is_filled(&self, place: &str) -> bool {
        let stands_in = |name: &String| {
            let inner = name.strip_prefix("d:").or_else(|| name.strip_prefix("m:"));
            let rest = inner.and_then(|inner| inner.strip_prefix(place));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.given
            .0
            .iter()
            .any(|(name, values)| stands_in(name) && values.iter().any(|value| !value.is_empty()))
            || self
                .problem
                .and_then(|problem| place_of(&problem.pointer))
                .is_some_and(|wrong| wrong.starts_with(place))
    }

    fn said_about(&self, pointer: &str) -> Markup {
        html! {
            @if let Some(problem) = self.problem.filter(|problem| problem.pointer == pointer) {
                p.wrong { "✗ " (problem.detail) }
            }
        }
    }
}

fn pointer(place: &str) -> String {
    format!("/data/{}", place.replace(['.', '['], "/").replace(']', ""))
}

/// Why something cannot be recorded, and where.
pub(super) fn refused(problem: &Problem) -> Markup {
    html! {
        div.alert role="alert" {
            p { strong { "✗ This would be refused. " } (problem.title) }
            p {
                @if !problem.pointer.is_empty() { "At " code { (problem.pointer) } ": " }
                (problem.detail) " " span.quiet { code { (problem.code) } }
            }
        }
    }
}

fn meaning(field: &Field) -> Markup {
    html! { @if !field.meaning.is_empty() { " " span.quiet { (field.meaning) } } }
}

/// How a value is written, where its name does not tell.
fn example(form: Form) -> Option<&'static str> {
    match form {
        Form::Date => Some("2008-03-11, 2008-03 or 2008"),
        Form::Time => Some("with its offset from UTC, such as 2008-03-11 09:30+08:00"),
        Form::Instant => Some("such as 2008-03-11 09:30+08:00"),
        Form::SealedText => Some("free text; sealed before it is signed"),
        Form::Actor => Some("a person's id, such as li.wei"),
        _ => None,
    }
}

fn input_mode(form: Form) -> Option<&'static str> {
    match form {
        Form::Decimal => Some("decimal"),
        Form::Integer { .. } => Some("numeric"),
        _ => None,
    }
}
