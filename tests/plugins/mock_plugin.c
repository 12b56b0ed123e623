/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins for the registry's tests, right and wrong; one library per MOCK_ definition. In C, as a plugin may be. */
#include <stddef.h>
#include <stdint.h>

#include "banyan/transport_plugin.h"

#ifndef MOCK_NAME
#error "MOCK_NAME must be the transport's name"
#endif

static int object;

static banyan_status mock_open(const banyan_transport_config* config, void** transport) {
  if (config->rank >= config->size) {
    return BANYAN_ERR_INVALID_ARGUMENT;
  }
  *transport = &object;
  return BANYAN_OK;
}
static void mock_close(void* transport) { (void)transport; }
static banyan_status mock_get_address(void* transport, void* address, size_t* size) {
  (void)transport;
  *(char*)address = 'm';
  *size = 1;
  return BANYAN_OK;
}
static banyan_status mock_is_reachable(void* transport, int peer, const void* address, size_t size) {
  (void)transport;
  (void)peer;
  return size == 1 && *(const char*)address == 'm' ? BANYAN_OK : BANYAN_ERR_NOT_SUPPORTED;
}
static banyan_status mock_connect(void* transport, int peer, const void* address, size_t size) {
  return mock_is_reachable(transport, peer, address, size);
}
static banyan_status mock_post_send(void* transport, int peer, const void* buffer, size_t size, uint64_t tag,
                                    banyan_transport_request* request) {
  (void)transport;
  (void)peer;
  (void)buffer;
  (void)size;
  (void)tag;
  return request->status = BANYAN_ERR_NOT_SUPPORTED;
}
#ifndef MOCK_MISSING_POST_RECV
static banyan_status mock_post_recv(void* transport, int peer, void* buffer, size_t size, uint64_t tag,
                                    banyan_transport_request* request) {
  return mock_post_send(transport, peer, buffer, size, tag, request);
}
#endif
static banyan_status mock_progress(void* transport, int* events) {
  (void)transport;
  *events = 0;
  return BANYAN_OK;
}
static banyan_status mock_cancel(void* transport, banyan_transport_request* request) {
  (void)transport;
  (void)request;
  return BANYAN_OK;
}
static const char* mock_last_error(void* transport) {
  return transport == NULL ? "mock: open failed" : "mock: nothing works here";
}
#ifdef MOCK_HALF_GROUP
static banyan_status mock_window_free(void* transport, void* window) {
  (void)transport;
  (void)window;
  return BANYAN_OK;
}
#endif

#ifndef MOCK_VERSION
#define MOCK_VERSION BANYAN_TRANSPORT_ABI_VERSION
#endif
#ifndef MOCK_SIZE
#define MOCK_SIZE sizeof(banyan_transport_ops)
#endif
#ifndef MOCK_CAPABILITIES
#define MOCK_CAPABILITIES BANYAN_TRANSPORT_CAP_INTER_HOST
#endif

static const banyan_transport_ops table = {
    .version = MOCK_VERSION,
    .struct_size = MOCK_SIZE,
    .name = MOCK_NAME,
    .capabilities = MOCK_CAPABILITIES,
    .open = mock_open,
    .close = mock_close,
    .get_address = mock_get_address,
    .is_reachable = mock_is_reachable,
    .connect = mock_connect,
    .post_send = mock_post_send,
#ifndef MOCK_MISSING_POST_RECV
    .post_recv = mock_post_recv,
#endif
    .progress = mock_progress,
    .cancel = mock_cancel,
    .last_error = mock_last_error,
#ifdef MOCK_HALF_GROUP
    .window_free = mock_window_free,
#endif
};

#ifdef MOCK_NO_QUERY
/* Keeps the table in use, under a name that nobody asks for. */
BANYAN_API const banyan_transport_ops* some_other_symbol(void);
BANYAN_API const banyan_transport_ops* some_other_symbol(void) { return &table; }
#else
BANYAN_API const banyan_transport_ops* banyan_transport_query(uint32_t max_version);
BANYAN_API const banyan_transport_ops* banyan_transport_query(uint32_t max_version) {
#ifdef MOCK_ONLY_NEWER
  return max_version > BANYAN_TRANSPORT_ABI_VERSION ? &table : NULL;
#else
  (void)max_version;
  return &table;
#endif
}
#endif
