/* A wall clock that is wrong by as many seconds as a file says, for a program that is run with this in LD_PRELOAD.
   Monotonic clocks are left alone. Redis and Node both ask the C library. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long right = 0;
static const volatile long *offset = 0;

static long wrong_by(void) {
  if (!offset) {
    const char *name = getenv("HFXBUS_CLOCK");
    int file = name ? open(name, O_RDONLY) : -1;
    void *map = file < 0 ? MAP_FAILED : mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    offset = map == MAP_FAILED ? &right : map;
    if (file >= 0) close(file);
  }
  return *offset;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int outcome = syscall(SYS_clock_gettime, clock, now);
  if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += wrong_by();
  return outcome;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now) *now = precise.tv_sec;
  return precise.tv_sec;
}
