//! `openapi.json` describes exactly the existing interface.

use std::collections::BTreeSet;

use keycroft::http::{ANY, Needs, ROUTES, Route};
use keycroft::wire::ProblemType;
use serde_json::Value;

use super::declared::is_for_machines;

const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

fn document() -> Value {
    let site = crate::fixture::Site::empty(&[]);
    let served = site.ask("GET", "/openapi.json").send().expect(200);
    assert_eq!(served.header("Content-Type"), Some("application/json"));
    served.json()
}

#[test]
fn openapi_paths_equal_the_route_table() {
    let document = document();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
        {
            assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let mut there = BTreeSet::new();
    // Operator routes are not public: on the network they do not exist.
    let public =
        |route: &&Route| is_for_machines(route.path) && !matches!(route.needs, Needs::Operator(_));
    for route in ROUTES.iter().filter(public) {
        if route.method == ANY {
            there.extend(
                METHODS
                    .iter()
                    .map(|method| format!("{} {}", method.to_uppercase(), route.path)),
            );
        } else {
            there.insert(format!("{} {}", route.method, route.path));
        }
    }
    assert_eq!(described, there);
}

#[test]
fn openapi_names_each_required_permission() {
    let document = document();
    for route in ROUTES.iter().filter(|route| is_for_machines(route.path)) {
        let Needs::Permission(permission, _) = route.needs else {
            continue;
        };
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        let expected = format!("Needs the permission `{}`.", permission.as_str());
        assert_eq!(
            operation["description"], expected,
            "{} {}",
            route.method, route.path
        );
        for status in ["401", "403"] {
            assert!(
                operation["responses"].get(status).is_some(),
                "{} {}: {status}",
                route.method,
                route.path
            );
        }
    }
}

/// Every referenced schema is defined, and every defined one is used.
#[test]
fn every_openapi_reference_resolves() {
    let document = document();
    let mut found = BTreeSet::new();
    gather(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for kind in ["schemas", "parameters", "responses", "headers", "examples"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(found.contains(&reference), "{reference} is used nowhere");
        }
    }
}

fn gather(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
            }
            object.values().for_each(|value| gather(value, found));
        }
        Value::Array(array) => array.iter().for_each(|value| gather(value, found)),
        _ => {}
    }
}

/// The fields of each JSON shape, as serde knows them, equal the properties of its schema.
#[test]
fn openapi_schemas_equal_the_wire_structs() {
    use keycroft::wire;
    let document = document();
    let check = |name: &str, fields: &'static [&'static str]| {
        let properties = document["components"]["schemas"][name]["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("{name} has no schema"));
        let described: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(described, fields.iter().copied().collect(), "{name}");
    };
    check("Problem", fields::<wire::ProblemOut>());
    check("FieldProblem", fields::<wire::FieldOut>());
    check("OauthProblem", fields::<wire::OauthProblemOut>());
    check("Me", fields::<wire::MeOut>());
    check("MeChange", fields::<wire::MeIn>());
    check("PasswordChange", fields::<wire::PasswordIn>());
    check("NewPassword", fields::<wire::PasswordByCodeIn>());
    check("FirstAdmin", fields::<wire::SetUpIn>());
    check("NewApiKey", fields::<wire::ApiKeyIn>());
    check("ApiKeyChange", fields::<wire::ApiKeyPatch>());
    check("NewServiceApiKey", fields::<wire::ApiKeyIn>());
    check("ServiceApiKeyChange", fields::<wire::ApiKeyPatch>());
    check("ApiKeyWithSecret", fields::<wire::ApiKeyOut>());
    check("Rotation", fields::<wire::RotateIn>());
    check("NewToken", fields::<wire::TokenIn>());
    check("TokenWithSecret", fields::<wire::TokenOut>());
    check("Session", fields::<wire::SessionOut>());
    check("Usage", fields::<wire::UsageOut>());
    check("Explanation", fields::<wire::ExplanationOut>());
    check("Check", fields::<wire::CheckOut>());
    check("NewSshKey", fields::<wire::SshKeyIn>());
    check("SshKeyChange", fields::<wire::SshKeyPatch>());
    check("SshKey", fields::<wire::SshKeyOut>());
    check("Import", fields::<wire::ImportIn>());
    check("Imported", fields::<wire::ImportOut>());
    check("ImportedLine", fields::<wire::ImportLineOut>());
    check("Event", fields::<wire::EventOut>());
    check("NewUser", fields::<wire::UserIn>());
    check("UserChange", fields::<wire::UserPatch>());
    check("User", fields::<wire::UserOut>());
    check("Link", fields::<wire::LinkOut>());
    check("Offboarded", fields::<wire::OffboardOut>());
    check("OffboardPreview", fields::<wire::OffboardPreviewOut>());
    check("Notice", fields::<wire::NoticeOut>());
    check(
        "NoticeChannelWithSecret",
        fields::<wire::NoticeChannelOut>(),
    );
    check("NewNoticeChannel", fields::<wire::NoticeChannelIn>());
    check("NoticeChannelChange", fields::<wire::NoticeChannelPatch>());
    check("NoticePreferences", fields::<wire::NoticePreferencesOut>());
    check(
        "NoticePreferencesChange",
        fields::<wire::NoticePreferencesPatch>(),
    );
    check("PreferenceChannel", fields::<wire::PreferenceChannelOut>());
    check("PreferenceKind", fields::<wire::PreferenceKindOut>());
    check("NoticeTest", fields::<wire::NoticeTestOut>());
    check("NoticeDelivery", fields::<wire::NoticeDeliveryOut>());
    check("PolicyChange", fields::<wire::PolicyPatch>());
    check("Policy", fields::<wire::PolicyOut>());
    check("PolicyPreview", fields::<wire::PolicyPreviewOut>());
    check("Exceeding", fields::<wire::ExceedingOut>());
    check("Credential", fields::<wire::CredentialOut>());
    check("Diagnostics", fields::<wire::DiagnosticsOut>());
    check("Advice", fields::<wire::AdviceOut>());
    check("HostLogin", fields::<wire::HostLoginOut>());
    check("Swept", fields::<wire::SweptOut>());
    check("NewGroup", fields::<wire::GroupIn>());
    check("Group", fields::<wire::GroupOut>());
    check("NewService", fields::<wire::ServiceIn>());
    check("ServiceChange", fields::<wire::ServicePatch>());
    check("Service", fields::<wire::ServiceOut>());
    check("Introspection", fields::<wire::IntrospectionOut>());
    check(
        "DeviceAuthorization",
        fields::<wire::DeviceAuthorizationOut>(),
    );
    check("TokenGrant", fields::<wire::TokenGrantOut>());
    check("Metadata", fields::<wire::MetadataOut>());
    check("Host", fields::<wire::HostOut>());
    check("HostChange", fields::<wire::HostPatch>());
    check("NewEnrollmentCode", fields::<wire::EnrollmentCodeIn>());
    check(
        "EnrollmentCodeWithSecret",
        fields::<wire::EnrollmentCodeOut>(),
    );
    check("Enrollment", fields::<wire::EnrollIn>());
    check("Enrolled", fields::<wire::EnrollOut>());
    check("AuthorizedKeys", fields::<wire::AuthorizedKeysOut>());
    check("LoginKey", fields::<wire::LoginKeyOut>());
    check("Login", fields::<wire::LoginIn>());
    check("Nothing", fields::<wire::NothingIn>());
}

/// Path, method and operation.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods
                .filter(|(method, _)| *method != "parameters")
                .map(|(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

#[test]
fn operation_id_is_verb_and_noun() {
    const VERBS: &str = "get list create update delete rotate explain add remove import change accept \
                         reset acknowledge preview offboard test enroll report sweep verify introspect revoke start";
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        let noun = id.find(|c: char| c.is_ascii_uppercase());
        let (verb, noun) = id.split_at(noun.unwrap_or_else(|| panic!("{id}: no noun")));
        assert!(VERBS.split_whitespace().any(|one| one == verb), "{id}");
        assert!(
            noun.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{id}"
        );
        assert!(ids.insert(id), "{method} {path}: {id} is used twice");
    }
    for id in ["rotateApiKey", "createApiKey", "listTokens", "offboardUser"] {
        assert!(ids.contains(id), "{id}");
    }
}

#[test]
fn answer_with_a_secret_requires_it_in_its_schema() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let has = |name: &str, list: &str| match &schemas[name][list] {
        Value::Array(names) => names.iter().any(|one| one == "secret"),
        names => names.get("secret").is_some(),
    };
    for name in schemas.keys() {
        assert_eq!(has(name, "properties"), has(name, "required"), "{name}");
    }
    for (path, method, status) in [
        ("/api/v1/api-keys", "post", "201"),
        ("/api/v1/api-keys/{id}/rotate", "post", "200"),
        ("/api/v1/services/{name}/api-keys", "post", "201"),
        (
            "/api/v1/services/{name}/api-keys/{id}/rotate",
            "post",
            "200",
        ),
        ("/api/v1/tokens", "post", "201"),
        ("/api/v1/hosts/enrollment-codes", "post", "201"),
        ("/api/v1/hosts/enroll", "post", "201"),
        ("/api/v1/hosts/self/rotate", "post", "200"),
    ] {
        let answer = &document["paths"][path][method]["responses"][status];
        let schema = answer["content"]["application/json"]["schema"]["$ref"].as_str();
        let name = schema.unwrap().rsplit('/').next().unwrap();
        assert!(has(name, "required"), "{method} {path}: {name}");
    }
}

/// The example of a body or an answer.
fn example<'d>(document: &'d Value, media: &'d Value) -> Option<&'d Value> {
    let named = media["examples"].as_object();
    match named.and_then(|examples| examples.values().next()) {
        Some(example) => {
            let pointer = example["$ref"].as_str()?.strip_prefix('#')?;
            document.pointer(pointer)?.get("value")
        }
        None => media.get("example"),
    }
}

#[test]
fn operation_has_an_example() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap().iter();
        let valid = responses.filter(|(status, _)| status.starts_with('2'));
        let contents = valid
            .map(|(_, answer)| &answer["content"])
            .chain([&operation["requestBody"]["content"]]);
        let mut count = operation["x-codeSamples"].as_array().map_or(0, Vec::len);
        for media in contents
            .filter_map(Value::as_object)
            .flat_map(|one| one.values())
        {
            assert!(example(&document, media).is_some(), "{method} {path}");
            count += 1;
        }
        assert!(count > 0, "{method} {path}");
    }
}

/// An example is never malformed; 401, 403, 404 and 409 depend on the data.
#[test]
fn request_example_is_accepted() {
    let site = crate::fixture::Site::new();
    let group = serde_json::json!({"name": "staff"});
    site.asked(&site.alice, "POST", "/api/v1/groups", &group, 201);
    let document = document();
    let mut sent = 0;
    for (path, method, operation) in operations(&document) {
        let media = &operation["requestBody"]["content"]["application/json"];
        let Some(body) = example(&document, media) else {
            continue;
        };
        let path = path
            .replace("{id}", "4k2m9x0q7w1z")
            .replace("{username}", "bob")
            .replace("{name}", "ci");
        let asking = site.ask(&method.to_uppercase(), &path).bearer(&site.alice);
        let answer = asking.json(body).send();
        // The current password is data, too.
        if path == "/api/v1/me/password" {
            assert_eq!(answer.fields(), ["current"], "{}", answer.text());
            continue;
        }
        let fine = [200, 201, 204, 401, 403, 404, 409];
        assert!(
            fine.contains(&answer.status),
            "{method} {path} {body}: {}",
            answer.text()
        );
        sent += 1;
    }
    assert!(sent > 25, "{sent}");
}

#[test]
fn problem_types_are_listed() {
    let document = document();
    let listed = &document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
    let listed: BTreeSet<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for kind in [
        ProblemType::NameTaken,
        ProblemType::NotFound,
        ProblemType::UnknownPath,
        ProblemType::WrongPassword,
    ] {
        assert!(listed.contains(kind.as_str()), "{kind:?}");
    }
    assert!(
        listed
            .iter()
            .all(|one| one.starts_with("urn:keycroft:problem:"))
    );
}

/// The field names of a struct, as its `Deserialize` requests them.
fn fields<T: serde::de::DeserializeOwned>() -> &'static [&'static str] {
    struct Spy(std::cell::Cell<&'static [&'static str]>);

    impl<'de> serde::Deserializer<'de> for &Spy {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: serde::de::Visitor<'de>>(
            self,
            _: V,
        ) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom(
                "only structs are asked for their fields",
            ))
        }

        fn deserialize_struct<V: serde::de::Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            self.0.set(fields);
            Err(serde::de::Error::custom("that is all"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let spy = Spy(std::cell::Cell::new(&[]));
    assert!(T::deserialize(&spy).is_err());
    spy.0.get()
}
