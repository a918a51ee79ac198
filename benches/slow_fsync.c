/* Adds a millisecond to every fsync and fdatasync of the program it is preloaded into, so that a disk which
 * acknowledges a sync in microseconds behaves like one that really reaches the platter.
 *   cc -shared -fPIC -O2 -o slow_fsync.so slow_fsync.c && LD_PRELOAD=./slow_fsync.so PROGRAM */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <time.h>

#define DELAY_NS 1000000L

typedef int (*sync_call)(int);

static int slow(const char *name, int fd) {
    struct timespec left = {0, DELAY_NS};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
    sync_call real = (sync_call)dlsym(RTLD_NEXT, name);
    if (real == NULL) {
        errno = ENOSYS;
        return -1;
    }
    return real(fd);
}

int fsync(int fd) { return slow("fsync", fd); }

int fdatasync(int fd) { return slow("fdatasync", fd); }
