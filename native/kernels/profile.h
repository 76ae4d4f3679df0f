// Where the time of the kernels goes: off unless lf_profile_begin turns it on, and then of the thread that calls them.
#pragma once

#include <cstdint>

namespace linformer {

// What is timed beside the products, which are told apart by their shapes. A kernel's time is without that of others inside it.
enum class Kernel {
  Embedding,
  EmbeddingBackward,
  Layer,
  LayerBackward,
  Attention,
  AttentionBackward,
  Head,
  HeadBackward,
  SumOfSquares,
  AdamW,
  ToBf16,
  AddAndNormalize,
  NormalizeBackward,
  RestoreNormalized,
  Gelu,
  GeluBackward,
  Softmax,
  SoftmaxBackward,
  LogitMaxima,
  LogitSums,
  LogitGradient,
  Count,
};

struct ProfileRecord {
  int64_t calls;
  int64_t nanoseconds;
  double flops;
};

// Read by every kernel: while it is false that is all that profiling costs.
extern bool profiling;

ProfileRecord* recordOf(Kernel kernel);

// The record of all products of one shape; it stays.
ProfileRecord* recordOfProduct(int64_t batch, int64_t m, int64_t k, int64_t n, bool bf16);

// Times the scope that it lives in.
class Timed {
 public:
  explicit Timed(Kernel kernel) {
    if (profiling) {
      begin(recordOf(kernel), 0);
    }
  }

  Timed(ProfileRecord* record, double flops) {
    if (profiling) {
      begin(record, flops);
    }
  }

  ~Timed() {
    if (record_ != nullptr) {
      end();
    }
  }

  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  void begin(ProfileRecord* record, double flops);
  void end();

  ProfileRecord* record_ = nullptr;
  Timed* outer_;
  double flops_;
  int64_t start_;
  int64_t inside_;
};

} // namespace linformer
