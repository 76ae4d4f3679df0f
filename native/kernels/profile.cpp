#include "profile.h"

#include <omp.h>

#include <array>
#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "linformer_kernels.h"

namespace linformer {

bool profiling = false;

namespace {

// In the order of Kernel.
constexpr const char* kNames[] = {
    "embedding: the rest",
    "embedding, backward: the rest",
    "layer: the rest",
    "layer, backward: the rest",
    "attention: the rest",
    "attention, backward: the rest",
    "head: the rest",
    "head, backward: the rest",
    "sum of squares of the gradients",
    "AdamW",
    "parameters to bf16",
    "residual, dropout and norm",
    "residual, dropout and norm, backward",
    "norm again for backward",
    "GELU",
    "GELU, backward",
    "softmax",
    "softmax, backward",
    "logits: maxima",
    "logits: sums of exponentials",
    "logits: gradient",
};
static_assert(std::size(kNames) == static_cast<size_t>(Kernel::Count));

std::array<ProfileRecord, std::size(kNames)> sites{};

// Models may be made on several threads.
std::mutex gate;
std::map<std::string, std::unique_ptr<ProfileRecord>> products;

thread_local Timed* innermost = nullptr;

int64_t now() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

void reset() {
  sites = {};
  for (const auto& product : products) {
    *product.second = {};
  }
}

} // namespace

ProfileRecord* recordOf(Kernel kernel) {
  return &sites[static_cast<size_t>(kernel)];
}

ProfileRecord* recordOfProduct(int64_t batch, int64_t m, int64_t k, int64_t n, bool bf16) {
  std::string name = "product ";
  if (batch > 1) {
    name += std::to_string(batch) + " of ";
  }
  name += std::to_string(m) + "×" + std::to_string(k) + "×" + std::to_string(n) + (bf16 ? " bf16" : " fp32");
  const std::lock_guard<std::mutex> lock(gate);
  auto& record = products[name];
  if (record == nullptr) {
    record = std::make_unique<ProfileRecord>();
  }
  return record.get();
}

void Timed::begin(ProfileRecord* record, double flops) {
  // Of the threads that share a loop, the one that began it counts for all.
  if (record == nullptr || omp_get_thread_num() != 0) {
    return;
  }
  record_ = record;
  flops_ = flops;
  inside_ = 0;
  outer_ = innermost;
  innermost = this;
  start_ = now();
}

void Timed::end() {
  const int64_t time = now() - start_;
  record_->calls++;
  record_->nanoseconds += time - inside_;
  record_->flops += flops_;
  innermost = outer_;
  if (outer_ != nullptr) {
    outer_->inside_ += time;
  }
}

} // namespace linformer

using namespace linformer;

void lf_profile_begin(int32_t on) {
  const std::lock_guard<std::mutex> lock(gate);
  if (on != 0) {
    reset();
  }
  profiling = on != 0;
}

int32_t lf_profile_read(int32_t index, const char** name, int64_t* calls, double* seconds, double* flops) {
  const std::lock_guard<std::mutex> lock(gate);
  const auto own = static_cast<int32_t>(sites.size());
  if (index < 0 || index >= own + static_cast<int32_t>(products.size())) {
    return 0;
  }
  const ProfileRecord* record = nullptr;
  if (index < own) {
    *name = kNames[index];
    record = &sites[static_cast<size_t>(index)];
  } else {
    const auto product = std::next(products.begin(), index - own);
    *name = product->first.c_str();
    record = product->second.get();
  }
  *calls = record->calls;
  *seconds = 1e-9 * static_cast<double>(record->nanoseconds);
  *flops = record->flops;
  return 1;
}
