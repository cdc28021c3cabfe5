//! Queries of lists are read from addresses and written back.

use super::*;
use crate::model::credential::tests::record;

const LISTS: [List; 8] = [
    List::ApiKeys,
    List::Tokens,
    List::Sessions,
    List::SshKeys,
    List::Users,
    List::Groups,
    List::Services,
    List::Hosts,
];

fn parsed(list: List, pairs: &[(&str, &str)]) -> ListQuery {
    ListQuery::parse(list, pairs.iter().copied())
}

#[test]
fn every_list_query_parses_back_from_its_address() {
    for list in LISTS {
        for column in list.columns() {
            for direction in [Direction::Ascending, Direction::Descending] {
                let query = ListQuery {
                    text: "ci & co".into(),
                    status: list.statuses().first().copied(),
                    order: Order {
                        column: *column,
                        direction,
                    },
                    used: list.is_used_and_expires().then_some(Used::Never),
                    expires: list.is_used_and_expires().then_some(Expiration::Soon),
                    ..ListQuery::new(list)
                };
                let pairs = query.pairs();
                let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
                assert_eq!(ListQuery::parse(list, pairs), query);
            }
        }
        assert!(list.columns().contains(&list.usual_order().column));
    }
}

#[test]
fn unknown_filter_values_are_ignored_with_a_message() {
    for (name, value) in [
        ("status", "sleeping"),
        ("status", "paused"),
        ("use", "daily"),
        ("expires", "1"),
        ("sort", "secret"),
        ("sort", "--name"),
        ("sort", "role"),
    ] {
        let query = parsed(List::ApiKeys, &[(name, value)]);
        assert_eq!(query.ignored.len(), 1, "{name} {value}");
        assert!(query.ignored[0].contains(value), "{:?}", query.ignored);
        let ignored = query.ignored.clone();
        let everything = ListQuery::new(List::ApiKeys);
        assert_eq!(
            query,
            ListQuery {
                ignored,
                ..everything
            }
        );
    }
    let long = "x".repeat(10_000);
    let query = parsed(List::Users, &[("sort", &long), ("q", &long)]);
    assert!(query.ignored[0].len() < 200 && query.text.len() == 128);
}

#[test]
fn page_numbers_of_any_kind_are_read() {
    for (text, page) in [
        ("1", 1),
        ("0", 1),
        ("-1", 1),
        ("7", 7),
        ("1e9", 1),
        ("1000000000", 1_000_000_000),
        ("99999999999999999999999", usize::MAX),
    ] {
        assert_eq!(parsed(List::Hosts, &[("page", text)]).page, page, "{text}");
    }
}

#[test]
fn pasted_secret_is_searched_by_its_id() {
    let secret = "kca_4k2m9x0q7w1z_0123456789ABCDEFGHIJKLMNOPQRSTUV3jZRME";
    for text in [secret, "kca_4k2m9x0q7w1z", " kca_4k2m9x0q7w1z_01"] {
        let query = parsed(List::ApiKeys, &[("q", text)]);
        assert_eq!(query.text, "4k2m9x0q7w1z", "{text}");
    }
    for text in [
        "a_b",
        "kcabc_4k2m9x0q7w1z",
        "abc_4k2m9x0q7w1z",
        "kca_4k2m9x0q7w1zz",
    ] {
        assert_eq!(parsed(List::ApiKeys, &[("q", text)]).text, text);
    }
}

#[test]
fn list_without_a_filter_ignores_it() {
    for (name, word) in [("use", "never"), ("expires", "soon")] {
        for list in LISTS {
            let query = parsed(list, &[(name, word)]);
            let is_plain = matches!(
                list,
                List::Users | List::Groups | List::Services | List::Hosts
            );
            assert_eq!(query.is_everything(), is_plain, "{list:?} {name}");
            assert_eq!(query.ignored.len(), 0);
        }
    }
}

#[test]
fn token_expires_soon_in_its_last_hour() {
    let end = Time::from_unix(100_000);
    let token = Record {
        kind: Kind::Token,
        expires_at: Some(end),
        ..record()
    };
    for (left, status) in [
        (3_601, Status::Active),
        (3_600, Status::Expiring),
        (1, Status::Expiring),
        (0, Status::Expired),
    ] {
        let now = Time::from_unix(end.unix() - left);
        assert_eq!(Status::from_record(&token, now), status, "{left}");
    }
}
