//! Query strings.

use super::{Ground, check_rejection};

#[test]
fn invalid_query_is_rejected() {
    let ground = Ground::new();
    let site = &ground.site;
    let reject = |path: &str, field: &str| {
        let answer = site.ask("GET", path).bearer(&site.alice).send();
        check_rejection(path, &answer, field);
    };
    for list in [
        "/api/v1/api-keys",
        "/api/v1/tokens",
        "/api/v1/sessions",
        "/api/v1/events",
        "/api/v1/users",
        "/api/v1/users/bob/api-keys",
        "/api/v1/users/bob/tokens",
        "/api/v1/users/bob/sessions",
        "/api/v1/groups",
        "/api/v1/services",
        "/api/v1/services/lab/api-keys",
        "/api/v1/hosts",
        "/api/v1/hosts/enrollment-codes",
        "/api/v1/ssh-keys",
        "/api/v1/ssh-keys/logins",
    ] {
        for limit in [
            "0",
            "201",
            "-1",
            "1.5",
            "x",
            "",
            "%00",
            "99999999999999999999",
        ] {
            reject(&format!("{list}?limit={limit}"), "limit");
        }
        for after in ["", "x", "0", "-5", "99999999999999999999", "%ff", "1;drop"] {
            reject(&format!("{list}?after={after}"), "after");
        }
        reject(&format!("{list}?limit=1&limit=2"), "limit");
        reject(&format!("{list}?nonsense"), "nonsense");
        reject(&format!("{list}?LIMIT=1"), "LIMIT");
        assert_eq!(
            site.ask(
                "GET",
                &format!("{list}?limit=200&after=9223372036854775807")
            )
            .bearer(&site.alice)
            .send()
            .status,
            200,
            "{list}"
        );
    }
    for value in ["1", "yes", "", "TRUE"] {
        reject(&format!("/api/v1/api-keys?ended={value}"), "ended");
        reject(&format!("/api/v1/events?all={value}"), "all");
        let answer = site
            .ask(
                "DELETE",
                &format!("/api/v1/api-keys/{}?with_created={value}", ground.key),
            )
            .bearer(&site.alice)
            .send();
        check_rejection("with_created", &answer, "with_created");
    }
    for time in ["2026", "now", "10000-01-01T00:00:00Z", ""] {
        reject(&format!("/api/v1/events?since={time}"), "since");
        reject(&format!("/api/v1/events?until={time}"), "until");
    }
    reject("/api/v1/events?user=A%00", "user");
    site.ask("GET", "/api/v1/events?user=nobody")
        .bearer(&site.alice)
        .send()
        .expect(404);
    for path in [
        "/api/v1/me",
        "/api/v1/policy",
        "/healthz",
        "/openapi.json",
        "/.well-known/oauth-authorization-server",
        "/api/v1/users/bob",
        &format!("/api/v1/api-keys/{}", ground.key),
        &format!("/api/v1/api-keys/{}/usage", ground.key),
    ] {
        reject(&format!("{path}?nonsense=1"), "nonsense");
        // An invisible name is not echoed.
        let answer = site
            .ask("GET", &format!("{path}?a%00%E2%80%AEb=1"))
            .bearer(&site.alice)
            .send();
        check_rejection(path, &answer, "ab");
    }
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let answer = site
            .ask("POST", &format!("{path}?token=x"))
            .bearer(&site.alice)
            .form(&[("token", "x")])
            .send()
            .expect(400);
        assert_eq!(answer.json()["error"], "invalid_request");
    }
    ground.check_unchanged("queries");
}
