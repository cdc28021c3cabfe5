//! Recovery codes: each works once, however it is typed.

use super::authenticator::{Algorithm, Authenticator};
use super::phone::*;
use crate::console::site::Site;

#[test]
fn recovery_code_works_once_however_it_is_typed() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (_, codes) = enroll(&site, &mut bob);
    let typed = [
        codes[0].clone(),
        codes[1].to_uppercase(),
        codes[2].replace('-', " "),
        format!(" {} ", codes[3].replace('-', "")),
    ];
    for (n, typed) in typed.iter().enumerate() {
        let mut browser = site.browser();
        let step = first_step(&mut browser, "bob");
        send_code(&mut browser, &step, typed).expect(303);
        let left = site.count("SELECT count(*) FROM recovery_codes");
        assert_eq!(left, 9 - i64::try_from(n).unwrap());
        let mut again = site.browser();
        let step = first_step(&mut again, "bob");
        send_code(&mut again, &step, typed).expect(401);
        assert!(!again.is_signed_in());
    }
    let with = "SELECT count(*) FROM credentials WHERE signed_in_with = 'password-recovery-code'";
    assert_eq!(site.count(with), 4);
    assert!(bob.open(HERE).has("6 of 10 are left"));
}

#[test]
fn recovery_code_of_another_user_is_rejected() {
    let site = Site::new();
    let (mut alice, mut bob) = (site.signed_in("alice"), site.signed_in("bob"));
    let (_, of_alice) = enroll(&site, &mut alice);
    enroll(&site, &mut bob);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &of_alice[0]).expect(401);
    assert_eq!(site.count("SELECT count(*) FROM recovery_codes"), 20);
}

#[test]
fn new_recovery_codes_replace_the_old_ones() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (_, old) = enroll(&site, &mut bob);
    let page = press(&mut bob, HERE, "/account/second-factor/recovery-codes").expect(200);
    let new = recovery_codes(&page);
    assert!(new.iter().all(|code| !old.contains(code)));
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &old[0]).expect(401);
    send_code(&mut browser, &step, &new[0]).expect(303);
}

#[test]
fn recovery_codes_exist_only_with_a_factor() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let form = bob.open("/account").form("/logout");
    let form = crate::console::markup::Form {
        action: "/account/second-factor/recovery-codes".into(),
        ..form
    };
    assert_eq!(bob.submit(&form).status, 409);
    enroll(&site, &mut bob);
    press(&mut bob, HERE, "/account/second-factor/totp/remove").expect(303);
    assert_eq!(site.count("SELECT count(*) FROM recovery_codes"), 0);
    assert_eq!(site.count("SELECT count(*) FROM totp"), 0);
    // The password alone is enough again.
    assert_eq!(site.browser().sign_in("bob", password("bob")).status, 303);
}

/// Neither another factor nor the removal of one changes the codes that were shown.
#[test]
fn recovery_codes_stay_while_there_is_a_factor() {
    let site = super::passkey::site();
    let mut bob = site.signed_in("bob");
    let (_, codes) = enroll(&site, &mut bob);
    let mut device = Authenticator::new(Algorithm::Es256);
    super::passkey::register(&mut bob, &mut device, "key").expect(303);
    let remove = bob.open(HERE).form("/account/second-factor/totp/remove");
    bob.submit(&remove).expect(303);
    assert_eq!(bob.submit(&remove).status, 404);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    send_code(&mut browser, &step, &codes[0]).expect(303);
}

/// S1: codes are stored as digests alone.
#[test]
fn recovery_codes_and_typed_codes_are_found_nowhere() {
    let site = Site::new();
    let mut bob = site.signed_in("bob");
    let (phone, codes) = enroll(&site, &mut bob);
    let mut browser = site.browser();
    let step = first_step(&mut browser, "bob");
    let wrong = "111111";
    assert_ne!(wrong, phone.code());
    let page = send_code(&mut browser, &step, wrong).expect(401);
    assert!(!page.has(wrong));
    let page = send_code(&mut browser, &page, &codes[0]).expect(303);
    assert!(page.body.is_empty());
    site.app_state.close();
    for file in std::fs::read_dir(site.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for code in &codes {
            for text in [code.clone(), code.replace('-', "")] {
                let found = bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes());
                assert!(!found, "{text}");
            }
        }
    }
}
