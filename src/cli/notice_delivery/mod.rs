//! The thread of the server that delivers notices. It starts with the first channel and sleeps until the next notice.

mod email;
mod http;
pub mod mail_server;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use self::email::MailSender;
use self::http::HttpSender;
use self::mail_server::MailServer;
use zeroize::Zeroizing;

use crate::app::{App, AppState, NoticeSignal};
use crate::client::connection::ServerAddress;
use crate::model::error::Error;
use crate::model::notice_channel::{ChannelKind, ChannelNumber};
use crate::model::notice_delivery::{DueNotice, TryResult};
use crate::model::notice_kind::NoticeKind;
use crate::model::time::Time;
use crate::transport::certificate_end;

/// Longest sleep: a suspended machine or a changed clock delays notices by no more.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);
/// Pause after a try and after a batch of new notices, which limits the rate: verification goes on meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause after an error of the database.
const ERROR_PAUSE: Duration = Duration::from_secs(10);
/// How long a failing channel rests at first. Each further failure doubles it.
const REST: Duration = Duration::from_secs(60);
const REST_MAX: Duration = Duration::from_secs(1_800);

/// Settings of deliveries.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// Where links lead.
    pub public_url: String,
    pub mail_server: Option<MailServer>,
    /// The certificate of the server, whose expiration is announced.
    pub certificate: Option<PathBuf>,
}

/// Prepares the delivery of notices: the thread starts at once if a channel exists, or with the first one.
pub fn prepare(app_state: &AppState, settings: DeliverySettings) -> Result<(), Error> {
    let signal = app_state.notice_signal();
    let (opened, waited) = (app_state.clone(), Arc::clone(&signal));
    signal.start_with(move || {
        let work = move || Deliverer::run(&opened, &waited, settings);
        let started = thread::Builder::new()
            .name("notices".to_owned())
            .spawn(work);
        if let Err(error) = started {
            log::error!("notices are not delivered: the thread can't be started: {error}");
        }
    });
    if app_state.app()?.has_notice_channels()? {
        signal.raise();
    }
    Ok(())
}

/// A channel that rests after a failure.
struct PausedChannel {
    until: Time,
    next: Duration,
}

/// The state of the thread.
struct Deliverer<'a> {
    app: App,
    signal: &'a NoticeSignal,
    settings: DeliverySettings,
    http: HttpSender,
    mail: Option<MailSender>,
    resting: HashMap<ChannelNumber, PausedChannel>,
    /// Tries that could not be recorded: nothing is sent before that, so that a full disk repeats no notice.
    unrecorded: Vec<(DueNotice, TryResult, Time)>,
}

impl<'a> Deliverer<'a> {
    fn run(app_state: &AppState, signal: &'a NoticeSignal, settings: DeliverySettings) {
        loop {
            match Self::open(app_state, signal, settings.clone()) {
                Ok(mut deliverer) => return deliverer.work(),
                Err(error) => log::error!("notices are not delivered: {error}"),
            }
            if !signal.pause(ERROR_PAUSE) {
                return;
            }
        }
    }

    fn open(
        app_state: &AppState,
        signal: &'a NoticeSignal,
        settings: DeliverySettings,
    ) -> Result<Self, Error> {
        let domain = ServerAddress::parse(&settings.public_url);
        let domain = domain.map_or_else(|_| "localhost".to_owned(), |it| it.name().to_owned());
        let mail = settings.mail_server.as_ref();
        let mail = mail.and_then(|server| match MailSender::new(server, domain) {
            Ok(sender) => Some(sender),
            Err(reason) => {
                log::error!("notices are not sent by e-mail: {reason}");
                None
            }
        });
        Ok(Self {
            app: app_state.app()?,
            signal,
            http: HttpSender::new(),
            mail,
            settings,
            resting: HashMap::new(),
            unrecorded: Vec::new(),
        })
    }

    fn work(&mut self) {
        let mut sleep = Some(Duration::ZERO);
        while self.signal.wait(sleep) {
            sleep = match self.deliver_due() {
                Ok(sleep) => sleep,
                Err(error) => {
                    log::warn!("notices are not delivered at the moment: {error}");
                    if !self.signal.pause(ERROR_PAUSE) {
                        return;
                    }
                    Some(Duration::ZERO)
                }
            };
        }
    }

    /// Delivers everything that is due. Returns how long to sleep; `None` without channels.
    fn deliver_due(&mut self) -> Result<Option<Duration>, Error> {
        self.record_remaining()?;
        if !self.app.has_notice_channels()? {
            return Ok(None);
        }
        let pause = || self.signal.pause(PAUSE);
        self.app.collect_notices(self.app.now(), pause)?;
        self.collect_certificate()?;
        loop {
            let now = self.app.now();
            self.resting
                .retain(|_, resting| resting.until > now || resting.next > REST);
            let due = self.app.due_notices(now, &self.resting_channels(now))?;
            if due.is_empty() {
                break;
            }
            for notice in due {
                if self.rests(notice.channel, self.app.now()) {
                    continue;
                }
                self.deliver(notice)?;
                if !self.signal.pause(PAUSE) {
                    return Ok(None);
                }
            }
        }
        self.next_sleep().map(Some)
    }

    fn collect_certificate(&self) -> Result<(), Error> {
        let Some(file) = &self.settings.certificate else {
            return Ok(());
        };
        match certificate_end(file) {
            Ok(end) => {
                let end = Time::from_unix(i64::try_from(end).unwrap_or(i64::MAX));
                self.app.collect_certificate(end, self.app.now())
            }
            Err(error) => {
                log::warn!("the expiration of the certificate is unknown: {error}");
                Ok(())
            }
        }
    }

    fn deliver(&mut self, notice: DueNotice) -> Result<(), Error> {
        let link = format!("{}{}", self.settings.public_url, notice.path);
        let result = match (notice.channel_kind, &self.mail) {
            (ChannelKind::Webhook | ChannelKind::Ntfy | ChannelKind::Chat, _) => {
                self.http.send(&notice, &link, self.app.now())
            }
            (ChannelKind::Email, Some(mail)) => match self.with_code(&notice, link)? {
                Some(link) => mail.send(&notice, &link),
                None => TryResult::Rejected {
                    status: None,
                    detail: "the address was replaced or removed".to_owned(),
                },
            },
            (ChannelKind::Email, None) => TryResult::Failed {
                status: None,
                detail: "no mail server is configured: see --smtp".to_owned(),
                is_of_channel: true,
            },
        };
        let now = self.app.now();
        match &result {
            TryResult::Failed {
                is_of_channel: true,
                ..
            } => self.rest(notice.channel, now),
            TryResult::Delivered { .. } => drop(self.resting.remove(&notice.channel)),
            TryResult::Failed { .. } | TryResult::Rejected { .. } => {}
        }
        self.unrecorded.push((notice, result, now));
        self.record_remaining()
    }

    /// The link of a notice; of a confirmation, with a new code. `None`: nothing waits for the confirmation any more.
    fn with_code(
        &self,
        notice: &DueNotice,
        link: String,
    ) -> Result<Option<Zeroizing<String>>, Error> {
        let (NoticeKind::AddressConfirmation, Some(user)) = (notice.kind, notice.user) else {
            return Ok(Some(Zeroizing::new(link)));
        };
        let address = notice.address.as_deref().unwrap_or_default();
        let code = self.app.confirmation_code(user, address, self.app.now())?;
        Ok(code.map(|code| Zeroizing::new(format!("{link}?code={}", *code.reveal()))))
    }

    fn record_remaining(&mut self) -> Result<(), Error> {
        while let Some((notice, result, at)) = self.unrecorded.first() {
            self.app
                .record_notice_try(notice.clone(), result.clone(), *at)?;
            self.unrecorded.remove(0);
        }
        Ok(())
    }

    fn rest(&mut self, channel: ChannelNumber, now: Time) {
        let next = self
            .resting
            .get(&channel)
            .map_or(REST, |resting| resting.next);
        let resting = PausedChannel {
            until: now.after(next),
            next: (next * 2).min(REST_MAX),
        };
        self.resting.insert(channel, resting);
    }

    fn rests(&self, channel: ChannelNumber, now: Time) -> bool {
        let resting = self.resting.get(&channel);
        // A longer rest was begun by a clock that ran ahead.
        resting.is_some_and(|resting| resting.until > now && resting.until.since(now) <= REST_MAX)
    }

    fn resting_channels(&self, now: Time) -> Vec<ChannelNumber> {
        let channels = self.resting.keys().copied();
        channels
            .filter(|channel| self.rests(*channel, now))
            .collect()
    }

    /// The time until the next notice or the end of a rest.
    fn next_sleep(&self) -> Result<Duration, Error> {
        let now = self.app.now();
        let next = self.app.next_notice_at(now)?;
        let rests = self.resting.values().map(|resting| resting.until);
        let rest_ends = rests.filter(|until| *until > now).min();
        let next = match (next, rest_ends) {
            // The due notices wait for channels that rest.
            (Some(next), Some(end)) if next <= now => Some(end),
            (next, _) => next,
        };
        Ok(next.map_or(SLEEP_MAX, |next| {
            next.since(now).clamp(Duration::from_secs(1), SLEEP_MAX)
        }))
    }
}
