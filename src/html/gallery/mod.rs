//! Every page in its states, for tests: well formed, escaped, small. With `KEYCROFT_GALLERY=FOLDER` they are also written there, to look at.

mod admin;
mod check;
mod core;
mod notice;
mod rest;
mod samples;
mod second_factor;

use samples::Words;
pub(super) use samples::event;

use maud::Markup;

/// A page under the name of its file.
struct Shown {
    name: String,
    markup: String,
}

fn shown(list: &mut Vec<Shown>, name: &str, markup: Markup) {
    list.push(Shown {
        name: name.to_owned(),
        markup: markup.into_string(),
    });
}

/// All pages, with `words` in every field that somebody else fills.
fn pages(words: &Words) -> Vec<Shown> {
    let mut list = core::pages(words);
    list.extend(rest::pages(words));
    list.extend(admin::pages(words));
    list.extend(second_factor::pages(words));
    list.extend(notice::pages(words));
    list
}
