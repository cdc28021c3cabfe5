//! Budgets: no way round them, and none without an end.

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

/// Behind a proxy that does not say for whom it asks (or whose whole chain is trusted), nobody's address is known: the
/// 50 wrong tries an address has are then 50 for all of them, and not as many as one likes over as many names as one likes.
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
