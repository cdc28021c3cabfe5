//! The transcript of each command: output, messages, exit code.

use keycroft::model::secret::{Secret, SecretForm};
use serde_json::Value;

use super::support::{Lab, Run, plain};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn api_key_commands_cover_its_lifetime() {
    let lab = Lab::signed_in();
    let fresh = lab.run("api-key create ci --expires 30d --permission api-keys:read,account:read --address 127.0.0.0/8 --note deploys");
    assert_eq!(plain(&fresh.out), "kca_SECRET");
    assert_eq!(
        plain(&fresh.err),
        "created API key ci (ID), account:read api-keys:read, expires in 30d (TIME)\n\
         the secret was written to standard output and can't be shown again"
    );
    assert_eq!(
        plain(&lab.expect_success("api-key list")),
        "ci\tID\tactive\tTIME\t\t\taccount:read api-keys:read"
    );
    assert_eq!(
        plain(&lab.expect_success("api-key show ci")),
        "name\tci\nid\tID\nstate\tactive\nnote\tdeploys\npermissions\taccount:read api-keys:read\nallowed addresses\t127.0.0.0/8\ncreated\tTIME\ncreated by\ttoken created by the operator (ID)\nexpires\tTIME\n\
         last used\t\nlast used from\t\nlast used by\t\nrotated\t\nprevious secret expires\t\nor when unused for\t\ncurrent secret last used\t\nprevious secret last used\t"
    );
    let edited = lab.run("api-key edit ci --name deploy --expires never --address any");
    assert_eq!(
        (edited.code, plain(&edited.err).as_str()),
        (0, "changed API key deploy (ID), active, never expires")
    );
    assert_eq!(
        json(&lab.expect_success("api-key show deploy --json"))["allowed_addresses"],
        Value::Array(Vec::new())
    );
    let disabled = lab.run("api-key disable deploy");
    assert_eq!(
        (disabled.code, plain(&disabled.err).as_str()),
        (0, "disabled API key deploy (ID), disabled, never expires")
    );
    let explained = lab.run("api-key explain deploy --address 10.0.0.1 --permission users:read");
    assert_eq!(explained.code, 0);
    assert_eq!(
        plain(&explained.out),
        "exists\tyes\tIt exists.\nenabled\tno\tIt is disabled; enable it to use it again.\nnot_expired\tyes\tIt never expires.\naddress_allowed\tyes\tIt is valid from every address.\n\
         owner_enabled\tyes\tIts owner, alice, is enabled.\npermission_held\tno\tIt does not carry users:read."
    );
    assert_eq!(
        explained.err,
        "It is rejected. It is disabled; enable it to use it again.\n"
    );
    lab.expect_success("api-key enable deploy");
    let rotated = lab.run("api-key rotate deploy --grace 1h");
    assert_eq!(plain(&rotated.out), "kca_SECRET");
    assert_ne!(rotated.out, fresh.out);
    for secret in [&fresh.out, &rotated.out] {
        assert_eq!(
            lab.command()
                .args(["verify", "--server", &lab.url])
                .fed(secret.trim())
                .code,
            0,
            "both are good during the grace"
        );
    }
    let deleted = lab.run("api-key delete deploy --yes");
    assert_eq!(
        (deleted.code, plain(&deleted.err).as_str()),
        (0, "deleted API key deploy (ID); it is rejected from now on")
    );
    assert_eq!(
        lab.command().args(["verify"]).fed(rotated.out.trim()).code,
        10
    );
    assert_eq!(
        plain(&lab.expect_success("api-key list --deleted")),
        "deploy\tID\tdeleted\t\tTIME\t127.0.0.1\taccount:read api-keys:read"
    );
}

#[test]
fn json_output_equals_the_api_answer() {
    let lab = Lab::signed_in();
    let fresh = json(&lab.expect_success("api-key create a --json"));
    assert!(fresh["secret"].as_str().unwrap().starts_with("kca_"));
    lab.expect_success("api-key create b");
    for (command, path) in [
        ("whoami", "/api/v1/me"),
        ("status", "/api/v1/me"),
        ("api-key list", "/api/v1/api-keys?limit=200"),
        ("token list", "/api/v1/tokens?limit=200"),
        ("session list", "/api/v1/sessions?limit=200"),
        ("user list", "/api/v1/users?limit=200"),
        ("user show bob", "/api/v1/users/bob"),
        ("group list", "/api/v1/groups?limit=200"),
        ("service list", "/api/v1/services?limit=200"),
        ("policy show", "/api/v1/policy"),
    ] {
        let (mine, theirs) = (
            lab.expect_success(&format!("{command} --json")),
            lab.expect_success(&format!("api GET {path}")),
        );
        let forget = |text: &str| {
            // The last use changes during the test.
            let mut value = json(text);
            value["items"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .for_each(|item| {
                    for name in ["last_used_at", "last_used_by", "last_used_from"] {
                        item.as_object_mut().unwrap().remove(name);
                    }
                });
            value
        };
        assert_eq!(forget(&mine), forget(&theirs), "{command}");
    }
    let id = fresh["id"].as_str().unwrap();
    assert_eq!(
        lab.expect_success("api-key show a --json"),
        lab.expect_success(&format!("api GET /api/v1/api-keys/{id}"))
    );
    let events = json(&lab.expect_success("event list --json --limit 3"));
    assert_eq!(events["items"].as_array().unwrap().len(), 3);
}

#[test]
fn long_list_is_printed_completely() {
    let lab = Lab::signed_in();
    let token = lab.token("alice");
    for number in 0..450 {
        let body = format!(r#"{{"username": "u{number}"}}"#);
        assert_eq!(lab.post("/api/v1/users", &token, &body), 201);
    }
    assert_eq!(lab.expect_success("user list").lines().count(), 452);
    let all = json(&lab.expect_success("user list --json"));
    assert_eq!(
        (all["items"].as_array().unwrap().len(), &all["next"]),
        (452, &Value::Null)
    );
    // Each user's event, and those of the tokens.
    assert_eq!(
        lab.expect_success("event export --all").lines().count(),
        454
    );
}

#[test]
fn token_and_session_commands_work() {
    let lab = Lab::signed_in();
    let fresh = lab.run("token create deploy --expires 2h --permission account:read");
    assert_eq!(plain(&fresh.out), "kct_SECRET");
    assert_eq!(
        plain(&fresh.err),
        "created token deploy (ID), expires in 2h (TIME)"
    );
    assert!(
        plain(&lab.expect_success("token list"))
            .starts_with("deploy\tID\tactive\tTIME\t\t\taccount:read\n")
    );
    let explained = lab.run("token explain deploy --permission account:read");
    assert_eq!(
        (explained.code, explained.err.as_str()),
        (0, "It is valid.\n")
    );
    lab.expect_success("token delete deploy --yes");
    assert_eq!(
        lab.command().args(["verify"]).fed(fresh.out.trim()).code,
        10
    );

    let (_first, _second) = (lab.console("alice"), lab.console("alice"));
    let listed = lab.expect_success("session list");
    assert_eq!(
        plain(&listed),
        "Firefox on Linux\tID\t127.0.0.1\tTIME\t\tTIME\n"
            .repeat(2)
            .trim_end()
    );
    let ids: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split('\t').nth(1))
        .collect();
    lab.expect_success(&format!("session delete {} --yes", ids[1]));
    assert!(lab.expect_success("session list").contains(ids[0]));
    lab.expect_success("session delete-others --yes");
    assert_eq!(lab.expect_success("session list"), "");
}

/// On the server and on its database: credentials that exceed a new policy, without any change.
#[test]
fn policy_change_is_previewed_before_it_is_set() {
    let lab = Lab::signed_in();
    lab.expect_success("api-key create endless --expires never --permission account:read");
    let before = lab.expect_success("policy show");
    let change = "policy set api_key_lifetime_max=90d --dry-run";
    for line in [change.to_owned(), format!("{change} --db keycroft.db")] {
        let tried = lab.run(&line);
        assert_eq!(
            (tried.code, plain(&tried.out).as_str()),
            (
                0,
                "api-key\tID\tendless\talice\tnever\tPolicy limits API keys to 90d."
            ),
            "{tried:?}"
        );
        assert_eq!(
            plain(&tried.err),
            "1 credentials exceed the new policy and would stay valid; nothing was changed"
        );
    }
    lab.bad("policy set session_lifetime=8d --dry-run", 6);
    assert_eq!(lab.expect_success("policy show"), before);
    let events = lab.expect_success("event list --all --target policy");
    assert_eq!(events, "", "nothing happened to the policy");
    lab.expect_success("policy set api_keys_max=5000");
    let events = lab.expect_success("event list --all --target policy");
    assert_eq!(events.lines().count(), 1, "{events}");
}

#[test]
fn admin_commands_work_through_the_api() {
    let lab = Lab::signed_in();
    let at = lab.run("user create carol --display-name Carol");
    assert!(
        at.out
            .starts_with(&format!("{}/invitation?code=kce_", lab.url)),
        "{}",
        at.out
    );
    assert_eq!(
        plain(&at.err),
        "created member carol at http://127.0.0.1:PORT\none-time invitation link, valid for 7 days:"
    );
    for (line, message) in [
        ("user disable carol", "disabled carol"),
        ("user enable carol", "enabled carol"),
        ("user role carol admin", "changed the role of carol"),
        ("user edit carol --permission introspect", "changed carol"),
        ("group create lab", "created group lab"),
        ("group add-member lab carol bob", "added carol to lab"),
        ("group remove-member lab bob", "removed bob from lab"),
        (
            "service create slurm -p slurm:submit",
            "created service slurm",
        ),
        (
            "service edit slurm --add-permission slurm:cancel",
            "changed service slurm",
        ),
        (
            "service edit slurm --give member=slurm:cancel --give admin=slurm:cancel",
            "changed service slurm",
        ),
        (
            "service edit slurm --give member=slurm:submit --take admin=slurm:cancel",
            "changed service slurm",
        ),
        (
            "policy set api_key_lifetime_max=90d api_key_lifetime_default=30d",
            "changed the policy",
        ),
        (
            "user offboard carol --yes",
            "disabled carol and revoked 0 API keys",
        ),
        ("user delete carol --yes", "deleted carol"),
    ] {
        let done = lab.run(line);
        assert!(
            done.code == 0 && done.err.starts_with(message),
            "{line}: {done:?}"
        );
    }
    assert_eq!(plain(&lab.expect_success("group list")), "lab\tTIME\t");
    assert_eq!(
        plain(&lab.expect_success("service list")),
        "slurm\tTIME\tslurm:cancel slurm:submit"
    );
    assert!(
        lab.expect_success("policy show")
            .contains("api_key_lifetime_max\t90d\n")
    );
    assert!(
        lab.bad("api-key create long --expires 91d", 5)
            .contains("limits API keys to 90d")
    );
    assert_eq!(
        plain(
            &lab.run("api-key create worker --service slurm --permission slurm:submit")
                .out
        ),
        "kca_SECRET"
    );
    assert!(
        lab.expect_success("api-key list --service slurm")
            .starts_with("worker\t")
    );
    assert!(lab.expect_success("api-key list --user bob").is_empty());
    let given = lab.expect_success("service edit slurm --give member=slurm:cancel --json");
    let given: serde_json::Value = serde_json::from_str(&given).unwrap();
    assert_eq!(
        given["roles"],
        serde_json::json!({"member": ["slurm:cancel", "slurm:submit"], "admin": []})
    );
    for (line, code, message) in [
        (
            "--take admin=slurm:submit",
            3,
            "the role admin does not have slurm:submit",
        ),
        (
            "--give owner=slurm:submit",
            2,
            "expected the role member or admin",
        ),
        (
            "--give slurm:submit",
            2,
            "expected the role member or admin",
        ),
        ("--give member=slurm:hold", 6, "does not define slurm:hold"),
    ] {
        let rejected = lab.bad(&format!("service edit slurm {line}"), code);
        assert!(rejected.contains(message), "{line}: {rejected}");
    }
    let rejected = lab.bad("service edit slurm", 2);
    assert!(rejected.contains("nothing to change: pass at least one option"));
    lab.expect_success("service edit slurm --remove-permission slurm:cancel");
    lab.expect_success("service delete slurm --yes");
    lab.expect_success("group delete lab --yes");
    assert_eq!(
        lab.expect_success("sweep"),
        "api_keys\t0\ntokens\t0\nsessions\t0\ncodes\t0\n"
    );
    let exported = lab.expect_success("event export --all --action policy.edit");
    assert_eq!(
        json(exported.trim())["after"]["api_key_lifetime_max"],
        "90d"
    );
    assert_eq!(
        lab.expect_success("event export --all --since 2999-01-01T00:00:00Z"),
        ""
    );
}

#[test]
fn verify_and_revoke_take_the_secret_from_standard_input() {
    let lab = Lab::signed_in();
    let secret = lab.expect_success("api-key create ci --permission account:read --expires never");
    let secret = secret.trim();
    let accepted = lab
        .command()
        .args(["verify", "--permission", "account:read"])
        .fed(secret);
    assert_eq!(
        (accepted.code, plain(&accepted.out).as_str()),
        (
            0,
            "username\talice\ndisplay name\talice\ngroups\t\nid\tID\nkind\tapi-key\npermissions\taccount:read\nexpires\t"
        )
    );
    let as_json = lab.command().args(["verify", "--json"]).fed(secret);
    assert_eq!(
        json(&as_json.out)["permissions"],
        Value::from(vec!["account:read"])
    );
    assert_eq!(
        lab.command()
            .args(["verify", "--permission", "users:read"])
            .fed(secret)
            .code,
        5
    );
    // `burn` is the hidden alias from the first edition.
    for (command, words) in [
        ("revoke", "revoked kca_ID_…"),
        ("burn", "warning: kca_ID_… was not valid at "),
    ] {
        let revoked = lab.command().args([command]).fed(secret);
        assert_eq!(revoked.code, 0, "{revoked:?}");
        assert!(plain(&revoked.err).starts_with(words), "{revoked:?}");
    }
    let verified = lab.command().args(["verify"]).fed(secret);
    assert_eq!(
        (verified.code, verified.err.as_str()),
        (10, "keycroft: invalid\n")
    );
    assert_eq!(lab.command().args(["revoke"]).fed("nonsense").code, 10);
    let code = Secret::generate(SecretForm::Code).reveal();
    assert_eq!(lab.command().args(["revoke"]).fed(&code).code, 6);
    assert_eq!(lab.command().args(["verify"]).fed("nonsense").code, 10);
    assert_eq!(lab.command().args(["verify"]).fed("").code, 2);
}

#[test]
fn openapi_prints_the_document_of_the_server() {
    let lab = Lab::signed_in();
    assert_eq!(
        json(&lab.expect_success("openapi")),
        json(&lab.expect_success("api GET /openapi.json"))
    );
}

#[test]
fn small_commands_work() {
    let lab = Lab::signed_in();
    assert_eq!(
        lab.expect_success("open api-keys"),
        format!("{}/api-keys\n", lab.url)
    );
    assert!(lab.bad("open ../x", 2).contains("no such page"));
    assert_eq!(
        lab.expect_success("version"),
        format!("keycroft {}\n", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            lab.expect_success(&format!("completions {shell}"))
                .contains("KEYCROFT_COMPLETE"),
            "{shell}"
        );
    }
    assert!(lab.expect_success("man").contains("keycroft"));
    lab.expect_success("man pages");
    let page = std::fs::read_to_string(lab.path("pages/keycroft-api-key-create.1")).unwrap();
    assert!(page.contains("\\-\\-expires"), "{page}");
    assert!(lab.expect_success("help").contains("api-key"));
    assert!(
        lab.expect_success("help exit-codes")
            .contains("\n130  interrupted\n")
    );
    let environment = lab.expect_success("help environment");
    for name in ["KEYCROFT_SERVER", "KEYCROFT_TOKEN_FILE", "NO_COLOR"] {
        assert!(environment.contains(name), "{name}");
    }
    lab.bad("help nonsense", 2);
    let body = lab
        .command()
        .args(["api", "POST", "/api/v1/groups", "--input", "-"])
        .fed("{\"name\": \"made\"}");
    assert_eq!(
        (body.code, json(&body.out)["name"].as_str()),
        (0, Some("made"))
    );
}
