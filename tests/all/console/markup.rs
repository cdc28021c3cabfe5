//! Parses pages of the console: elements with attributes, forms with fields. Panics if a page is not well-formed.

/// Elements without an end tag.
const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "hr"];

/// A start tag, and the text right after it.
#[derive(Debug, Clone)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }
}

/// A changing form, with the fields that a browser would send.
#[derive(Debug, Clone)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The form with `value` typed, chosen or checked in the field `name`.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self
    }
}

pub fn encode(fields: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn decode(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// Every tag of a page in order; end tags as `/name`.
fn tags(page: &str) -> Vec<Element> {
    let mut found: Vec<Element> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>'), "a bare > in {text:?}");
        if let Some(last) = found.last_mut() {
            last.text = decode(text);
        }
        let (tag, after) = tag(&rest[start + 1..]);
        rest = after;
        if let Some(name) = tag.name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in wrong order");
        } else if !VOID.contains(&tag.name.as_str()) && tag.name != "!DOCTYPE" {
            open.push(tag.name.clone());
        }
        found.push(tag);
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    found
}

fn tag(text: &str) -> (Element, &str) {
    let mut within = false;
    let mut end = None;
    for (place, character) in text.char_indices() {
        match (character, within) {
            ('"', _) => within = !within,
            ('>', false) => {
                end = Some(place);
                break;
            }
            ('<' | '\'', false) => panic!("{character} inside of the tag {text:.80}"),
            _ => {}
        }
    }
    let end = end.unwrap_or_else(|| panic!("a tag without end: {text:.80}"));
    let (mut rest, after) = (&text[..end], &text[end + 1..]);
    let name_ends = rest.find(' ').unwrap_or(rest.len());
    let name = rest[..name_ends].to_owned();
    rest = rest[name_ends..].trim_start();
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let stop = rest.find(['=', ' ']).unwrap_or(rest.len());
        let attribute = rest[..stop].to_owned();
        rest = &rest[stop..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let close = quoted.find('"').unwrap();
            value = decode(&quoted[..close]);
            rest = &quoted[close + 1..];
        }
        attributes.push((attribute, value));
        rest = rest.trim_start();
    }
    let text = String::new();
    (
        Element {
            name,
            attributes,
            text,
        },
        after,
    )
}

/// The start tags of a page.
pub fn elements(page: &str) -> Vec<Element> {
    tags(page)
        .into_iter()
        .filter(|tag| !tag.name.starts_with('/'))
        .collect()
}

/// The tags of a page in order, with the names of their attributes but without values: the part that text must not
/// change.
pub fn structure(page: &str) -> Vec<String> {
    tags(page)
        .into_iter()
        .map(|tag| {
            let names: Vec<String> = tag.attributes.into_iter().map(|(name, _)| name).collect();
            format!("{} {}", tag.name, names.join(" "))
        })
        .collect()
}

/// The changing forms of a page.
pub fn forms(page: &str) -> Vec<Form> {
    let mut found: Vec<Form> = Vec::new();
    let mut is_open = false;
    let mut select: Option<(String, Option<String>, bool)> = None;
    for tag in tags(page) {
        match tag.name.as_str() {
            "form" if tag.attribute("method") == Some("post") => {
                is_open = true;
                found.push(Form {
                    action: tag.attribute("action").unwrap().to_owned(),
                    fields: Vec::new(),
                });
            }
            "/form" => is_open = false,
            _ if !is_open => {}
            "input" => {
                let kind = tag.attribute("type").unwrap_or("text");
                let sent = !matches!(kind, "radio" | "checkbox") || tag.has("checked");
                if let (true, Some(name)) = (sent, tag.attribute("name")) {
                    let value = tag.attribute("value").unwrap_or_default();
                    push(&mut found, name, value);
                }
            }
            "textarea" => {
                let text = tag.text.strip_prefix('\n').unwrap_or(&tag.text).to_owned();
                push(&mut found, tag.attribute("name").unwrap(), &text);
            }
            "select" => select = Some((tag.attribute("name").unwrap().to_owned(), None, false)),
            "option" => {
                if let Some((_, value, chosen)) = &mut select
                    && (value.is_none() || tag.has("selected"))
                {
                    assert!(!*chosen, "two options are selected");
                    *chosen = tag.has("selected");
                    *value = tag.attribute("value").map(str::to_owned);
                }
            }
            "/select" => {
                if let Some((name, value, _)) = select.take() {
                    push(&mut found, &name, &value.unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    found
}

fn push(forms: &mut [Form], name: &str, value: &str) {
    let form = forms.last_mut().expect("a field inside of a form");
    form.fields.push((name.to_owned(), value.to_owned()));
}

/// The fields that a page's error summary links to. Panics if a link has no target.
pub fn errors(page: &str) -> Vec<String> {
    let all = elements(page);
    let ids: Vec<&str> = all.iter().filter_map(|one| one.attribute("id")).collect();
    let mut found = Vec::new();
    for link in all.iter().filter_map(|one| one.attribute("href")) {
        if let Some(field) = link.strip_prefix('#').filter(|field| *field != "main") {
            assert!(ids.contains(&field), "#{field} leads nowhere");
            found.push(field.to_owned());
        }
    }
    found
}

/// Checks the invariants of every page: landmarks, one heading, a title that names errors; unique ids, and references
/// that resolve; a token in each form that changes something, and in no other; no inline code, no foreign resources.
pub fn check(url: &str, page: &str) {
    let all = elements(page);
    let count = |is_it: &dyn Fn(&Element) -> bool| all.iter().filter(|one| is_it(one)).count();
    let named = |name: &str| count(&|one| one.name == name);
    let is = |one: &Element, attribute: &str, value: &str| one.attribute(attribute) == Some(value);

    assert_eq!(named("h1"), 1, "{url}: headings");
    assert_eq!(
        count(&|one| one.name == "main" && is(one, "id", "main")),
        1,
        "{url}: <main>"
    );
    assert_eq!(
        count(&|one| is(one, "class", "skip") && is(one, "href", "#main")),
        1,
        "{url}: skip link"
    );
    assert_eq!(named("footer"), 1, "{url}: <footer>");
    assert_eq!(
        count(&|one| is(one, "name", "color-scheme")),
        1,
        "{url}: color scheme"
    );
    let title = all
        .iter()
        .find(|one| one.name == "title")
        .map_or("", |one| &one.text);
    assert!(title.ends_with(" · Keycroft"), "{url}: title {title:?}");
    let has_errors = count(&|one| is(one, "role", "alert") && is(one, "class", "notice bad")) > 0
        && count(&|one| is(one, "aria-invalid", "true")) > 0;
    assert!(
        !has_errors || title.starts_with("Error: "),
        "{url}: title {title:?} of a page with errors"
    );

    let mut ids: Vec<&str> = all.iter().filter_map(|one| one.attribute("id")).collect();
    ids.sort_unstable();
    let twice = ids.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "{url}: an id occurs twice");
    for one in &all {
        let described = one.attribute("aria-describedby").unwrap_or_default();
        let link = one
            .attribute("href")
            .and_then(|href| href.strip_prefix('#'));
        let references = described.split_whitespace().chain(link);
        for reference in references.chain(one.attribute("for")) {
            assert!(ids.contains(&reference), "{url}: {reference} is no id");
        }
        assert!(
            !["style", "img", "iframe", "object"].contains(&one.name.as_str()),
            "{url}: {one:?}"
        );
        assert!(
            one.name != "script" || one.has("src"),
            "{url}: an inline script"
        );
        for (name, value) in &one.attributes {
            assert!(name != "style" && !name.starts_with("on"), "{url}: {one:?}");
            let leads = ["href", "src", "action"].contains(&name.as_str());
            let is_own =
                value.starts_with('#') || value.starts_with('/') && !value.starts_with("//");
            // The app on this device that creates codes.
            let is_app = name == "href" && value.starts_with("otpauth://totp/");
            assert!(!leads || is_own || is_app, "{url}: {name}={value:?}");
        }
    }
    let forms = forms(page);
    for form in &forms {
        let tokens = form
            .fields
            .iter()
            .filter(|(name, _)| name == "form_token")
            .count();
        assert_eq!(tokens, 1, "{url}: tokens of {}", form.action);
    }
    assert_eq!(
        count(&|one| is(one, "name", "form_token")),
        forms.len(),
        "{url}: a token without a use"
    );
}
