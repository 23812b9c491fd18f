//! The log's evidence over HTTP: checkpoints, tiles and proofs in the C2SP forms, which other programs read too, and
//! what a site may have of the records.

use axum::Json;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use chain::tile::TilePath;
use chain::{Instant, Position, RootHash, TreeSize};
use clinical::SiteId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Path, Query};
use crate::gate::{Gate, Permitted};
use crate::problem::Problem;
use crate::routes::trial_id;

/// A file of the log's archive, as tlog-tiles names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFile {
    /// The latest signed checkpoint.
    Checkpoint,
    /// The last one that as many witnesses have cosigned as the policy asks for.
    Witnessed,
    /// A tile, or a bundle of records.
    Tile(TilePath),
}

/// What is signed of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The latest checkpoint; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Sealed>,
    /// How many durable records no checkpoint covers yet.
    pub lag_records: u64,
    /// Whether one of them waits for longer than ten seconds.
    #[serde(default)]
    pub late: bool,
    /// Verifier key that the log's opening names; its name is the log's origin.
    pub log_key: String,
    /// Every key that the log has named for its checkpoints, in the order of the records.
    pub log_keys: Vec<LogKeyView>,
    /// Verifier keys of receipts that are in force.
    pub receipt_keys: Vec<String>,
    /// Why no checkpoints are signed, if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What kept the last try from succeeding; it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The last checkpoint that as many witnesses have cosigned as the policy asks for; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnessed: Option<Sealed>,
    /// Witnesses that have cosigned the latest checkpoint, and all that are asked.
    pub witnesses: Witnesses,
}

/// A key of the log: it signs every checkpoint from the record that names it to the one that revokes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogKeyView {
    /// Position of the record that names it.
    #[schema(value_type = u64)]
    pub named_at: Position,
    /// Position of the revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub revoked_at: Option<Position>,
    /// The verifier key.
    pub verifier_key: String,
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sealed {
    /// Root over the records.
    #[schema(value_type = String)]
    pub root: RootHash,
    /// When it was signed, by the server's clock; absent if an earlier process signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub signed_at: Option<Instant>,
    /// How many records it covers.
    #[schema(value_type = u64)]
    pub size: TreeSize,
}

/// Who else has signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Witnesses {
    /// How many have cosigned the latest checkpoint.
    pub cosigned: u64,
    /// How many are asked.
    pub asked: u64,
    /// Whether a policy says how many have to cosign.
    #[serde(default)]
    pub demanded: bool,
    /// Whether a record waits for longer than a minute for as many as the policy asks for.
    #[serde(default)]
    pub late: bool,
}

type Shared = Gate;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(evidence))
        .routes(routes!(checkpoint))
        .routes(routes!(witnessed))
        .routes(routes!(tile))
        .routes(routes!(site_records))
        .routes(routes!(proof))
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(content_type: &'static str, cache: &'static str, bytes: Vec<u8>) -> Response {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, cache)];
    (headers, bytes).into_response()
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/log", description = "What is signed of the log, by whom, and what is not yet.",
    responses((status = 200, body = Evidence), (status = 404, body = Problem))
)]
async fn evidence(
    Permitted(registry): Permitted,
    Path(trial): Path<String>,
) -> Result<Json<Evidence>, Problem> {
    registry.evidence(&trial_id(&trial)?).await.map(Json)
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/log/checkpoint", description = "The latest signed checkpoint (C2SP tlog-checkpoint).",
    responses((status = 200, content_type = "text/plain; charset=utf-8", body = String), (status = 404, body = Problem))
)]
async fn checkpoint(Permitted(registry): Permitted, Path(trial): Path<String>) -> Result<Response, Problem> {
    let bytes = registry.log_file(&trial_id(&trial)?, LogFile::Checkpoint).await?;
    Ok(answer(TEXT, "no-cache", bytes))
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/log/witnessed",
    description = "The last checkpoint that as many witnesses have cosigned as the registry's policy asks for.",
    responses((status = 200, content_type = "text/plain; charset=utf-8", body = String), (status = 404, body = Problem))
)]
async fn witnessed(Permitted(registry): Permitted, Path(trial): Path<String>) -> Result<Response, Problem> {
    let bytes = registry.log_file(&trial_id(&trial)?, LogFile::Witnessed).await?;
    Ok(answer(TEXT, "no-cache", bytes))
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/log/tile/{*path}",
    description = "A hash tile, `{level}/{index}[.p/{width}]`, or a bundle of records, `entries/{index}[.p/{width}]` (C2SP tlog-tiles). It never changes.",
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404, body = Problem))
)]
async fn tile(
    Permitted(registry): Permitted,
    Path((trial, path)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let path: TilePath = format!("tile/{path}")
        .parse()
        .map_err(|_| Problem::not_found("expected the path of a tile as tlog-tiles writes it"))?;
    let bytes = registry.log_file(&trial_id(&trial)?, LogFile::Tile(path)).await?;
    Ok(answer("application/octet-stream", "public, max-age=31536000, immutable", bytes))
}

#[derive(Deserialize)]
struct After {
    after: Option<u64>,
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/log/site/{site}", params(("after" = Option<u64>, Query)),
    description = "A site's own part of the log: records of the trial as a whole and of the site's subjects, after the position `after`, one a line: `{\"seq\":…,\"record\":\"…\"}`. Empty where there is no more.",
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 404, body = Problem))
)]
async fn site_records(
    Permitted(registry): Permitted,
    Path((trial, site)): Path<(String, String)>,
    Query(query): Query<After>,
) -> Result<Response, Problem> {
    let site: SiteId = site.parse().map_err(|_| Problem::not_found("expected a site"))?;
    let items = registry.site_records(&trial_id(&trial)?, &site, query.after.map(Position)).await?;
    let mut lines = Vec::new();
    for item in items {
        serde_json::to_writer(&mut lines, &item).map_err(|error| Problem::internal(error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(answer("application/x-ndjson", "no-cache", lines))
}

#[utoipa::path(
    get, path = "/v1/trials/{trial}/proofs/{seq}",
    description = "A proof that the record at a position is in the latest checkpoint (C2SP tlog-proof).",
    responses((status = 200, content_type = "text/plain; charset=utf-8", body = String), (status = 404, body = Problem))
)]
async fn proof(
    Permitted(registry): Permitted,
    Path((trial, seq)): Path<(String, u64)>,
) -> Result<Response, Problem> {
    let proof = registry.proof(&trial_id(&trial)?, Position(seq)).await?;
    Ok(answer(TEXT, "no-cache", proof.into_bytes()))
}
