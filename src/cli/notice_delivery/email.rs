//! Deliveries by e-mail, through one mail server.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error as SmtpError, SmtpTransport};
use lettre::{Address, Transport};

use super::mail_server::{Encryption, MailServer};
use crate::model::notice_delivery::{DueNotice, TryResult};

/// Time limit of each step with the mail server.
const TIME: Duration = Duration::from_secs(10);
/// Reply codes that reject one recipient or one mail (RFC 5321, 4.2.3); others concern the server or the login.
const REJECTED: [u16; 8] = [501, 550, 551, 552, 553, 554, 555, 556];

/// Sends mails.
pub struct MailSender {
    transport: SmtpTransport,
    from: Mailbox,
    /// The domain of message ids.
    domain: String,
}

impl MailSender {
    /// `domain`: the host name of the public URL.
    pub fn new(server: &MailServer, domain: String) -> Result<Self, String> {
        let tls = || {
            TlsParameters::new(server.host.clone())
                .map_err(|error| format!("TLS can't be set up: {error}"))
        };
        let tls = match server.encryption {
            Encryption::Tls => Tls::Wrapper(tls()?),
            Encryption::StartTls => Tls::Required(tls()?),
            Encryption::None => Tls::None,
        };
        let mut builder = SmtpTransport::builder_dangerous(server.host.clone())
            .port(server.port)
            .tls(tls)
            .hello_name(ClientId::Domain(domain.clone()))
            .timeout(Some(TIME));
        if let (Some(username), Some(password)) = (&server.username, &server.password) {
            let credentials = Credentials::new(username.clone(), password.to_string());
            builder = builder.credentials(credentials);
        }
        let from = server.from.parse().map_err(|error| format!("{error}"))?;
        Ok(Self {
            transport: builder.build(),
            from,
            domain,
        })
    }

    /// Sends a notice with this link, once.
    pub fn send(&self, notice: &DueNotice, link: &str) -> TryResult {
        let rejected = |detail: &str| TryResult::Rejected {
            status: None,
            detail: detail.to_owned(),
        };
        let Some(address) = &notice.address else {
            return rejected("the user no longer has a confirmed address");
        };
        let Ok(address) = address.parse::<Address>() else {
            return rejected("the address is not valid");
        };
        let Ok(message) = self.message(notice, address, link) else {
            return rejected("the mail can't be built");
        };
        match self.transport.send(&message) {
            Ok(answer) => TryResult::Delivered {
                status: Some(answer.code().into()),
            },
            Err(error) => failure(&error),
        }
    }

    fn message(
        &self,
        notice: &DueNotice,
        address: Address,
        link: &str,
    ) -> Result<Message, lettre::error::Error> {
        let body = format!("{}\n\n{link}\n", notice.body);
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            // A name must not be decoded as encoded text (RFC 2047).
            .subject(notice.subject.replace("=?", "= ?"))
            // The same with each try: a mail that arrives twice is recognized.
            .message_id(Some(format!("<{}@{}>", notice.id, self.domain)))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body)?;
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        let value = HeaderValue::new(name, "auto-generated".to_owned());
        message.headers_mut().insert_raw(value);
        Ok(message)
    }
}

fn failure(error: &SmtpError) -> TryResult {
    let status = error.status().map(u16::from);
    let detail = if error.is_timeout() {
        "no answer within 10 seconds".to_owned()
    } else {
        error.to_string()
    };
    match status {
        Some(code) if REJECTED.contains(&code) => TryResult::Rejected { status, detail },
        _ => TryResult::Failed {
            status,
            detail,
            // A greylisted recipient does not delay the others.
            is_of_channel: !error.is_transient(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::notice_channel::{ChannelKind, ChannelNumber};
    use crate::model::notice_kind::NoticeKind;
    use crate::model::secret::Id;
    use crate::model::time::Time;

    fn sender() -> MailSender {
        let server = MailServer {
            host: "localhost".to_owned(),
            port: 25,
            encryption: Encryption::None,
            username: None,
            password: None,
            from: "Keycroft <keys@lab.example>".to_owned(),
        };
        MailSender::new(&server, "keys.lab.example".to_owned()).unwrap()
    }

    fn notice(subject: &str) -> DueNotice {
        DueNotice {
            number: 1,
            id: Id::parse("4k2m9x0q7w1z").unwrap(),
            channel: ChannelNumber(1),
            channel_kind: ChannelKind::Email,
            channel_name: "mail".to_owned(),
            url: None,
            signing_key: None,
            recipient: Some("bob".to_owned()),
            user: None,
            address: Some("bob@lab.example".to_owned()),
            kind: NoticeKind::ApiKeyExpires,
            at: Time::from_unix(0),
            subject: subject.to_owned(),
            body: "The API key \u{e9}t\u{e9} expires.".to_owned(),
            path: "/api-keys".to_owned(),
            data: Vec::new(),
            tries: 0,
        }
    }

    fn mail(subject: &str) -> String {
        let address = "bob@lab.example".parse().unwrap();
        let mail = sender().message(&notice(subject), address, "https://keys.lab.example/x");
        String::from_utf8(mail.unwrap().formatted()).unwrap()
    }

    #[test]
    fn automatic_mail_has_the_expected_headers() {
        let mail = mail("API key ci expires in 7 days");
        for header in [
            "From: Keycroft <keys@lab.example>\r\n",
            "To: bob@lab.example\r\n",
            "Subject: API key ci expires in 7 days\r\n",
            "Message-ID: <4k2m9x0q7w1z@keys.lab.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
        ] {
            assert!(mail.contains(header), "{header:?} is not in {mail}");
        }
    }

    #[test]
    fn hostile_subject_adds_no_header() {
        for subject in [
            "a\r\nBcc: x@example.com",
            "a\nBcc: x@example.com",
            "\u{e9}\r\n\r\nbody",
            "=?utf-8?q?a=0ABcc:_x?=",
        ] {
            let mail = mail(subject);
            let (head, _) = mail.split_once("\r\n\r\n").unwrap();
            let names = head.split("\r\n").filter(|line| !line.starts_with(' '));
            let names: Vec<&str> = names.filter_map(|line| line.split(": ").next()).collect();
            assert!(!names.contains(&"Bcc"), "{head}");
            assert_eq!(names.iter().filter(|name| **name == "Subject").count(), 1);
            assert_eq!(names.len(), 9, "{head}");
        }
    }
}
