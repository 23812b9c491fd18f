//! An OpenID provider of our own: real HTTP, its own keys, and as ill-behaved as it is told to be.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use e2e::instant_now;
use reqwest::Url;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(super) const CLIENT: &str = "trialbook-of-tests";
pub(super) const SECRET: &str = "a secret + of/the client: 7731";

/// An RSA key that is for nothing but these tests: making one takes seconds.
const RSA: &str = include_str!("rsa_of_tests.base64");

/// What is wrong with an identity that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forged {
    Nothing,
    /// It is of another sign-in.
    Nonce,
    NoNonce,
    Issuer,
    Audience,
    /// It is for others beside us, and does not say to whom it was given.
    Audiences,
    /// It was given to somebody else.
    Party,
    Expired,
    IssuedLongAgo,
    IssuedAhead,
    /// It is not signed at all.
    Unsigned,
    /// It is signed with the public key, as if that were a secret.
    SignedWithThePublicKey,
    /// It is signed with the client's secret.
    SignedWithTheSecret,
    /// It is signed with a key that the issuer does not name.
    UnknownKey,
    /// It is signed with another key under a name that the issuer does name.
    OtherKey,
    /// Its claims were altered after it was signed.
    Altered,
    /// There is none.
    Missing,
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Well,
    /// Every answer sends on to another place.
    Redirects,
    /// Every answer is longer than it may be.
    TooLong,
    /// Every answer is no JSON.
    Garbage,
    /// Every answer is an error of the server's.
    Fails,
    /// No answer comes.
    Silent,
    /// It says that it is another issuer.
    Another,
    /// It names addresses in clear on other machines.
    InClear,
    /// It names keys in clear on another machine.
    KeysInClear,
}

/// What it signs with.
pub(super) enum Key {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
    /// The same as of RSA, with another padding.
    Pss(Box<RsaKeyPair>),
}

struct Code {
    nonce: String,
    challenge: String,
    redirect: String,
}

struct State {
    forged: Forged,
    manner: Manner,
    /// What is claimed of whoever signs in, beside what is claimed of everybody.
    claims: Value,
    key: Key,
    kid: String,
    codes: BTreeMap<String, Code>,
    /// How often each path was asked for.
    asked: BTreeMap<String, usize>,
    /// Whatever nobody but the registry is to see.
    given: Vec<String>,
    in_body: bool,
}

/// A running provider.
pub(super) struct Issuer {
    /// Such as `http://localhost:41234`: to a browser another site than 127.0.0.1.
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State {
            forged: Forged::Nothing,
            manner: Manner::Well,
            claims: json!({}),
            key: ec(),
            kid: "key-1".to_owned(),
            codes: BTreeMap::new(),
            asked: BTreeMap::new(),
            given: vec![SECRET.to_owned()],
            in_body: false,
        }));
        let (own, all) = (url.clone(), Arc::clone(&state));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (url, state) = (own.clone(), Arc::clone(&all));
                std::thread::spawn(move || answer(&url, &state, &stream));
            }
        });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn forge(&self, forged: Forged) {
        self.state().forged = forged;
    }

    pub(super) fn behave(&self, manner: Manner) {
        self.state().manner = manner;
    }

    /// From now on whoever signs in is this.
    pub(super) fn claim(&self, claims: Value) {
        self.state().claims = claims;
    }

    /// From now on it signs with this key, and names no other.
    pub(super) fn rotate(&self, kid: &str, key: Key) {
        let mut state = self.state();
        (state.kid, state.key) = (kid.to_owned(), key);
    }

    /// From now on it takes the client's secret in the body alone.
    pub(super) fn authenticate_in_body(&self) {
        self.state().in_body = true;
    }

    pub(super) fn asked(&self, path: &str) -> usize {
        self.state().asked.get(path).copied().unwrap_or_default()
    }

    /// Whatever it gave that nobody but the registry is to see.
    pub(super) fn given(&self) -> Vec<String> {
        self.state().given.clone()
    }
}

pub(super) fn ec() -> Key {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    Key::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap())
}

pub(super) fn ed() -> Key {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Key::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
}

pub(super) fn rsa() -> Box<RsaKeyPair> {
    let pkcs8 = BASE64_STANDARD.decode(RSA.split_whitespace().collect::<String>()).unwrap();
    Box::new(RsaKeyPair::from_pkcs8(&pkcs8).unwrap())
}

impl Key {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
            Self::Pss(_) => "PS256",
        }
    }

    fn public(&self) -> Vec<u8> {
        match self {
            Self::Ec(key) => key.public_key().as_ref().to_vec(),
            Self::Ed(key) => key.public_key().as_ref().to_vec(),
            Self::Rsa(key) | Self::Pss(key) => key.public_key().as_ref().to_vec(),
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        let mut jwk = match self {
            Self::Ec(_) => {
                let public = self.public();
                json!({ "kty": "EC", "crv": "P-256", "x": base64(&public[1..33]), "y": base64(&public[33..]) })
            }
            Self::Ed(_) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(&self.public()) }),
            Self::Rsa(key) | Self::Pss(key) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "n": base64(&n), "e": base64(&e) })
            }
        };
        (jwk["kid"], jwk["use"], jwk["alg"]) = (kid.into(), "sig".into(), self.algorithm().into());
        jwk
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let padded = |key: &RsaKeyPair, padding| {
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(padding, &random, message, &mut signature).unwrap();
            signature
        };
        match self {
            Self::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
            Self::Rsa(key) => padded(key, &RSA_PKCS1_SHA256),
            Self::Pss(key) => padded(key, &RSA_PSS_SHA256),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Answers one request.
fn answer(url: &str, state: &Mutex<State>, stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let target = Url::parse(&format!("{url}{}", head.split(' ').nth(1)?)).unwrap();
    let manner = {
        let mut state = state.lock().unwrap();
        *state.asked.entry(target.path().to_owned()).or_default() += 1;
        state.manner
    };
    let (status, extra, body) = match manner {
        Manner::Silent => {
            std::thread::sleep(Duration::from_secs(20));
            return None;
        }
        Manner::Redirects => {
            ("302 Found", format!("location: {url}{}?again\r\n", target.path()), String::new())
        }
        Manner::TooLong => ("200 OK", String::new(), format!("{{\"a\": \"{}\"}}", "a".repeat(600_000))),
        Manner::Garbage => ("200 OK", String::new(), "<html>".to_owned()),
        Manner::Fails => ("500 Internal Server Error", String::new(), "{}".to_owned()),
        Manner::Well | Manner::Another | Manner::InClear | Manner::KeysInClear => {
            respond(url, state, &target, header("authorization"), &body)
        }
    };
    let content_type = if body.starts_with("<html") { "text/html" } else { "application/json" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n{extra}\r\n",
        body.len()
    );
    let mut to = stream;
    to.write_all(format!("{head}{body}").as_bytes()).ok()
}

fn respond(
    url: &str,
    state: &Mutex<State>,
    target: &Url,
    authorization: Option<String>,
    body: &[u8],
) -> (&'static str, String, String) {
    let ok = |body: Value| ("200 OK", String::new(), body.to_string());
    let mut state = state.lock().unwrap();
    let query: BTreeMap<String, String> = target.query_pairs().into_owned().collect();
    match target.path() {
        "/.well-known/openid-configuration" => ok(discovery(url, &state)),
        "/jwks" => ok(json!({ "keys": [state.key.jwk(&state.kid)] })),
        // A person would give a name and a password here.
        "/authorize" => {
            let link = format!("/consent?{}", target.query().unwrap_or_default()).replace('&', "&amp;");
            (
                "200 OK",
                String::new(),
                format!("<html><title>Issuer</title><a id=\"consent\" href=\"{link}\">It is me</a>"),
            )
        }
        "/consent" => consent(&mut state, &query),
        "/token" => match exchange(url, &mut state, authorization, body) {
            Ok(answer) => ok(answer),
            Err(error) => ("400 Bad Request", String::new(), json!({ "error": error }).to_string()),
        },
        _ => ("404 Not Found", String::new(), "{}".to_owned()),
    }
}

fn discovery(url: &str, state: &State) -> Value {
    let at = |path: &str| match state.manner {
        Manner::InClear if path != "/jwks" => format!("http://issuer.example{path}"),
        Manner::KeysInClear if path == "/jwks" => format!("http://issuer.example{path}"),
        _ => format!("{url}{path}"),
    };
    let method = if state.in_body { "client_secret_post" } else { "client_secret_basic" };
    json!({
        "issuer": if state.manner == Manner::Another { "https://issuer.example" } else { url },
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA", "PS256", "HS256", "none"],
        "token_endpoint_auth_methods_supported": [method],
    })
}

/// Somebody has said that it is them: back to the registry with a code.
fn consent(state: &mut State, query: &BTreeMap<String, String>) -> (&'static str, String, String) {
    let of = |name: &str| query.get(name).cloned().unwrap_or_default();
    assert_eq!((of("response_type"), of("client_id")), ("code".to_owned(), CLIENT.to_owned()));
    assert_eq!(of("code_challenge_method"), "S256");
    assert!(of("scope").split(' ').any(|scope| scope == "openid"), "{query:?}");
    let code = format!("code-{}-{}", state.codes.len(), of("nonce").split_at(8).0);
    state.given.push(code.clone());
    let [nonce, challenge, redirect] = ["nonce", "code_challenge", "redirect_uri"].map(of);
    let mut back = Url::parse(&redirect).unwrap();
    back.query_pairs_mut().append_pair("code", &code).append_pair("state", &of("state"));
    state.codes.insert(code, Code { nonce, challenge, redirect });
    ("302 Found", format!("location: {back}\r\n"), String::new())
}

/// An identity for a code, as the standard asks: once, to the client itself, for the browser's own way.
fn exchange(
    url: &str,
    state: &mut State,
    authorization: Option<String>,
    body: &[u8],
) -> Result<Value, &'static str> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let form = Url::parse(&format!("http://form/?{body}")).unwrap();
    let form: BTreeMap<String, String> = form.query_pairs().into_owned().collect();
    let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let shown = if state.in_body {
        (of("client_id").to_owned(), of("client_secret").to_owned())
    } else {
        let basic = authorization.ok_or("invalid_client")?;
        let basic = BASE64_STANDARD.decode(basic.strip_prefix("Basic ").ok_or("invalid_client")?).unwrap();
        let basic = String::from_utf8(basic).unwrap();
        let (id, secret) = basic.split_once(':').ok_or("invalid_client")?;
        let decoded = |text: &str| {
            let url = Url::parse(&format!("http://form/?a={text}")).unwrap();
            url.query_pairs().next().unwrap().1.into_owned()
        };
        (decoded(id), decoded(secret))
    };
    if shown != (CLIENT.to_owned(), SECRET.to_owned()) {
        return Err("invalid_client");
    }
    let code = state.codes.remove(of("code")).ok_or("invalid_grant")?;
    let challenge = base64(&Sha256::digest(of("code_verifier")));
    if of("grant_type") != "authorization_code"
        || challenge != code.challenge
        || of("redirect_uri") != code.redirect
    {
        return Err("invalid_grant");
    }
    let access = format!("access-{}", state.given.len());
    let mut answer = json!({ "access_token": access, "token_type": "Bearer", "expires_in": 300 });
    state.given.push(access);
    if state.forged != Forged::Missing {
        let token = identity(url, state, &code);
        state.given.extend(token.split('.').filter(|part| !part.is_empty()).map(str::to_owned));
        answer["id_token"] = token.into();
    }
    Ok(answer)
}

/// An ID token, forged as told.
fn identity(url: &str, state: &State, code: &Code) -> String {
    let now = instant_now().microseconds() / 1_000_000;
    let mut claims = json!({
        "iss": url, "aud": CLIENT, "sub": "7d1f-subject", "iat": now, "exp": now + 300, "nonce": code.nonce,
    });
    for (name, value) in state.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let mut header = json!({ "alg": state.key.algorithm(), "typ": "JWT", "kid": state.kid });
    match state.forged {
        Forged::Nonce => claims["nonce"] = "another".into(),
        Forged::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
        Forged::Issuer => claims["iss"] = "https://issuer.example".into(),
        Forged::Audience => claims["aud"] = "another-client".into(),
        Forged::Audiences => claims["aud"] = json!([CLIENT, "another-client"]),
        Forged::Party => claims["azp"] = "another-client".into(),
        Forged::Expired => claims["exp"] = (now - 1).into(),
        Forged::IssuedLongAgo => claims["iat"] = (now - 3_600).into(),
        Forged::IssuedAhead => claims["iat"] = (now + 3_600).into(),
        Forged::Unsigned => header["alg"] = "none".into(),
        Forged::SignedWithThePublicKey | Forged::SignedWithTheSecret => header["alg"] = "HS256".into(),
        Forged::UnknownKey => header["kid"] = "key-nobody-knows".into(),
        Forged::Nothing | Forged::OtherKey | Forged::Altered | Forged::Missing => {}
    }
    let signed =
        format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
    let hmac = |secret: &[u8]| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
    };
    let signature = match state.forged {
        Forged::Unsigned => Vec::new(),
        Forged::SignedWithThePublicKey => hmac(&state.key.public()),
        Forged::SignedWithTheSecret => hmac(SECRET.as_bytes()),
        Forged::OtherKey | Forged::UnknownKey => ec().sign(signed.as_bytes()),
        _ => state.key.sign(signed.as_bytes()),
    };
    if state.forged == Forged::Altered {
        claims["groups"] = json!(["inspection"]);
        let altered = base64(claims.to_string().as_bytes());
        return format!("{}.{altered}.{}", signed.split('.').next().unwrap(), base64(&signature));
    }
    format!("{signed}.{}", base64(&signature))
}
