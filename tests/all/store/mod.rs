//! The file holds: damage, full disks, locks, clocks, kills, backups, and what is never found in it.

mod backup;
mod batches;
mod compressed;
mod damage;
mod disk;
mod lock;
mod one_writer;
mod owner;
mod process;
mod recent;
mod secrets;
mod support;
mod time;
mod version;
