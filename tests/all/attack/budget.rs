//! Limits on attempts: no way around them, and none without an upper bound.

use keycroft::model::error::Error;
use keycroft::model::event::{Channel, Origin};
use keycroft::model::password::Password;

use crate::fixture::Site;

fn try_from(site: &Site, name: &str, address: Option<&str>) -> Error {
    let origin = Origin {
        channel: Channel::Console,
        address: address.map(|text| text.parse().unwrap()),
        program: None,
        request_id: None,
    };
    let password = Password::typed("not what it is").unwrap();
    let now = site.clock.now();
    let tried = site.app().sign_in(name, &password, None, origin, now);
    tried.err().expect("the password is wrong")
}

/// Behind a proxy that sends no client address (or whose chain is trusted completely), all clients share the 50
/// attempts of one address. Otherwise the number of attempts would be unlimited.
#[test]
fn sign_ins_from_unknown_addresses_are_limited() {
    let site = Site::new();
    for number in 0..50 {
        let error = try_from(&site, &format!("name{number}"), None);
        assert_eq!(error, Error::WrongPassword);
    }
    let error = try_from(&site, "name50", None);
    assert!(matches!(error, Error::TooMany { .. }), "{error:?}");
    let elsewhere = try_from(&site, "name51", Some("10.0.0.1"));
    assert_eq!(elsewhere, Error::WrongPassword, "whose address is known");
}
