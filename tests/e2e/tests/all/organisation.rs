//! Signing in with one's organisation: a provider of our own, good and ill-behaved, over plain HTTP and in a real
//! browser.

mod issuer;

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::{Browser, Http, Reply, Server, SmallTrial, run, write};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::access::{token, with_two_sites};
use crate::evidence::text;
use issuer::{CLIENT, Forged, Issuer, Key, Manner, SECRET, ec, ed, rsa};

const FORM: &str = "application/x-www-form-urlencoded";

/// How long what is done beside a request may take: it takes a fifth of a second.
const PATIENCE: Duration = Duration::from_mins(2);

/// Who is let in: staff of S01, an inspector, an operator.
const RULES: &str = r#"
[[rules]]
claim = "groups"
value = "desk-nj"
role = "site"
site = "S01"
trial = "small"

[[rules]]
claim = "/realm_access/roles"
value = "inspection"
role = "inspector"

[[rules]]
claim = "groups"
value = "operation"
role = "operator"
"#;

/// A registry whose people sign in at an issuer.
struct Registry {
    trial: SmallTrial,
    issuer: Issuer,
    server: Option<Server>,
    config: PathBuf,
    log: PathBuf,
    port: u16,
}

/// A way that was begun: where the browser is sent, and its cookie.
struct Way {
    go_to: Url,
    cookie: String,
}

impl Registry {
    fn start(trial: SmallTrial, more: &str) -> Self {
        // Freed at once: the address has to be known before the server is there.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (issuer, config) = (Issuer::start(), trial.beside().join("oidc.toml"));
        let log = trial.beside().join("log");
        let mut registry = Self { trial, issuer, server: None, config, log, port };
        registry.configure(more, RULES);
        registry.serve();
        registry
    }

    /// Writes the configuration; keys that stand alone before the rules.
    fn configure(&self, more: &str, rules: &str) {
        let secret = self.trial.beside().join("client.secret");
        write(&secret, format!("{SECRET}\n"));
        let (issuer, port) = (&self.issuer.url, self.port);
        let config = format!(
            "name = \"University Hospital\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT}\"\n\
             client_secret_file = \"{}\"\norigin = \"http://127.0.0.1:{port}\"\nscopes = [\"groups\"]\n\
             name_claim = \"preferred_username\"\n{more}\n{rules}",
            secret.display()
        );
        write(&self.config, config);
    }

    /// Starts the server, or starts it anew.
    fn serve(&mut self) {
        if let Some(server) = self.server.take() {
            assert_eq!(server.stop(), 0);
        }
        let listen = format!("127.0.0.1:{}", self.port);
        let options = ["--listen", &listen, "--oidc", text(&self.config)];
        self.server = Some(Server::start_with(&self.trial.data(), &options, &self.log, None));
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Presses the button.
    fn press(&self, body: &str) -> Reply {
        self.server().post("/login/organisation", FORM, body.to_owned())
    }

    fn set_out(&self) -> Way {
        begun(&self.press(""))
    }

    /// Says to the issuer that it is oneself: the path that the browser is sent back to.
    fn consent(&self, way: &Way) -> String {
        let path = format!("/consent?{}", way.go_to.query().unwrap());
        let sent = Http::new(&self.issuer.url).get(&path);
        assert_eq!(sent.status, 302, "{}", sent.text());
        let back: Url = sent.headers["location"].parse().unwrap();
        assert_eq!((back.host_str(), back.port()), (Some("127.0.0.1"), Some(self.port)));
        format!("{}?{}", back.path(), back.query().unwrap())
    }

    fn come_back(&self, path: &str, cookie: &str) -> Reply {
        self.server().send(Method::GET, path, &[("cookie", cookie)], Vec::new())
    }

    /// All of it: what the registry answers in the end.
    fn sign_in(&self) -> Reply {
        let way = self.set_out();
        self.come_back(&self.consent(&way), &way.cookie)
    }

    /// All of it, for somebody of whom this is claimed: the session.
    fn session(&self, claims: Value) -> String {
        self.issuer.claim(claims);
        session(&self.sign_in())
    }

    fn get(&self, session: &str, path: &str) -> Reply {
        self.server().send(Method::GET, path, &[("cookie", session)], Vec::new())
    }

    /// The refusals that are kept, the latest first, once there are so many: code and who.
    fn refusals(&self, count: usize) -> String {
        let begun = Instant::now();
        let bearer = format!("Bearer {}", token(&self.trial, "operator"));
        loop {
            let headers = [("authorization", bearer.as_str())];
            let page = self.server().send(Method::GET, "/operator/refusals", &headers, Vec::new());
            let page = page.text().to_owned();
            if page.matches("<tr>").count() > count {
                return page;
            }
            assert!(begun.elapsed() < PATIENCE, "{page}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The way that an answer begins.
fn begun(reply: &Reply) -> Way {
    assert_eq!(reply.status, 303, "{}", reply.text());
    let cookie = &reply.headers["set-cookie"];
    assert!(cookie.starts_with("trialbook_way=") && cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(cookie.contains("; Max-Age=600") && !cookie.contains("Secure"), "{cookie}");
    let go_to = reply.headers["location"].parse().unwrap();
    Way { go_to, cookie: cookie.split(';').next().unwrap().to_owned() }
}

/// The session that an answer begins, as its browser sends it.
fn session(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let cookie = &reply.headers["set-cookie"];
    assert!(cookie.starts_with("trialbook_session=tbs_"), "{cookie}");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// That an answer is a plain page that refuses, with nothing that begins a session, and nothing secret.
#[track_caller]
fn refused(registry: &Registry, reply: &Reply, status: u16, code: &str) {
    let page = reply.text();
    assert_eq!(reply.status, status, "{page}");
    assert!(page.contains(&format!("<code>{code}</code>")), "{code}: {page}");
    assert!(
        reply.content_type.starts_with("text/html") && !reply.headers.contains_key("set-cookie"),
        "{page}"
    );
    for secret in registry.issuer.given() {
        assert!(!page.contains(&secret), "{secret}: {page}");
    }
}

fn desk() -> Value {
    json!({ "preferred_username": "li.wei", "groups": ["staff", "desk-nj"] })
}

/// What the issuer is asked: a code, for this client, bound by a challenge, a state and a nonce.
fn is_asked_well(registry: &Registry, begun: &Way) {
    let asked: std::collections::BTreeMap<String, String> = begun.go_to.query_pairs().into_owned().collect();
    assert!(
        begun.go_to.as_str().starts_with(&format!("{}/authorize?", registry.issuer.url)),
        "{}",
        begun.go_to
    );
    assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT));
    assert_eq!((asked["scope"].as_str(), asked["code_challenge_method"].as_str()), ("openid groups", "S256"));
    assert_eq!(
        asked["redirect_uri"],
        format!("http://127.0.0.1:{}/login/organisation/return", registry.port)
    );
    assert!(asked["state"].len() == 64 && asked["nonce"].len() == 64 && asked["code_challenge"].len() == 43);
    assert!(
        !begun.go_to.as_str().contains(begun.cookie.split('=').next_back().unwrap()),
        "the secret left the browser"
    );
}

#[test]
fn people_sign_in_with_their_organisation_as_what_its_groups_are_here_and_out_again() {
    let mut registry = Registry::start(with_two_sites(), "");
    // Nobody reads without: that there is an organisation closes the registry, though there is no token and no account.
    let asked = registry.server().get("/trials/small/subjects/P1");
    assert_eq!(asked.status, 401);
    assert!(
        asked.text().contains("href=\"/login?to=%2Ftrials%2Fsmall%2Fsubjects%2FP1\""),
        "{}",
        asked.text()
    );
    let page = registry.server().get("/login?to=%2Ftrials%2Fsmall%2Fsubjects%2FP1");
    for what in ["With your organisation", "University Hospital", "With an account", "With a token"] {
        assert!(page.text().contains(what), "{what}: {}", page.text());
    }
    assert!(page.text().contains("name=\"to\" value=\"/trials/small/subjects/P1\""), "{}", page.text());
    let policy = &page.headers["content-security-policy"];
    assert!(policy.contains(&format!("form-action 'self' {};", registry.issuer.url)), "{policy}");
    let elsewhere = &asked.headers["content-security-policy"];
    assert!(elsewhere.contains("form-action 'self';"), "{elsewhere}");

    let begun = begun(&registry.press("to=%2Ftrials%2Fsmall%2Fsubjects%2FP1"));
    is_asked_well(&registry, &begun);
    registry.issuer.claim(desk());
    let back = registry.consent(&begun);
    let entered = registry.come_back(&back, &begun.cookie);
    let own = session(&entered);
    assert_eq!(entered.headers["refresh"], "0; url=/trials/small/subjects/P1");
    let page = registry.get(&own, "/trials/small/subjects/P1");
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("<strong>li.wei (localhost)</strong>, site of S01"), "{}", page.text());
    // Its own site and nothing else; what is no site's is not theirs.
    for (path, status) in [
        ("/trials/small/subjects/P9", 403),
        ("/trials/small/records/12", 403),
        ("/v1/trials/small/records/12", 403),
        ("/v1/trials/small/records/8", 200),
        ("/trials/small/outcomes", 403),
        ("/operator", 403),
    ] {
        assert_eq!(registry.get(&own, path).status, status, "{path}");
    }
    assert!(!registry.get(&own, "/trials/small/subjects").text().contains(">P9<"));
    let inspector = json!({ "preferred_username": "an.zhou", "realm_access": { "roles": ["inspection"] } });
    let inspector = registry.session(inspector);
    assert_eq!(registry.get(&inspector, "/trials/small/subjects/P9").status, 200);
    let operator = registry.session(json!({ "preferred_username": "desk", "groups": "operation" }));
    assert_eq!(registry.get(&operator, "/operator/configuration").status, 200);
    assert_eq!(registry.get(&operator, "/trials/small/subjects").status, 403);
    let shown = registry.get(&operator, "/operator/configuration");
    assert!(shown.text().contains("oidc.toml") && !shown.text().contains(SECRET), "{}", shown.text());

    // Out: whoever has kept the cookie is out, too. Others stay.
    let (_, form) = page.text().split_once("name=\"form_token\" value=\"").unwrap();
    let out = format!("form_token={}", form.split('"').next().unwrap());
    let with = [("cookie", own.as_str()), ("content-type", FORM)];
    assert_eq!(registry.server().send(Method::POST, "/logout", &with, out.into_bytes()).status, 303);
    assert_eq!(registry.get(&own, "/trials/small").status, 401);
    let own = registry.session(desk());
    let again = registry.session(desk());
    let ended = registry.trial.run(["account", "sign-out", "li.wei"]).ends_with(0).out;
    assert!(ended.contains("2 sessions"), "{ended}");
    registry.trial.run(["account", "sign-out", "li.wei"]).ends_with(4);
    for session in [&own, &again] {
        assert_eq!(registry.get(session, "/trials/small").status, 401);
    }
    // A restart ends no session; a rule that is changed changes who is in, and one that is gone lets nobody in.
    let own = registry.session(desk());
    registry.serve();
    assert_eq!(registry.get(&own, "/trials/small/subjects/P1").status, 200);
    registry.configure("", &RULES.replace("S01", "S02"));
    registry.serve();
    assert_eq!(registry.get(&own, "/trials/small/subjects/P1").status, 403);
    assert_eq!(registry.get(&own, "/trials/small/subjects/P9").status, 200);
    registry.configure("", &RULES.replace("desk-nj", "desk-sh"));
    registry.serve();
    assert_eq!(registry.get(&own, "/trials/small").status, 401);
    assert_eq!(registry.get(&inspector, "/trials/small").status, 200);
    // As another client it is another registry to the issuer.
    let config = std::fs::read_to_string(&registry.config).unwrap();
    write(&registry.config, config.replace(CLIENT, "another-client"));
    registry.serve();
    assert_eq!(registry.get(&inspector, "/trials/small").status, 401);
    // Once there was an organisation the registry never stands open again.
    assert_eq!(registry.server.take().unwrap().stop(), 0);
    let server = Server::start(&registry.trial.data());
    assert_eq!(server.get("/trials/small").status, 401);
    assert_eq!(server.post("/login/organisation", FORM, "").status, 404);
    assert_eq!(server.get("/login/organisation/return?code=a&state=b").status, 404);
    assert!(!server.get("/login").text().contains("organisation"));
    let log = std::fs::read_to_string(&registry.log).unwrap();
    for secret in registry.issuer.given() {
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
    assert!(!log.contains("tbs_"), "a session is in the log");
}

#[test]
fn keys_of_every_kind_are_believed_and_new_ones_once_the_issuer_names_them() {
    let registry = Registry::start(with_two_sites(), "");
    registry.issuer.claim(desk());
    session(&registry.sign_in());
    session(&registry.sign_in());
    let keys = |registry: &Registry| registry.issuer.asked("/jwks");
    assert_eq!((keys(&registry), registry.issuer.asked("/.well-known/openid-configuration")), (1, 1));
    // A key that is not known is asked for once.
    registry.issuer.rotate("key-2", ec());
    session(&registry.sign_in());
    session(&registry.sign_in());
    assert_eq!(keys(&registry), 2);
    // Made-up keys do not have the issuer asked again and again.
    registry.issuer.forge(Forged::UnknownKey);
    for _ in 0..3 {
        refused(&registry, &registry.sign_in(), 400, "sign-in-not-good");
    }
    assert!(keys(&registry) <= 3, "{}", keys(&registry));
    registry.issuer.forge(Forged::Nothing);
    for (kid, key) in [("ed", ed()), ("rsa", Key::Rsa(rsa())), ("pss", Key::Pss(rsa()))] {
        let mut registry = Registry::start(with_two_sites(), "session_minutes = 5");
        registry.issuer.rotate(kid, key);
        registry.issuer.authenticate_in_body();
        let own = registry.session(desk());
        assert_eq!(registry.get(&own, "/trials/small/subjects/P1").status, 200, "{kid}");
        // As if the public key, which everybody has, were a secret.
        registry.issuer.forge(Forged::SignedWithThePublicKey);
        refused(&registry, &registry.sign_in(), 400, "sign-in-not-good");
        registry.server.take().unwrap().stop();
    }
}

#[test]
fn an_identity_that_is_not_good_lets_nobody_in_and_is_kept_as_a_refusal() {
    let registry = Registry::start(with_two_sites(), "");
    registry.issuer.claim(desk());
    let forged = [
        (Forged::Nonce, "another sign-in"),
        (Forged::NoNonce, "another sign-in"),
        (Forged::Issuer, "another issuer"),
        (Forged::Audience, "somebody else than this registry"),
        (Forged::Audiences, "given to somebody else"),
        (Forged::Party, "given to somebody else"),
        (Forged::Expired, "its time is over"),
        (Forged::IssuedLongAgo, "its time is over"),
        (Forged::IssuedAhead, "its time is over, or has not come"),
        (Forged::Unsigned, "not signed in a way that counts"),
        (Forged::SignedWithThePublicKey, "not signed in a way that counts"),
        (Forged::SignedWithTheSecret, "not signed in a way that counts"),
        (Forged::UnknownKey, "no key of the issuer"),
        (Forged::OtherKey, "its signature does not hold"),
        (Forged::Altered, "its signature does not hold"),
    ];
    for (forged, why) in forged {
        registry.issuer.forge(forged);
        let reply = registry.sign_in();
        refused(&registry, &reply, 400, "sign-in-not-good");
        assert!(reply.text().contains(why), "{forged:?}: {}", reply.text());
    }
    registry.issuer.forge(Forged::Missing);
    refused(&registry, &registry.sign_in(), 502, "sign-in-unclear");
    registry.issuer.forge(Forged::Nothing);
    session(&registry.sign_in());
    let kept = registry.refusals(1);
    assert!(kept.contains("sign-in-not-good") && kept.contains("GET /login/organisation/return"), "{kept}");
    assert!(!kept.contains("sign-in-unclear"), "{kept}");
}

#[test]
fn who_maps_to_nothing_is_refused_by_name_and_who_has_no_name_too() {
    let registry = Registry::start(with_two_sites(), "");
    for groups in [json!(["staff", "Desk-NJ"]), json!([]), json!(null), json!({ "desk-nj": true })] {
        registry.issuer.claim(json!({ "preferred_username": "bo.wang", "groups": groups }));
        let reply = registry.sign_in();
        refused(&registry, &reply, 403, "sign-in-for-nobody");
        assert!(reply.text().contains("nothing here is open to you"), "{}", reply.text());
    }
    for name in [json!(null), json!(""), json!("a\u{7}b")] {
        registry.issuer.claim(json!({ "preferred_username": name, "groups": ["desk-nj"] }));
        refused(&registry, &registry.sign_in(), 403, "sign-in-for-nobody");
    }
    // What the standard says is a text and is none.
    registry.issuer.claim(json!({ "preferred_username": 7, "groups": ["desk-nj"] }));
    refused(&registry, &registry.sign_in(), 502, "sign-in-unclear");
    let kept = registry.refusals(2);
    assert!(kept.contains("sign-in-for-nobody") && kept.contains("bo.wang (localhost)"), "{kept}");
}

#[test]
fn a_way_ends_once_in_the_browser_that_began_it_and_nowhere_but_here() {
    let registry = Registry::start(with_two_sites(), "");
    registry.issuer.claim(desk());
    // In another browser, which has another way's cookie or none; then not any more in its own either.
    let (own, other) = (registry.set_out(), registry.set_out());
    let back = registry.consent(&own);
    for cookie in [other.cookie.as_str(), own.cookie.as_str()] {
        refused(&registry, &registry.come_back(&back, cookie), 400, "sign-in-not-begun");
    }
    let way = registry.set_out();
    let back = registry.consent(&way);
    refused(&registry, &registry.server().get(&back), 400, "sign-in-not-begun");
    assert_eq!(registry.issuer.asked("/token"), 0, "no code is exchanged for who has no way");
    // Another state, and none; a code alone.
    for path in
        ["?code=a&state=b", "?code=a", "?state=b", "", "?error=access_denied", "?error=access_denied&state=b"]
    {
        let reply = registry.come_back(&format!("/login/organisation/return{path}"), &other.cookie);
        refused(&registry, &reply, 400, "sign-in-not-begun");
    }
    // Twice: the first holds.
    let way = registry.set_out();
    let back = registry.consent(&way);
    let entered = session(&registry.come_back(&back, &way.cookie));
    refused(&registry, &registry.come_back(&back, &way.cookie), 400, "sign-in-not-begun");
    assert_eq!(registry.get(&entered, "/trials/small").status, 200);
    // A code that was used, by a way that was not: the issuer refuses it.
    let code = Url::parse(&format!("http://a{back}")).unwrap();
    let code = code.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let way = registry.set_out();
    let state = way.go_to.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let at = |rest: &str| format!("/login/organisation/return?state={state}{rest}");
    let reply = registry.come_back(&at(&format!("&code={code}")), &way.cookie);
    refused(&registry, &reply, 400, "sign-in-not-good");
    // A code of another person's way: its verifier is not this one's.
    let (own, theirs) = (registry.set_out(), registry.set_out());
    let mixed = registry.consent(&theirs);
    let stolen = mixed.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let state = own.go_to.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let path = format!("/login/organisation/return?state={state}&code={stolen}");
    refused(&registry, &registry.come_back(&path, &own.cookie), 400, "sign-in-not-good");

    // The issuer says no, or says it for another issuer.
    for (answer, status, code) in [
        ("error=access_denied&error_description=%3Cb%3Eevil%3C%2Fb%3E", 403, "sign-in-refused"),
        ("error=%3Cscript%3E", 403, "sign-in-refused"),
        ("error=temporarily_unavailable", 503, "sign-in-away"),
        ("code=a&iss=https%3A%2F%2Fissuer.example", 400, "sign-in-not-good"),
        ("code=", 400, "sign-in-not-good"),
    ] {
        let way = registry.set_out();
        let state = way.go_to.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let path = format!("/login/organisation/return?state={state}&{answer}");
        let reply = registry.come_back(&path, &way.cookie);
        refused(&registry, &reply, status, code);
        assert!(!reply.text().contains("evil") && !reply.text().contains("script"), "{}", reply.text());
    }
    let kept = registry.refusals(3);
    assert!(kept.contains("sign-in-not-begun") && kept.contains("sign-in-refused"), "{kept}");

    // Nobody is led on to another place.
    for to in ["https://evil.example", "//evil.example", "/\\evil.example", "/%0d%0aset-cookie:a=b"] {
        let encoded: String = url_encoded(to);
        let begun = begun(&registry.press(&format!("to={encoded}")));
        let entered = registry.come_back(&registry.consent(&begun), &begun.cookie);
        let to_first = ["0; url=/", "0; url=/%0d%0aset-cookie:a=b"];
        assert!(to_first.contains(&entered.headers["refresh"].as_str()), "{}", entered.headers["refresh"]);
        session(&entered);
        let page = registry.server().get(&format!("/login?to={encoded}"));
        assert!(!page.text().contains("evil"), "{}", page.text());
    }
    // A page of another site begins no way, and a browser that does too often waits.
    let elsewhere = [("sec-fetch-site", "cross-site"), ("content-type", FORM)];
    let reply = registry.server().send(Method::POST, "/login/organisation", &elsewhere, Vec::new());
    refused(&registry, &reply, 403, "form-not-ours");
    let waits = (0..40).map(|_| registry.press("")).find(|reply| reply.status != 303).unwrap();
    refused(&registry, &waits, 429, "too-often");
    assert!(waits.headers["retry-after"].parse::<u64>().unwrap() > 0);
}

fn url_encoded(text: &str) -> String {
    let one = |byte: u8| ["%".to_owned(), format!("{byte:02X}")].concat();
    text.bytes().map(one).collect::<Vec<_>>().concat()
}

#[test]
fn an_issuer_that_fails_is_said_so_and_local_accounts_go_on() {
    let outcome = |manner: Manner| {
        let mut registry = Registry::start(with_two_sites(), "");
        registry.issuer.behave(manner);
        let page = registry.server().get("/login");
        assert!(page.status == 200 && page.text().contains("cannot be reached just now"), "{manner:?}");
        assert!(page.text().contains("With an account") && !page.text().contains("/login/organisation"));
        assert!(page.headers["content-security-policy"].contains("form-action 'self';"));
        let reply = registry.press("");
        let code = if reply.status == 503 { "sign-in-away" } else { "sign-in-unclear" };
        refused(&registry, &reply, reply.status, code);
        registry.server.take().unwrap().stop();
        reply.status
    };
    for manner in [
        Manner::Redirects,
        Manner::TooLong,
        Manner::Garbage,
        Manner::Another,
        Manner::InClear,
        Manner::KeysInClear,
    ] {
        assert_eq!(outcome(manner), 502, "{manner:?}");
    }
    for manner in [Manner::Fails, Manner::Silent] {
        assert_eq!(outcome(manner), 503, "{manner:?}");
    }
    // The same at the exchange of the code; and a client that the issuer does not know.
    let registry = Registry::start(with_two_sites(), "");
    registry.issuer.claim(desk());
    for (manner, status, code) in [
        (Manner::Redirects, 502, "sign-in-unclear"),
        (Manner::TooLong, 502, "sign-in-unclear"),
        (Manner::Garbage, 502, "sign-in-unclear"),
        (Manner::Fails, 503, "sign-in-away"),
        (Manner::Silent, 503, "sign-in-away"),
    ] {
        let way = registry.set_out();
        let back = registry.consent(&way);
        registry.issuer.behave(manner);
        refused(&registry, &registry.come_back(&back, &way.cookie), status, code);
        registry.issuer.behave(Manner::Well);
    }
    // Nobody is there at all.
    let config = std::fs::read_to_string(&registry.config).unwrap();
    let mut registry = registry;
    write(&registry.config, config.replace(&registry.issuer.url, "http://127.0.0.1:9"));
    registry.serve();
    refused(&registry, &registry.press(""), 503, "sign-in-away");
    write(&registry.config, config);
    registry.serve();
    write(&registry.trial.beside().join("client.secret"), "another secret");
    registry.serve();
    refused(&registry, &registry.sign_in(), 502, "sign-in-unclear");
    let log = std::fs::read_to_string(&registry.log).unwrap();
    assert!(
        log.contains("does not take the client id and its secret") && !log.contains("another secret"),
        "{log}"
    );
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_before_anything_is_served() {
    let mut registry = Registry::start(with_two_sites(), "");
    registry.server.take().unwrap().stop();
    let right = std::fs::read_to_string(&registry.config).unwrap();
    let data = registry.trial.data();
    let said = |config: String| {
        write(&registry.config, config);
        let serve =
            ["serve", "--listen", "127.0.0.1:0", "--data", text(&data), "--oidc", text(&registry.config)];
        run(serve).ends_with(7).err
    };
    let unknown = said(right.replace("client_id", "client"));
    assert!(unknown.contains("oidc.toml, line 3: unknown field `client`"), "{unknown}");
    let place = said(right.replace("http://127.0.0.1:", "https://registry.example:"));
    assert!(place.contains("registry.example") && place.contains("--host"), "{place}");
    let role = said(right.replace("\"inspector\"", "\"chief\""));
    assert!(role.contains("a role is one of site"), "{role}");
    for said in [unknown, place, role] {
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[test]
fn where_browsers_come_over_tls_cookies_are_for_this_host_and_tls_alone() {
    let mut registry = Registry::start(with_two_sites(), "");
    // As behind a proxy that ends TLS.
    let config = std::fs::read_to_string(&registry.config).unwrap();
    write(&registry.config, config.replace("origin = \"http:", "origin = \"https:"));
    registry.serve();
    registry.issuer.claim(desk());
    let begun = registry.press("");
    let cookie = &begun.headers["set-cookie"];
    assert!(cookie.starts_with("__Host-trialbook_way=") && cookie.contains("; Path=/; HttpOnly"), "{cookie}");
    assert!(cookie.contains("; SameSite=Lax; Secure"), "{cookie}");
    let go_to = begun.headers["location"].parse().unwrap();
    let way = Way { go_to, cookie: cookie.split(';').next().unwrap().to_owned() };
    let back = registry.consent(&way);
    let entered = registry.come_back(&back, &way.cookie);
    let cookie = &entered.headers["set-cookie"];
    assert!(
        cookie.starts_with("__Host-trialbook_session=tbs_") && cookie.ends_with("; SameSite=Strict; Secure"),
        "{cookie}"
    );
    // A cookie that could have come in clear, or from a neighbour, binds nothing.
    let begun = registry.press("");
    let cookie = begun.headers["set-cookie"].split(';').next().unwrap().to_owned();
    let way = Way { go_to: begun.headers["location"].parse().unwrap(), cookie };
    let back = registry.consent(&way);
    let planted = way.cookie.replace("__Host-", "");
    refused(&registry, &registry.come_back(&back, &planted), 400, "sign-in-not-begun");
}

#[test]
fn in_a_browser_one_button_leads_to_the_organisation_and_back_without_a_script() {
    let Some(browser) =
        Browser::start("in_a_browser_one_button_leads_to_the_organisation_and_back_without_a_script")
    else {
        return;
    };
    let registry = Registry::start(with_two_sites(), "");
    registry.issuer.claim(desk());
    let own = format!("http://127.0.0.1:{}", registry.port);
    browser.open(&format!("{own}/trials/small/subjects/P1"));
    browser.click("main a[href^='/login']");
    browser.wait_for("return document.title", |title| title.as_str().unwrap().starts_with("Sign in"));
    browser.click("#organisation button");
    // The organisation is another site: its page asks who it is.
    browser.wait_for("return document.title", |title| title == "Issuer");
    let address = browser.evaluate("return location.origin", &[]);
    assert_eq!(address, registry.issuer.url.as_str());
    browser.click("#consent");
    let there = browser.wait_for("return location.href", |at| at.as_str().unwrap().ends_with("/subjects/P1"));
    assert_eq!(there, format!("{own}/trials/small/subjects/P1"));
    let who = browser.wait_for("return document.querySelector('.who')?.innerText ?? ''", |who| who != "");
    assert!(who.as_str().unwrap().contains("li.wei (localhost)"), "{who}");
    let script = browser.evaluate("return document.cookie", &[]);
    assert_eq!(script, "", "no script reads a cookie of ours");
    assert_eq!(browser.complaints().iter().filter(|said| said.contains("Content Security")).count(), 0);
    browser.click("form.leave button");
    browser.wait_for("return document.title", |title| title.as_str().unwrap().starts_with("Sign in"));
    browser.open(&format!("{own}/trials/small/subjects/P1"));
    let main = browser.evaluate("return document.querySelector('main').innerText", &[]);
    assert!(main.as_str().unwrap().contains("Status 401"), "{main}");
}
