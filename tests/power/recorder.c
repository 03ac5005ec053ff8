/* Records what a process does to the files below a folder, and what it sends over sockets, in one ordered log.
 *
 * Preloaded into a process; POWER_ROOT names the folder, POWER_LOG the log. Every record is one append: kind (1 byte),
 * length of the path (4), inode (8), offset or size (8), length of the data (4), then path and data; numbers are
 * little-endian. One lock over each act and its record keeps the order of the log that of the acts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static size_t root_length;
static int log_fd = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWER_LOG");
    root = getenv("POWER_ROOT");
    if (!path || !root) return;
    root_length = strlen(root);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void record(char kind, const char *path, uint64_t inode, uint64_t place, const void *data, uint32_t length) {
    struct __attribute__((packed)) { char kind; uint32_t path; uint64_t inode, place; uint32_t data; } head;
    head.kind = kind;
    head.path = (uint32_t)strlen(path);
    head.inode = inode;
    head.place = place;
    head.data = length;
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, length}};
    if (syscall(SYS_writev, log_fd, parts, 3) < 0) abort();
}

static int below(const char *path) {
    return log_fd >= 0 && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The path behind a descriptor, if it is below the root. */
static int path_of(int fd, char *path) {
    char link[64];
    if (log_fd < 0 || fd < 0 || fd == log_fd) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    char *gone = strstr(path, " (deleted)");
    if (gone) *gone = 0;
    return below(path);
}

static int full_path(int folder, const char *name, char *path) {
    if (log_fd < 0) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char above[PATH_MAX];
        if (folder == AT_FDCWD) {
            if (!getcwd(above, sizeof above)) return 0;
        } else if (!path_of(folder, above)) {
            return 0;
        }
        if (snprintf(path, PATH_MAX, "%s/%s", above, name) >= PATH_MAX) return 0;
    }
    return below(path);
}

static uint64_t inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : (uint64_t)found.st_ino;
}

static uint64_t inode_at(const char *path) {
    struct stat found;
    return lstat(path, &found) ? 0 : (uint64_t)found.st_ino;
}

static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int (*real)(int, const char *, int, ...) = REAL(openat);
    if (!(flags & (O_CREAT | O_TRUNC)) || !full_path(folder, name, path)) return real(folder, name, flags, mode);
    pthread_mutex_lock(&order);
    int was_there = inode_at(path) != 0;
    int fd = real(folder, name, flags, mode);
    int error = errno;
    if (fd >= 0 && !was_there) record('c', path, inode_of(fd), 0, "", 0);
    if (fd >= 0 && was_there && (flags & O_TRUNC)) record('t', path, inode_of(fd), 0, "", 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return fd;
}

#define OPENED(folder)                                                 \
    va_list rest;                                                      \
    va_start(rest, flags);                                             \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                      \
    return opened(folder, name, flags, mode);

int open(const char *name, int flags, ...) { OPENED(AT_FDCWD) }
int open64(const char *name, int flags, ...) { OPENED(AT_FDCWD) }
int openat(int folder, const char *name, int flags, ...) { OPENED(folder) }
int openat64(int folder, const char *name, int flags, ...) { OPENED(folder) }

#define ACT(kind, call, written_at)                                                        \
    char path[PATH_MAX];                                                                   \
    if (!path_of(fd, path)) return call;                                                   \
    pthread_mutex_lock(&order);                                                            \
    ssize_t done = call;                                                                   \
    int error = errno;                                                                     \
    if (done > 0) record(kind, path, inode_of(fd), (uint64_t)(written_at), data, (uint32_t)done); \
    pthread_mutex_unlock(&order);                                                          \
    errno = error;                                                                         \
    return done;

ssize_t write(int fd, const void *data, size_t size) {
    ACT('w', REAL(write)(fd, data, size), lseek(fd, 0, SEEK_CUR) - done)
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t place) {
    ACT('w', REAL(pwrite)(fd, data, size, place), place)
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place) {
    ACT('w', REAL(pwrite64)(fd, data, size, place), place)
}

static int truncated(int fd, off64_t size, int (*real)(int, off64_t)) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return real(fd, size);
    pthread_mutex_lock(&order);
    int done = real(fd, size);
    int error = errno;
    if (!done) record('t', path, inode_of(fd), (uint64_t)size, "", 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}
int ftruncate(int fd, off_t size) { return truncated(fd, size, REAL(ftruncate64)); }
int ftruncate64(int fd, off64_t size) { return truncated(fd, size, REAL(ftruncate64)); }

/* A sync is recorded with all that is then in the file: others may have written it who are not recorded. */
static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat found;
    if (!path_of(fd, path)) return real(fd);
    pthread_mutex_lock(&order);
    int done = real(fd);
    int error = errno;
    if (!done && !fstat(fd, &found)) {
        if (S_ISDIR(found.st_mode)) {
            record('d', path, (uint64_t)found.st_ino, 0, "", 0);
        } else {
            char own[64];
            snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
            int reading = (int)syscall(SYS_openat, AT_FDCWD, own, O_RDONLY | O_CLOEXEC, 0);
            char *data = malloc((size_t)found.st_size + 1);
            ssize_t length = reading < 0 || !data ? -1 : pread(reading, data, (size_t)found.st_size, 0);
            if (length != found.st_size) abort();
            record('s', path, (uint64_t)found.st_ino, 0, data, (uint32_t)length);
            free(data);
            syscall(SYS_close, reading);
        }
    }
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}
int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

static int renamed(int from_folder, const char *from, int to_folder, const char *to) {
    char source[PATH_MAX], target[PATH_MAX];
    int (*real)(int, const char *, int, const char *) = REAL(renameat);
    if (!full_path(from_folder, from, source) || !full_path(to_folder, to, target))
        return real(from_folder, from, to_folder, to);
    pthread_mutex_lock(&order);
    uint64_t inode = inode_at(source);
    int done = real(from_folder, from, to_folder, to);
    int error = errno;
    if (!done) record('r', source, inode, 0, target, (uint32_t)strlen(target));
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renamed(from_folder, from, to_folder, to);
}

static int linked(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    char target[PATH_MAX];
    int (*real)(int, const char *, int, const char *, int) = REAL(linkat);
    if (!full_path(to_folder, to, target)) return real(from_folder, from, to_folder, to, flags);
    pthread_mutex_lock(&order);
    int done = real(from_folder, from, to_folder, to, flags);
    int error = errno;
    if (!done) record('l', target, inode_at(target), 0, "", 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}
int link(const char *from, const char *to) { return linked(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    return linked(from_folder, from, to_folder, to, flags);
}

static int removed(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    int (*real)(int, const char *, int) = REAL(unlinkat);
    if (!full_path(folder, name, path)) return real(folder, name, flags);
    pthread_mutex_lock(&order);
    int done = real(folder, name, flags);
    int error = errno;
    if (!done) record('u', path, 0, 0, "", 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}
int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }
int unlinkat(int folder, const char *name, int flags) { return removed(folder, name, flags); }
int rmdir(const char *name) { return removed(AT_FDCWD, name, AT_REMOVEDIR); }

static int made(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    int (*real)(int, const char *, mode_t) = REAL(mkdirat);
    if (!full_path(folder, name, path)) return real(folder, name, mode);
    pthread_mutex_lock(&order);
    int done = real(folder, name, mode);
    int error = errno;
    if (!done) record('m', path, inode_at(path), 0, "", 0);
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}
int mkdir(const char *name, mode_t mode) { return made(AT_FDCWD, name, mode); }
int mkdirat(int folder, const char *name, mode_t mode) { return made(folder, name, mode); }

/* What is sent is recorded before it leaves: at that moment the disk has to know. */
static void leaving(int fd, const void *data, size_t size) {
    struct sockaddr_storage other;
    socklen_t length = sizeof other;
    if (log_fd < 0 || getpeername(fd, (struct sockaddr *)&other, &length) || other.ss_family != AF_INET) return;
    pthread_mutex_lock(&order);
    record('p', "", (uint64_t)fd, 0, data, (uint32_t)(size < 65536 ? size : 65536));
    pthread_mutex_unlock(&order);
}
ssize_t send(int fd, const void *data, size_t size, int flags) {
    leaving(fd, data, size);
    return REAL(send)(fd, data, size, flags);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    for (size_t part = 0; part < message->msg_iovlen; part++)
        leaving(fd, message->msg_iov[part].iov_base, message->msg_iov[part].iov_len);
    return REAL(sendmsg)(fd, message, flags);
}
