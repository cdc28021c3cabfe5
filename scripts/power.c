/* Writes down what a program does to the files of one folder, in the order in which it does it: the trace from which
 * scripts/power.py rebuilds what a power cut would have left. For LD_PRELOAD; nothing of the product.
 *
 * POWER_FOLDER names the folder (absolute, no links in it), POWER_TRACE the trace, which others may append to.
 * A record: type (1 byte), file number (8), offset (8), length of the first part (4), of the second (4), both parts; as this
 * machine orders bytes. Writes are written down before they are done, syncs once they are.
 *   C file, name: made     W file, offset, bytes     T file, length     S file: synced     D name: a folder synced
 *   L old name, new name   R the same: renamed       U name: unlinked
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int trace = -2;
static char folder[PATH_MAX];

static int is_on(void) {
    if (trace == -2) {
        const char *to = getenv("POWER_TRACE"), *of = getenv("POWER_FOLDER");
        trace = to && of ? (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
        if (of) snprintf(folder, sizeof folder, "%s", of);
    }
    return trace >= 0;
}

static void note(char type, uint64_t file, uint64_t offset, const void *first, uint32_t first_bytes, const void *second, uint32_t second_bytes) {
    char head[25];
    head[0] = type;
    memcpy(head + 1, &file, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &first_bytes, 4);
    memcpy(head + 21, &second_bytes, 4);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)first, first_bytes}, {(void *)second, second_bytes}};
    ssize_t all = sizeof head + first_bytes + second_bytes;
    /* A trace with a hole would prove nothing. */
    if (syscall(SYS_writev, trace, parts, 3) != all) abort();
}

/* The whole name below the folder, or NULL when it lies elsewhere. */
static const char *ours(const char *name, char *whole) {
    char above[PATH_MAX];
    if (!is_on() || !name || strlen(name) >= PATH_MAX) return NULL;
    strcpy(above, name);
    char *slash = strrchr(above, '/');
    const char *last = slash ? slash + 1 : name;
    if (slash) *slash = 0;
    char resolved[PATH_MAX];
    if (!realpath(slash ? (above[0] ? above : "/") : ".", resolved)) return NULL;
    if (strcmp(resolved, folder) != 0) return NULL;
    if (snprintf(whole, PATH_MAX, "%s", name + (last - (slash ? above : name))) >= PATH_MAX) return NULL;
    return whole;
}

/* Whether a descriptor is a file of the folder (1), the folder itself (2), or neither; its file number. */
static int kind_of(int fd, uint64_t *file) {
    if (!is_on()) return 0;
    char link[64], name[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = syscall(SYS_readlinkat, AT_FDCWD, link, name, sizeof name - 1);
    if (bytes < 0) return 0;
    name[bytes] = 0;
    size_t length = strlen(folder);
    if (strncmp(name, folder, length) != 0) return 0;
    struct stat found;
    if (fstat(fd, &found) != 0) return 0;
    *file = found.st_ino;
    if (name[length] == 0 && S_ISDIR(found.st_mode)) return 2;
    return name[length] == '/' && S_ISREG(found.st_mode);
}

static int open_noted(int at, const char *name, int flags, mode_t mode) {
    char whole[PATH_MAX];
    const char *own = at == AT_FDCWD || (name && name[0] == '/') ? ours(name, whole) : NULL;
    if (!own || !(flags & (O_CREAT | O_TRUNC))) return syscall(SYS_openat, at, name, flags, mode);
    pthread_mutex_lock(&one_at_a_time);
    struct stat found;
    int was_there = fstatat(at, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
    int fd = syscall(SYS_openat, at, name, flags, mode), kept = errno;
    if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) {
        if (!was_there) note('C', found.st_ino, 0, own, strlen(own), NULL, 0);
        else if (flags & O_TRUNC) note('T', found.st_ino, 0, NULL, 0, NULL, 0);
    }
    pthread_mutex_unlock(&one_at_a_time);
    errno = kept;
    return fd;
}

#define OPEN(call) \
    int call(const char *name, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return open_noted(AT_FDCWD, name, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(call) \
    int call(int at, const char *name, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return open_noted(at, name, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

static ssize_t write_noted(int fd, const void *bytes, size_t count, off_t offset, int has_offset) {
    uint64_t file;
    if (kind_of(fd, &file) != 1) return has_offset ? syscall(SYS_pwrite64, fd, bytes, count, offset) : syscall(SYS_write, fd, bytes, count);
    pthread_mutex_lock(&one_at_a_time);
    struct stat found;
    off_t place = offset;
    if (!has_offset) {
        int appends = fcntl(fd, F_GETFL) & O_APPEND;
        place = appends && fstat(fd, &found) == 0 ? found.st_size : lseek(fd, 0, SEEK_CUR);
    }
    note('W', file, place, NULL, 0, bytes, count);
    ssize_t done = has_offset ? syscall(SYS_pwrite64, fd, bytes, count, offset) : syscall(SYS_write, fd, bytes, count);
    int kept = errno;
    pthread_mutex_unlock(&one_at_a_time);
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t count) { return write_noted(fd, bytes, count, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return write_noted(fd, bytes, count, offset, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) { return write_noted(fd, bytes, count, offset, 1); }

/* What copies within the kernel is refused: everybody then reads and writes. */
ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t count, unsigned flags) {
    (void)in, (void)from, (void)out, (void)to, (void)count, (void)flags;
    errno = ENOSYS;
    return -1;
}
ssize_t copy_file_range64(int, off_t *, int, off_t *, size_t, unsigned) __attribute__((alias("copy_file_range")));

static int truncate_noted(int fd, off_t length) {
    uint64_t file;
    if (kind_of(fd, &file) != 1) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&one_at_a_time);
    note('T', file, length, NULL, 0, NULL, 0);
    int done = syscall(SYS_ftruncate, fd, length), kept = errno;
    pthread_mutex_unlock(&one_at_a_time);
    errno = kept;
    return done;
}
int ftruncate(int fd, off_t length) { return truncate_noted(fd, length); }
int ftruncate64(int fd, off_t length) { return truncate_noted(fd, length); }

static int sync_noted(int fd, long call) {
    uint64_t file;
    int kind = kind_of(fd, &file);
    if (!kind) return syscall(call, fd);
    pthread_mutex_lock(&one_at_a_time);
    int done = syscall(call, fd), kept = errno;
    if (done == 0) note(kind == 2 ? 'D' : 'S', file, 0, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = kept;
    return done;
}
int fsync(int fd) { return sync_noted(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_noted(fd, SYS_fdatasync); }

static int names_noted(char type, const char *from, const char *to) {
    char first[PATH_MAX], second[PATH_MAX];
    const char *own = ours(from, first), *other = to ? ours(to, second) : NULL;
    /* One that comes from elsewhere has a history that this trace does not hold. */
    if (to && !own && other) abort();
    if (own) pthread_mutex_lock(&one_at_a_time);
    int done = type == 'U' ? (int)syscall(SYS_unlinkat, AT_FDCWD, from, 0)
             : type == 'L' ? (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0)
                           : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    int kept = errno;
    if (own) {
        if (done == 0 && type != 'U' && !other) note('U', 0, 0, own, strlen(own), NULL, 0);
        else if (done == 0) note(type, 0, 0, own, strlen(own), other, other ? strlen(other) : 0);
        pthread_mutex_unlock(&one_at_a_time);
    }
    errno = kept;
    return done;
}
int unlink(const char *name) { return names_noted('U', name, NULL); }
int link(const char *from, const char *to) { return names_noted('L', from, to); }
int rename(const char *from, const char *to) { return names_noted('R', from, to); }
int linkat(int old_at, const char *from, int new_at, const char *to, int flags) {
    if (old_at != AT_FDCWD || new_at != AT_FDCWD) return syscall(SYS_linkat, old_at, from, new_at, to, flags);
    return names_noted('L', from, to);
}
