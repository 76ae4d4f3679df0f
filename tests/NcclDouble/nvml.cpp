// The few functions of NVML that the agent uses.
#include <atomic>
#include <cstdint>
#include <cstdio>

#include "cuda.h"
#include "settings.h"

using namespace nccl_double;

namespace {

// nvmlReturn_t
constexpr int success = 0;
constexpr int uninitialized = 1;
constexpr int invalid_argument = 2;
constexpr int not_supported = 3;
constexpr int no_permission = 4;
constexpr int insufficient_size = 7;
constexpr int driver_not_loaded = 9;

struct Memory {
  unsigned long long total, free, used;
};

struct Utilization {
  unsigned gpu, memory;
};

std::atomic<bool> initialized{false};

// A handle is the GPU's number and one, since null is none.
int gpu_of(void* device) { return static_cast<int>(reinterpret_cast<intptr_t>(device)) - 1; }

int check(const char* function, void* device, const void* result) {
  if (int code = failure(function)) {
    return code;
  }
  if (!initialized) {
    return uninitialized;
  }
  int gpu = gpu_of(device);
  return gpu < 0 || gpu >= all_gpus() || result == nullptr ? invalid_argument : success;
}

}  // namespace

DOUBLE_EXPORT int nvmlInit_v2() {
  if (int code = failure("nvmlInit_v2")) {
    return code;
  }
  initialized = true;
  return success;
}

DOUBLE_EXPORT int nvmlShutdown() {
  initialized = false;
  return success;
}

DOUBLE_EXPORT const char* nvmlErrorString(int result) {
  switch (result) {
    case success: return "Success";
    case uninitialized: return "Uninitialized";
    case invalid_argument: return "Invalid Argument";
    case not_supported: return "Not Supported";
    case insufficient_size: return "Insufficient Size";
    case driver_not_loaded: return "Driver Not Loaded";
    default: return "Unknown Error";
  }
}

DOUBLE_EXPORT int nvmlDeviceGetCount_v2(unsigned* count) {
  if (!initialized) {
    return uninitialized;
  }
  *count = static_cast<unsigned>(all_gpus());
  return success;
}

DOUBLE_EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (!initialized) {
    return uninitialized;
  }
  if (index >= static_cast<unsigned>(all_gpus())) {
    return invalid_argument;
  }
  if (number("NCCL_DOUBLE_FORBIDDEN_GPU", -1) == static_cast<long>(index)) {
    return no_permission;
  }
  *device = reinterpret_cast<void*>(static_cast<intptr_t>(index) + 1);
  return success;
}

DOUBLE_EXPORT int nvmlDeviceGetUUID(void* device, char* uuid, unsigned length) {
  if (int code = check("nvmlDeviceGetUUID", device, uuid)) {
    return code;
  }
  if (length < 41) {
    return insufficient_size;
  }
  uuid_of(gpu_of(device), uuid, length);
  return success;
}

DOUBLE_EXPORT int nvmlDeviceGetName(void* device, char* name, unsigned length) {
  if (int code = check("nvmlDeviceGetName", device, name)) {
    return code;
  }
  std::string chosen = setting("NCCL_DOUBLE_GPU_NAME").value_or("Double of a GPU");
  if (length <= chosen.size()) {
    return insufficient_size;
  }
  std::strcpy(name, chosen.c_str());
  return success;
}

DOUBLE_EXPORT int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  if (int code = check("nvmlDeviceGetMemoryInfo", device, memory)) {
    return code;
  }
  unsigned long long total = 24ull << 30;
  unsigned long long used = static_cast<unsigned long long>(number("NCCL_DOUBLE_MEMORY_USED", 1l << 30)) + gpu_of(device);
  *memory = Memory{total, total - used, used};
  return success;
}

DOUBLE_EXPORT int nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor) {
  if (int code = check("nvmlDeviceGetCudaComputeCapability", device, major)) {
    return code;
  }
  *major = static_cast<int>(number("NCCL_DOUBLE_CAPABILITY", 80) / 10);
  *minor = static_cast<int>(number("NCCL_DOUBLE_CAPABILITY", 80) % 10);
  return success;
}

DOUBLE_EXPORT int nvmlDeviceGetTemperature(void* device, int sensor, unsigned* degrees) {
  if (int code = check("nvmlDeviceGetTemperature", device, degrees)) {
    return code;
  }
  if (sensor != 0) {
    return invalid_argument;
  }
  *degrees = static_cast<unsigned>(number("NCCL_DOUBLE_TEMPERATURE", 40)) + gpu_of(device);
  return success;
}

DOUBLE_EXPORT int nvmlDeviceGetUtilizationRates(void* device, Utilization* utilization) {
  if (int code = check("nvmlDeviceGetUtilizationRates", device, utilization)) {
    return code;
  }
  *utilization = Utilization{static_cast<unsigned>(number("NCCL_DOUBLE_UTILIZATION", 0)), 0};
  return success;
}
