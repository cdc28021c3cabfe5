//! The exact line for sshd.

use super::super::test_keys::*;
use super::super::*;
use super::*;
use crate::model::address::AllowedAddresses;
use crate::model::time::Time;

#[test]
fn line_for_sshd_is_exact() {
    let key = parse(&format!("{ED25519} alice@example.org")).unwrap();
    let line = |expires_at: Option<i64>, addresses: &[&str]| {
        let allowed_addresses = AllowedAddresses::parse(addresses).unwrap();
        authorized_line(
            &key,
            expires_at.map(Time::from_unix),
            &allowed_addresses,
            &KeyOptions::default(),
            ExpiryFormat::Utc,
        )
    };
    assert_eq!(line(None, &[]).unwrap(), ED25519);
    // 2027-01-01T00:00:00Z is the first moment without access; sshd accepts the key in the given second.
    assert_eq!(
        line(Some(1_798_761_600), &[]).unwrap(),
        format!(r#"expiry-time="20261231235959Z" {ED25519}"#)
    );
    assert_eq!(
        line(Some(1_798_761_600), &["10.0.0.0/8", "2001:db8::1"]).unwrap(),
        format!(r#"expiry-time="20261231235959Z",from="10.0.0.0/8,2001:db8::1/128" {ED25519}"#)
    );
    let addresses = [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("128.0.0.0/1", "128.0.0.0/1"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0:0::1/128", "2001:db8::1/128"),
        ("2001:db8:8000::/33", "2001:db8:8000::/33"),
        ("::/0", "::/0"),
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ];
    for (address, written) in addresses {
        assert_eq!(
            line(None, &[address]).unwrap(),
            format!(r#"from="{written}" {ED25519}"#),
            "{address}"
        );
    }
    for expires_at in [i64::MIN, -1, 0, 1, 86_400] {
        assert_eq!(line(Some(expires_at), &[]), Err(LineRejection));
    }
    let last = format!(r#"expiry-time="99991231235958Z" {ED25519}"#);
    assert_eq!(line(Some(i64::MAX), &[]).unwrap(), last);
}

/// One hour ahead, and two from April to September, as in much of Europe.
fn berlin(unix_seconds: i64) -> i64 {
    let digits = moment::digits(Time::from_unix(unix_seconds));
    let is_summer = digits
        .get(4..6)
        .is_some_and(|month| ("04".."10").contains(&month));
    if is_summer { 7200 } else { 3600 }
}

/// The time in the line, as an sshd before 9.1 reads it in a zone with this standard time.
pub(super) fn read_by_old_sshd(line: &str, standard_seconds: i64) -> i64 {
    let digits = &line[r#"expiry-time=""#.len()..][..14];
    assert_eq!(&line[r#"expiry-time=""#.len() + 14..][..2], "\" ");
    moment::from_digits(digits).unwrap().unix() - standard_seconds
}

#[test]
fn local_time_is_correct_for_old_sshd_in_summer() {
    let key = parse(ED25519).unwrap();
    let none = AllowedAddresses::default();
    let sydney = |moment: i64| 39_600 - (berlin(moment) - 3600);
    let zones: [(&dyn Fn(i64) -> i64, i64); 4] = [
        (&berlin, 3600),
        (&sydney, 36_000),
        (&|_| 19_800, 19_800),
        (&|_| -43_200, -43_200),
    ];
    for (zone, standard) in zones {
        for month in 0..24 {
            let expires_at = 1_798_761_600 + month * 30 * 86_400;
            let format = ExpiryFormat::Local {
                utc_offset_seconds: zone,
            };
            let end = Some(Time::from_unix(expires_at));
            let line = authorized_line(&key, end, &none, &KeyOptions::default(), format).unwrap();
            assert_eq!(read_by_old_sshd(&line, standard), expires_at - 1);
        }
    }
    // 2027-07-01T10:00:00Z: one second before, at 11:00 standard time, not 12:00 summer time.
    let format = ExpiryFormat::Local {
        utc_offset_seconds: &berlin,
    };
    let end = Some(Time::from_unix(1_814_436_000));
    let line = authorized_line(&key, end, &none, &KeyOptions::default(), format).unwrap();
    assert_eq!(line, format!(r#"expiry-time="20270701105959" {ED25519}"#));
    let far = authorized_line(
        &key,
        Some(Time::LAST),
        &none,
        &KeyOptions::default(),
        format,
    )
    .unwrap();
    assert_eq!(far, format!(r#"expiry-time="99991231235959" {ED25519}"#));
}

#[test]
fn expiration_in_the_first_year_is_not_written() {
    let key = parse(ED25519).unwrap();
    let none = AllowedAddresses::default();
    let line = |seconds| {
        let end = Some(Time::from_unix(seconds));
        authorized_line(&key, end, &none, &KeyOptions::default(), ExpiryFormat::Utc)
    };
    for seconds in [0, 1, 86_400, 366 * 86_400 - 1] {
        assert_eq!(line(seconds), Err(LineRejection), "{seconds}");
    }
    let first = format!(r#"expiry-time="19710101235959Z" {ED25519}"#);
    assert_eq!(line(366 * 86_400), Ok(first));
}

#[test]
fn line_rejection_has_a_message() {
    assert!(LineRejection.to_string().contains("too long ago"));
}

#[test]
fn options_follow_expiry_and_addresses() {
    let key = parse(ED25519).unwrap();
    let options = KeyOptions {
        restrict: true,
        command: ForcedCommand::parse("echo \"a b\"").ok(),
        permitopen: ForwardTarget::parse_list(&["db:1"]).unwrap(),
        ..KeyOptions::default()
    };
    let addresses = AllowedAddresses::parse(&["10.0.0.1"]).unwrap();
    let end = Some(Time::from_unix(1_798_761_600));
    let line = authorized_line(&key, end, &addresses, &options, ExpiryFormat::Utc).unwrap();
    assert_eq!(
        line,
        format!(
            r#"expiry-time="20261231235959Z",from="10.0.0.1/32",restrict,command="echo \"a b\"",permitopen="db:1" {ED25519}"#
        )
    );
}
