//! TLS, with an authority of our own: a server and a witness that others may reach.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::{DEADLINE, Http, Server, SmallTrial, run, write};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::access::token;
use crate::evidence::{Running, log_key, log_url, mirror, sealed, text};
use crate::statements::{contact, with_subject};

/// An authority, and a certificate that it has signed for 127.0.0.1 and registry.example.
struct Certified {
    ca_pem: String,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certified {
    fn new(trial: &SmallTrial, name: &str) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = authority.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(authority, ca_key);
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1", "registry.example"].map(str::to_owned);
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let file = |what: &str, bytes: &str| {
            let path = trial.beside().join(format!("{name}.{what}.pem"));
            write(&path, bytes);
            path
        };
        Self {
            ca: file("ca", &ca_pem),
            certificate: file("certificate", &certificate.pem()),
            key: file("key", &key.serialize_pem()),
            ca_pem,
        }
    }

    fn options(&self) -> [&str; 4] {
        ["--tls-cert", text(&self.certificate), "--tls-key", text(&self.key)]
    }
}

#[test]
fn others_reach_a_server_by_tls_with_a_token_and_by_its_name_alone() {
    let trial = with_subject();
    let certified = Certified::new(&trial, "server");
    let data = trial.data();
    let serve = |options: &[&str]| {
        run([&["serve", "--listen", "0.0.0.0:0", "--data", text(&data)], options].concat())
    };
    let tls = certified.options();
    let lacks = |options: &[&str], lacking: &[&str]| {
        let err = serve(options).ends_with(7).err;
        for what in ["--tls-cert", "token new", "--host"] {
            assert_eq!(err.contains(what), lacking.contains(&what), "{options:?}: {err}");
        }
    };
    lacks(&[], &["--tls-cert", "token new", "--host"]);
    lacks(&tls, &["token new", "--host"]);
    let inspector = token(&trial, "inspector");
    lacks(&[], &["--tls-cert", "--host"]);
    lacks(&tls, &["--host"]);
    // What is wrong with a certificate is said with the file's name.
    let swapped = ["--tls-cert", text(&certified.key), "--tls-key", text(&certified.certificate)];
    assert!(serve(&swapped).ends_with(7).err.contains("server.key.pem"));
    let other = Certified::new(&trial, "other");
    let unlike = ["--tls-cert", text(&certified.certificate), "--tls-key", text(&other.key)];
    let err = serve(&unlike).ends_with(7).err;
    assert!(err.contains("other.key.pem") && err.contains("server.certificate.pem"), "{err}");
    serve(&["--tls-cert", text(&certified.certificate)]).ends_with(2);

    let log = trial.beside().join("log");
    let options = [&["--listen", "0.0.0.0:0", "--host", "registry.example"], &tls[..]].concat();
    let server = Server::start_with(&data, &options, &log, Some(&certified.ca_pem));
    let port = server.address.rsplit_once(':').unwrap().1;
    let url = format!("https://127.0.0.1:{port}");
    let http = Http::believing(&url, Some(&certified.ca_pem));
    sealed(&http, 12);
    let path = "/v1/trials/small/records/8";
    assert_eq!(http.get(path).problem().1, "token-missing");
    let bearer = format!("Bearer {inspector}");
    let named = |host: &str| {
        http.send(reqwest::Method::GET, path, &[("authorization", &bearer), ("host", host)], Vec::new())
            .status
    };
    assert_eq!([named("registry.example"), named("registry.example:443"), named("127.0.0.1")], [200; 3]);
    assert_eq!([named("evil.example"), named("0.0.0.0")], [421; 2]);
    // Who speaks no TLS, or believes another authority, gets nothing; and keeps nobody else waiting.
    assert!(Http::new(&format!("http://127.0.0.1:{port}")).try_get(path).is_err());
    assert!(Http::believing(&url, Some(&other.ca_pem)).try_get(path).is_err());
    let _silent = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    assert_eq!(http.get("/healthz").text(), "ok\n");

    let file = trial.beside().join("token");
    write(&file, format!("{inspector}\n"));
    let ca = ["--ca", text(&certified.ca)];
    let with = [&ca[..], &["--token-file", text(&file)]].concat();
    let at = ["show", "8", "--server", &url];
    run([&at[..], &with].concat()).ends_with(0);
    run([&at[..], &ca].concat()).ends_with(5);
    let unknown = run([&at[..], &["--ca", text(&other.ca)]].concat()).ends_with(7).err;
    assert!(unknown.contains("certificate"), "{unknown}");
    let bundle = trial.beside().join("bundle.zip");
    run([&["export", "bundle", "--out", text(&bundle), "--server", &url], &with[..]].concat()).ends_with(0);
    mirror(&trial, &log_url(&url), &trial.beside().join("copy"), &[&["--whole"], &with[..]].concat())
        .ends_with(0);
    let verify = ["verify", &log_url(&url), "--key", &log_key(&trial), "--genesis", &trial.genesis];
    run([&verify[..], &with].concat()).ends_with(0);
    run([&verify[..], &ca].concat()).ends_with(5);
    // Of a submission nothing is asked but its signatures; for the trial's genesis a token is needed.
    let key = trial.key("bo.wang");
    let submit = [&["submit", "-", "--key", text(&key), "--server", &url], &with[..]].concat();
    e2e::run_with_input(submit, contact("P1", "2022-01-31").to_string().as_bytes()).ends_with(0);
    // A token never goes to another machine in clear.
    let clear = ["show", "8", "--server", "http://registry.example", "--token-file", text(&file)];
    assert!(run(clear).ends_with(7).err.contains("over https only"));

    // Commands on the data itself come in by a door of their own.
    trial.run(["show", "12"]).ends_with(0);
    assert!(std::fs::read_to_string(data.join("address")).unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(server.stop(), 0);
    assert!(!data.join("address").exists() && !data.join("state/owner.token").exists());
    assert!(!std::fs::read_to_string(&log).unwrap().contains("tbk_"));
}

#[test]
fn a_witness_is_asked_over_tls() {
    let trial = with_subject();
    let certified = Certified::new(&trial, "witness");
    let (key, state) = (trial.beside().join("witness.key"), trial.beside().join("witness.state"));
    let made = run(["witness", "new-key", "witness.example/one", "--out", text(&key)]).ends_with(0).out;
    let witness_key = made.lines().find_map(|line| line.strip_prefix("verifier key  ")).unwrap().to_owned();
    let log = log_key(&trial);
    let of_witness = ["--key", text(&key), "--state", text(&state), "--log", &log];
    let refused = run([&["witness", "--listen", "0.0.0.0:0"], &of_witness[..]].concat()).ends_with(7).err;
    assert!(refused.contains("--tls-cert"), "{refused}");
    let listen = ["witness", "--listen", "0.0.0.0:0"];
    let witness = Running::start(&[&listen[..], &of_witness, &certified.options()].concat());
    let port = witness.address().rsplit_once(':').unwrap().1;
    let url = format!("https://127.0.0.1:{port}");
    assert_eq!(
        Http::believing(&url, Some(&certified.ca_pem)).post("/add-checkpoint", "text/plain", "").status,
        400
    );

    let policy = trial.beside().join("policy");
    write(&policy, format!("log {log}\nwitness one {witness_key} {url}\nquorum one\n"));
    let serve = ["--listen", "127.0.0.1:0", "--policy", text(&policy), "--ca", text(&certified.ca)];
    let server = Server::start_with(&trial.data(), &serve, &trial.beside().join("log"), None);
    let begun = Instant::now();
    loop {
        let evidence = server.get("/v1/trials/small/log").json();
        if evidence["witnesses"]["cosigned"] == 1 && evidence["checkpoint"]["size"] == 12 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{evidence}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
