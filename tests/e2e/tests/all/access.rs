//! Who may read what over HTTP: tokens of every role, at every route there is.

use std::collections::{BTreeMap, BTreeSet};

use e2e::{Reply, Server, SmallTrial, run};
use reqwest::Method;
use serde_json::Value;

use crate::evidence::{log_url, mirror, sealed};
use crate::statements::{contact, enrollment, with_subject};

/// The roles, in the order of the columns below.
const ROLES: [&str; 5] = ["site", "statistician", "inspector", "operator", "archive"];

/// Makes a token; of the role site one for S01.
pub(crate) fn token(trial: &SmallTrial, role: &str) -> String {
    let site: &[&str] = if role == "site" { &["--site", "S01"] } else { &[] };
    let made = trial.run([&["token", "new", "--role", role, "--name", role], site].concat()).ends_with(0);
    let token = made.out.trim_end().to_owned();
    assert!(token.starts_with("tbk_") && token.len() == 68 && !made.err.contains(&token), "{made:?}");
    token
}

/// P1 is of S01, records 8 to 11; P9 is of S02, record 12; record 13 is P1's again.
pub(crate) fn with_two_sites() -> SmallTrial {
    let trial = with_subject();
    let mut other = enrollment("P9");
    other["site"] = "S02".into();
    trial.submit("dan.sun", &other.to_string()).ends_with(0);
    trial.submit("bo.wang", &contact("P1", "2022-01-31").to_string()).ends_with(0);
    trial
}

fn ask(server: &Server, method: &str, path: &str, token: Option<&str>) -> Reply {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    server.send(method.parse::<Method>().unwrap(), path, &headers, Vec::new())
}

fn ids(trial: &SmallTrial) -> BTreeMap<String, String> {
    let listed = trial.run(["token", "list"]).ends_with(0).out;
    let rows = listed.lines().skip(2).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.map(|row| (row[1].to_owned(), row[0].to_owned())).collect()
}

/// Every route, an address of it that is there for S01 and, where it names one, of S02; and what no token, a site's
/// (S01), a statistician's, an inspector's, an operator's and an archive's is answered.
#[rustfmt::skip]
const ROUTES: [(&str, &str, &str, &str, [u16; 6]); 78] = [
    ("GET", "/healthz", "/healthz", "", [200; 6]),
    ("GET", "/readyz", "/readyz", "", [200; 6]),
    ("GET", "/openapi.json", "/openapi.json", "", [200; 6]),
    ("GET", "/metrics", "/metrics", "", [401, 403, 403, 403, 200, 403]),
    ("GET", "/v1/trials", "/v1/trials", "", [401, 200, 200, 200, 200, 403]),
    // An empty body is refused by the path itself, to whoever may use it.
    ("POST", "/v1/trials", "/v1/trials", "", [401, 403, 403, 403, 400, 403]),
    ("GET", "/v1/trials/{trial}", "/v1/trials/small", "", [401, 200, 200, 200, 200, 403]),
    ("POST", "/v1/trials/{trial}/events", "/v1/trials/small/events", "", [400; 6]),
    ("POST", "/v1/trials/{trial}/text-keys", "/v1/trials/small/text-keys", "", [400; 6]),
    ("POST", "/v1/trials/{trial}/rehearsals", "/v1/trials/small/rehearsals", "", [400; 6]),
    ("GET", "/v1/trials/{trial}/records/{seq}", "/v1/trials/small/records/8", "/v1/trials/small/records/12", [401, 200, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/subjects", "/v1/trials/small/subjects", "", [401, 200, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/subjects/{subject}/records", "/v1/trials/small/subjects/P1/records", "/v1/trials/small/subjects/P9/records", [401, 200, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/findings", "/v1/trials/small/findings", "", [401, 200, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/trail", "/v1/trials/small/trail", "", [401, 200, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/plan", "/v1/trials/small/plan", "/v1/trials/small/plan?site=S02", [401, 200, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/refused", "/v1/trials/small/refused", "/v1/trials/small/refused?site=S02", [401, 200, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/verification", "/v1/trials/small/verification", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/v1/trials/{trial}/reports/{kind}", "/v1/trials/small/reports/safety", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/reports/{kind}/cells", "/v1/trials/small/reports/safety/cells", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/reports/{kind}/sources", "/v1/trials/small/reports/safety/sources?cell=/populations/safety_set", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/feed", "", "", [401, 200, 403, 200, 403, 403]),
    ("GET", "/v1/trials/{trial}/log", "/v1/trials/small/log", "", [200; 6]),
    ("GET", "/v1/trials/{trial}/log/checkpoint", "/v1/trials/small/log/checkpoint", "", [200; 6]),
    // There is none without a policy.
    ("GET", "/v1/trials/{trial}/log/witnessed", "/v1/trials/small/log/witnessed", "", [404; 6]),
    ("GET", "/v1/trials/{trial}/log/tile/{*path}", "/v1/trials/small/log/tile/0/000.p/14", "", [200; 6]),
    // A bundle of records: the same route, another thing.
    ("GET", "/v1/trials/{trial}/log/tile/{*path}", "/v1/trials/small/log/tile/entries/000.p/14", "", [401, 403, 403, 200, 403, 200]),
    ("GET", "/v1/trials/{trial}/log/site/{site}", "/v1/trials/small/log/site/S01", "/v1/trials/small/log/site/S02", [401, 200, 403, 200, 403, 200]),
    ("GET", "/v1/trials/{trial}/proofs/{seq}", "/v1/trials/small/proofs/8", "", [200; 6]),
    ("GET", "/v1/projectors", "/v1/projectors", "", [401, 403, 403, 200, 200, 403]),
    ("POST", "/v1/trials/{trial}/projectors/{name}/rebuild", "/v1/trials/small/projectors/nobody/rebuild", "", [401, 403, 403, 403, 404, 403]),
    ("GET", "/v1/trials/{trial}/envelopes", "/v1/trials/small/envelopes", "", [401, 403, 403, 200, 200, 403]),
    ("GET", "/v1/trials/{trial}/tail", "", "", [401, 403, 403, 200, 200, 403]),
    // The pages.
    ("GET", "/operator", "/operator", "", [401, 403, 403, 200, 200, 403]),
    ("GET", "/operator/rebuild", "/operator/rebuild?trial=small&projector=index", "", [401, 403, 403, 403, 200, 403]),
    ("GET", "/operator/stream", "/operator/stream", "", [401, 403, 403, 307, 307, 403]),
    ("GET", "/operator/stream/{trial}", "/operator/stream/small", "", [401, 403, 403, 200, 200, 403]),
    ("GET", "/operator/seals", "/operator/seals", "", [401, 403, 403, 200, 200, 403]),
    ("GET", "/operator/keys", "/operator/keys", "", [401, 403, 403, 307, 307, 403]),
    ("GET", "/operator/keys/{trial}", "/operator/keys/small", "", [401, 403, 403, 200, 200, 403]),
    ("GET", "/operator/access", "/operator/access", "", [401, 403, 403, 200, 200, 403]),
    ("GET", "/operator/refusals", "/operator/refusals", "", [401, 403, 403, 200, 200, 403]),
    ("GET", "/operator/configuration", "/operator/configuration", "", [401, 403, 403, 403, 200, 403]),
    ("GET", "/", "/", "", [401, 307, 307, 307, 307, 403]),
    ("GET", "/login", "/login", "", [200; 6]),
    // Without an organisation there is nothing to come back from; with one it is open to everybody: organisation.rs.
    ("GET", "/login/organisation/return", "/login/organisation/return?code=a&state=b", "", [404; 6]),
    ("GET", "/assets/console.css", "/assets/console.css", "", [200; 6]),
    ("GET", "/assets/sign.js", "/assets/sign.js", "", [200; 6]),
    ("GET", "/assets/icon.svg", "/assets/icon.svg", "", [200; 6]),
    ("GET", "/trials/{trial}", "/trials/small", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/outcomes", "/trials/small/outcomes", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/outcomes/{part}", "/trials/small/outcomes/courses", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/safety", "/trials/small/safety", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/safety/{part}", "/trials/small/safety/interest", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/sources", "/trials/small/sources?report=safety&cell=/populations/safety_set", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/findings", "/trials/small/findings", "", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/subjects", "/trials/small/subjects", "", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/subjects/{subject}", "/trials/small/subjects/P1", "/trials/small/subjects/P9", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/record", "/trials/small/record", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/record/{kind}", "/trials/small/record/visit", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/subjects/{subject}/record/{kind}", "/trials/small/subjects/P1/record/enrollment?amends=8", "/trials/small/subjects/P9/record/enrollment?amends=12", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/keys/new", "/trials/small/keys/new", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/keys/grant", "/trials/small/keys/grant", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/keys/revoke", "/trials/small/keys/revoke", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/submit", "/trials/small/submit", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/records/{seq}", "/trials/small/records/8", "/trials/small/records/12", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/records/{seq}/bytes", "/trials/small/records/8/bytes", "/trials/small/records/12/bytes", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/records/{seq}/proof", "/trials/small/records/8/proof", "/trials/small/records/12/proof", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/status", "/trials/small/status", "/trials/small/status?site=S02", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/work", "/trials/small/work", "/trials/small/work?site=S02", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/intact", "/trials/small/intact", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/bundle", "/trials/small/bundle", "", [401, 403, 403, 200, 403, 403]),
    ("GET", "/trials/{trial}/trail", "/trials/small/trail", "", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/inspection", "/trials/small/inspection", "", [401, 200, 200, 200, 200, 403]),
    ("GET", "/trials/{trial}/inspection/{list}", "/trials/small/inspection/corrections", "", [401, 200, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/inspection/sample", "/trials/small/inspection/sample", "", [401, 403, 200, 200, 403, 403]),
    ("GET", "/trials/{trial}/subjects/{subject}/casebook", "/trials/small/subjects/P1/casebook", "/trials/small/subjects/P9/casebook", [401, 200, 200, 200, 403, 403]),
    ("GET", "/nowhere", "/nowhere", "", [404; 6]),
];

#[test]
fn each_role_reaches_by_each_route_what_it_is_for_and_a_new_route_is_to_be_decided_about() {
    let trial = with_two_sites();
    let tokens = ROLES.map(|role| token(&trial, role));
    let server = Server::start(&trial.data());
    sealed(&server, 14);
    let document = server.get("/openapi.json").json();
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            documented.insert((method.to_uppercase(), path.clone()));
        }
    }
    let decided: BTreeSet<_> =
        ROUTES.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();
    let undecided: Vec<_> = documented.difference(&decided).collect();
    assert!(undecided.is_empty(), "of these routes it is not decided who may use them: {undecided:?}");
    assert!(document["components"]["securitySchemes"]["token"]["scheme"] == "bearer", "{document}");

    let askers: Vec<_> =
        std::iter::once(None).chain(tokens.iter().map(|token| Some(token.as_str()))).collect();
    for (method, route, path, others, due) in ROUTES {
        for (index, asker) in askers.iter().enumerate() {
            let who = if index == 0 { "nobody" } else { ROLES[index - 1] };
            if path.is_empty() {
                // A feed does not end: its refusals do, and its parts are looked at elsewhere.
                if due[index] != 200 {
                    let path = route.replace("{trial}", "small");
                    assert_eq!(ask(&server, method, &path, *asker).status, due[index], "{who} {route}");
                }
                continue;
            }
            let reply = ask(&server, method, path, *asker);
            assert_eq!(reply.status, due[index], "{who} {method} {path}: {}", reply.text());
            let refused = matches!(reply.status, 401 | 403);
            assert_eq!(reply.headers.contains_key("www-authenticate"), reply.status == 401, "{who} {path}");
            if refused && path.starts_with("/v1/") {
                let code = if reply.status == 401 { "token-missing" } else { "not-permitted" };
                assert_eq!(reply.problem().1, code, "{who} {path}");
            }
            // What is another site's is refused to a site, and to nobody else who may have this one's.
            if !others.is_empty() {
                let due = if who == "site" { 403 } else { due[index] };
                assert_eq!(ask(&server, method, others, *asker).status, due, "{who} {others}");
            }
        }
    }
}

#[test]
fn a_sites_token_sees_its_own_and_nothing_of_another_site_by_any_route() {
    let trial = with_two_sites();
    let site = token(&trial, "site");
    let inspector = token(&trial, "inspector");
    let server = Server::start(&trial.data());
    sealed(&server, 14);
    let bearer = format!("Bearer {site}");
    let theirs = ask(&server, "GET", "/v1/trials/small/records/12", Some(&inspector)).json();
    let theirs = theirs["record"]["event"]["id"].as_str().unwrap().to_owned();

    // Whatever can be put into an address that this site knows or guesses.
    let mut paths = BTreeSet::new();
    for (_, route, ..) in ROUTES.iter().filter(|(method, route, ..)| {
        *method == "GET" && !route.ends_with("/feed") && !route.ends_with("/tail")
    }) {
        let route = route.replace("{trial}", "small");
        for subject in ["P1", "P9", "NOBODY"] {
            for kind in ["outcomes", "safety"] {
                for at in ["S01", "S02", "S03"] {
                    let path =
                        route.replace("{subject}", subject).replace("{kind}", kind).replace("{site}", at);
                    for seq in 0..15 {
                        let path = path.replace("{seq}", &seq.to_string());
                        for tile in ["0/000.p/14", "entries/000.p/14", "entries/000.p/12"] {
                            paths.insert(path.replace("{*path}", tile));
                        }
                    }
                }
            }
        }
    }
    let queries = ["", "?after=0", "?after=11", "?limit=1", "?after=P1", "?after=P8"];
    let mut answered = 0;
    for path in &paths {
        for query in queries {
            let reply = ask(&server, "GET", &format!("{path}{query}"), Some(&site));
            let body = String::from_utf8_lossy(&reply.body);
            // A problem may say again what was asked for.
            if reply.status == 200 {
                // In JSON, and on a page; a hash in base64 may hold the two characters by chance.
                let named = ["\"P9\"", ">P9<", &*theirs].iter().any(|name| body.contains(name));
                assert!(!named, "{path}{query}: {body}");
                answered += 1;
            }
        }
    }
    assert!(answered > 100, "only {answered} of {} paths were answered", paths.len());

    let seen = |path: &str| ask(&server, "GET", path, Some(&site)).json();
    let subjects = seen("/v1/trials/small/subjects");
    assert_eq!(subjects["subjects"].as_array().unwrap().len(), 1, "{subjects}");
    let own = seen("/v1/trials/small/subjects/P1/records");
    let seqs: Vec<_> =
        own["records"].as_array().unwrap().iter().map(|record| record["seq"].clone()).collect();
    assert_eq!(seqs, [8, 9, 10, 11, 13]);
    // That there is a P9 elsewhere is not told: it is refused as one that is nowhere.
    let refused = |path: &str| {
        let problem = ask(&server, "GET", path, Some(&site)).json();
        problem["detail"].as_str().unwrap().replace("P9", "?").replace("NOBODY", "?")
    };
    for query in queries {
        let (there, nowhere) =
            ("/v1/trials/small/subjects/P9/records", "/v1/trials/small/subjects/NOBODY/records");
        assert_eq!(refused(&format!("{there}{query}")), refused(&format!("{nowhere}{query}")));
    }
    let feed: Vec<u64> = server
        .events("/v1/trials/small/feed", &[("authorization", &bearer)], 13)
        .into_iter()
        .map(|(id, data)| {
            assert!(!data.contains("\"P9\""), "{data}");
            id
        })
        .collect();
    assert_eq!(feed, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]);
}

#[test]
fn a_site_mirrors_its_own_part_with_its_token_and_is_refused_the_rest() {
    let trial = with_two_sites();
    let file = trial.beside().join("token");
    e2e::write(&file, format!("{}\n", token(&trial, "site")));
    let archive = trial.beside().join("archive-token");
    e2e::write(&archive, token(&trial, "archive"));
    let server = Server::start(&trial.data());
    sealed(&server, 14);
    let url = log_url(&server.address);
    let (with, dir) = (["--token-file", file.to_str().unwrap()], |name: &str| trial.beside().join(name));
    let own = mirror(&trial, &url, &dir("S01"), &[&["--site", "S01"], &with[..]].concat()).ends_with(0);
    assert!(own.out.contains(" 13 records written"), "{}", own.out);
    mirror(&trial, &url, &dir("S02"), &[&["--site", "S02"], &with[..]].concat()).ends_with(5);
    mirror(&trial, &url, &dir("whole"), &[&["--whole"], &with[..]].concat()).ends_with(5);
    mirror(&trial, &url, &dir("nobody"), &["--site", "S01"]).ends_with(5);
    mirror(&trial, &url, &dir("hashes"), &[]).ends_with(0);
    let with = ["--whole", "--token-file", archive.to_str().unwrap()];
    mirror(&trial, &url, &dir("archive"), &with).ends_with(0);
    // Other commands: what they are refused they say so with the status for it.
    let at = ["--server", &server.address];
    let with = [&at[..], &["--token-file", file.to_str().unwrap()]].concat();
    let asked = |command: &[&str], with: &[&str]| run([command, with].concat());
    asked(&["show", "8"], &with).ends_with(0);
    asked(&["show", "12"], &with).ends_with(5);
    asked(&["show", "8"], &at).ends_with(5);
    asked(&["report", "safety"], &with).ends_with(5);
    asked(&["prove", "12"], &with).ends_with(0);
    // Whoever owns the data needs no token beside the server.
    trial.run(["show", "12"]).ends_with(0);
    trial.run(["doctor"]).ends_with(0);
    // Events authenticate themselves.
    let submission = trial.submission("bo.wang", &contact("P1", "2022-03-31"));
    assert_eq!(server.post("/v1/trials/small/events", "application/json", submission).status, 201);
}

#[test]
fn tokens_take_effect_at_once_and_no_token_is_ever_logged() {
    let trial = with_two_sites();
    let log = trial.beside().join("log");
    let server = Server::start_with(&trial.data(), &["--listen", "127.0.0.1:0"], &log, None);
    // Nobody has a token yet: it is open, and says so.
    let path = "/v1/trials/small/records/8";
    assert_eq!(server.get(path).status, 200);
    assert!(std::fs::read_to_string(&log).unwrap().contains("open to everybody on this machine"));
    assert!(server.get("/trials/small").text().contains("Open to everybody on this machine"));

    let (site, operator) = (token(&trial, "site"), token(&trial, "operator"));
    assert_eq!(server.get(path).problem().1, "token-missing");
    assert_eq!(ask(&server, "GET", path, Some(&site)).status, 200);
    assert!(!ask(&server, "GET", "/trials/small", Some(&site)).text().contains("Open to everybody"));
    let never = site.replace("tbk_", "tbk_0");
    assert_eq!(ask(&server, "GET", path, Some(&never)).problem().1, "token-not-good");
    // A feed that is running ends with its token.
    let id = ids(&trial)["site"].clone();
    let bearer = format!("Bearer {site}");
    let fed = server.get_while("/v1/trials/small/feed", &[("authorization", &bearer)], || {
        trial.run(["token", "revoke", &id]).ends_with(0);
    });
    assert!(fed.contains("id: 0\n"), "{fed}");
    assert_eq!(ask(&server, "GET", path, Some(&site)).problem().1, "token-not-good");
    assert!(trial.run(["token", "list"]).ends_with(0).out.contains("revoked"));
    trial.run(["token", "revoke", "nothing"]).ends_with(4);
    // Revoking the last one opens nothing.
    let id = ids(&trial)["operator"].clone();
    let metrics = ask(&server, "GET", "/metrics", Some(&operator)).text().to_owned();
    assert!(metrics.contains("trialbook_refusals_total{code=\"token-missing\"} 1"), "{metrics}");
    assert!(metrics.contains("trialbook_refusals_total{code=\"token-not-good\"}"), "{metrics}");
    trial.run(["token", "revoke", &id]).ends_with(0);
    assert_eq!(server.get(path).problem().1, "token-missing");

    // By the form, too; and what the browser sends by itself is good for reading alone.
    let again = token(&trial, "operator");
    let form = "application/x-www-form-urlencoded";
    let entered = server.post("/login", form, format!("token={again}"));
    assert_eq!(entered.status, 303, "{}", entered.text());
    let cookie = entered.headers["set-cookie"].clone();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let by_cookie =
        |method: Method, path: &str| server.send(method, path, &[("cookie", &cookie)], Vec::new());
    assert_eq!(by_cookie(Method::GET, "/trials/small").status, 200);
    assert_eq!(by_cookie(Method::POST, "/v1/trials").problem().1, "token-missing");
    assert_eq!(server.post("/login", form, format!("token={never}")).status, 401);
    assert!(server.get("/").text().contains("href=\"/login\""));

    let at = ["--server", &server.address];
    let told = run([&["show", "8"], &at[..]].concat()).ends_with(5).err;
    assert!(told.contains("token-missing"), "{told}");
    assert_eq!(server.stop(), 0);
    let logged = std::fs::read_to_string(&log).unwrap();
    let site_id = &ids(&trial)["site"];
    let route = "GET /v1/trials/{trial}/records/{seq}";
    let told =
        |line: &str| [site_id.as_str(), route, "token-not-good"].iter().all(|part| line.contains(part));
    assert!(logged.lines().any(told), "a refusal is not in the log with token {site_id} and {route}");
    assert!(!logged.contains("tbk_") && !logged.contains(&site[4..]), "a token is in the log");
    for file in e2e::files_under(&trial.data()) {
        assert!(!e2e::holds(&file, &site.as_bytes()[4..]), "a token is in {}", file.display());
    }
}

#[test]
fn a_token_is_for_one_site_of_one_trial_and_is_refused_elsewhere() {
    let trial = with_subject();
    trial.run(["token", "new", "--role", "site"]).ends_with(7);
    trial.run(["token", "new", "--role", "inspector", "--site", "S01"]).ends_with(7);
    trial.run(["token", "new", "--role", "site", "--site", "s 1"]).ends_with(2);
    trial.run(["token", "new", "--role", "janitor"]).ends_with(2);
    trial.run(["token", "new", "--role", "inspector", "--trial", "other"]).ends_with(7);
    trial.run(["token", "new", "--role", "inspector", "--days", "0"]).ends_with(2);
    assert!(trial.run(["token", "list"]).ends_with(0).out.contains("no token"));
    let made = trial.run(["token", "new", "--role", "inspector", "--trial", "small", "--days", "30"]);
    let bound = made.ends_with(0).out.trim_end().to_owned();
    let server = Server::start(&trial.data());
    assert_eq!(ask(&server, "GET", "/v1/trials/small", Some(&bound)).status, 200);
    assert_eq!(ask(&server, "GET", "/v1/trials/other", Some(&bound)).problem().1, "not-permitted");
    let list: Value = ask(&server, "GET", "/v1/trials", Some(&bound)).json();
    assert_eq!(list["trials"].as_array().unwrap().len(), 1);
}
