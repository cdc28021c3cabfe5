//! Small texts: secrets, codes, names, allowed addresses, times.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keycroft::model::address::{ADDRESSES_MAX, AllowedAddresses};
use keycroft::model::device_login::UserCode;
use keycroft::model::email_address::EmailAddress;
use keycroft::model::group::parse_group_name;
use keycroft::model::host::{is_fingerprint, parse_host_name};
use keycroft::model::notice_channel::ChannelUrl;
use keycroft::model::permission::{Permission, Permissions, is_service_name};
use keycroft::model::secret::{Digest, Presented, find_all, hide_secrets};
use keycroft::model::service::parse_service_name;
use keycroft::model::text::{
    NAME_CHARACTERS_MAX, NOTE_CHARACTERS_MAX, is_invisible, parse_name, parse_note, sanitize,
};
use keycroft::model::time::{Lifetime, RequestedExpiration, Time, parse_duration};
use keycroft::model::user::Username;
use keycroft::model::user_agent::device;

const SECRET_BYTES: usize = 55;
const BODY_BYTES: usize = 49;

/// CRC-32 (IEEE 802.3) bit by bit, independent of the program's.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

fn check_of(body: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let crc = crc32(body);
    (0..6)
        .rev()
        .map(|place| DIGITS[(crc / 62_u32.pow(place) % 62) as usize])
        .collect()
}

/// The form of a secret, checked independently of the program.
pub fn is_secret(text: &[u8]) -> bool {
    text.len() == SECRET_BYTES
        && text.starts_with(b"kc")
        && b"atshef".contains(&text[2])
        && text[3] == b'_'
        && text[4..16]
            .iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        && text[16] == b'_'
        && text[17..].iter().all(u8::is_ascii_alphanumeric)
        && check_of(&text[..BODY_BYTES]) == text[BODY_BYTES..]
}

/// The bytes without their NULs. Before each of these (and at the end) stands the checksum of the preceding bytes, if
/// there are enough: a fuzzer never guesses a checksum.
pub fn with_checks(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for part in bytes.split(|byte| *byte == 0) {
        text.extend_from_slice(part);
        if let Some(start) = text.len().checked_sub(BODY_BYTES)
            && part.len() >= 3
        {
            text.extend(check_of(&text[start..]));
        }
    }
    text
}

/// The positions of complete secrets.
pub fn places(text: &[u8]) -> Vec<usize> {
    (0..text.len())
        .filter(|place| {
            text.get(*place..place + SECRET_BYTES)
                .is_some_and(is_secret)
        })
        .collect()
}

pub fn secret(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), with_checks(bytes)] {
        let places = places(&bytes);
        let found: Vec<(usize, Presented)> = find_all(&bytes).collect();
        let found_at: Vec<usize> = found.iter().map(|(place, _)| *place).collect();
        assert_eq!(found_at, places);
        for (place, presented) in &found {
            let complete = std::str::from_utf8(&bytes[*place..place + SECRET_BYTES]).unwrap();
            let read = Presented::parse(complete).unwrap();
            assert!(read.digest.matches(&Digest::new(complete.as_bytes())));
            assert!(presented.digest.matches(&read.digest));
            assert_eq!(presented.id.as_str(), &complete[4..16]);
            assert_eq!(presented.hint(), format!("{}…", &complete[..17]));
        }
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(
            Presented::parse(&text).is_some(),
            is_secret(text.as_bytes())
        );
        let hidden = hide_secrets(&text);
        assert!(self::places(hidden.as_bytes()).is_empty());
        if found.is_empty() {
            assert_eq!(hidden, text);
        }
        for (_, presented) in &found {
            assert!(hidden.contains(&presented.hint()));
        }
    }
}

pub fn user_code(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let letters: Vec<char> = text
        .chars()
        .filter(|c| !c.is_whitespace() && !"-–.".contains(*c))
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let is_code = text.len() <= 64
        && letters.len() == 8
        && letters.iter().all(|c| "BCDFGHJKLMNPQRSTVWXZ".contains(*c));
    let read = UserCode::parse(&text);
    assert_eq!(read.is_some(), is_code, "{text:?}");
    if let Some(code) = read {
        assert_eq!(code.letters(), letters.iter().collect::<String>());
        assert_eq!(UserCode::parse(&code.to_string()), Some(code));
        assert_eq!(UserCode::parse(code.letters()), Some(code));
    }
}

/// Returns whether `text` is 1 to `most` of the characters that `may` accepts, the first one also by `begins`.
fn is_word(
    text: &str,
    most: usize,
    begins: impl Fn(char) -> bool,
    may: impl Fn(char) -> bool,
) -> bool {
    text.starts_with(begins) && text.chars().count() <= most && text.chars().all(may)
}

/// URLs and addresses to which notices are sent.
pub fn receiver(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(url) = ChannelUrl::parse(&text) {
        let sent = url.reveal();
        assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{sent}");
        assert!(sent.starts_with("http://") || sent.starts_with("https://"));
        let origin = url.origin();
        assert!(sent[origin.len()..].starts_with('/') && !origin.contains(['@', '#', '?']));
        assert!(url.shown().starts_with(origin));
        assert_eq!(ChannelUrl::parse(sent), Ok(url));
    }
    if let Ok(address) = EmailAddress::parse(&text) {
        let sent = address.as_str();
        assert!(sent.len() <= 254 && sent.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(sent.matches('@').count(), 1);
        assert!(!sent.contains(['<', '>', ',', ';', ':', '"', '\\']));
        assert_eq!(EmailAddress::parse(sent), Ok(address));
    }
}

pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let small = |c: char| c.is_ascii_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let user = is_word(
        &text,
        32,
        |c| small(c) || c == '_',
        |c| plain(c) || "_.-".contains(c),
    ) && !text.ends_with('.');
    assert_eq!(Username::parse(&text).is_ok(), user);
    if let Ok(name) = Username::parse(&text) {
        assert_eq!(name.as_str(), text);
    }
    let host = is_word(&text, 64, plain, |c| plain(c) || "_.-".contains(c));
    assert_eq!(parse_host_name(&text).is_ok(), host);
    let group = is_word(&text, 32, small, |c| plain(c) || "_-".contains(c));
    assert_eq!(parse_group_name(&text).is_ok(), group);
    let service = is_word(&text, 32, small, |c| plain(c) || c == '-');
    assert!(service || !is_service_name(&text));
    assert_eq!(parse_service_name(&text).is_ok(), is_service_name(&text));
    let fingerprint = text.len() == 50
        && text.starts_with("SHA256:")
        && text[7..]
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+/".contains(c));
    assert_eq!(is_fingerprint(&text), fingerprint);
    permissions(&text);
    shown(&text);
}

fn permissions(text: &str) {
    for word in text.split(' ') {
        if let Ok(permission) = Permission::parse(word) {
            assert_eq!(permission.as_str(), word);
            let may = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.:".contains(c);
            assert!(word.len() <= 65 && word.chars().all(may), "{word:?}");
        }
    }
    let stored = Permissions::from_stored(text);
    let written = stored.to_string();
    assert_eq!(Permissions::from_stored(&written), stored);
    let words: Vec<&str> = stored.words().collect();
    assert!(words.windows(2).all(|pair| pair[0] < pair[1]), "{words:?}");
    assert!(words.iter().all(|word| text.contains(word)));
    assert_eq!(Permissions::parse(&words).unwrap(), stored);
}

/// Stored text for display: nothing invisible, no secret, not too long, and stable.
fn shown(text: &str) {
    let is_fit = |text: &str, most: usize| {
        text.chars().count() <= most && places(text.as_bytes()).is_empty()
    };
    if let Ok(name) = parse_name(text) {
        assert!(is_fit(&name, NAME_CHARACTERS_MAX) && !name.is_empty());
        assert!(!name.chars().any(is_invisible));
        assert_eq!(parse_name(&name).as_deref(), Ok(name.as_str()));
    }
    if let Ok(Some(note)) = parse_note(text) {
        assert!(is_fit(&note, NOTE_CHARACTERS_MAX) && !note.is_empty());
        assert!(!note.chars().any(|c| c != '\n' && is_invisible(c)));
        assert_eq!(parse_note(&note), Ok(Some(note)));
    }
    let tamed = sanitize(text, 70);
    assert!(is_fit(&tamed, 70) && !tamed.chars().any(is_invisible));
    assert!(device(Some(text)).chars().count() <= 40);
}

/// A network as 128 bits with its prefix length, IPv4 as IPv4-mapped, and the address family.
fn bits_of(text: &str) -> (bool, u128, u32) {
    let (address, length) = text.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    match address.parse().unwrap() {
        IpAddr::V4(four) => (true, u128::from(u32::from(four)) << 96, length),
        IpAddr::V6(six) => (false, u128::from(six), length),
    }
}

fn mask(length: u32) -> u128 {
    if length == 0 { 0 } else { !0 << (128 - length) }
}

fn address_of(is_four: bool, bits: u128) -> IpAddr {
    if is_four {
        let four = u32::try_from(bits >> 96).unwrap();
        IpAddr::V4(Ipv4Addr::from(four))
    } else {
        IpAddr::V6(Ipv6Addr::from(bits))
    }
}

/// Two lists separated by `|`, with entries separated by white space or commas.
pub fn allowed_addresses(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (one, other) = text.split_once('|').unwrap_or((&text, ""));
    let read = |text: &str| {
        let entries: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|entry| !entry.is_empty())
            .collect();
        AllowedAddresses::parse(&entries)
            .inspect_err(|why| assert!(!why.contains('\n') && why.len() < 600, "{why}"))
    };
    let (Ok(inner), Ok(outer)) = (read(one), read(other)) else {
        return;
    };
    let mut addresses = vec![
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    for list in [&inner, &outer] {
        assert_eq!(
            AllowedAddresses::from_stored(&list.to_string()).as_ref(),
            Ok(list)
        );
        let written: Vec<String> = list.iter().collect();
        assert!(written.len() <= ADDRESSES_MAX);
        assert_eq!(list.is_everywhere(), written.is_empty());
        for network in &written {
            let (is_four, bits, length) = bits_of(network);
            assert_eq!(bits & !mask(length), 0, "{network} has host bits");
            let last = if is_four {
                bits | (!mask(length) & (u128::from(u32::MAX) << 96))
            } else {
                bits | !mask(length)
            };
            for bits in [bits, last, bits.wrapping_sub(1), last.wrapping_add(1)] {
                addresses.push(address_of(is_four, bits));
            }
        }
    }
    let is_within = inner.lie_within(&outer);
    for address in addresses {
        for list in [&inner, &outer] {
            let (is_four, bits) = match address.to_canonical() {
                IpAddr::V4(four) => (true, u128::from(u32::from(four)) << 96),
                IpAddr::V6(six) => (false, u128::from(six)),
            };
            let allows = list.iter().map(|network| bits_of(&network)).any(
                |(other_is_four, network, length)| {
                    is_four == other_is_four && bits & mask(length) == network
                },
            );
            assert_eq!(
                list.allow(address),
                list.is_everywhere() || allows,
                "{list} {address}"
            );
        }
        // A child never reaches beyond its parent.
        assert!(!is_within || !inner.allow(address) || outer.allow(address));
    }
}

/// Days since 1970 of a date in the Gregorian calendar, counted year by year.
fn days(year: i64, month: usize, day: i64) -> Option<i64> {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *months.get(month.checked_sub(1)?)?;
    if !(1..=length).contains(&day) {
        return None;
    }
    let years: i64 = (1970..year)
        .map(|year| if is_leap(year) { 366 } else { 365 })
        .sum();
    Some(years + months[..month - 1].iter().sum::<i64>() + day - 1)
}

/// The Unix seconds of `2027-01-31T15:04:05Z`.
fn seconds(text: &str) -> Option<i64> {
    let form = "dddd-dd-ddTdd:dd:ddZ";
    let fits = text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, wanted)| {
            if wanted == b'd' {
                byte.is_ascii_digit()
            } else {
                byte == wanted
            }
        });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month) = (number(0, 4), usize::try_from(number(5, 7)).unwrap());
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let is_time = hour < 24 && minute < 60 && second < 60 && year >= 1970;
    let day = days(year, month, number(8, 10))?;
    is_time.then_some(day * 86_400 + hour * 3_600 + minute * 60 + second)
}

pub fn times(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let time = Time::parse(&text).ok();
    if let Some(message) = seconds(&text) {
        assert_eq!(time.map(Time::unix), Some(message), "{text}");
    }
    if let Some(time) = time {
        assert_eq!(seconds(&time.to_string()), Some(time.unix()));
        assert_eq!(Time::parse(&time.to_string()), Ok(time));
        assert!((Time::from_unix(0)..=Time::LAST).contains(&time));
        // Only a fraction or a leap second may follow full seconds.
        let complete = format!("{}Z", &text[..19]);
        assert!(seconds(&complete).is_none_or(|message| message == time.unix()));
        assert!(time.day().to_string() == time.to_string()[..10]);
    }
    if let Ok(lifetime) = Lifetime::parse(&text) {
        assert_eq!(Lifetime::parse(&lifetime.to_string()), Ok(lifetime));
        if let Lifetime::For(duration) = lifetime {
            assert_eq!(parse_duration(&text), Ok(duration));
            assert!((1..=100 * 365 * 86_400).contains(&duration.as_secs()));
            assert_eq!(duration.subsec_nanos(), 0);
        }
    }
    let (first, second) = text.split_once('|').map_or((Some(&*text), None), |(a, b)| {
        ((!a.is_empty()).then_some(a), (!b.is_empty()).then_some(b))
    });
    match RequestedExpiration::parse(first, second) {
        Ok(RequestedExpiration::Unsaid) => assert!(first.is_none() && second.is_none()),
        Ok(RequestedExpiration::In(lifetime)) => {
            assert_eq!(first.map(Lifetime::parse), Some(Ok(lifetime)));
            assert!(second.is_none());
        }
        Ok(RequestedExpiration::At(time)) => {
            assert_eq!(second.map(Time::parse), Some(Ok(time)));
            assert!(first.is_none());
        }
        Err((field, _)) => assert!(matches!(field, "expires_in" | "expires_at")),
    }
}
