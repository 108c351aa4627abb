/* An addon whose one function waits in native code, where V8 serves no interrupt, until there is a file of a given name,
 * and then ends the process from there. Built by the test. */

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

extern int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
extern int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
extern int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);

static napi_value exit_when(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value argument, self;
  char name[4096];
  napi_get_cb_info(env, info, &count, &argument, &self, NULL);
  napi_get_value_string_utf8(env, argument, name, sizeof name, &length);
  while (access(name, F_OK) != 0) usleep(1000);
  exit(7);
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function;
  (void)exports;
  napi_create_function(env, "exitWhen", 8, exit_when, NULL, &function);
  return function;
}
