//! Rights that are lost between check and act.

use serde_json::json;

use crate::fixture::{Asking, PASSWORD, Site};

/// Knowing an old password and holding a token must not win against a reset that finished meanwhile.
#[test]
fn old_password_is_invalid_after_a_concurrent_reset() {
    for round in 0..5 {
        let site = Site::new();
        site.set_password("bob");
        let username = keycroft::model::user::Username::parse("bob").unwrap();
        let code = site
            .app()
            .reset_password(&site.app().operator(0), &username, None)
            .unwrap();
        let code = code.reveal();
        let server_state = site.open_state();
        let (changed, reset) = std::thread::scope(|scope| {
            let changing = scope.spawn(|| {
                let server_state = server_state;
                Asking::new(&server_state, "POST", "/api/v1/me/password")
                    .bearer(&site.bob)
                    .json(&json!({"current": PASSWORD, "new": "the attacker's own words"}))
                    .send()
                    .status
            });
            let reset = site.ask("POST", "/api/v1/password-reset").bearer(&code);
            let reset = reset.json(&json!({"password": "what bob chose instead"}));
            let reset = reset.send().status;
            (changing.join().unwrap(), reset)
        });
        // The first of both invalidates the other's proof: the password that was sent, or the link.
        let outcome = (changed, reset);
        assert!(
            matches!(outcome, (422, 204) | (204, 401)),
            "round {round}: {outcome:?}"
        );
    }
}
