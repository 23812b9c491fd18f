//! Accounts, sessions of browsers, forms that are not ours, and what is kept of refusals.

use std::time::{Duration, Instant};

use e2e::{Reply, Server, SmallTrial, write};
use reqwest::Method;

use crate::access::token;
use crate::demo::own_demo;
use crate::statements::with_subject;

const FORM: &str = "application/x-www-form-urlencoded";

/// How long what is done beside a request may take: it takes a fifth of a second.
const PATIENCE: Duration = Duration::from_mins(2);

const PASSWORD: &str = "a quiet harbour 7";

/// Makes an account with the password.
fn account(trial: &SmallTrial, name: &str, options: &[&str]) {
    let file = trial.beside().join("password");
    write(&file, format!("{PASSWORD}\n"));
    let with = ["account", "add", name, "--password-file", file.to_str().unwrap()];
    let made = trial.run([&with[..], options].concat()).ends_with(0);
    assert!(!made.out.contains(PASSWORD) && !made.err.contains(PASSWORD), "{made:?}");
}

fn sign_in(server: &Server, name: &str, password: &str) -> Reply {
    server.post("/login", FORM, format!("name={name}&password={}", password.replace(' ', "+")))
}

/// The session that an answer begins, as its browser sends it.
fn session(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.text());
    let cookie = &reply.headers["set-cookie"];
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

fn get(server: &Server, session: &str, path: &str) -> Reply {
    server.send(Method::GET, path, &[("cookie", session)], Vec::new())
}

fn post(server: &Server, session: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let with = [&[("cookie", session), ("content-type", FORM)], headers].concat();
    server.send(Method::POST, path, &with, body.as_bytes().to_vec())
}

/// The token that the forms of a page carry.
fn form_token(page: &Reply) -> String {
    let (_, rest) = page.text().split_once("name=\"form_token\" value=\"").expect("the page has a form");
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn a_person_signs_in_with_a_name_and_a_password_and_out_and_the_session_ends_at_the_server() {
    let trial = with_subject();
    account(&trial, "li.wei", &["--role", "site", "--site", "S01"]);
    account(&trial, "desk", &["--role", "operator"]);
    trial.run(["account", "add", "li.wei", "--role", "inspector"]).ends_with(6);
    trial.run(["account", "add", "Li Wei", "--role", "inspector"]).ends_with(7);
    trial.run(["account", "add", "other", "--role", "site"]).ends_with(7);
    let log = trial.beside().join("log");
    let server = Server::start_with(&trial.data(), &["--listen", "127.0.0.1:0"], &log, None);
    assert_eq!(server.get("/trials/small").status, 401);

    for (name, password) in
        [("li.wei", "a quiet harbour 8"), ("nobody", PASSWORD), ("", PASSWORD), ("li.wei", "")]
    {
        let refused = sign_in(&server, name, password);
        assert_eq!(refused.status, 401, "{name}");
        assert!(refused.text().contains("sign-in-refused") && !refused.headers.contains_key("set-cookie"));
    }
    let own = session(&sign_in(&server, "li.wei", PASSWORD));
    let desk = session(&sign_in(&server, "desk", PASSWORD));
    let page = get(&server, &own, "/trials/small/subjects/P1");
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("<strong>li.wei</strong>, site of S01"), "{}", page.text());
    assert_eq!(get(&server, &own, "/operator").status, 403);
    assert_eq!(get(&server, &desk, "/operator").status, 200);
    assert_eq!(get(&server, &desk, "/trials/small/records/8").status, 403);

    // A token begins a session of its own, and a session does not begin another.
    let inspector = token(&trial, "inspector");
    let entered = session(&server.post("/login", FORM, format!("token={inspector}")));
    assert!(!entered.contains(&inspector[4..]), "the cookie holds the token");
    assert_eq!(get(&server, &entered, "/operator/refusals").status, 200);
    let access = get(&server, &entered, "/operator/access");
    for said in ["<code>li.wei</code>", "<code>desk</code>", "token, given to inspector", "until it is ended"]
    {
        assert!(access.text().contains(said), "{said}: {}", access.text());
    }
    assert!(!access.text().contains(&inspector[4..]), "a token is shown");
    let again = entered.split('=').next_back().unwrap().to_owned();
    assert_eq!(server.post("/login", FORM, format!("token={again}")).status, 401);

    // Out: whoever has kept the cookie is out, too.
    let out = format!("form_token={}", form_token(&page));
    let left = post(&server, &own, "/logout", &[], &out);
    assert!(left.status == 303 && left.headers["set-cookie"].contains("Max-Age=0"), "{}", left.text());
    assert_eq!(get(&server, &own, "/trials/small/subjects/P1").status, 401);
    // So is whoever was in when the password changed, or when the account or the token went.
    let own = session(&sign_in(&server, "li.wei", PASSWORD));
    let changed = trial.run(["account", "passwd", "li.wei"]).ends_with(0);
    assert_eq!(get(&server, &own, "/trials/small").status, 401);
    assert_eq!(sign_in(&server, "li.wei", PASSWORD).status, 401);
    session(&sign_in(&server, "li.wei", changed.out.trim_end()));
    trial.run(["account", "remove", "desk"]).ends_with(0);
    trial.run(["account", "remove", "desk"]).ends_with(4);
    assert_eq!(get(&server, &desk, "/operator").status, 401);
    assert_eq!(sign_in(&server, "desk", PASSWORD).status, 401);
    let listed = trial.run(["account", "list"]).ends_with(0).out;
    let desk_row = listed.lines().find(|line| line.contains("desk")).unwrap();
    assert!(desk_row.ends_with("removed") && listed.contains("li.wei"), "{listed}");
    let access = get(&server, &entered, "/operator/access").text().to_owned();
    let (_, desk_row) = access.split_once("<code>desk</code>").unwrap();
    assert!(desk_row.split("</tr>").next().unwrap().contains("ended "), "{access}");

    // A restart ends no session.
    let own = session(&sign_in(&server, "li.wei", changed.out.trim_end()));
    assert_eq!(server.stop(), 0);
    let server = Server::start(&trial.data());
    assert_eq!(get(&server, &own, "/trials/small").status, 200);
    drop(server);
    let logged = std::fs::read_to_string(&log).unwrap();
    let secrets = [PASSWORD, changed.out.trim_end(), &own[own.len() - 64..], &entered[entered.len() - 64..]];
    for secret in secrets {
        assert!(!logged.contains(secret), "a secret is in the log");
        for file in e2e::files_under(&trial.data()) {
            assert!(!e2e::holds(&file, secret.as_bytes()), "a secret is in {}", file.display());
        }
    }
}

#[test]
fn a_form_is_taken_from_a_page_of_its_own_session_alone() {
    let trial = with_subject();
    account(&trial, "desk", &["--role", "operator"]);
    let server = Server::start(&trial.data());
    let (own, other) =
        (session(&sign_in(&server, "desk", PASSWORD)), session(&sign_in(&server, "desk", PASSWORD)));
    let asked = "/operator/rebuild?trial=small&projector=safety";
    let (token, others) = (form_token(&get(&server, &own, asked)), form_token(&get(&server, &other, asked)));
    let body = |token: &str| format!("trial=small&projector=safety&form_token={token}");
    let refused = |headers: &[(&str, &str)], body: &str| {
        let reply = post(&server, &own, "/operator/rebuild", headers, body);
        assert_eq!(reply.status, 403, "{headers:?} {body}: {}", reply.text());
        assert!(reply.text().contains("form-not-ours"), "{}", reply.text());
    };
    refused(&[], "trial=small&projector=safety");
    refused(&[], &body(&others));
    refused(&[("sec-fetch-site", "cross-site")], &body(&token));
    refused(&[("origin", "https://evil.example")], &body(&token));
    // Without the session nobody is named; with it nothing is changed by reading, nor by the API's own routes.
    let reply = server.post("/operator/rebuild", FORM, body(&token));
    assert_eq!(reply.status, 401, "{}", reply.text());
    let rebuild = "/v1/trials/small/projectors/safety/rebuild";
    assert_eq!(post(&server, &own, rebuild, &[], &body(&token)).status, 401);
    // A form that logs somebody in from elsewhere is not taken either.
    let elsewhere = [("sec-fetch-site", "cross-site"), ("content-type", FORM)];
    let entering = format!("name=desk&password={}", PASSWORD.replace(' ', "+"));
    let reply = server.send(Method::POST, "/login", &elsewhere, entering.into_bytes());
    assert_eq!(reply.status, 403, "{}", reply.text());

    let done = post(&server, &own, "/operator/rebuild", &[("sec-fetch-site", "same-origin")], &body(&token));
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(done.headers["location"], "/operator");
}

#[test]
fn who_tries_too_often_is_told_when_to_come_again_and_every_refusal_is_kept() {
    let trial = with_subject();
    account(&trial, "li.wei", &["--role", "site", "--site", "S01"]);
    account(&trial, "jo", &["--role", "inspector"]);
    let server = Server::start(&trial.data());
    let jo = session(&sign_in(&server, "jo", PASSWORD));
    // Eight at once; however slow the machine, fewer than one a quarter of a minute are let through beyond these.
    let begun = Instant::now();
    let mut statuses = Vec::new();
    let refused = loop {
        let reply = sign_in(&server, "li.wei", "not the password");
        statuses.push(reply.status);
        if reply.status == 429 {
            break reply;
        }
        let allowed = 8 + begun.elapsed().as_secs() / 15 + 1;
        assert!(statuses.len() as u64 <= allowed, "{statuses:?}");
    };
    assert!(statuses.len() > 8 && statuses[..8].iter().all(|status| *status == 401), "{statuses:?}");
    let seconds: u64 = refused.headers["retry-after"].parse().unwrap();
    assert!((1..=16).contains(&seconds) && refused.text().contains("too-often"), "{seconds}");
    // The right password waits as well, and another account's does not.
    assert_eq!(sign_in(&server, "li.wei", PASSWORD).status, 429);
    session(&sign_in(&server, "jo", PASSWORD));
    // Whoever types a password where the name belongs has not written it down.
    assert_eq!(sign_in(&server, "my-secret-word", "x").status, 401);
    assert_eq!(get(&server, &jo, "/metrics").status, 403);

    let begun = Instant::now();
    let page = loop {
        let page = get(&server, &jo, "/operator/refusals").text().to_owned();
        if page.contains("GET /metrics") {
            break page;
        }
        assert!(begun.elapsed() < PATIENCE, "{page}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let row = |parts: &[&str]| page.split("<tr>").any(|row| parts.iter().all(|part| row.contains(part)));
    assert!(row(&[">jo<", "not-permitted", "GET /metrics", "127.0.0.1"]), "{page}");
    assert!(row(&[">li.wei<", "sign-in-refused", "POST /login"]), "{page}");
    assert!(row(&["nobody known", "too-often", "POST /login"]), "{page}");
    assert!(!page.contains("my-secret-word"), "{page}");
}

#[test]
fn a_demonstration_may_be_looked_at_as_each_role_and_is_served_on_this_machine_alone() {
    let data = own_demo();
    let log = data.path().join("log");
    let path = data.path().to_str().unwrap();
    e2e::run(["demo", "--data", path, "--listen", "0.0.0.0:0"]).ends_with(7);
    let server = Server::run(&["demo", "--data", path, "--listen", "127.0.0.1:0"], &log).unwrap();
    let front = server.get("/trials/lupus-msct");
    for what in
        ["Demonstration.", "Look at this demonstration as", "coordinator of S01", "value=\"inspector\""]
    {
        assert!(front.text().contains(what), "{what}: {}", front.text());
    }
    let look = |id: &str| session(&server.post("/look", FORM, format!("as={id}")));
    let status = |session: &str, path: &str| get(&server, session, path).status;
    let (site, statistician, inspector, operator) =
        (look("site-S01"), look("statistician"), look("inspector"), look("operator"));
    let (outcomes, subjects) = ("/trials/lupus-msct/outcomes", "/trials/lupus-msct/subjects");
    for (session, of_outcomes, of_subjects, of_operation) in [
        (&site, 403, 200, 403),
        (&statistician, 200, 200, 403),
        (&inspector, 200, 200, 200),
        (&operator, 403, 403, 200),
    ] {
        assert_eq!(status(session, outcomes), of_outcomes);
        assert_eq!(status(session, subjects), of_subjects);
        assert_eq!(status(session, "/operator"), of_operation);
    }
    let page = get(&server, &site, subjects);
    assert!(page.text().contains("Looking as site of S01") && page.text().contains("Demonstration."));
    assert!(page.text().contains("S01-") || page.text().contains(">S01<"), "{}", page.text());
    assert!(!page.text().contains(">S02<"), "{}", page.text());
    // Whoever looks no more sees everything again.
    let out = format!("form_token={}", form_token(&page));
    assert_eq!(post(&server, &site, "/logout", &[], &out).status, 303);
    assert_eq!(status(&site, outcomes), 200);
    assert_eq!(server.post("/look", FORM, "as=somebody").status, 404);
    assert_eq!(server.stop(), 0);
    // Served as a registry it is none.
    let server = Server::start(data.path());
    assert_eq!(server.post("/look", FORM, "as=inspector").status, 404);
    assert!(!server.get("/trials/lupus-msct").text().contains("Demonstration."));
}
