//! Public keys of every kind, generated with `ssh-keygen` for these tests; their private halves were discarded. The
//! hardware-backed ones contain the points of the others, as in OpenSSH's PROTOCOL.u2f.

pub(super) const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyuf";
pub(super) const ECDSA_P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBJLQyMH1L0jmapT5rgRh1I1rTRd1VAtoivutLBJGdoe2WMmR/m+yxmwgefdXDloNWP5jX+DNEPXEbsgDz0Akjk=";
pub(super) const ECDSA_P384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBEAUE86/Ri8bWrGDwAnnedlbt8oITJkrkc1mv1e+zKCx90oogR6ox/02hAI/j0AIDNb4zc+MV6wjSojZzL8lqsjt/9fxKj5RrMWqkfdkU/dM6hNhpOJeGS7hGBzUgftcRg==";
pub(super) const ECDSA_P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBADDDdA1+hql6XTa7JYI0OhIb1GFq6OhPM8zw/9Wny0drczdXDJ5q9diB3P82iJoNWsWj+3mLFlaA8eC6+PQFGe38gG0LN8/fMgGn8gBMlWpeFuHd6DytnReu5WZ2DzSfZ5lCNTeLCdPF7EB7lOiTzL6S8L6W/f9wa5Nb0qFpXHdZk399A==";
pub(super) const RSA_1024: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCrAsQLxxvIexGa5iLOrhlRA7FyOmwSN42psuPNLAsK5utn8iNudCBmMEgAye1K7ch7G0i+SBacrQtkc9su+pJc1j53WxuwNRHPpWReP0QivbwVzOiGAB56Ctc0kZiyYpM3lHjiRbw727csqDuYLnliOt6dovb1VLsJ3+41gv2ngw==";
pub(super) const RSA_2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDL7lWc+WbBPF6yMLbl8+oqqmy9ce6fVYXVfCPJmxq4TjbOvR9yfbFuKr5eWb6MfDHga7DEUGvp4GvjYemCtV3cHKipiW6Hxc9ipC9BLr1iaQMO4cfWige4j8M5/9GxhA1UdhdfdG6vC2JF720vhZhT2G72seM9KGJXbuYy0yw1cmoyu3xmpHcJtoq+s4czCEm2FurSxQG5NxJclmlOsxFlqmTDtN/87I0efgVvN0kvC1dLDk9LwRVCtjtmc5KOAJA0YPHPW1clLL8ysM6wN7Djmv6KSPaJh5Koemvr5KSsg5ZH1Wz4K0doLk0yKFo4IL6n/4pae9uVD2cohLjVWpxB";
pub(super) const RSA_3072: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQClAM9HBbytZg3/dHqdQoFesqYATXVtNmzrKi+0ijjSJsAWNE8EYwMmQ+HxWty5AYFzSTTEAz31erPQ04/ct+H7Obo6EHH+iezwBjEKNBNWYuqV4N1fzpE+CemNASJDC9lkugWsZgSfXqAJVuLoGWV6NvjX9PslbpzkhN9dylUZJ8caxnul5I0HmRjRVfpUw1BUMGuC5bdduXqaDiSkECqNsmzj9ErV0Mdsm3r6Z08+H/uWVAr5Do2U9waGEsFwLwlrMO79HWjpz7IqET+2xpY8E2SL+IvSnKQEwzkxs6Izi7f+Oid1XQbSlmLZM4UDGrXKAAVHg/ozdQxep8TYUgiWj0P37fKzKv04rfM8d7Kn08MJ65pbU6VSjVLgmHtDOvTUcMzUyp8FASO7IQEuZG4KHfg5u39WqjNigGzi69vlvLHhp4xQUX5+j4QT3LM1lS+tAceXV01du5qk2jkqN/abgLkUqCajqc5sCiOwJu7HWhWs5J3UXxCgz79CJx3WSyM=";
pub(super) const DSA: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBAOWVrAZgWrFE2EItciSzrmwsMaS/EAq7AmESkjF3T/7dlsNoGiigvRcOELQryfsTncPrVXcUWiGVXiR2RF5VpFrIZTlW3vfh6qGwhdpabuX5To713rnYrC0V9Fjl7Ara2NSviVYFpjKs+06ztbN1PT6hMiBqznY5oISPiolcxdM1AAAAFQCv81mFRwe3krvV5x0XapTqf52sSQAAAIBkKziKLvgZqe2dVgI8Dmi0GadsPgO+QNF6L7TtUHfhEAf3jXVEPO02+Q50VsV1FGhhU1BBPRnmLrCFx9pXCmo1B9WEota4LYiqNRvo7tsA5p4bOAMo+Z44a3RpaimsV9tVXAen1et1thCJuH2grOJiD2KKE+hAP/1R2BUxKSrdxAAAAIBtrg7vkq5QqMduewmb5XWJp3E/D6b42+7GLvhs0PnM+WP0q0cjwlO6FqwiKurIGAtE3szWXclqLUZZ/mlrSjaPkDfGcWju9tUriMj7RASTYobXt8Uy6tdeT690dchZe4za7Dqz9qRcEzf54DQWWSL3hDad3zdbnBLX0Y/odXjGhQ==";
pub(super) const CERTIFICATE: &str = "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAAKGVjZHNhLXNoYTItbmlzdHAyNTYtY2VydC12MDFAb3BlbnNzaC5jb20AAAAgkaiNtxcrvjj7QPevmfNP8vyF52ROAFmYySQTAZJtqqkAAAAIbmlzdHAyNTYAAABBBBJLQyMH1L0jmapT5rgRh1I1rTRd1VAtoivutLBJGdoe2WMmR/m+yxmwgefdXDloNWP5jX+DNEPXEbsgDz0AkjkAAAAAAAAAAAAAAAEAAAACaWQAAAAJAAAABWFsaWNlAAAAAAAAAAD//////////wAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyufAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEDhFEu9vO1UHMVlMlySzvrzbrasAXtHEFJRaAKRgCemTI2NpTon0EJ1sNsFdR5VMoSLT87y2Q+h4ThY0rcgDjIJ";
pub(super) const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAD8+tXYPbItxFYYC9L9qR36KT0BcVAP/9DbfPvpMyufAAAABHNzaDo=";
pub(super) const SK_ECDSA_P256: &str = "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBBJLQyMH1L0jmapT5rgRh1I1rTRd1VAtoivutLBJGdoe2WMmR/m+yxmwgefdXDloNWP5jX+DNEPXEbsgDz0AkjkAAAAEc3NoOg==";

/// Each readable key, with bits and fingerprint as in `ssh-keygen -l`.
pub(super) const READABLE: [(&str, u32, &str); 9] = [
    (
        ED25519,
        256,
        "SHA256:2PCbHJmLR42T0SxXM+lo5Wng3l0I8qiokDz8hAbTKSI",
    ),
    (
        ECDSA_P256,
        256,
        "SHA256:/zeXEC4X8exTDwOMPul+qGcvu9eNBjZ3AtNPPSGVms0",
    ),
    (
        ECDSA_P384,
        384,
        "SHA256:GP0swb/U62imsi/7oq5+TWtrQcL7Yk0kJ65OOrctDSo",
    ),
    (
        ECDSA_P521,
        521,
        "SHA256:FMOX8ABW/HKTog+FL1iGAEGrExS2SVe6T+/Un8CKwpM",
    ),
    (
        RSA_1024,
        1024,
        "SHA256:dwykjPHQ2dj6RRpr93NAVzdp/fwhwZOwdZhA91Me4xc",
    ),
    (
        RSA_2048,
        2048,
        "SHA256:39AH+3xoBXs56Romdo5cuq0JtaXF+huVulZfCGC7UDw",
    ),
    (
        RSA_3072,
        3072,
        "SHA256:pCZRfmGkk96H2e0AsPweAnwAqTpIXgOW/YY0G8AzeQo",
    ),
    (
        SK_ED25519,
        256,
        "SHA256:vYGux0+NrEOoDIbD6KuH9tXXwJ3WiSy+rNkwYWz1cW0",
    ),
    (
        SK_ECDSA_P256,
        256,
        "SHA256:gTQC+pBYuvBximyaiWgbYt3/1o2aMnb22TYR1AyYWzY",
    ),
];
