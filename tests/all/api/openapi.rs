//! `openapi.json` says what there is, no more and no less.

use std::collections::BTreeSet;

use keycroft::http::{ANY, Needs, ROUTES, Route};
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
fn the_routes_and_the_description_are_the_same() {
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
    // The operator's routes are no part of the interface: on the network they do not exist.
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
fn each_permission_is_named_where_it_is_needed() {
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

/// Every shape that the description names is defined, and every one that is defined is used.
#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    gather(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for kind in ["schemas", "parameters", "responses", "headers"] {
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

/// The fields of each JSON shape, by what serde makes of it, are the properties of its schema.
#[test]
fn the_shapes_are_those_of_the_wire() {
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
    check("ApiKey", fields::<wire::ApiKeyOut>());
    check("Rotation", fields::<wire::RotateIn>());
    check("NewToken", fields::<wire::TokenIn>());
    check("Token", fields::<wire::TokenOut>());
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
    check("EnrollmentCode", fields::<wire::EnrollmentCodeOut>());
    check("Enrollment", fields::<wire::EnrollIn>());
    check("Enrolled", fields::<wire::EnrollOut>());
    check("AuthorizedKeys", fields::<wire::AuthorizedKeysOut>());
    check("LoginKey", fields::<wire::LoginKeyOut>());
    check("Login", fields::<wire::LoginIn>());
    check("Nothing", fields::<wire::NothingIn>());
}

/// The names of a struct's fields, as its `Deserialize` asks for them.
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
