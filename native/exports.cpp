#include "linformer_native.h"

#include <cstdio>
#include <sstream>

#include "collectives.h"
#include "group.h"
#include "wire.h"

using namespace linformer;

struct lf_group {
  Group group;
};

namespace {

int32_t report(lf_error* error, Code code, int peer, const char* message) {
  error->peer = peer;
  std::snprintf(error->message, sizeof(error->message), "%s", message);
  return static_cast<int32_t>(code);
}

// Nothing thrown may reach the caller, who is not C++.
template <typename Body>
int32_t guarded(lf_error* error, Body body) {
  try {
    body();
    return static_cast<int32_t>(Code::Ok);
  } catch (const Failure& failure) {
    return report(error, failure.code, failure.peer, failure.what());
  } catch (const std::exception& exception) {
    return report(error, Code::Failed, kNoPeer, exception.what());
  } catch (...) {
    return report(error, Code::Failed, kNoPeer, "unknown error");
  }
}

template <typename Body>
int32_t run(lf_group* group, int64_t timeout_milliseconds, lf_error* error, Body body) {
  return guarded(error, [&] {
    const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_milliseconds);
    group->group.run(deadline, body);
  });
}

std::vector<Endpoint> parseEndpoints(const char* text, int count) {
  std::vector<Endpoint> endpoints;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    endpoints.push_back(Endpoint::parse(line));
  }
  if (static_cast<int>(endpoints.size()) != count) {
    throw Failure(
        Code::InvalidArgument, kNoPeer,
        std::to_string(endpoints.size()) + " endpoints for " + std::to_string(count) + " ranks");
  }
  return endpoints;
}

} // namespace

int32_t lf_group_create(
    int32_t rank, int32_t size, int64_t generation, const char* bind_address, int32_t shares_memory, lf_group** group,
    lf_error* error) {
  return guarded(error, [&] { *group = new lf_group{{rank, size, generation, bind_address, shares_memory != 0}}; });
}

int32_t lf_group_endpoint(lf_group* group, char* text, int32_t capacity, lf_error* error) {
  return guarded(error, [&] {
    const auto endpoint = group->group.endpoint();
    if (std::snprintf(text, static_cast<size_t>(capacity), "%s", endpoint.c_str()) >= capacity) {
      throw Failure(Code::InvalidArgument, kNoPeer, "the buffer is too small for an endpoint");
    }
  });
}

int32_t lf_group_connect(
    lf_group* group, const char* endpoints, int64_t timeout_milliseconds, lf_error* error) {
  return run(group, timeout_milliseconds, error, [&](Group& ranks, Clock::time_point deadline) {
    ranks.connect(parseEndpoints(endpoints, ranks.size), deadline);
  });
}

void lf_group_abort(lf_group* group) {
  group->group.abort();
}

void lf_group_destroy(lf_group* group) {
  delete group;
}

int32_t lf_all_reduce(
    lf_group* group, void* data, int64_t count, int32_t type, int32_t reduction,
    int64_t timeout_milliseconds, lf_error* error) {
  return run(group, timeout_milliseconds, error, [&](Group& ranks, auto) {
    allReduce(
        ranks, data, static_cast<size_t>(count), static_cast<ElementType>(type), static_cast<Reduction>(reduction));
  });
}

int32_t lf_all_reduce_rounded(
    lf_group* group, float* data, int64_t count, int64_t timeout_milliseconds, lf_error* error) {
  return run(group, timeout_milliseconds, error, [&](Group& ranks, auto) {
    allReduceRounded(ranks, data, static_cast<size_t>(count));
  });
}

int32_t lf_reduce_scatter(
    lf_group* group, const void* input, void* output, int64_t count, int32_t type, int32_t reduction,
    int64_t timeout_milliseconds, lf_error* error) {
  return run(group, timeout_milliseconds, error, [&](Group& ranks, auto) {
    reduceScatter(
        ranks, input, output, static_cast<size_t>(count), static_cast<ElementType>(type),
        static_cast<Reduction>(reduction));
  });
}

int32_t lf_all_gather(
    lf_group* group, const void* input, void* output, int64_t count, int32_t type,
    int64_t timeout_milliseconds, lf_error* error) {
  return run(group, timeout_milliseconds, error, [&](Group& ranks, auto) {
    allGather(ranks, input, output, static_cast<size_t>(count), static_cast<ElementType>(type));
  });
}

int32_t lf_broadcast(
    lf_group* group, void* data, int64_t count, int32_t type, int32_t root,
    int64_t timeout_milliseconds, lf_error* error) {
  return run(group, timeout_milliseconds, error, [&](Group& ranks, auto) {
    broadcast(ranks, data, static_cast<size_t>(count), static_cast<ElementType>(type), root);
  });
}

int32_t lf_barrier(lf_group* group, int64_t timeout_milliseconds, lf_error* error) {
  return run(group, timeout_milliseconds, error, [&](Group& ranks, auto) { barrier(ranks); });
}
