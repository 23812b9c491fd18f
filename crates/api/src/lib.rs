//! Wire types, problem codes, HTTP routes and their client, over traits for submitting and reading.
//!
//! [`Registry`] is what a registry can be asked. The binary implements it on its stores; [`Client`] implements it over
//! HTTP; the routes and the console speak to it and to nothing else, and get it through a [`Gate`], which holds each call
//! against one table of who may read what. This crate opens no store and keeps no token.

mod client;
mod cookies;
mod elsewhere;
mod evidence;
mod extract;
mod gate;
mod guarded;
mod origin;
mod policy;
mod problem;
mod refused;
mod registry;
mod review;
mod routes;
mod session;
mod text_key;
mod wire;
mod workings;

pub use client::Client;
pub use cookies::Cookies;
pub use elsewhere::{Elsewhere, LetIn, Returned, SetOut, local_path};
pub use evidence::{Evidence, LogFile, LogKeyView, Sealed, Witnesses};
pub use gate::{Asker, Gate, Holder, Refused, Standing, TokenHash, Tokens, not_good, nowhere_else};
pub use origin::is_from_ourselves;
pub use policy::{
    NoSuchRole, Permission, Resource, TokenRole, is_blinded, permission, permission_beside_arms,
};
pub use problem::{Problem, problem_of_refusal};
pub use refused::{RefusedAsked, RefusedPage, RefusedView};
pub use registry::Registry;
pub use review::{
    CheckView, LastVerification, NoSuchReason, PlanAsked, PlanPage, ReasonAsked, TrailAmends, TrailAsked,
    TrailEntry, TrailPage, TrailSigns, VerificationView, VerifiedFinding,
};
pub use routes::{LINES_MAX, REQUEST_BYTES_MAX, router};
pub use session::{
    Credentials, FormToken, Peer, Posted, Reader, RefusalView, RefusalsPage, SESSION_PREFIX, SessionSecret,
};
pub use text_key::{TextKeyAnswer, TextKeyRequest};
pub use wire::{
    Answer, AsOf, CellView, CellsPage, Covers, CutView, FeedItem, FeedPart, FindingsPage, KeyView, Page,
    Readiness, ReadinessCheck, RecordFindings, RecordView, Rehearsal, Rehearsed, ReportAsked, ReportKind,
    ReportView, Since, SiteView, SourcesView, SubjectRecords, SubjectsPage, TrialDetail, TrialView, Trials,
    Verified,
};
pub use workings::{
    Envelope, Envelopes, EnvelopesAsked, Gap, ProjectorState, ProjectorView, Projectors, TAIL_BEHIND_MAX,
};
