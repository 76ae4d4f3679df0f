// The C ABI of linformer_native: raw pointers, no libtorch. Every function catches everything and
// returns a code (failure.h), with peer and message in error.
#pragma once

#include <stdint.h>

#define LF_EXPORT extern "C" __attribute__((visibility("default")))

struct lf_error {
  int32_t peer; // The rank at the other end, or -1.
  char message[1020]; // UTF-8, ends with 0.
};

struct lf_group;

// Starts to listen on a numeric address. Nothing waits until lf_group_connect. Unless shares_memory is 0, what goes to
// ranks with the same address goes through memory.
LF_EXPORT int32_t lf_group_create(
    int32_t rank, int32_t size, int64_t generation, const char* bind_address, int32_t shares_memory, lf_group** group,
    lf_error* error);

// "port token", ends with 0: to be published, behind an address, to all other ranks.
LF_EXPORT int32_t lf_group_endpoint(lf_group* group, char* text, int32_t capacity, lf_error* error);

// Endpoints has an "address port token" per rank, in the order of ranks, each ended by a line feed.
LF_EXPORT int32_t lf_group_connect(
    lf_group* group, const char* endpoints, int64_t timeout_milliseconds, lf_error* error);

// From any thread: ends what runs and whatever comes later.
LF_EXPORT void lf_group_abort(lf_group* group);

// Not while another call runs.
LF_EXPORT void lf_group_destroy(lf_group* group);

// Collectives: one at a time, in the same order on all ranks. Type and reduction: collectives.h.
LF_EXPORT int32_t lf_all_reduce(
    lf_group* group, void* data, int64_t count, int32_t type, int32_t reduction,
    int64_t timeout_milliseconds, lf_error* error);
// The sum of floats, which travel as bfloat16: wire.h.
LF_EXPORT int32_t lf_all_reduce_rounded(
    lf_group* group, float* data, int64_t count, int64_t timeout_milliseconds, lf_error* error);
LF_EXPORT int32_t lf_reduce_scatter(
    lf_group* group, const void* input, void* output, int64_t count, int32_t type, int32_t reduction,
    int64_t timeout_milliseconds, lf_error* error);
LF_EXPORT int32_t lf_all_gather(
    lf_group* group, const void* input, void* output, int64_t count, int32_t type,
    int64_t timeout_milliseconds, lf_error* error);
LF_EXPORT int32_t lf_broadcast(
    lf_group* group, void* data, int64_t count, int32_t type, int32_t root,
    int64_t timeout_milliseconds, lf_error* error);
LF_EXPORT int32_t lf_barrier(lf_group* group, int64_t timeout_milliseconds, lf_error* error);
