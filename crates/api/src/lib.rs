//! Wire types, problem codes, HTTP routes and their client, over traits for submitting and reading.
//!
//! [`Registry`] is what a registry can be asked. The binary implements it on its stores; [`Client`] implements it over
//! HTTP; the routes and the console speak to it and to nothing else. This crate opens no store and decides nothing.

mod client;
mod evidence;
mod extract;
mod problem;
mod registry;
mod routes;
mod text_key;
mod wire;

pub use client::{Client, ClientError};
pub use evidence::{Evidence, LogFile, Sealed, Witnesses};
pub use problem::{Problem, problem_of_refusal};
pub use registry::Registry;
pub use routes::{LINES_MAX, REQUEST_BYTES_MAX, router};
pub use text_key::{TextKeyAnswer, TextKeyRequest};
pub use wire::{
    Answer, Covers, FeedItem, FindingsPage, KeyView, Page, Readiness, ReadinessCheck, RecordFindings,
    RecordView, ReportKind, ReportView, SiteView, SubjectRecords, SubjectsPage, TrialDetail, TrialView,
    Trials, Verified,
};
