/* A system that is short of something, for a program that is run with this in LD_PRELOAD, as long as the program's own
   environment says so: of answers to names that end in ".silent" for HFXBUS_SILENCE ms, of threads if HFXBUS_NO_THREADS is
   set. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);
typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static int is_silent(const char *name) {
  const char *end = name ? strrchr(name, '.') : 0;
  return end && strcmp(end, ".silent") == 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  if (!is_silent(name)) return ((look_up *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
  const char *text = getenv("HFXBUS_SILENCE");
  long silence = text ? atol(text) : 0;
  struct timespec left = {silence / 1000, silence % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
  return EAI_AGAIN;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *with) {
  if (getenv("HFXBUS_NO_THREADS")) return EAGAIN;
  return ((create *)dlsym(RTLD_NEXT, "pthread_create"))(thread, attributes, run, with);
}
