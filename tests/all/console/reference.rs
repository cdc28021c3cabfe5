//! `/api`: the reference of the JSON API.

use crate::fixture::Site;

#[test]
fn reference_has_commands_for_this_server_and_a_search() {
    let site = Site::empty(&[]);
    let read = |path: &str| site.ask("GET", path).send().expect(200).text();
    let server = "http://127.0.0.1:8420";
    let page = read("/api");
    assert!(page.contains("createApiKey"), "{page}");
    assert!(page.contains(&format!("curl {server}/api/v1/api-keys")));
    assert!(!page.contains("https://keys.lab.example"), "another server");
    let account = page.find("id=\"account\"").unwrap();
    let hosts = page.find("id=\"hosts\"").unwrap();
    assert!(account < hosts, "in the order of reading");
    let found = read("/api?q=Rotate+an+API+key+services%3Awrite");
    assert!(found.contains("1 operation for"), "{found}");
    assert!(found.contains("id=\"rotateServiceApiKey\" open"), "{found}");
    assert!(!found.contains("createApiKey"));
    let hostile = read("/api?q=%3Cb%3E%22");
    assert!(
        hostile.contains("0 operations for “&lt;b&gt;&quot;”"),
        "{hostile}"
    );
}
