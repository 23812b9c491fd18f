//! Every page as each role sees it in a real browser: wide and narrow, light and dark, on paper, without scripts, and by
//! axe-core.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use e2e::{Browser, Server, skipped};
use serde_json::{Value, json};

use crate::demo::{own_demo, run_on};

/// Who looks: the role of a token, and what goes with it.
const LOOKERS: [(&str, &[&str]); 4] =
    [("site", &["--site", "S01"]), ("statistician", &[]), ("inspector", &[]), ("operator", &[])];

/// Pages that whoever reads everything comes to by links alone.
const REACHED: [&str; 14] = [
    "/",
    "/trials/_",
    "/trials/_/outcomes",
    "/trials/_/outcomes/response",
    "/trials/_/outcomes/measurements",
    "/trials/_/outcomes/courses",
    "/trials/_/safety",
    "/trials/_/safety/interest",
    "/trials/_/safety/reporting",
    "/trials/_/sources",
    "/trials/_/findings",
    "/trials/_/subjects",
    "/trials/_/subjects/_",
    "/trials/_/records/_",
];

/// A page's address without what is of one trial, subject or record: of pages alike one is looked at.
fn kind_of(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut before = "";
    let mut kinds = Vec::new();
    for part in path.split('/') {
        let number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let one = ["trials", "subjects", "records"].contains(&before) || number;
        kinds.push(if one { "_" } else { part });
        before = part;
    }
    kinds.join("/")
}

/// Whether it is a page at all, and not a file to take away or an answer for programs.
fn is_page(kind: &str) -> bool {
    !["/v1/", "/assets/", "/docs/", "/logout"].iter().any(|other| kind.starts_with(other))
        && !kind.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

/// The page's links into the registry.
fn links(browser: &Browser) -> Vec<String> {
    let found = browser.evaluate(
        "return [...document.querySelectorAll('a[href^=\"/\"]')].filter((link) => !link.hasAttribute('download')) \
         .map((link) => link.getAttribute('href'))",
        &[],
    );
    found.as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()).collect()
}

/// What axe-core finds wrong with the page that is shown, a line a rule with the first place.
fn violations(browser: &Browser, axe: &str) -> Vec<String> {
    let run = "const done = arguments[arguments.length - 1]; axe.run(document, { resultTypes: ['violations'] }) \
               .then((found) => done(found.violations.map((rule) => `${rule.id}: ${rule.help}: \
               ${rule.nodes[0].target.join(' ')} (${rule.nodes.length})`)), (error) => done([`axe: ${error}`]))";
    browser.evaluate(axe, &[]);
    let found = browser.compute(run, &[]);
    found.as_array().unwrap().iter().map(Value::to_string).collect()
}

/// What the page at `url`, which is shown, has from its scripts alone, and what it offers to whoever runs none and does
/// nothing for them. What a page holds back until a script shows it, such as signing in the browser, is neither.
fn lost_without_scripts(browser: &Browser, url: &str) -> Vec<String> {
    let offered = || {
        let found = browser.evaluate(
            "const shown = (element) => element.checkVisibility();\
             const parts = [...document.querySelectorAll('main h2, main a[href], main form button')];\
             const named = (list) => list.map((element) =>\
             `${element.localName} ${element.getAttribute('href') ?? element.textContent.trim()}`);\
             return [named(parts.filter(shown)), named(parts), [...document.querySelectorAll('button')].filter((button) =>\
             shown(button) && (button.type !== 'submit' || button.form === null)).map((button) => button.textContent.trim())]",
            &[],
        );
        [0, 1, 2].map(|list| -> BTreeSet<String> {
            found[list].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        })
    };
    let [scripted, ..] = offered();
    browser.run_scripts(false);
    browser.open(url);
    let [_, served, idle] = offered();
    browser.run_scripts(true);
    browser.open(url);
    let lost = scripted.difference(&served).map(|lost| format!("without scripts there is no {lost}"));
    lost.chain(idle.iter().map(|idle| format!("without scripts {idle} does nothing"))).collect()
}

/// What is wrong with the page at `url`, in each form. What axe-core has looked at in `seen` already, word for word and
/// in the same form, it would find the same in again.
fn looked_at(browser: &Browser, axe: &str, url: &str, seen: &mut BTreeSet<(String, String)>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (width, dark, on_paper) in [
        (1280, false, false),
        (390, true, false),
        (390, false, false),
        (1280, true, false),
        (1280, false, true),
    ] {
        browser.show_as(width, dark, on_paper);
        browser.open(url);
        let form =
            format!("{width}{}{}", if dark { " dark" } else { "" }, if on_paper { " on paper" } else { "" });
        let shown = browser.evaluate(
            "return [document.querySelectorAll('h1').length, document.documentElement.scrollWidth, window.innerWidth, \
             document.body.innerText.trim().length]",
            &[],
        );
        let number = |place: usize| shown[place].as_u64().unwrap();
        if number(0) != 1 {
            wrong.push(format!("{form}: {} first headings", number(0)));
        }
        if !on_paper && number(1) > number(2) {
            wrong.push(format!("{form}: {} pixels wide, of {}", number(1), number(2)));
        }
        if number(3) < 40 {
            wrong.push(format!("{form}: says nothing"));
        }
        wrong.extend(browser.complaints().into_iter().map(|said| format!("{form}: {said}")));
        let main = browser.evaluate("return document.querySelector('main').innerHTML", &[]).to_string();
        if width == 1280 && !dark && !on_paper {
            wrong.extend(lost_without_scripts(browser, url));
        }
        if !on_paper && (width == 390) == dark && seen.insert((form.clone(), main)) {
            wrong.extend(violations(browser, axe).into_iter().map(|found| format!("{form}: {found}")));
        }
    }
    wrong
}

/// Looks at a page of each kind that each of these roles comes to by links, with and without scripts, in each form.
fn crawl(name: &str, roles: &[&str]) {
    let Some(axe) = std::env::var_os("TRIALBOOK_AXE") else { return skipped(name, "no TRIALBOOK_AXE") };
    let axe = std::fs::read_to_string(axe).unwrap();
    let Some(browser) = Browser::start(name) else { return };
    let data = own_demo();
    let tokens: BTreeMap<&str, String> = LOOKERS
        .iter()
        .map(|(role, more)| {
            let new = [&["token", "new", "--role", role, "--name", role], *more].concat();
            (*role, run_on(data.path(), &new).ends_with(0).out.trim().to_owned())
        })
        .collect();
    let server = Server::start(data.path());
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for role in roles {
        browser.ask_with(&tokens[role]);
        let mut due = VecDeque::from(["/".to_owned()]);
        let mut kinds = BTreeSet::from(["/".to_owned()]);
        while let Some(path) = due.pop_front() {
            let found = looked_at(&browser, &axe, &format!("{}{path}", server.address), &mut seen);
            wrong.extend(found.into_iter().map(|found| format!("{role} {path}: {found}")));
            for link in links(&browser) {
                let kind = kind_of(&link);
                if is_page(&kind) && kinds.insert(kind) {
                    due.push_back(link);
                }
            }
        }
        let missed: Vec<_> = REACHED.iter().filter(|due| !kinds.contains(**due)).collect();
        assert!(*role != "inspector" || missed.is_empty(), "no link leads to {missed:?}: {kinds:?}");
        assert!(kinds.len() > 5, "{role} comes to {kinds:?} alone");
    }
    assert!(wrong.is_empty(), "{}", json!(wrong));
}

#[test]
fn every_page_of_those_who_read_all_subjects_fits_every_screen_and_axe_finds_nothing_wrong() {
    let name = "every_page_of_those_who_read_all_subjects_fits_every_screen_and_axe_finds_nothing_wrong";
    crawl(name, &["inspector", "statistician"]);
}

#[test]
fn every_page_of_a_site_and_of_operators_fits_every_screen_and_axe_finds_nothing_wrong() {
    let name = "every_page_of_a_site_and_of_operators_fits_every_screen_and_axe_finds_nothing_wrong";
    crawl(name, &["site", "operator"]);
}

#[test]
fn what_a_page_has_from_its_scripts_alone_is_told() {
    let Some(browser) = Browser::start("what_a_page_has_from_its_scripts_alone_is_told") else { return };
    let page = "data:text/html,<main><h2>Served</h2><form><button>Sent</button></form><button type=button>Idle</button>\
                <script>document.querySelector('main').insertAdjacentHTML('beforeend', '<h2>Made</h2>')</script></main>";
    browser.open(page);
    let due = ["without scripts there is no h2 Made", "without scripts Idle does nothing"];
    assert_eq!(lost_without_scripts(&browser, page), due);
}

#[test]
fn the_numbers_at_risk_stand_under_the_marks_of_the_very_same_axis() {
    let name = "the_numbers_at_risk_stand_under_the_marks_of_the_very_same_axis";
    let Some(browser) = Browser::start(name) else { return };
    let data = own_demo();
    let server = Server::start(data.path());
    let read = "const middle = (text) => { const box = text.getBoundingClientRect(); return (box.left + box.right) / 2; };\
                return [...document.querySelectorAll('svg.chart')].filter((chart) => chart.querySelector('.at-risk'))\
                .map((chart) => ({ id: chart.querySelector('title').id,\
                marks: [...chart.querySelectorAll('.axis text.x:not(.label)')].map((text) => [text.textContent, middle(text)]),\
                counts: [...chart.querySelectorAll('.at-risk text.x')].map((text) => [text.textContent, middle(text)]) }))";
    for width in [1280, 390] {
        browser.show_as(width, false, false);
        for part in ["", "/response"] {
            browser.open(&format!("{}/trials/lupus-msct/outcomes{part}?cutoff=2011-06-30", server.address));
            let charts = browser.evaluate(read, &[]);
            let charts = charts.as_array().unwrap();
            assert!(!charts.is_empty(), "no curve with numbers at risk on outcomes{part}");
            for chart in charts {
                let row = |name: &str| -> Vec<(String, f64)> {
                    let pairs = chart[name].as_array().unwrap().iter();
                    pairs
                        .map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].as_f64().unwrap()))
                        .collect()
                };
                let (marks, counts) = (row("marks"), row("counts"));
                assert!(marks.len() > 3 && marks.len() == counts.len(), "{chart}");
                for ((mark, under), (count, at)) in marks.iter().zip(&counts) {
                    assert!((under - at).abs() < 0.5, "{count} does not stand under {mark}: {chart}");
                }
                // Everybody is at risk at first, and nobody joins.
                let counts: Vec<u64> = counts.iter().map(|(count, _)| count.parse().unwrap()).collect();
                assert_eq!((marks[0].0.as_str(), counts[0]), ("0", 87), "{chart}");
                assert!(counts.windows(2).all(|pair| pair[0] >= pair[1]), "{chart}");
            }
        }
    }
}

#[test]
fn pages_alike_are_of_one_kind() {
    for (path, due) in [
        ("/", "/"),
        ("/trials/lupus-msct/outcomes?cutoff=2011-06-30#top", "/trials/_/outcomes"),
        ("/trials/a/subjects/P001", "/trials/_/subjects/_"),
        ("/trials/a/records/17", "/trials/_/records/_"),
    ] {
        assert_eq!(kind_of(path), due);
    }
    assert!(is_page("/trials/_/outcomes") && !is_page("/v1/trials") && !is_page("/trials/_/list.csv"));
}
