// A native addon whose objects' finalizers touch the world, for confine.test.js. Declares the few functions of
// Node-API that it needs, so that no headers are needed. It asks for the experimental version, with which Node runs
// finalizers in the middle of a collection; others do so in every version by V8's weak callbacks.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

typedef void *napi_env, *napi_value, *napi_callback_info;
typedef void (*napi_finalize)(napi_env, void *, void *);
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_create_object(napi_env, napi_value *);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
int napi_get_value_int32(napi_env, napi_value, int32_t *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int napi_wrap(napi_env, napi_value, void *, napi_finalize, void *, void **);
int napi_get_undefined(napi_env, napi_value *);

struct world {
  int owner, port, insists;
  char *shared;
  char directory[4096];
};

static void finalize(napi_env env, void *data, void *hint) {
  struct world *world = data;
  char path[4200], other[4200];
  // In the service itself this would be its own business.
  if (getpid() == world->owner) return;
  snprintf(path, sizeof path, "%s/log", world->directory);
  snprintf(other, sizeof other, "%s/other", world->directory);
  if (world->insists) while (unlink(path) != 0) {}
  unlink(path);
  rename(path, other);
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (file >= 0) close(file);
  file = open(path, O_RDONLY);
  struct flock lock = {.l_type = F_RDLCK};
  fcntl(file, F_SETLK, &lock);
  flock(file, LOCK_EX | LOCK_NB);
  if (file >= 0) close(file);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(world->port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0) send(connection, "x", 1, MSG_NOSIGNAL);
  kill(world->owner, SIGTERM);
  memset(world->shared, 'c', 4096);
  munmap(world->shared, 4096);
}

static napi_value make(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3], object;
  struct world *world = calloc(1, sizeof *world);
  char path[4200];
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_string_utf8(env, arguments[0], world->directory, sizeof world->directory, NULL);
  napi_get_value_int32(env, arguments[1], &world->port);
  napi_get_value_int32(env, arguments[2], &world->insists);
  world->owner = getpid();
  snprintf(path, sizeof path, "%s/shared", world->directory);
  int file = open(path, O_RDWR);
  world->shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (world->shared == MAP_FAILED) abort();
  napi_create_object(env, &object);
  napi_wrap(env, object, world, finalize, NULL, NULL);
  return object;
}

int32_t node_api_module_get_api_version_v1(void) { return 2147483647; }

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "make", 4, make, NULL, &function);
  napi_set_named_property(env, exports, "make", function);
  return exports;
}
