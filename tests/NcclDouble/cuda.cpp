#include "cuda.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <sstream>

#include "settings.h"

namespace nccl_double {

int all_gpus() { return static_cast<int>(number("NCCL_DOUBLE_GPUS", 1)); }

void uuid_of(int gpu, char* text, size_t capacity) {
  std::snprintf(text, capacity, "GPU-00000000-1111-2222-3333-%012d", gpu);
}

int visible_gpus() {
  auto visible = setting("CUDA_VISIBLE_DEVICES");
  if (!visible) {
    return all_gpus();
  }
  // As CUDA does it: the list ends at the first entry that is no GPU.
  std::istringstream entries(*visible);
  std::string entry;
  int count = 0;
  while (std::getline(entries, entry, ',')) {
    bool known = false;
    for (int gpu = 0; gpu < all_gpus(); gpu++) {
      char uuid[64];
      uuid_of(gpu, uuid, sizeof uuid);
      known = known || entry == uuid || entry == std::to_string(gpu);
    }
    if (!known) {
      break;
    }
    count++;
  }
  return count;
}

Stream::Stream() : thread_([this] { run(); }) {}

Stream::~Stream() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Stream::enqueue(std::function<void()> task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void Stream::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    if (tasks_.empty()) {
      return;
    }
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

namespace {

struct EventState {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t recorded = 0;
  uint64_t happened = 0;
};

struct Event {
  std::shared_ptr<EventState> state = std::make_shared<EventState>();
};

std::mutex known_mutex;
std::set<void*> known_streams;
std::set<void*> known_events;

// Never destroyed: it lives until the process ends.
Stream* default_stream() {
  static Stream* stream = new Stream();
  return stream;
}

Event* event_of(void* handle) {
  std::lock_guard<std::mutex> lock(known_mutex);
  return known_events.count(handle) != 0 ? static_cast<Event*>(handle) : nullptr;
}

}  // namespace

Stream* stream_of(void* handle) {
  if (handle == nullptr) {
    return default_stream();
  }
  std::lock_guard<std::mutex> lock(known_mutex);
  return known_streams.count(handle) != 0 ? static_cast<Stream*>(handle) : nullptr;
}

}  // namespace nccl_double

using namespace nccl_double;

namespace {

// cudaError_t
constexpr int success = 0;
constexpr int invalid_value = 1;
constexpr int no_device = 100;
constexpr int invalid_device = 101;
constexpr int invalid_handle = 400;
constexpr int not_ready = 600;

// cudaPointerAttributes of CUDA 12.
struct PointerAttributes {
  int type;
  int device;
  void* device_pointer;
  void* host_pointer;
};

}  // namespace

DOUBLE_EXPORT int cudaRuntimeGetVersion(int* version) {
  *version = 12040;
  return success;
}

DOUBLE_EXPORT int cudaGetDeviceCount(int* count) {
  if (int code = failure("cudaGetDeviceCount")) {
    return code;
  }
  *count = visible_gpus();
  return *count > 0 ? success : no_device;
}

DOUBLE_EXPORT int cudaSetDevice(int device) { return device >= 0 && device < visible_gpus() ? success : invalid_device; }

DOUBLE_EXPORT int cudaStreamCreateWithFlags(void** stream, unsigned flags) {
  if (int code = failure("cudaStreamCreateWithFlags")) {
    return code;
  }
  if (stream == nullptr || flags > 1) {
    return invalid_value;
  }
  *stream = new Stream();
  std::lock_guard<std::mutex> lock(known_mutex);
  known_streams.insert(*stream);
  return success;
}

DOUBLE_EXPORT int cudaStreamDestroy(void* handle) {
  {
    std::lock_guard<std::mutex> lock(known_mutex);
    if (known_streams.erase(handle) == 0) {
      return invalid_handle;
    }
  }
  delete static_cast<Stream*>(handle);
  return success;
}

DOUBLE_EXPORT int cudaEventCreateWithFlags(void** event, unsigned flags) {
  if (event == nullptr || flags != 2) {
    return invalid_value;
  }
  *event = new Event();
  std::lock_guard<std::mutex> lock(known_mutex);
  known_events.insert(*event);
  return success;
}

DOUBLE_EXPORT int cudaEventDestroy(void* handle) {
  {
    std::lock_guard<std::mutex> lock(known_mutex);
    if (known_events.erase(handle) == 0) {
      return invalid_handle;
    }
  }
  delete static_cast<Event*>(handle);
  return success;
}

DOUBLE_EXPORT int cudaEventRecord(void* handle, void* stream_handle) {
  if (int code = failure("cudaEventRecord")) {
    return code;
  }
  Event* event = event_of(handle);
  Stream* stream = stream_of(stream_handle);
  if (event == nullptr || stream == nullptr) {
    return invalid_handle;
  }
  auto state = event->state;
  uint64_t number;
  {
    std::lock_guard<std::mutex> lock(state->mutex);
    number = ++state->recorded;
  }
  stream->enqueue([state, number] {
    std::lock_guard<std::mutex> lock(state->mutex);
    state->happened = std::max(state->happened, number);
    state->changed.notify_all();
  });
  return success;
}

DOUBLE_EXPORT int cudaEventQuery(void* handle) {
  if (int code = failure("cudaEventQuery")) {
    return code;
  }
  Event* event = event_of(handle);
  if (event == nullptr) {
    return invalid_handle;
  }
  std::lock_guard<std::mutex> lock(event->state->mutex);
  return event->state->happened >= event->state->recorded ? success : not_ready;
}

DOUBLE_EXPORT int cudaStreamWaitEvent(void* stream_handle, void* event_handle, unsigned flags) {
  Event* event = event_of(event_handle);
  Stream* stream = stream_of(stream_handle);
  if (event == nullptr || stream == nullptr) {
    return invalid_handle;
  }
  if (flags != 0) {
    return invalid_value;
  }
  auto state = event->state;
  uint64_t number;
  {
    std::lock_guard<std::mutex> lock(state->mutex);
    number = state->recorded;
  }
  stream->enqueue([state, number] {
    std::unique_lock<std::mutex> lock(state->mutex);
    state->changed.wait(lock, [&] { return state->happened >= number; });
  });
  return success;
}

DOUBLE_EXPORT int cudaPointerGetAttributes(PointerAttributes* attributes, const void* pointer) {
  if (int code = failure("cudaPointerGetAttributes")) {
    return code;
  }
  // All memory is a GPU's, unless NCCL_DOUBLE_HOST_MEMORY says that it is the ordinary one that it is.
  *attributes = PointerAttributes{number("NCCL_DOUBLE_HOST_MEMORY", 0) != 0 ? 0 : 2, 0, const_cast<void*>(pointer), nullptr};
  return success;
}

DOUBLE_EXPORT const char* cudaGetErrorString(int error) {
  switch (error) {
    case success: return "no error";
    case invalid_value: return "invalid argument";
    case 35: return "CUDA driver version is insufficient for CUDA runtime version";
    case no_device: return "no CUDA-capable device is detected";
    case invalid_device: return "invalid device ordinal";
    case invalid_handle: return "invalid resource handle";
    case not_ready: return "device not ready";
    case 700: return "an illegal memory access was encountered";
    default: return "unrecognized error code";
  }
}

// Not of CUDA: how many events there are.
DOUBLE_EXPORT int nccl_double_events() {
  std::lock_guard<std::mutex> lock(known_mutex);
  return static_cast<int>(known_events.size());
}

// Not of CUDA: what a kernel does that computes for a while. Fills floats on a stream, after so many milliseconds.
DOUBLE_EXPORT int nccl_double_fill(float* first, long count, float value, int milliseconds, void* stream_handle) {
  Stream* stream = stream_of(stream_handle);
  if (stream == nullptr) {
    return invalid_handle;
  }
  stream->enqueue([=] {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    for (long i = 0; i < count; i++) {
      first[i] = value;
    }
  });
  return success;
}
