//! Lists and feeds cut down to a site's own, over a registry of made-up answers.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::cookies::Cookies;
use crate::elsewhere::{Elsewhere, LetIn, Returned, SetOut};
use crate::gate::{TokenHash, Tokens};
use crate::policy::TokenRole;
use crate::session::{Credentials, Reader, RefusalsPage, SessionSecret};

/// Ten subjects, of which each third is of S02, with one record and one finding each. Gives out three at a time at most.
struct Log;

const SUBJECTS: usize = 10;

fn site_of(index: usize) -> &'static str {
    if index % 3 == 2 { "S02" } else { "S01" }
}

fn record(index: usize) -> String {
    json!({"event": {"site": site_of(index), "subject": format!("P{index}")}}).to_string()
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_str(&value.to_string()).unwrap()
}

fn covers() -> Value {
    json!({"head": "00".repeat(32), "lag_records": 0, "records": SUBJECTS})
}

/// The entries after the one named, three at most, and whether more follow.
fn part(page: &Page) -> (Vec<usize>, Option<usize>) {
    let after: Option<usize> =
        page.after.as_ref().map(|after| after.trim_start_matches('P').parse().unwrap());
    let all: Vec<_> = (0..SUBJECTS).filter(|index| after.is_none_or(|after| *index > after)).collect();
    let some: Vec<_> = all.iter().copied().take(page.limit().min(3)).collect();
    let next = some.last().copied().filter(|_| some.len() < all.len());
    (some, next)
}

fn nobody<T>() -> Result<T, Problem> {
    Err(Problem::internal("nobody asks for this"))
}

#[async_trait]
impl Registry for Log {
    async fn trials(&self) -> Result<Trials, Problem> {
        Ok(Trials { trials: Vec::new() })
    }

    async fn trial(&self, _: &TrialId) -> Result<TrialDetail, Problem> {
        nobody()
    }

    async fn open_trial(&self, _: Vec<u8>) -> Result<Answer, Problem> {
        nobody()
    }

    async fn submit(&self, _: &TrialId, _: Vec<Vec<u8>>) -> Result<Vec<Answer>, Problem> {
        Ok(Vec::new())
    }

    async fn rehearse(&self, _: &TrialId, _: Rehearsal) -> Result<Rehearsed, Problem> {
        Ok(Rehearsed { findings: Vec::new() })
    }

    async fn record(&self, _: &TrialId, _: Position) -> Result<RecordView, Problem> {
        nobody()
    }

    async fn subjects(&self, _: &TrialId, page: Page) -> Result<SubjectsPage, Problem> {
        let (some, next) = part(&page);
        let subject = |index: &usize| {
            json!({
                "subject": format!("P{index}"), "site": site_of(*index), "status": "enrolled", "records": 1,
                "findings": 1, "last_seq": index
            })
        };
        let subjects: Vec<_> = some.iter().map(subject).collect();
        let next = next.map(|next| format!("P{next}"));
        Ok(read(&json!({"covers": covers(), "next": next, "subjects": subjects})))
    }

    /// One subject that moved to and fro: its records are of the sites that the subjects of the list are of.
    async fn subject_records(
        &self,
        _: &TrialId,
        subject: &SubjectId,
        page: Page,
    ) -> Result<SubjectRecords, Problem> {
        if subject.to_string() != "MOVED" {
            return Err(Problem::not_found("there is no such subject"));
        }
        let (some, next) = part(&page);
        let view = |index: &usize| {
            let record: Value = serde_json::from_str(&record(*index)).unwrap();
            json!({"covers": covers(), "findings": [], "hash": "00".repeat(32), "record": record, "seq": index})
        };
        let records: Vec<_> = some.iter().map(view).collect();
        Ok(read(&json!({"covers": covers(), "next": next, "records": records, "subject": subject})))
    }

    async fn findings(&self, _: &TrialId, page: Page) -> Result<FindingsPage, Problem> {
        let (some, next) = part(&page);
        let finding = |index: &usize| {
            json!({
                "findings": [], "kind": "visit", "seq": index, "site": site_of(*index),
                "subject": format!("P{index}")
            })
        };
        let records: Vec<_> = some.iter().map(finding).collect();
        Ok(read(&json!({"covers": covers(), "next": next, "records": records})))
    }

    async fn trail(&self, _: &TrialId, asked: TrailAsked) -> Result<TrailPage, Problem> {
        let after = asked.after.map(|after| after.to_string());
        let (some, next) = part(&Page { after, limit: asked.limit });
        let entry = |index: &usize| {
            json!({
                "actor": {"id": "bo.wang", "organisation": "Hospital", "role": "investigator"}, "hash": "00".repeat(32),
                "key": "11".repeat(32), "kind": "visit", "recorded_at": "2021-03-11T00:00:00.000000Z", "seq": index,
                "signed_at": "2021-03-11T00:00:00.000000Z", "site": site_of(*index), "subject": format!("P{index}")
            })
        };
        let entries: Vec<_> = some.iter().map(entry).collect();
        Ok(read(&json!({"covers": covers(), "entries": entries, "next": next})))
    }

    async fn plan(&self, _: &TrialId, asked: PlanAsked) -> Result<PlanPage, Problem> {
        Err(Problem::internal(asked.site.map_or("of all sites".to_owned(), |site| format!("of {site}"))))
    }

    async fn refused(&self, _: &TrialId, asked: RefusedAsked) -> Result<RefusedPage, Problem> {
        Err(Problem::internal(asked.site.map_or("of all sites".to_owned(), |site| format!("of {site}"))))
    }

    async fn verification(&self, _: &TrialId) -> Result<VerificationView, Problem> {
        let finding = json!({
            "class": "conduct", "code": "consent-missing", "detail": "d", "pointer": "", "seq": 2
        });
        Ok(read(&json!({"covers": covers(), "last": {
            "at": "2021-03-11T00:00:00.000000Z", "checks": [{"count": 3, "failed": 0, "name": "links"}],
            "findings": [finding], "records": 3, "sentence": "Intact.", "unlisted": 1, "verdict": "intact"
        }})))
    }

    async fn report(&self, _: &TrialId, _: ReportKind, _: ReportAsked) -> Result<ReportView, Problem> {
        nobody()
    }

    async fn sources(
        &self,
        _: &TrialId,
        _: ReportKind,
        _: ReportAsked,
        _: AskedSources,
    ) -> Result<SourcesView, Problem> {
        nobody()
    }

    async fn follow(&self, _: &TrialId, from: Position) -> Result<FeedPart, Problem> {
        let from = usize::try_from(from.0).unwrap();
        let item = |index: usize| FeedItem { seq: Position(index as u64), record: record(index) };
        let end = SUBJECTS.min(from + 1);
        Ok(FeedPart { items: (from..end).map(item).collect(), next: Position(end as u64) })
    }

    async fn evidence(&self, _: &TrialId) -> Result<Evidence, Problem> {
        Ok(read(&json!({
            "lag_records": 1, "late": true, "log_key": "k", "log_keys": [], "receipt_keys": [], "trouble": "/a/path",
            "witnesses": {"asked": 0, "cosigned": 0, "demanded": false}
        })))
    }

    async fn log_file(&self, _: &TrialId, _: LogFile) -> Result<Vec<u8>, Problem> {
        Ok(Vec::new())
    }

    async fn proof(&self, _: &TrialId, _: Position) -> Result<String, Problem> {
        nobody()
    }

    async fn site_records(
        &self,
        _: &TrialId,
        _: &SiteId,
        _: Option<Position>,
    ) -> Result<Vec<FeedItem>, Problem> {
        Ok(Vec::new())
    }

    async fn text_key(&self, _: &TrialId, _: TextKeyRequest) -> Result<TextKeyAnswer, Problem> {
        nobody()
    }

    async fn readiness(&self) -> Result<Readiness, Problem> {
        Ok(read(
            &json!({"checks": [{"detail": "/a/path", "name": "small: index", "ok": false}], "ready": false}),
        ))
    }

    async fn metrics(&self) -> Result<String, Problem> {
        Ok(String::new())
    }

    async fn projectors(&self) -> Result<Projectors, Problem> {
        Ok(read(&json!({"projectors": [{
            "head": "00".repeat(32), "journal_size": 3, "lag_records": 1, "last_error": "/a/path", "name": "index",
            "rebuilds": 0, "size": 2, "state": "stopped", "trial": "small"
        }]})))
    }

    async fn rebuild(&self, _: &TrialId, _: &str) -> Result<(), Problem> {
        Ok(())
    }

    async fn envelopes(&self, _: &TrialId, asked: EnvelopesAsked) -> Result<Envelopes, Problem> {
        Ok(read(&json!({"covers": covers(), "envelopes": [], "next": asked.from})))
    }
}

/// Tokens that all stand alike; what was refused.
struct Alike(Standing, Mutex<Vec<String>>);

#[async_trait]
impl Tokens for Alike {
    async fn required(&self) -> Result<bool, Problem> {
        Ok(true)
    }

    async fn standing(&self, _: &TokenHash) -> Result<Standing, Problem> {
        Ok(self.0.clone())
    }

    fn refused(&self, refused: &Refused<'_>) {
        let Refused { code, route, token, .. } = refused;
        self.1.lock().unwrap().push(format!("{code} {route} {}", token.unwrap_or("-")));
    }

    async fn enter(
        &self,
        _: Credentials,
        _: Option<IpAddr>,
    ) -> Result<SessionSecret, (Problem, Option<String>)> {
        Err((Problem::too_often(7, "made up"), Some("li.wei".to_owned())))
    }

    async fn elsewhere(&self) -> Option<Elsewhere> {
        None
    }

    async fn set_out(&self, _: &str, _: Option<IpAddr>) -> Result<SetOut, Problem> {
        Err(Problem::too_often(7, "made up"))
    }

    async fn come_back(&self, returned: Returned) -> Result<LetIn, (Problem, Option<String>)> {
        let status = returned.state.map_or(400, |status| status.parse().unwrap());
        Err((Problem::new(status, "sign-in-made-up", "Made up.", "made up"), Some("li.wei".to_owned())))
    }

    async fn leave(&self, _: &TokenHash) -> Result<(), Problem> {
        Ok(())
    }

    fn posting(&self, session: Option<&TokenHash>, _: Option<IpAddr>) -> Result<(), Problem> {
        Err(Problem::too_often(7, if session.is_some() { "of a session" } else { "from an address" }))
    }

    async fn refusals(&self, _: Option<u64>, _: usize) -> Result<RefusalsPage, Problem> {
        Ok(RefusalsPage { next: None, refusals: Vec::new() })
    }

    async fn readers(&self) -> Result<Vec<Reader>, Problem> {
        Ok(Vec::new())
    }
}

fn held(role: TokenRole, site: Option<&str>, trial: Option<&str>) -> Standing {
    Standing::Held(Holder {
        id: "1f".to_owned(),
        role,
        site: site.map(|site| site.parse().unwrap()),
        trial: trial.map(|trial| trial.parse().unwrap()),
    })
}

fn asked(standing: Standing) -> (Guarded, Arc<Alike>) {
    let tokens = Arc::new(Alike(standing, Mutex::default()));
    let gate = Gate::new(Arc::new(Log), Arc::clone(&tokens) as Arc<dyn Tokens>, Cookies::new(false));
    let asking = Asking { token: Some(TokenHash::of("tbk_0")), route: "GET /x".to_owned(), peer: None };
    (Guarded::new(gate, asking), tokens)
}

fn small() -> TrialId {
    "small".parse().unwrap()
}

/// Each page of a site's lists, with pages of `limit`.
async fn pages(guarded: &Guarded, limit: usize) -> (Vec<String>, Vec<u64>) {
    let (mut subjects, mut findings, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = Page { after, limit: Some(limit) };
        let found = guarded.subjects(&small(), page).await.unwrap();
        assert!(found.subjects.len() <= limit && found.covers.records == SUBJECTS as u64);
        subjects.extend(found.subjects.iter().map(|subject| subject.subject.to_string()));
        after = found.next.map(|next| next.to_string());
        if after.is_none() {
            break;
        }
    }
    loop {
        let page = Page { after, limit: Some(limit) };
        let found = guarded.findings(&small(), page).await.unwrap();
        assert!(found.records.len() <= limit);
        findings.extend(found.records.iter().map(|record| record.seq.0));
        after = found.next.map(|next| next.to_string());
        if after.is_none() {
            return (subjects, findings);
        }
    }
}

#[tokio::test]
async fn a_sites_lists_hold_all_that_is_its_own_whatever_the_size_of_their_pages() {
    let (guarded, _) = asked(held(TokenRole::Site, Some("S01"), None));
    for limit in [1, 2, 3, 6, 7, 100] {
        let (subjects, findings) = pages(&guarded, limit).await;
        assert_eq!(subjects, ["P0", "P1", "P3", "P4", "P6", "P7", "P9"], "{limit}");
        assert_eq!(findings, [0, 1, 3, 4, 6, 7, 9], "{limit}");
    }
    let (elsewhere, _) = asked(held(TokenRole::Site, Some("S03"), None));
    assert_eq!(pages(&elsewhere, 2).await, (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn of_a_subject_that_moved_each_site_reads_what_was_recorded_there() {
    let subject = |name: &str| name.parse::<SubjectId>().unwrap();
    for (site, due) in [("S01", vec![0, 1, 3, 4, 6, 7, 9]), ("S02", vec![2, 5, 8])] {
        let (guarded, _) = asked(held(TokenRole::Site, Some(site), None));
        for limit in [1, 2, 100] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = Page { after, limit: Some(limit) };
                let found = guarded.subject_records(&small(), &subject("MOVED"), page).await.unwrap();
                assert!(found.records.len() <= limit);
                seen.extend(found.records.iter().map(|view| view.seq.0));
                after = found.next.map(|next| next.to_string());
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, due, "{site} {limit}");
        }
    }
    // Who has none of its records is told the same as of a subject that there is not.
    let (elsewhere, _) = asked(held(TokenRole::Site, Some("S03"), None));
    let all = || Page { after: None, limit: None };
    let refused = async |name: &str| {
        let problem = elsewhere.subject_records(&small(), &subject(name), all()).await.unwrap_err();
        (problem.status, problem.code, problem.detail.replace(name, "it"))
    };
    assert_eq!(refused("MOVED").await, refused("NOBODY").await);
    assert_eq!(refused("MOVED").await.0, 403);
}

#[tokio::test]
async fn a_sites_trail_plan_and_refused_submissions_are_its_own() {
    let (guarded, _) = asked(held(TokenRole::Site, Some("S01"), None));
    for limit in [1, 2, 5, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = TrailAsked { after, limit: Some(limit), ..TrailAsked::default() };
            let found = guarded.trail(&small(), page).await.unwrap();
            assert!(found.entries.len() <= limit && found.covers.records == SUBJECTS as u64);
            seen.extend(found.entries.iter().map(|entry| entry.seq.0));
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 3, 4, 6, 7, 9], "{limit}");
    }
    let plan = async |site: Option<&str>| {
        let site = site.map(|site| site.parse().unwrap());
        guarded.plan(&small(), PlanAsked { site, ..PlanAsked::default() }).await.unwrap_err()
    };
    let refused = async |site: Option<&str>| {
        let site = site.map(|site| site.parse().unwrap());
        guarded.refused(&small(), RefusedAsked { site, ..RefusedAsked::default() }).await.unwrap_err()
    };
    // The registry behind says for which site it was asked.
    for own in [None, Some("S01")] {
        assert_eq!((plan(own).await.detail, refused(own).await.detail), ("of S01".into(), "of S01".into()));
    }
    assert_eq!(plan(Some("S02")).await.code, "not-permitted");
    assert_eq!(refused(Some("S02")).await.code, "not-permitted");
    for (role, due) in [(TokenRole::Inspector, "internal"), (TokenRole::Operator, "not-permitted")] {
        let (guarded, _) = asked(held(role, None, None));
        let problem = guarded.refused(&small(), RefusedAsked::default()).await.unwrap_err();
        assert_eq!(problem.code, due, "{role}");
    }
}

#[tokio::test]
async fn what_a_verification_found_in_single_records_is_for_those_who_may_read_them() {
    let check = async |role: TokenRole, site: Option<&str>, due: (usize, u64)| {
        let (guarded, tokens) = asked(held(role, site, None));
        let last = guarded.verification(&small()).await.unwrap().last.unwrap();
        assert_eq!((last.findings.len(), last.unlisted), due, "{role:?}");
        assert_eq!(last.checks.len(), 1);
        assert!(tokens.1.lock().unwrap().is_empty());
    };
    check(TokenRole::Inspector, None, (1, 1)).await;
    check(TokenRole::Operator, None, (0, 2)).await;
    check(TokenRole::Site, Some("S01"), (0, 2)).await;
}

#[tokio::test]
async fn a_sites_feed_passes_over_what_is_not_its_own() {
    let (guarded, _) = asked(held(TokenRole::Site, Some("S02"), None));
    let (mut next, mut seen) = (Position(0), Vec::new());
    while next.0 < SUBJECTS as u64 {
        let part = guarded.follow(&small(), next).await.unwrap();
        seen.extend(part.items.iter().map(|item| item.seq.0));
        next = part.next;
    }
    assert_eq!(seen, [2, 5, 8]);
}

#[tokio::test]
async fn a_refusal_is_taken_note_of_with_the_tokens_id_and_the_route() {
    let check = async |standing: Standing, due: &str| {
        let (guarded, tokens) = asked(standing);
        let problem = guarded.metrics().await.unwrap_err();
        assert!(matches!(problem.status, 401 | 403), "{problem}");
        assert_eq!(*tokens.1.lock().unwrap(), [due]);
    };
    check(Standing::Unknown, "token-not-good GET /x -").await;
    check(Standing::Revoked { id: "2a".to_owned() }, "token-not-good GET /x 2a").await;
    check(Standing::Expired { id: "2b".to_owned() }, "token-not-good GET /x 2b").await;
    check(held(TokenRole::Archive, None, None), "not-permitted GET /x 1f").await;
    // What is of all trials is not for a token of one.
    check(held(TokenRole::Operator, None, Some("small")), "not-permitted GET /x 1f").await;
    let (owner, tokens) = asked(Standing::Owner);
    owner.metrics().await.unwrap();
    assert!(tokens.1.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_token_of_one_trial_or_of_a_site_that_is_not_named_is_good_for_no_more() {
    let (bound, _) = asked(held(TokenRole::Site, Some("S01"), Some("other")));
    let page = Page::default;
    assert_eq!(bound.subjects(&small(), page()).await.unwrap_err().code, "not-permitted");
    assert!(bound.subjects(&"other".parse().unwrap(), page()).await.is_ok());
    assert!(bound.trials().await.is_ok());
    let (nowhere, _) = asked(held(TokenRole::Site, None, None));
    assert_eq!(nowhere.subjects(&small(), page()).await.unwrap_err().code, "not-permitted");
}

#[tokio::test]
async fn readiness_is_for_all_and_its_reasons_are_not() {
    let (nobody, tokens) = asked(Standing::Unknown);
    assert_eq!(nobody.readiness().await.unwrap().checks[0].detail, None);
    assert!(tokens.1.lock().unwrap().is_empty());
    let (operator, _) = asked(held(TokenRole::Operator, None, None));
    assert_eq!(operator.readiness().await.unwrap().checks[0].detail.as_deref(), Some("/a/path"));
}

#[tokio::test]
async fn what_is_signed_is_for_all_and_what_keeps_it_from_being_signed_is_not() {
    let (nobody, _) = asked(Standing::Unknown);
    assert_eq!(nobody.evidence(&small()).await.unwrap().trouble, None);
    let (operator, _) = asked(held(TokenRole::Operator, None, None));
    assert_eq!(operator.evidence(&small()).await.unwrap().trouble.as_deref(), Some("/a/path"));
}

#[test]
fn a_record_that_does_not_say_whose_it_is_is_nobodys() {
    let site = "S01".parse().unwrap();
    assert!(readable(&record(0), &site) && !readable(&record(2), &site));
    assert!(readable(r#"{"event":{"kind":"key_granted"}}"#, &site));
    for record in ["", "{}", "[]", r#"{"event":{"subject":"P1"}}"#, r#"{"event":{"subject":"P1","site":7}}"#]
    {
        assert!(!readable(record, &site), "{record}");
    }
}

#[tokio::test]
async fn what_is_refused_at_the_door_is_noted_with_who_and_when_to_come_again() {
    let (guarded, tokens) = asked(held(TokenRole::Operator, None, None));
    let gate = Gate::new(Arc::new(Log), Arc::clone(&tokens) as Arc<dyn Tokens>, Cookies::new(false));
    let mut request = axum::http::Request::new(()).into_parts().0;
    request.headers.insert("cookie", "trialbook_session=tbs_1".parse().unwrap());
    let entering = gate.enter(&request, Credentials::Token("tbk_0".to_owned())).await.unwrap_err();
    assert_eq!((entering.status, entering.retry_after_seconds), (429, Some(7)));
    let posting = gate.posting(&request).await.unwrap_err();
    assert_eq!((posting.status, posting.detail.as_str()), (429, "of a session"));
    drop(guarded);
    assert_eq!(*tokens.1.lock().unwrap(), ["too-often GET  li.wei", "too-often GET  1f"]);
}

#[tokio::test]
async fn a_session_that_nobody_is_in_sends_its_forms_as_its_address_does() {
    let ended = Standing::Expired { id: "1f".to_owned() };
    for (standing, due) in [(Standing::Unknown, "from"), (ended, "from"), (Standing::Owner, "of a session")] {
        let (_, tokens) = asked(standing);
        let gate = Gate::new(Arc::new(Log), Arc::clone(&tokens) as Arc<dyn Tokens>, Cookies::new(false));
        let mut request = axum::http::Request::new(()).into_parts().0;
        request.headers.insert("cookie", "trialbook_session=tbs_1".parse().unwrap());
        let refused = gate.posting(&request).await.unwrap_err();
        assert!(refused.detail.starts_with(due), "{}", refused.detail);
    }
}

#[tokio::test]
async fn who_comes_with_an_organisations_word_in_vain_is_noted_and_an_organisation_that_fails_is_not() {
    let (_guarded, tokens) = asked(held(TokenRole::Operator, None, None));
    let gate = Gate::new(Arc::new(Log), Arc::clone(&tokens) as Arc<dyn Tokens>, Cookies::new(false));
    let request = axum::http::Request::new(()).into_parts().0;
    assert_eq!(gate.set_out(&request, "/").await.unwrap_err().status, 429);
    for status in [400, 403, 404, 502, 503] {
        let returned = Returned { state: Some(status.to_string()), ..Returned::default() };
        assert_eq!(gate.come_back(&request, returned).await.unwrap_err().status, status);
    }
    let noted = ["too-often GET  -", "sign-in-made-up GET  li.wei", "sign-in-made-up GET  li.wei"];
    assert_eq!(*tokens.1.lock().unwrap(), noted);
    let open = Gate::open(Arc::new(Log));
    assert_eq!(open.set_out(&request, "/").await.unwrap_err().status, 404);
    assert_eq!(open.come_back(&request, Returned::default()).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn what_went_wrong_with_a_read_model_is_for_its_operator() {
    for (role, told) in [(TokenRole::Operator, true), (TokenRole::Inspector, false)] {
        let (guarded, _) = asked(held(role, None, None));
        let found = guarded.projectors().await.unwrap().projectors;
        assert_eq!(found[0].last_error.is_some(), told, "{role}");
        assert_eq!(guarded.rebuild(&small(), "index").await.is_ok(), told, "{role}");
    }
    let (guarded, tokens) = asked(held(TokenRole::Statistician, None, None));
    guarded.projectors().await.unwrap_err();
    assert_eq!(*tokens.1.lock().unwrap(), ["not-permitted GET /x 1f"]);
}

#[tokio::test]
async fn a_site_rehearses_what_is_about_its_own_subjects_alone() {
    let rehearsal = |site: &str| -> Rehearsal {
        let statement = json!({"kind": "visit", "site": site, "subject": "P1", "data": {}});
        read(&json!({"key": "11".repeat(32), "statement": statement}))
    };
    let check = async |standing: Standing, site: &str, due: bool| {
        let (guarded, _) = asked(standing.clone());
        let rehearsed = guarded.rehearse(&small(), rehearsal(site)).await;
        assert_eq!(rehearsed.is_ok(), due, "{standing:?} {site}");
    };
    check(held(TokenRole::Site, Some("S01"), None), "S01", true).await;
    check(held(TokenRole::Site, Some("S01"), None), "S02", false).await;
    check(held(TokenRole::Inspector, None, None), "S02", true).await;
    check(held(TokenRole::Operator, None, None), "S01", false).await;
    check(Standing::Unknown, "S01", false).await;
}
