//! Who may read what, as the operator's guide prints it.

use api::{Resource, TokenRole, permission};

use crate::markdown::{read, root, section, table};

#[test]
fn the_guides_table_of_who_may_read_what_is_the_codes() {
    let page = read(&root().join("docs/guide/operator.md"));
    let mut header = vec!["", "without a token"];
    header.extend(TokenRole::ALL.map(TokenRole::as_str));
    let rows = table(section(&page, "## Who may read what"), &header);
    let roles: Vec<_> = std::iter::once(None).chain(TokenRole::ALL.map(Some)).collect();
    let row = |resource: Resource| {
        let cells = roles.iter().map(|role| permission(*role, resource).as_str().to_owned());
        std::iter::once(resource.meaning().to_owned()).chain(cells).collect::<Vec<_>>()
    };
    assert_eq!(rows, Resource::ALL.map(row));
}
