//! The proof that what the servers of a stream acknowledge is on their disks.
//!
//! It is what each server says of itself to the system account; a server that lies is not found out here.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::SERVER_VERSION_MIN;
use crate::api::{self, ApiError, Group};

/// So long servers are given to answer the question that all of them are asked; it is over earlier when all that are
/// expected have.
const CENSUS_WITHIN: Duration = Duration::from_secs(2);

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its name in the cluster.
    pub name: String,
    /// Its identity, a new one at each start.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Whether it syncs before it acknowledges.
    pub syncs_always: bool,
}

/// Which servers were found to sync always, of those that hold a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Those that answered, by name.
    pub servers: Vec<ServerFacts>,
    /// Those that the leader has not heard of for some seconds: they acknowledge nothing. By name.
    pub away: Vec<String>,
}

/// Why it is not proven that acknowledged records are on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A server acknowledges what is not on its disk.
    #[error("server {server} does not sync always: set sync_interval: always")]
    SyncsLater {
        /// Its name.
        server: String,
    },
    /// A server is too old.
    #[error("server {server} has version {version}, and at least {}.{}.{} is needed", SERVER_VERSION_MIN.0, SERVER_VERSION_MIN.1, SERVER_VERSION_MIN.2)]
    TooOld {
        /// Its name.
        server: String,
        /// Its version.
        version: String,
    },
    /// A server that holds the stream and is there did not answer.
    #[error("server {server} holds the stream and does not say whether it syncs always")]
    Silent {
        /// Its name.
        server: String,
    },
    /// The stream has no leader, or fewer servers than a quorum are there.
    #[error("of {servers} servers of the stream {there} are there")]
    NoQuorum {
        /// How many hold the stream.
        servers: usize,
        /// How many of them are there.
        there: usize,
    },
    /// There is no way to ask.
    #[error("no login of the system account was given to ask the servers with")]
    NobodyToAsk,
    /// The question could not be asked.
    #[error("the servers could not be asked: {reason}")]
    NotAsked {
        /// What happened.
        reason: String,
    },
}

impl ProofError {
    /// Whether asking again may help without anybody doing something.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::NoQuorum { .. } | Self::NotAsked { .. })
    }
}

/// Asks the stream's leader which servers hold it, and all servers what they do.
pub(crate) async fn prove(log: &Client, system: &Client, stream: &str) -> Result<Proof, ProofError> {
    let info = api::stream_info(log, stream).await;
    let info = info.map_err(|error| ProofError::NotAsked { reason: error.to_string() })?;
    let census = census(system, &info.cluster.there()).await;
    let census = census.map_err(|error| ProofError::NotAsked { reason: error.to_string() })?;
    judge(&info.cluster, &census)
}

/// Holds what the servers say against what is needed.
fn judge(group: &Group, census: &BTreeMap<String, ServerFacts>) -> Result<Proof, ProofError> {
    let there = group.there();
    if !group.has_quorum() {
        return Err(ProofError::NoQuorum { servers: group.servers(), there: there.len() });
    }
    let mut proven = Vec::new();
    for server in there {
        let Some(facts) = census.get(server) else {
            return Err(ProofError::Silent { server: server.to_owned() });
        };
        if !facts.syncs_always {
            return Err(ProofError::SyncsLater { server: server.to_owned() });
        }
        if version(&facts.version).is_none_or(|version| version < SERVER_VERSION_MIN) {
            return Err(ProofError::TooOld { server: server.to_owned(), version: facts.version.clone() });
        }
        proven.push(facts.clone());
    }
    // A replica that is coming back is not trusted because the leader has not noticed it yet.
    for replica in group.replicas.iter().filter(|replica| replica.is_away()) {
        if census.get(&replica.name).is_some_and(|facts| !facts.syncs_always) {
            return Err(ProofError::SyncsLater { server: replica.name.clone() });
        }
    }
    proven.sort_by(|one, other| one.name.cmp(&other.name));
    let mut away: Vec<String> =
        group.replicas.iter().filter(|replica| replica.offline).map(|replica| replica.name.clone()).collect();
    away.sort();
    Ok(Proof { servers: proven, away })
}

/// `2.15.1`, `2.16.0-RC.1`: of a version before its release only the numbers count.
fn version(text: &str) -> Option<(u64, u64, u64)> {
    let numbers = text.split(['-', '+']).next()?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    let version = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(version)
}

/// A server's answer to [`ping`], with what it was asked for.
#[derive(Deserialize)]
pub(crate) struct Answer<D> {
    pub(crate) server: AnswerServer,
    pub(crate) data: Option<D>,
}

#[derive(Deserialize)]
pub(crate) struct AnswerServer {
    pub(crate) name: String,
    id: String,
    ver: String,
}

#[derive(Deserialize)]
struct AnswerData {
    config: Option<AnswerConfig>,
}

#[derive(Deserialize)]
struct AnswerConfig {
    #[serde(default)]
    sync_always: bool,
}

/// Asks all servers; by name.
async fn census(system: &Client, expected: &[&str]) -> Result<BTreeMap<String, ServerFacts>, ApiError> {
    let mut census = BTreeMap::new();
    let all_in =
        |census: &BTreeMap<String, ServerFacts>| expected.iter().all(|name| census.contains_key(*name));
    let answers = ping(system, r#"{"config":true}"#, |answer: Answer<AnswerData>| {
        let Answer { server: AnswerServer { name, id, ver: version }, data } = answer;
        let config = data.and_then(|data| data.config);
        let syncs_always = config.is_some_and(|config| config.sync_always);
        census.insert(name.clone(), ServerFacts { name, id, version, syncs_always });
        all_in(&census)
    });
    answers.await?;
    Ok(census)
}

/// Asks all servers for their `/jsz` and hands over each answer as it comes, until `heed` says it has all or the time
/// is over.
pub(crate) async fn ping<D: serde::de::DeserializeOwned>(
    system: &Client,
    body: &'static str,
    mut heed: impl FnMut(Answer<D>) -> bool,
) -> Result<(), ApiError> {
    let subject = "$SYS.REQ.SERVER.PING.JSZ";
    let failed = |reason: &dyn ToString| ApiError::NoAnswer {
        subject: subject.to_owned(),
        reason: reason.to_string(),
    };
    let deadline = Instant::now() + CENSUS_WITHIN;
    let inbox = system.new_inbox();
    let mut answers = system.subscribe(inbox.clone()).await.map_err(|error| failed(&error))?;
    let sent = system.publish_with_reply(subject, inbox, body.into());
    sent.await.map_err(|error| failed(&error))?;
    while let Ok(Some(message)) = timeout_at(deadline, answers.next()).await {
        if message.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            return Err(failed(&"nobody answers: is it the system account's login?"));
        }
        let answer = serde_json::from_slice(&message.payload)
            .map_err(|source| ApiError::Garbled { subject: subject.to_owned(), source })?;
        if heed(answer) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Replica;

    fn facts(name: &str, version: &str, syncs_always: bool) -> (String, ServerFacts) {
        let facts = ServerFacts { name: name.into(), id: "id".into(), version: version.into(), syncs_always };
        (name.into(), facts)
    }

    fn group(replicas: &[(&str, bool)]) -> Group {
        let replica = |(name, offline): &(&str, bool)| Replica {
            name: (*name).to_owned(),
            current: !offline,
            offline: *offline,
            active: 1,
        };
        Group { leader: Some("a".into()), replicas: replicas.iter().map(replica).collect() }
    }

    #[test]
    fn three_servers_that_sync_always_are_a_proof() {
        let census = ["a", "b", "c"].map(|name| facts(name, "2.15.1", true)).into();
        let proof = judge(&group(&[("b", false), ("c", false)]), &census).unwrap();
        assert_eq!(proof.servers.len(), 3);
        assert_eq!(proof.away, [""; 0]);
    }

    #[test]
    fn a_server_that_is_not_there_need_not_answer_as_long_as_there_is_a_quorum() {
        let census = ["a", "b"].map(|name| facts(name, "2.16.0-RC.1", true)).into();
        assert_eq!(judge(&group(&[("b", false), ("c", true)]), &census).unwrap().away, ["c"]);
        let error = judge(&group(&[("b", true), ("c", true)]), &census).unwrap_err();
        assert_eq!(error, ProofError::NoQuorum { servers: 3, there: 1 });
        let silent = judge(&group(&[("b", false), ("c", false)]), &census).unwrap_err();
        assert_eq!(silent, ProofError::Silent { server: "c".into() });
    }

    #[test]
    fn a_server_that_was_killed_is_away_before_anybody_calls_it_offline() {
        let replica = |current, offline, active| Replica { name: String::new(), current, offline, active };
        assert!(!replica(true, false, 900_000_000).is_away());
        assert!(!replica(false, false, 900_000_000).is_away(), "it catches up");
        assert!(replica(true, false, 3_100_000_000).is_away());
        assert!(replica(false, false, 0).is_away(), "this leader has never heard of it");
        assert!(replica(false, true, 1).is_away());
    }

    #[test]
    fn one_server_that_syncs_later_or_is_too_old_spoils_it() {
        let group = group(&[("b", false), ("c", false)]);
        let later = [facts("a", "2.15.1", true), facts("b", "2.15.1", false), facts("c", "2.15.1", true)];
        assert_eq!(judge(&group, &later.into()).unwrap_err(), ProofError::SyncsLater { server: "b".into() });
        for version in ["2.15.0", "2.9.25", "2.15", "new"] {
            let old = [facts("a", "2.15.1", true), facts("b", version, true), facts("c", "2.15.1", true)];
            let error = judge(&group, &old.into()).unwrap_err();
            assert_eq!(error, ProofError::TooOld { server: "b".into(), version: version.into() });
        }
    }

    #[test]
    fn a_server_that_comes_back_without_syncing_spoils_it_before_the_leader_has_seen_it() {
        let census = [facts("a", "2.15.1", true), facts("b", "2.15.1", true), facts("c", "2.15.1", false)];
        let error = judge(&group(&[("b", false), ("c", true)]), &census.into()).unwrap_err();
        assert_eq!(error, ProofError::SyncsLater { server: "c".into() });
    }
}
