//! The stylesheet, the script and the icon: embedded, with a hash of their content in the name.

use std::sync::LazyLock;

use crate::model::secret::Digest;

/// A file that pages refer to. Its path changes with its content, so it may be cached for ever.
pub struct Asset {
    /// `/-/app.0123456789ab.css`.
    pub path: String,
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
}

const STYLE: &str = include_str!("app.css");
const SCRIPT: &str = include_str!("app.js");
const PASSKEY_SCRIPT: &str = include_str!("passkey.js");
const ICON: &str = include_str!("icon.svg");

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    [
        asset("app", "css", "text/css; charset=utf-8", STYLE),
        asset("app", "js", "text/javascript; charset=utf-8", SCRIPT),
        asset("icon", "svg", "image/svg+xml", ICON),
        asset(
            "passkey",
            "js",
            "text/javascript; charset=utf-8",
            PASSKEY_SCRIPT,
        ),
    ]
});

/// All assets; the hashes are computed once.
pub fn assets() -> &'static [Asset] {
    ASSETS.as_slice()
}

pub(super) fn style_path() -> &'static str {
    &ASSETS[0].path
}

pub(super) fn script_path() -> &'static str {
    &ASSETS[1].path
}

pub(super) fn icon_path() -> &'static str {
    &ASSETS[2].path
}

/// The script of pages that offer a passkey.
pub(super) fn passkey_script_path() -> &'static str {
    &ASSETS[3].path
}

fn asset(name: &str, ending: &str, content_type: &'static str, source: &str) -> Asset {
    let bytes = compact(source).into_bytes();
    let hash = Digest::new(&bytes).hex();
    let path = format!("/-/{name}.{}.{ending}", &hash[..12]);
    Asset {
        path,
        content_type,
        bytes,
    }
}

/// The lines of `source` without indentation, empty lines and comments.
fn compact(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    let kept: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .collect();
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_small_and_named_after_their_content() {
        for (asset, bytes_max) in assets().iter().zip([10_000, 4_000, 500, 2_000]) {
            let bytes = asset.bytes.len();
            assert!(bytes <= bytes_max, "{}: {bytes} bytes", asset.path);
            let hash = &Digest::new(&asset.bytes).hex()[..12];
            assert!(asset.path.starts_with("/-/") && asset.path.contains(hash));
        }
    }

    #[test]
    fn compact_source_contains_only_code() {
        let source = "// Note.\n{\n  // More.\n\n  go(\"a // b\");\n}\n";
        assert_eq!(compact(source), "{\ngo(\"a // b\");\n}");
    }

    #[test]
    fn assets_use_trusted_types_and_refer_to_no_other_site() {
        let script = [SCRIPT, PASSKEY_SCRIPT].concat();
        let sinks = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "DOMParser",
            "srcdoc",
        ];
        for sink in sinks {
            assert!(!script.contains(sink), "{sink}");
        }
        for asset in assets() {
            let text = std::str::from_utf8(&asset.bytes)
                .unwrap()
                .replace("http://www.w3.org/2000/svg", "");
            for outside in ["http:", "https:", "url(", "@import", "fetch("] {
                assert!(!text.contains(outside), "{} has {outside}", asset.path);
            }
        }
    }
}
