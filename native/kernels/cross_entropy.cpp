#include "cross_entropy.h"

#include "profile.h"

namespace linformer {

namespace {

// Columns whose statistics a loop over rows holds in the first cache beside a row.
constexpr int64_t kTile = 512;

struct Nothing {};

LF_INLINE void keep(Nothing, int64_t, float) {}

template <typename Element>
LF_INLINE void keep(Element* __restrict exponentials, int64_t i, float x) {
  store(exponentials[i], x);
}

// Sums of a block are made apart, which keeps their rounding to that of `rows` additions.
template <typename Output>
LF_INLINE void sumsOf(const LogitBlock& block, const float* maxima, float* sums, Output output) {
  for (int64_t first = block.from; first < block.to; first += kTile) {
    const int64_t width = block.to - first < kTile ? block.to - first : kTile;
    float tile[kTile];
    for (int64_t i = 0; i < width; ++i) {
      tile[i] = 0.0f;
    }
    const float* __restrict highest = maxima + first;
    for (int64_t row = 0; row < block.rows; ++row) {
      const int64_t start = row * block.stride + first;
      const float* __restrict logits = block.logits + start;
      const float bias = block.bias[row];
      for (int64_t i = 0; i < width; ++i) {
        const float x = expOf(logits[i] + bias - highest[i]);
        tile[i] += x;
        keep(output, start + i, x);
      }
    }
    for (int64_t i = 0; i < width; ++i) {
      sums[first + i] += tile[i];
    }
  }
}

template <typename Element>
LF_INLINE void scaledRows(
    const Element* __restrict exponentials, const float* __restrict factors, int64_t columns, int64_t from, int64_t to,
    Element* __restrict gradient, float* __restrict biasGradient) {
  for (int64_t row = from; row < to; ++row) {
    const Element* __restrict x = exponentials + row * columns;
    Element* __restrict y = gradient + row * columns;
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < columns; ++i) {
      const float product = toFloat(x[i]) * factors[i];
      store(y[i], product);
      sum += product;
    }
    biasGradient[row] += sum;
  }
}

} // namespace

LF_CLONES void takeMaxima(const LogitBlock& block, float* maxima, float* sums) {
  const Timed timed(Kernel::LogitMaxima);
  const int64_t width = block.to - block.from;
  float* __restrict highest = maxima + block.from;
  float* __restrict scaled = sums + block.from;
  for (int64_t first = 0; first < width; first += kTile) {
    const int64_t end = width - first < kTile ? width : first + kTile;
    float tile[kTile];
    for (int64_t i = first; i < end; ++i) {
      tile[i - first] = highest[i];
    }
    for (int64_t row = 0; row < block.rows; ++row) {
      const float* __restrict logits = block.logits + row * block.stride + block.from;
      const float bias = block.bias[row];
      for (int64_t i = first; i < end; ++i) {
        const float x = logits[i] + bias;
        tile[i - first] = x > tile[i - first] ? x : tile[i - first];
      }
    }
    for (int64_t i = first; i < end; ++i) {
      scaled[i] *= expOf(highest[i] - tile[i - first]);
      highest[i] = tile[i - first];
    }
  }
}

LF_CLONES void takeSums(const LogitBlock& block, const float* maxima, float* sums) {
  const Timed timed(Kernel::LogitSums);
  sumsOf(block, maxima, sums, Nothing{});
}

LF_CLONES void takeSums(const LogitBlock& block, const float* maxima, float* sums, float* exponentials) {
  const Timed timed(Kernel::LogitSums);
  sumsOf(block, maxima, sums, exponentials);
}

LF_CLONES void takeSums(const LogitBlock& block, const float* maxima, float* sums, Bf16* exponentials) {
  const Timed timed(Kernel::LogitSums);
  sumsOf(block, maxima, sums, exponentials);
}

LF_CLONES void scaleColumns(
    const float* exponentials, const float* factors, int64_t columns, int64_t from, int64_t to, float* gradient,
    float* biasGradient) {
  const Timed timed(Kernel::LogitGradient);
  scaledRows(exponentials, factors, columns, from, to, gradient, biasGradient);
}

LF_CLONES void scaleColumns(
    const Bf16* exponentials, const float* factors, int64_t columns, int64_t from, int64_t to, Bf16* gradient,
    float* biasGradient) {
  const Timed timed(Kernel::LogitGradient);
  scaledRows(exponentials, factors, columns, from, to, gradient, biasGradient);
}

} // namespace linformer
