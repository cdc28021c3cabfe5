//! Disk space kept for revocation: a file beside the database that is deleted when a revocation finds the disk full.
//!
//! Its space goes to the WAL at once, so that other programs on the disk don't get it first. While the file is deleted,
//! only jobs that revoke something run, so that nothing else uses the space. The file is created again once the disk
//! has room.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use super::sidecar::{folder_of, sidecar_path};

/// Room for 40 revocations in the WAL alone. As long as the database does not grow, the WAL restarts after each,
/// without a limit.
const RESERVE_BYTES: u64 = 2 << 20;
/// Free space below which a revocation deletes the file.
const LOW_BYTES: u64 = 256 << 10;

/// The reserve of one database.
pub(super) struct Reserve {
    path: PathBuf,
    wal: PathBuf,
    state: ReserveState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReserveState {
    Kept,
    Released,
    /// There never was room for it. Writes continue as long as they can.
    Absent,
}

impl Reserve {
    /// The reserve beside `database`, allocated if there is room for it.
    pub(super) fn beside(database: &Path) -> Self {
        let mut reserve = Self {
            path: sidecar_path(database, "-reserve"),
            wal: sidecar_path(database, "-wal"),
            state: ReserveState::Absent,
        };
        if !reserve.is_low() {
            reserve.allocate_if_room();
        } else if !reserve.is_allocated() {
            reserve.state = ReserveState::Released;
        } else {
            reserve.state = ReserveState::Kept;
        }
        if reserve.state != ReserveState::Kept {
            log::warn!(
                "no space could be reserved for revocations on a full disk: {}",
                reserve.path.display()
            );
        }
        reserve
    }

    /// True if the space was given to revocations.
    pub(super) fn is_released(&self) -> bool {
        self.state == ReserveState::Released
    }

    /// Deletes the file if the disk is almost full.
    pub(super) fn release_if_low(&mut self) {
        if self.state == ReserveState::Kept && self.is_low() {
            self.release();
        }
    }

    /// Deletes the file and gives its space to the WAL.
    pub(super) fn release(&mut self) {
        if self.state != ReserveState::Kept {
            return;
        }
        log::error!("the disk is full: until there is room again, only revocations are written");
        if let Err(error) = fs::remove_file(&self.path) {
            log::error!("{}: {error}", self.path.display());
        }
        self.state = ReserveState::Released;
        // Where the file system does not support this, the WAL takes the space as it grows.
        if let Err(error) = self.extend_wal() {
            log::debug!("{}: {error}", self.wal.display());
        }
    }

    /// Allocates blocks behind the end of the WAL. SQLite has no lock on this file that closing it would drop.
    fn extend_wal(&self) -> io::Result<()> {
        let wal = OpenOptions::new().write(true).open(&self.wal)?;
        let bytes = wal.metadata()?.len() + RESERVE_BYTES - LOW_BYTES;
        Ok(fallocate(&wal, FallocateFlags::KEEP_SIZE, 0, bytes)?)
    }

    /// Allocates the file again after a full disk, if there is room for it and some more. Returns whether all writes
    /// may continue.
    pub(super) fn refill(&mut self) -> bool {
        if self.state == ReserveState::Released {
            self.allocate_if_room();
        }
        self.state != ReserveState::Released
    }

    fn allocate_if_room(&mut self) {
        let needed = RESERVE_BYTES + 2 * LOW_BYTES;
        let has_room = self.free_bytes().is_some_and(|free| free >= needed);
        if !has_room && !self.is_allocated() {
            return;
        }
        match self.allocate() {
            Ok(()) => self.state = ReserveState::Kept,
            Err(error) => {
                let _ = fs::remove_file(&self.path);
                log::warn!("{}: {error}", self.path.display());
            }
        }
    }

    /// Returns whether the disk has some room again, though maybe not for the complete file.
    pub(super) fn could_be_refilled(&self) -> bool {
        self.free_bytes().is_some_and(|free| free >= 2 * LOW_BYTES)
    }

    fn is_low(&self) -> bool {
        self.free_bytes().is_some_and(|free| free < LOW_BYTES)
    }

    fn is_allocated(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| {
            found.is_file() && found.len() == RESERVE_BYTES && found.blocks() * 512 >= RESERVE_BYTES
        })
    }

    fn allocate(&self) -> io::Result<()> {
        if self.is_allocated() {
            return Ok(());
        }
        // Replaces any file there; never writes through a symlink.
        let _ = fs::remove_file(&self.path);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(&mut file),
            Err(error) => Err(error.into()),
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        let disk = statvfs(folder_of(&self.path)).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn write_zeros(file: &mut File) -> io::Result<()> {
    let zeros = vec![0; 64 << 10];
    for _ in 0..RESERVE_BYTES / zeros.len() as u64 {
        file.write_all(&zeros)?;
    }
    file.sync_all()
}
