//! Durability of the database: damage, full disks, locks, clocks, kills, backups, and secrets that must not be in it.

mod archive;
mod backup;
mod batches;
mod compressed;
mod damage;
mod disk;
mod lock;
mod memory;
mod one_writer;
mod owner;
pub mod process;
mod recent;
mod rejections;
mod secrets;
mod support;
mod time;
mod version;
