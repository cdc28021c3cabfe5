//! Whether an uncompressed point lies on its NIST curve (SEC 1 section 3.2.2.1, FIPS 186-4 D.1.2).
//!
//! All three curves have cofactor 1, so a point on the curve is in the right group, and an
//! uncompressed one is never the point at infinity. The values are public: nothing here needs to
//! take the same time for each of them.

use super::Kind;

/// Whether `point` is `04 x y` with both coordinates in the field and the point on `kind`'s curve;
/// `false` also for kinds that have no such curve.
pub(super) fn has_point(kind: Kind, point: &[u8]) -> bool {
    match kind {
        Kind::EcdsaP256 | Kind::SkEcdsaP256 => P256.has(point),
        Kind::EcdsaP384 => P384.has(point),
        Kind::EcdsaP521 => P521.has(point),
        Kind::Ed25519 | Kind::Rsa | Kind::SkEd25519 => false,
    }
}

/// y² = x³ - 3x + b over the prime p. `N` 64-bit limbs, the lowest first, hold at least one bit
/// more than p has, so that a sum of two elements fits.
struct Curve<const N: usize> {
    p: [u64; N],
    b: [u64; N],
    field_bytes: usize,
}

const P256: Curve<5> = Curve {
    p: limbs(b"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    b: limbs(b"5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
    field_bytes: 32,
};
const P384: Curve<7> = Curve {
    p: limbs(
        b"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    ),
    b: limbs(
        b"b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    ),
    field_bytes: 48,
};
const P521: Curve<9> = Curve {
    p: limbs(
        b"01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
    b: limbs(
        b"0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
    ),
    field_bytes: 66,
};

impl<const N: usize> Curve<N> {
    fn has(&self, point: &[u8]) -> bool {
        let Some((&4, coordinates)) = point.split_first() else {
            return false;
        };
        if coordinates.len() != 2 * self.field_bytes {
            return false;
        }
        let (x, y) = coordinates.split_at(self.field_bytes);
        let (x, y) = (from_bytes(x), from_bytes(y));
        if !is_less(&x, &self.p) || !is_less(&y, &self.p) {
            return false;
        }
        let x_squared = self.multiply(&x, &x);
        let inner = self.subtract_three(&x_squared);
        self.multiply(&y, &y) == self.add(&self.multiply(&x, &inner), &self.b)
    }

    fn add(&self, left: &[u64; N], right: &[u64; N]) -> [u64; N] {
        let mut sum = [0; N];
        let mut carry = false;
        for ((sum, &left), &right) in sum.iter_mut().zip(left).zip(right) {
            let (partial, first) = left.overflowing_add(right);
            let (total, second) = partial.overflowing_add(u64::from(carry));
            *sum = total;
            carry = first || second;
        }
        if is_less(&sum, &self.p) {
            sum
        } else {
            subtract(&sum, &self.p)
        }
    }

    /// Doubles and adds, one bit of `left` after the other: slow and short.
    fn multiply(&self, left: &[u64; N], right: &[u64; N]) -> [u64; N] {
        let mut product = [0; N];
        for limb in left.iter().rev() {
            for bit in (0..u64::BITS).rev() {
                product = self.add(&product, &product);
                if limb >> bit & 1 == 1 {
                    product = self.add(&product, right);
                }
            }
        }
        product
    }

    fn subtract_three(&self, value: &[u64; N]) -> [u64; N] {
        let mut three = [0; N];
        three[0] = 3;
        self.add(value, &subtract(&self.p, &three))
    }
}

fn is_less<const N: usize>(left: &[u64; N], right: &[u64; N]) -> bool {
    left.iter().rev().lt(right.iter().rev())
}

/// `left - right`, where `left` is not the smaller one.
fn subtract<const N: usize>(left: &[u64; N], right: &[u64; N]) -> [u64; N] {
    let mut difference = [0; N];
    let mut borrow = false;
    for ((difference, &left), &right) in difference.iter_mut().zip(left).zip(right) {
        let (partial, first) = left.overflowing_sub(right);
        let (total, second) = partial.overflowing_sub(u64::from(borrow));
        *difference = total;
        borrow = first || second;
    }
    difference
}

/// Big-endian bytes, at most eight per limb.
fn from_bytes<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut value = [0; N];
    for (position, &byte) in bytes.iter().rev().enumerate() {
        value[position / 8] |= u64::from(byte) << (position % 8 * 8);
    }
    value
}

const fn limbs<const N: usize>(hex: &[u8]) -> [u64; N] {
    let mut value = [0; N];
    let mut position = 0;
    while position < hex.len() {
        let digit = hex[hex.len() - 1 - position];
        let digit = if digit <= b'9' {
            digit - b'0'
        } else {
            digit - b'a' + 10
        };
        value[position / 16] |= (digit as u64) << (position % 16 * 4);
        position += 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// The generators of FIPS 186-4 D.1.2; real keys on all three curves are in the tests of
    /// `ssh_key` itself.
    #[test]
    fn the_generators_are_on_their_curves_and_their_neighbours_are_not() {
        let generators = [
            (
                Kind::EcdsaP256,
                "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
            ),
            (
                Kind::EcdsaP521,
                "0400c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
            ),
        ];
        for (kind, hex) in generators {
            let point = HEXLOWER.decode(hex.as_bytes()).unwrap();
            assert!(has_point(kind, &point), "{kind}");
            for position in 0..point.len() {
                let mut other = point.clone();
                other[position] ^= 1;
                assert!(!has_point(kind, &other), "{kind} {position}");
            }
            assert!(!has_point(kind, &point[..point.len() - 1]));
            assert!(!has_point(Kind::EcdsaP384, &point));
            assert!(!has_point(Kind::Ed25519, &point));
        }
    }

    #[test]
    fn coordinates_beyond_the_field_are_no_point() {
        // (0, √b) is a point; with its x written as p it is not in its canonical form.
        let point = |x: &str| {
            let y = "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4";
            HEXLOWER.decode(format!("04{x}{y}").as_bytes()).unwrap()
        };
        let p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
        assert!(has_point(Kind::EcdsaP256, &point(&"0".repeat(64))));
        assert!(!has_point(Kind::EcdsaP256, &point(p)));
        assert!(!has_point(Kind::EcdsaP256, &[]));
        assert!(!has_point(Kind::EcdsaP256, &[0]));
    }
}
