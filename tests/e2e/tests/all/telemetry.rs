//! Spans for a collector: which there are and how they hang together, what is never in them, and that nothing waits for a
//! collector that takes none.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::{Server, SmallTrial, run};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use reqwest::Method;

use crate::http::EVENTS;
use crate::statements::{adverse_event, contact, enrollment, with_subject};

const SUBJECT: &str = "PSEUDONYM-7731";
const TERM: &str = "painful vesicles on the trunk";

/// How long the server may take to notice a collector, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(3);

/// What a collector does with a request.
#[derive(Clone, Copy)]
enum Manner {
    /// Takes it.
    Takes,
    /// Hangs up before it is read.
    HangsUp,
    /// Never answers.
    IsSilent,
}

/// A request that a collector has got.
#[derive(Clone)]
struct Posted {
    /// Its line and its headers, in lower case.
    head: String,
    body: Vec<u8>,
}

/// A collector of spans.
struct Collector {
    url: String,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Collector {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let posted = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&posted);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                match manner {
                    Manner::HangsUp => drop(stream),
                    Manner::IsSilent => silent.push(stream),
                    Manner::Takes => {
                        let all = Arc::clone(&all);
                        std::thread::spawn(move || while take(&stream, &all).is_some() {});
                    }
                }
            }
        });
        Self { url, posted }
    }

    fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// Every span that came, with the attributes of who sent it.
    fn spans(&self) -> Vec<(Vec<KeyValue>, Span)> {
        let mut spans = Vec::new();
        for posted in self.posted() {
            let request = ExportTraceServiceRequest::decode(posted.body.as_slice()).unwrap();
            for of in request.resource_spans {
                let sender = of.resource.unwrap().attributes;
                for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    spans.push((sender.clone(), span));
                }
            }
        }
        spans
    }
}

/// Takes one request from a connection and answers it; `None` at its end.
fn take(stream: &TcpStream, all: &Mutex<Vec<Posted>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    all.lock().unwrap().push(Posted { head, body });
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    (&*stream).write_all(answer.as_bytes()).ok()
}

/// Attributes as text.
fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

/// The one span of this name below `parent`.
#[track_caller]
fn below<'s>(spans: &'s [(Vec<KeyValue>, Span)], parent: &Span, name: &str) -> &'s Span {
    let found: Vec<_> = spans
        .iter()
        .map(|(_, span)| span)
        .filter(|span| span.parent_span_id == parent.span_id && span.name == name)
        .collect();
    assert_eq!(found.len(), 1, "{name}: {:?}", names(spans));
    assert_eq!(found[0].trace_id, parent.trace_id);
    found[0]
}

fn named<'s>(spans: &'s [(Vec<KeyValue>, Span)], name: &str) -> Vec<&'s Span> {
    spans.iter().map(|(_, span)| span).filter(|span| span.name == name).collect()
}

fn names(spans: &[(Vec<KeyValue>, Span)]) -> Vec<&str> {
    spans.iter().map(|(_, span)| span.name.as_str()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn serve(trial: &SmallTrial, collector: &Collector) -> (Server, PathBuf) {
    let log = trial.beside().join("log");
    let options = ["--listen", "127.0.0.1:0", "--otlp", &collector.url];
    (Server::start_with(&trial.data(), &options, &log, None), log)
}

#[test]
fn a_submission_is_shown_from_its_bytes_to_its_answer_and_nothing_of_what_it_says() {
    let trial = with_subject();
    let collector = Collector::start(Manner::Takes);
    let (server, _) = serve(&trial, &collector);
    trial.submit("bo.wang", &enrollment(SUBJECT).to_string()).ends_with(0);
    trial.submit("bo.wang", &adverse_event(SUBJECT, TERM).to_string()).ends_with(0);
    let submission = trial.submission("bo.wang", &contact(SUBJECT, "2022-03-31"));
    let post = |parent: &str, body: &[u8]| {
        let headers = [
            ("content-type", "application/json"),
            ("traceparent", parent),
            ("tracestate", "site=PSEUDONYM-7731"),
        ];
        server.send(Method::POST, EVENTS, &headers, body.to_vec())
    };
    let (trace, caller) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let recorded = post(&format!("00-{trace}-{caller}-01"), &submission);
    assert_eq!(recorded.status, 201, "{}", recorded.text());
    let seq = recorded.json()["receipt"]["seq"].as_u64().unwrap().to_string();
    // The caller does not want it shown.
    let unseen = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_eq!(post(&format!("00-{unseen}-{caller}-00"), &submission).status, 200);
    // What cannot be meant is nobody's span.
    let refused = post(SUBJECT, b"{ }");
    assert_eq!(refused.status, 400, "{}", refused.text());
    for path in [
        &format!("/v1/trials/small/subjects/{SUBJECT}/records"),
        "/v1/trials/small/reports/safety",
        "/trials/small",
        &format!("/{SUBJECT}"),
        &format!("/v1/trials/{}", SUBJECT.to_lowercase()),
        "/metrics",
    ] {
        server.send(Method::GET, path, &[("user-agent", SUBJECT)], Vec::new());
    }
    // Whatever waits is sent before it ends.
    assert_eq!(server.stop(), 0);

    let spans = collector.spans();
    let traced = |trace: &str| spans.iter().filter(|(_, span)| hex(&span.trace_id) == trace).count();
    assert_eq!((traced(trace), traced(unseen)), (6, 0));
    let requests = named(&spans, "POST /v1/trials/{trial}/events");
    let request = requests.iter().find(|span| hex(&span.trace_id) == trace).unwrap();
    assert_eq!(hex(&request.parent_span_id), caller);
    let said = texts(&request.attributes);
    assert_eq!((&*said["http.response.status_code"], &*said["trial"]), ("201", "small"));
    let submitted = below(&spans, request, "submission");
    let said = texts(&submitted.attributes);
    for (field, due) in [("trial", "small"), ("events", "1"), ("recorded", "1"), ("refused", "0")] {
        assert_eq!(said[field], due, "{field}");
    }
    assert_eq!((&said["first"], &said["last"]), (&seq, &seq));
    for stage in ["submission.prepare", "submission.wait", "submission.decide", "submission.append"] {
        below(&spans, submitted, stage);
    }
    // The append is nobody's alone: it names whom it is for.
    let links = |span: &&&Span| span.links.iter().any(|link| link.span_id == submitted.span_id);
    let appends = named(&spans, "append");
    let append = appends.iter().find(links).unwrap();
    let said = texts(&append.attributes);
    assert_eq!((&*said["trial"], &*said["outcome"], &said["first"]), ("small", "durable", &seq));
    assert_eq!((&*said["records"], append.parent_span_id.len()), ("1", 0));
    // A refusal says its code.
    let refusals = named(&spans, "submission").into_iter().map(|span| texts(&span.attributes));
    let code = refused.problem().1;
    assert_eq!(refusals.filter(|said| said.get("code") == Some(&code)).count(), 1, "{code}");

    for name in ["index", "outcomes", "safety"] {
        let of = |span: &&&Span| texts(&span.attributes)["projector"] == name;
        let batches = named(&spans, "projector.batch");
        let batch = batches.iter().find(of).unwrap();
        let said = texts(&batch.attributes);
        assert_eq!((&*said["trial"], &*said["outcome"]), ("small", "folded"));
        assert_eq!(texts(&below(&spans, batch, "projector.commit").attributes)["outcome"], "committed");
    }
    let seals = named(&spans, "notary.seal");
    let seal = seals.first().unwrap();
    let said = texts(&seal.attributes);
    assert_eq!((&*said["trial"], &*said["outcome"]), ("small", "sealed"));
    below(&spans, seal, "notary.sign");
    below(&spans, seal, "notary.publish");
    let asked = named(&spans, "GET /v1/trials/{trial}/reports/{kind}");
    let report = below(&spans, asked[0], "report");
    assert_eq!(texts(&report.attributes)["report"], "safety");
    assert_eq!(named(&spans, "GET /trials/{trial}").len(), 1);
    assert!(!names(&spans).iter().any(|name| name.contains("metrics")), "{:?}", names(&spans));

    for attribute in spans.iter().flat_map(|(_, span)| &span.attributes) {
        let text = matches!(attribute.value.as_ref().unwrap().value, Some(Value::StringValue(_)));
        let words = ["trial", "projector", "report", "outcome", "code", "http.route", "http.request.method"];
        assert_eq!(text, words.contains(&&*attribute.key), "{attribute:?}");
    }

    let sender = texts(&spans[0].0);
    assert_eq!(sender["service.name"], "trialbook");
    assert!(!sender["service.version"].is_empty());
    assert_eq!(sender["service.instance.id"].len(), 32);
    let signature: serde_json::Value = serde_json::from_slice(&submission).unwrap();
    let signature = signature["signature"].as_str().unwrap();
    let owner = "tbk_";
    let never = [SUBJECT, &SUBJECT.to_lowercase(), TERM, "Hospital", "bo.wang", "an.li", signature, owner];
    for posted in collector.posted() {
        assert!(posted.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", posted.head);
        assert!(posted.head.contains("content-type: application/x-protobuf"), "{}", posted.head);
        for text in never {
            assert!(!holds(&posted.body, text) && !posted.head.contains(text), "{text} was sent");
        }
    }
    // The search itself works.
    assert!(collector.posted().iter().any(|posted| holds(&posted.body, "small")));
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// How many spans are lost, as the metrics say.
fn lost(server: &Server) -> u64 {
    let metrics = server.get("/metrics");
    let line = metrics.text().lines().find_map(|line| {
        line.strip_prefix("trialbook_spans_total{outcome=\"lost\"} ").map(|count| count.parse().unwrap())
    });
    line.unwrap()
}

/// Submits until more spans are lost than `than`; how many were recorded.
fn submit_until_lost(trial: &SmallTrial, server: &Server, than: u64, day: &mut u64) {
    let begun = Instant::now();
    while lost(server) <= than {
        assert!(begun.elapsed() < PATIENCE, "no span is lost");
        *day += 1;
        let on = format!("2022-{:02}-{:02}", *day / 28 % 12 + 1, *day % 28 + 1);
        let submission = trial.submission("bo.wang", &contact("P1", &on));
        assert_eq!(server.post(EVENTS, "application/json", submission).status, 201);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_collector_that_hangs_up_keeps_nobody_waiting_and_is_said_once() {
    let trial = with_subject();
    let collector = Collector::start(Manner::HangsUp);
    let (server, log) = serve(&trial, &collector);
    // An operator sees where spans are sent.
    let shown = server.get("/operator/configuration");
    assert!(shown.text().contains(&collector.url), "{}", shown.text());
    let mut day = 0;
    submit_until_lost(&trial, &server, 0, &mut day);
    let first = lost(&server);
    submit_until_lost(&trial, &server, first, &mut day);
    assert_eq!(server.stop(), 0);
    let said = std::fs::read_to_string(log).unwrap();
    assert_eq!(said.matches("spans are lost until the collector takes them").count(), 1, "{said}");
    assert_eq!(trial.records(), 12 + day);
}

#[test]
fn a_collector_that_never_answers_keeps_no_submission_and_no_stop_waiting() {
    let trial = with_subject();
    let collector = Collector::start(Manner::IsSilent);
    let (server, log) = serve(&trial, &collector);
    let mut day = 0;
    submit_until_lost(&trial, &server, 0, &mut day);
    assert_eq!(server.stop(), 0, "{}", std::fs::read_to_string(log).unwrap());
    assert_eq!(trial.records(), 12 + day);
}

#[test]
fn an_address_that_is_none_of_a_collector_ends_a_process_at_its_start() {
    for url in ["collector:4318", "http://user:secret@127.0.0.1:4318"] {
        let trial = tempfile::tempdir().unwrap();
        let data = trial.path().to_str().unwrap();
        let ended = run(["serve", "--data", data, "--listen", "127.0.0.1:0", "--otlp", url]).ends_with(7);
        assert!(ended.err.contains("telemetry.otlp"), "{}", ended.err);
        let set = format!("telemetry.otlp={url}");
        let ended = run(["console", "--data", data, "--set", &set]).ends_with(7);
        assert!(ended.err.contains("telemetry.otlp"), "{}", ended.err);
    }
}
