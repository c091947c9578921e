//! A world in 128 bits.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
};

use super::model::{CELLS, World};

/// The worlds that were seen.
pub type Seen = HashSet<u128, BuildHasherDefault<AsIs>>;

/// 128 bits of a world: two worlds among a thousand million with the same are not to be expected
/// (one chance in 10^20).
pub fn fingerprint(world: &World) -> u128 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (mut one, mut other) = (0x9e37_79b9_7f4a_7c15_u64, 0xc2b2_ae3d_27d4_eb4f_u64);
    let mut mix = |word: u64| {
        one = fold(one ^ word, 0xff51_afd7_ed55_8ccd).wrapping_add(0x2545_f491_4f6c_dd1d);
        other = fold(other ^ word.rotate_left(32), 0xbf58_476d_1ce4_e5b9).wrapping_add(word);
    };
    for cell in 0..CELLS {
        mix(u64::from(world.written[cell]) << 16
            | u64::from(world.suspended[cell])
            | (cell as u64) << 40);
    }
    mix(world.published);
    world.gone.into_iter().for_each(&mut mix);
    mix(u64::from(world.late));
    u128::from(one) << 64 | u128::from(other)
}

/// A fingerprint is its own hash.
#[derive(Default)]
pub struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }
    fn write_u128(&mut self, it: u128) {
        self.0 = it as u64 ^ (it >> 64) as u64;
    }
}
