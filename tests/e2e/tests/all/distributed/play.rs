//! Servers that are not asked to prove that they sync: every page says so.

use nats_suite::Servers;

use super::processes::{Registry, awaited};
use crate::statements::with_subject;

#[test]
fn every_page_of_a_trial_says_that_it_is_not_durable_where_nobody_asks_for_the_proof_and_only_there() {
    let Some(program) = nats_suite::nats_server(
        "distributed::every_page_of_a_trial_says_that_it_is_not_durable_where_nobody_asks_for_the_proof_and_only_there",
    ) else {
        return;
    };
    let trial = with_subject();
    let lazy = Servers::start_with(&program, 1, |_| "sync_interval: \"2m\"".to_owned());
    for (mut registry, is_for_play) in
        [(Registry::for_play(lazy), true), (Registry::new(Servers::start(&program, 1)), false)]
    {
        registry.take_over(&trial);
        registry.start_all();
        registry.covering(12);
        let console = registry.http("console");
        let view = awaited(console, "/v1/trials/small", |_| true).json();
        assert_eq!(view["not_durable"].as_bool().unwrap_or_default(), is_for_play, "{view}");
        let pages = ["", "/outcomes", "/safety", "/findings", "/subjects", "/subjects/P1", "/records/8"];
        for page in pages.map(|page| format!("/trials/small{page}")) {
            let reply = console.get(&page);
            assert_eq!(reply.status, 200, "{page}");
            assert_eq!(reply.text().contains("Not durable."), is_for_play, "{page}");
        }
        registry.stop_all();
    }
}
