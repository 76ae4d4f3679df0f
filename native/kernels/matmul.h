// Matrix products of oneDNN on raw pointers.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "profile.h"

namespace linformer {

enum class Numbers { Fp32, Bf16 };

// Where an element (outer, inner, row, column) of a batch of matrices lies, in elements. A batch stride of 0: the same matrix for all.
struct Layout {
  int64_t outer, inner, row, column;

  // Rows of `width` elements, one after the other.
  static Layout rows(int64_t width, int64_t inner = 0, int64_t outer = 0) {
    return {outer, inner, width, 1};
  }

  // The same memory, read as the transposed matrix.
  Layout transposed() const {
    return {outer, inner, column, row};
  }
};

// C = A·B, for batches of outer · inner matrices, with A of [m, k] and B of [k, n].
struct Product {
  int64_t m, k, n;
  Layout a, b, c;
  Numbers input, output;
  bool accumulate = false; // C += A·B.
  bool bias = false;       // An fp32 vector of n is added to each row.
  int64_t outer = 1, inner = 1;
};

// A product whose code is made once. Run only from one thread at a time.
class Matmul {
 public:
  Matmul() = default; // Holds nothing; assign before it runs.
  explicit Matmul(const Product& product);

  // Of single matrices; the rows of C are n elements long.
  static Matmul plain(
      int64_t m, int64_t k, int64_t n, Layout a, Layout b, Numbers input, Numbers output, bool accumulate = false,
      bool bias = false);

  // What `run` wants as scratch, which products that do not run at once can share.
  size_t scratchBytes() const;

  void run(const void* a, const void* b, void* c, void* scratch, const float* bias = nullptr) const;

 private:
  dnnl::matmul primitive_;
  dnnl::memory a_, b_, c_, bias_, scratch_;
  size_t scratchBytes_ = 0;
  ProfileRecord* record_ = nullptr;
  double flops_ = 0;
};

// What is enough for any of them.
size_t largestScratch(std::initializer_list<const Matmul*> products);

// Whether this processor multiplies bf16 in hardware.
bool hasBf16Products();

} // namespace linformer
