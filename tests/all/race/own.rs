//! One revoked credential: API keys, tokens, sessions, hosts' credentials and SSH keys, each in every way.

use serde_json::{Value, json};

use super::lab::Lab;
use super::{Race, race};

const NOTHING: Value = Value::Null;

#[test]
fn deleted_api_key_is_rejected_after_the_answer() {
    race(&[
        Race {
            what: "deleted by its owner",
            make: Lab::key,
            end: |lab, held| {
                let path = format!("/api/v1/api-keys/{}", held.id);
                lab.owner(held, "DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "deleted by itself",
            make: |lab| {
                let all = lab
                    .site
                    .api_key(&lab.site.token("bob"), &json!({"name": "all"}));
                let mut held = lab.key();
                held.id = crate::fixture::id(&all);
                held.secret = crate::fixture::secret(&all);
                held
            },
            end: |lab, held| {
                let path = format!("/api/v1/api-keys/{}", held.id);
                lab.ask(&held.secret, "DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "deleted by an admin",
            make: Lab::key,
            end: |lab, held| {
                let path = format!("/api/v1/users/bob/api-keys/{}", held.id);
                lab.alice("DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "disabled",
            make: Lab::key,
            end: |lab, held| {
                let path = format!("/api/v1/api-keys/{}", held.id);
                lab.owner(held, "PATCH", &path, &json!({"disabled": true}), 200);
            },
        },
        Race {
            what: "rotated without a grace",
            make: Lab::key,
            end: |lab, held| {
                let path = format!("/api/v1/api-keys/{}/rotate", held.id);
                lab.owner(held, "POST", &path, &json!({"grace": "0s"}), 200);
            },
        },
        Race {
            what: "limited to other addresses",
            make: Lab::key,
            end: |lab, held| {
                let path = format!("/api/v1/api-keys/{}", held.id);
                let elsewhere = json!({"allowed_addresses": ["10.0.0.0/8"]});
                lab.owner(held, "PATCH", &path, &elsewhere, 200);
            },
        },
    ]);
}

#[test]
fn api_key_deleted_through_any_channel_is_rejected_after_it() {
    race(&[
        Race {
            what: "revoked",
            make: Lab::key,
            end: |lab, held| {
                let asking = lab.site.ask("POST", "/oauth/revoke");
                asking.form(&[("token", &held.secret)]).send().expect(200);
            },
        },
        Race {
            what: "deleted at the console",
            make: Lab::key,
            end: |lab, held| {
                // The name has to be typed once its use is stored.
                let name = lab.key_name(held);
                let action = format!("/api-keys/{}/delete", held.id);
                lab.press_as_owner(held, &action, &[("confirm", &name)]);
            },
        },
        Race {
            what: "disabled at the console",
            make: Lab::key,
            end: |lab, held| {
                let action = format!("/api-keys/{}/disable", held.id);
                lab.press_as_owner(held, &action, &[]);
            },
        },
        Race {
            what: "deleted at the console by an admin",
            make: Lab::key,
            end: |lab, held| {
                // As above.
                let name = lab.key_name(held);
                lab.press(
                    &format!("/admin/users/bob/api-keys/{}/delete", held.id),
                    &[("confirm", &name)],
                );
            },
        },
        Race {
            what: "deleted from the inventory",
            make: Lab::key,
            end: |lab, held| {
                let fields = [("pick", held.id.as_str()), ("confirm", "1")];
                lab.press("/admin/inventory/delete", &fields);
            },
        },
    ]);
}

#[test]
fn deleted_service_key_is_rejected_after_the_answer() {
    race(&[
        Race {
            what: "deleted",
            make: Lab::service_key,
            end: |lab, held| {
                let path = format!("/api/v1/services/{}/api-keys/{}", held.user, held.id);
                lab.alice("DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "its service deleted",
            make: Lab::service_key,
            end: |lab, held| {
                let path = format!("/api/v1/services/{}", held.user);
                lab.alice("DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "its service deleted at the console",
            make: Lab::service_key,
            end: |lab, held| {
                let action = format!("/admin/services/{}/delete", held.user);
                lab.press(&action, &[("confirm", &held.user)]);
            },
        },
    ]);
}

#[test]
fn deleted_token_is_rejected_after_the_answer() {
    race(&[
        Race {
            what: "deleted by its owner",
            make: Lab::token,
            end: |lab, held| {
                let path = format!("/api/v1/tokens/{}", held.id);
                lab.owner(held, "DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "deleted by an admin",
            make: Lab::token,
            end: |lab, held| {
                let path = format!("/api/v1/users/bob/tokens/{}", held.id);
                lab.alice("DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "revoked",
            make: Lab::token,
            end: |lab, held| {
                let asking = lab.site.ask("POST", "/oauth/revoke");
                asking.form(&[("token", &held.secret)]).send().expect(200);
            },
        },
        Race {
            what: "deleted at the console",
            make: Lab::token,
            end: |lab, held| {
                lab.press_as_owner(held, &format!("/tokens/{}/delete", held.id), &[]);
            },
        },
        Race {
            what: "deleted at the console by an admin",
            make: Lab::token,
            end: |lab, held| {
                lab.press(&format!("/admin/users/bob/tokens/{}/delete", held.id), &[]);
            },
        },
        Race {
            what: "the key that made it deleted",
            make: Lab::token_of_a_key,
            end: |lab, held| {
                let path = format!("/api/v1/api-keys/{}", held.id);
                lab.owner(held, "DELETE", &path, &NOTHING, 204);
            },
        },
    ]);
}

#[test]
fn revoked_session_is_rejected_after_the_answer() {
    race(&[
        Race {
            what: "deleted over the API",
            make: Lab::session,
            end: |lab, held| {
                let path = format!("/api/v1/sessions/{}", held.id);
                lab.owner(held, "DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "all deleted over the API",
            make: Lab::session,
            end: |lab, held| {
                lab.owner(held, "DELETE", "/api/v1/sessions", &NOTHING, 204);
            },
        },
        Race {
            what: "deleted by an admin",
            make: Lab::session,
            end: |lab, held| {
                let path = format!("/api/v1/users/bob/sessions/{}", held.id);
                lab.alice("DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "revoked",
            make: Lab::session,
            end: |lab, held| {
                let asking = lab.site.ask("POST", "/oauth/revoke");
                asking.form(&[("token", &held.secret)]).send().expect(200);
            },
        },
        Race {
            what: "signed out",
            make: Lab::session,
            end: |lab, held| lab.press_in(&held.secret, "/logout", &[]),
        },
        Race {
            what: "signed out everywhere else",
            make: Lab::session,
            end: |lab, held| lab.press_as_owner(held, "/sessions/delete-others", &[]),
        },
        Race {
            what: "deleted at the console by an admin",
            make: Lab::session,
            end: |lab, held| {
                lab.press(
                    &format!("/admin/users/bob/sessions/{}/delete", held.id),
                    &[],
                );
            },
        },
        Race {
            what: "a new password by a link",
            make: Lab::session,
            end: |lab, _| lab.site.set_password("bob"),
        },
    ]);
}

#[test]
fn deleted_host_is_rejected_after_the_answer() {
    race(&[
        Race {
            what: "the host deleted",
            make: Lab::host,
            end: |lab, held| {
                lab.alice(
                    "DELETE",
                    &format!("/api/v1/hosts/{}", held.id),
                    &NOTHING,
                    204,
                );
            },
        },
        Race {
            what: "revoked",
            make: Lab::host,
            end: |lab, held| {
                let asking = lab.site.ask("POST", "/oauth/revoke");
                asking.form(&[("token", &held.secret)]).send().expect(200);
            },
        },
        Race {
            what: "the host deleted at the console",
            make: Lab::host,
            end: |lab, held| {
                let host = lab.alice("GET", &format!("/api/v1/hosts/{}", held.id), &NOTHING, 200);
                let name = host["name"].as_str().unwrap();
                lab.press(
                    &format!("/admin/hosts/{}/delete", held.id),
                    &[("confirm", name)],
                );
            },
        },
    ]);
}

#[test]
fn deleted_ssh_key_is_not_served_after_the_answer() {
    race(&[
        Race {
            what: "deleted by its owner",
            make: Lab::ssh_key,
            end: |lab, held| {
                let path = format!("/api/v1/ssh-keys/{}", held.id);
                lab.owner(held, "DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "deleted by an admin",
            make: Lab::ssh_key,
            end: |lab, held| {
                let path = format!("/api/v1/users/bob/ssh-keys/{}", held.id);
                lab.alice("DELETE", &path, &NOTHING, 204);
            },
        },
        Race {
            what: "deleted at the console",
            make: Lab::ssh_key,
            end: |lab, held| {
                lab.press_as_owner(held, &format!("/ssh-keys/{}/delete", held.id), &[]);
            },
        },
        Race {
            what: "deleted at the console by an admin",
            make: Lab::ssh_key,
            end: |lab, held| {
                lab.press(
                    &format!("/admin/users/bob/ssh-keys/{}/delete", held.id),
                    &[],
                );
            },
        },
    ]);
}

#[test]
fn host_change_stops_logins_after_the_answer() {
    race(&[
        Race {
            what: "taken out of the group",
            make: Lab::admission,
            end: |lab, _| {
                lab.alice("DELETE", "/api/v1/groups/staff/members/bob", &NOTHING, 204);
            },
        },
        Race {
            what: "the host limited to others",
            make: Lab::admission,
            end: |lab, _| {
                let host = format!("/api/v1/hosts/{}", lab.host_id);
                lab.alice("PATCH", &host, &json!({"groups": ["others"]}), 200);
            },
        },
        Race {
            what: "taken out of the group at the console",
            make: Lab::admission,
            end: |lab, _| {
                lab.press("/admin/groups/staff/members/remove", &[("username", "bob")]);
            },
        },
    ]);
}
