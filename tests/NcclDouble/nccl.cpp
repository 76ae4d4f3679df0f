// The C ABI of libnccl.so.2, as far as it is used.
#include <unistd.h>

#include <climits>
#include <map>
#include <random>

#include "arithmetic.h"
#include "communicator.h"
#include "settings.h"

using namespace nccl_double;

namespace {

constexpr size_t name_bytes = 100;

// ncclUniqueId: 128 bytes.
struct UniqueId {
  char name[name_bytes];
  char unused[20];
  uint64_t sum;
};
static_assert(sizeof(UniqueId) == 128, "an id has 128 bytes");

// ncclConfig_t of 2.30.
struct Config {
  size_t size;
  unsigned magic;
  unsigned version;
  int blocking;
  int cga_cluster_size;
  int min_ctas;
  int max_ctas;
  const char* net_name;
  int split_share;
  int traffic_class;
  const char* communicator_name;
  int others[10];
};

struct Pending {
  std::shared_ptr<Communicator> communicator;
  Collective collective;
};

std::mutex mutex;
std::map<void*, std::shared_ptr<Communicator>> communicators;
std::string last_error;
thread_local int group_depth = 0;
thread_local int group_error = ok;
thread_local std::vector<Pending> group;

int fail(int code, const std::string& message) {
  std::lock_guard<std::mutex> lock(mutex);
  last_error = message;
  return code;
}

uint64_t sum_of(const UniqueId& id) {
  uint64_t sum = 14695981039346656037ull;
  for (size_t i = 0; i < name_bytes; i++) {
    sum = (sum ^ static_cast<unsigned char>(id.name[i])) * 1099511628211ull;
  }
  return sum;
}

std::shared_ptr<Communicator> find(void* handle) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = communicators.find(handle);
  return found != communicators.end() ? found->second : nullptr;
}

std::shared_ptr<Communicator> take(void* handle) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = communicators.find(handle);
  if (found == communicators.end()) {
    return nullptr;
  }
  auto communicator = found->second;
  communicators.erase(found);
  return communicator;
}

// As the real library reads it: so many bytes as the caller says that it has, the rest by default.
int read(const void* given, Config& config) {
  config = Config{sizeof(Config), 0, 0, INT_MIN, INT_MIN, INT_MIN, INT_MIN, nullptr, INT_MIN, INT_MIN, nullptr, {}};
  size_t size;
  std::memcpy(&size, given, sizeof size);
  std::memcpy(static_cast<void*>(&config), given, std::min(size, sizeof config));
  if (config.magic != 0xcafebeef) {
    return fail(invalid_argument, "ncclConfig_t argument not initialized via NCCL_CONFIG_INITIALIZER");
  }
  if (config.version < 21700) {
    config.cga_cluster_size = config.min_ctas = config.max_ctas = INT_MIN;
    config.net_name = nullptr;
  }
  if (config.blocking != INT_MIN && config.blocking != 0 && config.blocking != 1) {
    return fail(invalid_argument, "Invalid config blocking attribute value");
  }
  if (config.cga_cluster_size != INT_MIN && config.cga_cluster_size < 0) {
    return fail(invalid_argument, "Invalid config cgaClusterSize attribute value");
  }
  // Whoever waits in the call has no use for the rest of this double.
  return config.blocking == 0 ? ok : fail(invalid_usage, "the double has no communicators that block");
}

int start_group() {
  group_depth++;
  return ok;
}

int end_group() {
  if (group_depth == 0) {
    return fail(invalid_usage, "ncclGroupEnd: not in a group call");
  }
  if (--group_depth > 0) {
    return ok;
  }
  std::map<std::shared_ptr<Communicator>, std::vector<Collective>> launches;
  for (auto& pending : group) {
    launches[pending.communicator].push_back(pending.collective);
  }
  int error = group_error;
  group.clear();
  group_error = ok;
  if (error != ok) {
    return error;
  }
  int result = ok;
  for (auto& launch : launches) {
    launch.first->launch(launch.second);
    result = launch.first->state() == ok ? result : in_progress;
  }
  return result;
}

int enqueue(const char* function, const void* send, void* receive, const Operation& operation, void* handle, void* stream_handle) {
  start_group();
  int error = failure(function);
  auto communicator = find(handle);
  Stream* stream = stream_of(stream_handle);
  bool reduces = operation.kind == all_reduce || operation.kind == reduce_scatter;
  if (error != ok) {
    error = fail(error, std::string(function) + " was told to fail");
  } else if (communicator == nullptr || stream == nullptr || size_of(operation.type) == 0) {
    error = fail(invalid_argument, std::string(function) + ": no such communicator, stream or type");
  } else if (communicator->state() == in_progress) {
    error = fail(invalid_argument, "Attempt to use communicator before the previous operation returned ncclSuccess");
  } else if (communicator->state() != ok) {
    error = communicator->state();
  } else if (reduces && operation.reduction != sum && operation.reduction != minimum && operation.reduction != maximum) {
    error = fail(invalid_argument, std::string(function) + ": no such reduction");
  } else if (operation.kind == broadcast && (operation.root < 0 || operation.root >= communicator->ranks())) {
    error = fail(invalid_argument, "ncclBroadcast: no such root");
  } else if (send == nullptr || receive == nullptr) {
    error = fail(invalid_argument, std::string(function) + ": a buffer is null");
  }
  if (error != ok) {
    group_error = group_error == ok ? error : group_error;
    end_group();
    return error;
  }
  group.push_back(Pending{
      communicator, Collective{operation, static_cast<const unsigned char*>(send), static_cast<unsigned char*>(receive), stream}});
  return end_group();
}

}  // namespace

DOUBLE_EXPORT int ncclGetVersion(int* version) {
  *version = static_cast<int>(number("NCCL_DOUBLE_VERSION", 22703));
  return ok;
}

DOUBLE_EXPORT int ncclGetUniqueId(UniqueId* id) {
  if (int code = failure("ncclGetUniqueId")) {
    return fail(code, "ncclGetUniqueId was told to fail");
  }
  std::random_device random;
  std::memset(static_cast<void*>(id), 0, sizeof *id);
  std::snprintf(id->name, name_bytes, "/nccl-double-%d-%08x%08x", getpid(), random(), random());
  id->sum = sum_of(*id);
  return ok;
}

DOUBLE_EXPORT int ncclCommInitRankConfig(void** handle, int ranks, UniqueId id, int rank, const void* given) {
  if (int code = failure("ncclCommInitRankConfig")) {
    return fail(code, "ncclCommInitRankConfig was told to fail");
  }
  Config config;
  if (int code = read(given, config)) {
    return code;
  }
  if (id.sum != sum_of(id) || id.name[0] != '/') {
    return fail(invalid_argument, "the unique id did not arrive as it was made");
  }
  if (ranks < 1 || ranks > max_ranks || rank < 0 || rank >= ranks) {
    return fail(invalid_argument, "Invalid rank requested");
  }
  if (visible_gpus() == 0) {
    return fail(cuda_error, "no CUDA-capable device is detected");
  }
  try {
    auto communicator = std::make_shared<Communicator>(id.name, ranks, rank, handle);
    communicator->self = communicator;
    {
      std::lock_guard<std::mutex> lock(mutex);
      communicators[communicator.get()] = communicator;
    }
    *handle = communicator.get();
    communicator->connect();
    return in_progress;
  } catch (const std::exception& error) {
    return fail(system_error, error.what());
  }
}

DOUBLE_EXPORT int ncclCommGetAsyncError(void* handle, int* error) {
  auto communicator = find(handle);
  if (communicator == nullptr) {
    return fail(invalid_argument, "no such communicator");
  }
  int failed = failure("asynchronous");
  *error = failed != ok ? fail(failed, "an asynchronous error was asked for") : communicator->state();
  return ok;
}

DOUBLE_EXPORT int ncclCommFinalize(void* handle) {
  auto communicator = find(handle);
  if (communicator == nullptr || communicator->state() != ok) {
    return fail(invalid_argument, "ncclCommFinalize: the communicator is not ready");
  }
  // The real one joins what a thread has launched by that thread's own memory, which is gone once the thread has ended.
  if (!communicator->is_of_this_thread()) {
    refuse("ncclCommFinalize is called on another thread than the one that launched the collectives");
    return fail(invalid_usage, "ncclCommFinalize: another thread");
  }
  communicator->finalize();
  return in_progress;
}

DOUBLE_EXPORT int ncclCommDestroy(void* handle) {
  auto communicator = take(handle);
  if (communicator == nullptr) {
    return fail(invalid_argument, "no such communicator");
  }
  communicator->join();
  communicator->self = nullptr;
  return ok;
}

DOUBLE_EXPORT int ncclCommAbort(void* handle) {
  auto communicator = take(handle);
  if (communicator == nullptr) {
    return fail(invalid_argument, "no such communicator");
  }
  if (communicator->has_lost_its_thread()) {
    refuse("ncclCommAbort is called when the thread that launched the collectives has ended");
  }
  if (communicator->connects_on_another_thread()) {
    refuse("ncclCommAbort is called on another thread than the one that connects");
  }
  communicator->abort();
  communicator->self = nullptr;
  return ok;
}

DOUBLE_EXPORT int ncclGroupStart() { return start_group(); }

DOUBLE_EXPORT int ncclGroupEnd() { return end_group(); }

DOUBLE_EXPORT int ncclAllReduce(const void* send, void* receive, size_t count, int type, int reduction, void* communicator, void* stream) {
  return enqueue("ncclAllReduce", send, receive, Operation{all_reduce, type, reduction, 0, count}, communicator, stream);
}

DOUBLE_EXPORT int ncclReduceScatter(const void* send, void* receive, size_t count, int type, int reduction, void* communicator, void* stream) {
  return enqueue("ncclReduceScatter", send, receive, Operation{reduce_scatter, type, reduction, 0, count}, communicator, stream);
}

DOUBLE_EXPORT int ncclAllGather(const void* send, void* receive, size_t count, int type, void* communicator, void* stream) {
  return enqueue("ncclAllGather", send, receive, Operation{all_gather, type, 0, 0, count}, communicator, stream);
}

DOUBLE_EXPORT int ncclBroadcast(const void* send, void* receive, size_t count, int type, int root, void* communicator, void* stream) {
  return enqueue("ncclBroadcast", send, receive, Operation{broadcast, type, 0, root, count}, communicator, stream);
}

DOUBLE_EXPORT const char* ncclGetErrorString(int result) {
  switch (result) {
    case ok: return "no error";
    case cuda_error: return "unhandled cuda error";
    case system_error: return "unhandled system error";
    case internal_error: return "internal error";
    case invalid_argument: return "invalid argument";
    case invalid_usage: return "invalid usage";
    case remote_error: return "remote process exited or there was a network error";
    case in_progress: return "NCCL operation in progress";
    default: return "unknown result code";
  }
}

DOUBLE_EXPORT const char* ncclGetLastError(void*) {
  std::lock_guard<std::mutex> lock(mutex);
  static thread_local std::string copy;
  copy = last_error;
  return copy.c_str();
}
