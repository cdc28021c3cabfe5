//! Deliveries by HTTP: signed webhooks, ntfy, and chats that accept Slack's form.

use std::io::Read;
use std::time::Duration;

use ureq::http::{Request, Response, header};
use ureq::{Agent, Body};

use crate::client::connection::{PROGRAM, ServerAddress};
use crate::client::proxy_bypass;
use crate::client::tls::trusting;
use crate::model::notice_channel::{ChannelKind, ChannelUrl};
use crate::model::notice_delivery::{DueNotice, TryResult};
use crate::model::text::sanitize;
use crate::model::time::Time;
use crate::wire::WebhookOut;

/// Time limit of a delivery.
const TIME: Duration = Duration::from_secs(10);
/// Bytes that are read of an answer.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Characters of an answer in the log.
const DETAIL_CHARACTERS_MAX: usize = 200;

/// Sends notices to URLs.
pub struct HttpSender {
    direct: Agent,
    /// Through the proxy of the environment, if it names one.
    proxied: Agent,
}

impl HttpSender {
    pub fn new() -> Self {
        let config = || {
            let tls = trusting(None).ok().unwrap_or_default();
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                // A connection would stay open between two notices for nothing.
                .max_idle_connections(0)
                .user_agent(PROGRAM)
                .timeout_global(Some(TIME))
                .tls_config(tls)
        };
        Self {
            direct: config().proxy(None).build().new_agent(),
            proxied: config().build().new_agent(),
        }
    }

    fn agent(&self, url: &ChannelUrl) -> &Agent {
        match ServerAddress::parse(url.origin()) {
            Ok(server) if proxy_bypass::is_direct(&server) => &self.direct,
            _ => &self.proxied,
        }
    }

    /// Sends a notice, once.
    pub fn send(&self, notice: &DueNotice, link: &str, now: Time) -> TryResult {
        let Some(url) = &notice.url else {
            return rejected("the channel has no URL");
        };
        let request = Request::post(url.reveal());
        let (request, body) = match notice.channel_kind {
            ChannelKind::Ntfy => {
                let request = request
                    .header("Title", header_text(&notice.subject))
                    .header("Click", header_text(link))
                    .header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
                (request, notice.body.clone())
            }
            ChannelKind::Chat => {
                let text = format!(
                    "*{}*\n{}\n{link}",
                    chat_text(&notice.subject),
                    chat_text(&notice.body)
                );
                let body = serde_json::json!({ "text": text }).to_string();
                (json(request), body)
            }
            ChannelKind::Webhook | ChannelKind::Email => {
                let body = serde_json::to_string(&WebhookOut::new(notice, link));
                let body = body.unwrap_or_default();
                let key = notice.signing_key.as_ref();
                let signature = key.map(|key| key.signature(now, &body));
                let request = json(request);
                let request = match signature {
                    Some(signature) => request.header("Keycroft-Signature", signature),
                    None => request,
                };
                (request, body)
            }
        };
        let Ok(request) = request.body(body) else {
            return rejected("the request can't be built");
        };
        match self.agent(url).run(request) {
            Ok(answer) => result(answer),
            Err(error) => TryResult::Failed {
                status: None,
                detail: reason(&error, url),
                is_of_channel: true,
            },
        }
    }
}

fn json(request: ureq::http::request::Builder) -> ureq::http::request::Builder {
    request.header(header::CONTENT_TYPE, "application/json")
}

fn rejected(detail: &str) -> TryResult {
    TryResult::Rejected {
        status: None,
        detail: detail.to_owned(),
    }
}

/// The meaning of an answer. Redirects are not followed: they could lead a notice to another receiver.
fn result(mut answer: Response<Body>) -> TryResult {
    let code = answer.status().as_u16();
    let status = Some(code);
    let mut bytes = Vec::new();
    // A receiver that hangs or breaks off has answered all the same.
    let reader = answer.body_mut().as_reader();
    let _ = reader.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * DETAIL_CHARACTERS_MAX)]);
    let message = sanitize(&text, DETAIL_CHARACTERS_MAX);
    match code {
        200..300 => TryResult::Delivered { status },
        300..400 => TryResult::Failed {
            status,
            detail: "the receiver redirects; enter the final URL".to_owned(),
            is_of_channel: true,
        },
        410 => TryResult::Rejected {
            status,
            detail: "the receiver no longer exists".to_owned(),
        },
        _ => TryResult::Failed {
            status,
            detail: message,
            is_of_channel: true,
        },
    }
}

/// The reason of a failure, without the URL.
fn reason(error: &ureq::Error, url: &ChannelUrl) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer within 10 seconds".to_owned(),
        ureq::Error::HostNotFound => "the host name cannot be resolved".to_owned(),
        other => other.to_string().replace(url.reveal(), &url.shown()),
    }
}

/// Text for a header: ASCII as it is, other text encoded (RFC 2047), as ntfy accepts it.
fn header_text(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains("=?") {
        return text.to_owned();
    }
    let encoded = data_encoding::BASE64.encode(text.as_bytes());
    format!("=?UTF-8?B?{encoded}?=")
}

/// Text for a chat: a name must not become a mention or a link, neither in Slack's form nor in Markdown.
fn chat_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('@', "@\u{200b}")
        .replace("](", "]\u{200b}(")
        .replace("://", ":\u{200b}//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_text_is_visible_ascii() {
        assert_eq!(header_text("API key ci expires"), "API key ci expires");
        assert_eq!(header_text("\u{e9}t\u{e9}"), "=?UTF-8?B?w6l0w6k=?=");
        for hostile in ["a\r\nX: b", "\0", "\u{2028}", "=?utf-8?q?x?="] {
            let text = header_text(hostile);
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
        }
    }

    #[test]
    fn name_in_a_chat_mentions_nobody() {
        assert_eq!(chat_text("<!channel> & co"), "&lt;!channel&gt; &amp; co");
        assert_eq!(
            chat_text("@all [now](https://evil.example)"),
            "@\u{200b}all [now]\u{200b}(https:\u{200b}//evil.example)"
        );
    }
}
