#include "linformer_kernels.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "guarded.h"
#include "profile.h"
#include "vector.h"

using namespace linformer;

namespace {

// Elements that one thread takes at a time. Sums of chunks are added in the order of the chunks, so it is part of what
// lf_sum_of_squares computes.
constexpr int64_t kChunk = 1 << 15;

int64_t chunksOf(int64_t count) {
  return (count + kChunk - 1) / kChunk;
}

// Calls body(first, length) for each chunk.
template <typename Body>
void forChunks(int64_t count, Body body) {
  const int64_t chunks = chunksOf(count);
#pragma omp parallel for schedule(static) if (chunks > 1)
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    body(chunk * kChunk, std::min(kChunk, count - chunk * kChunk));
  }
}

// The square of a float is exact in double, so what is rounded is the sum alone. Four sums: one would wait for its own additions.
LF_CLONES double sumOfSquares(const float* values, int64_t count) {
  const int64_t quarter = count / 4;
  double sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
#pragma omp simd reduction(+ : sum0, sum1, sum2, sum3)
  for (int64_t i = 0; i < quarter; ++i) {
    const double x0 = values[i], x1 = values[quarter + i], x2 = values[2 * quarter + i], x3 = values[3 * quarter + i];
    sum0 += x0 * x0;
    sum1 += x1 * x1;
    sum2 += x2 * x2;
    sum3 += x3 * x3;
  }
  for (int64_t i = 4 * quarter; i < count; ++i) {
    sum0 += static_cast<double>(values[i]) * values[i];
  }
  return (sum0 + sum1) + (sum2 + sum3);
}

// What the elements of one update have in common.
struct Update {
  float gradientScale, beta1, oneMinusBeta1, beta2, oneMinusBeta2;
  float rootScale; // 1 / √(1 - β2^step): corrects the root of the second moment.
  float epsilon;
  float keep;       // 1 - rate · decay.
  float stepLength; // rate / (1 - β1^step).
};

Update prepare(const lf_adamw_options& options) {
  const auto step = static_cast<double>(options.step);
  Update update{};
  update.gradientScale = static_cast<float>(options.gradient_scale);
  update.beta1 = static_cast<float>(options.beta1);
  update.oneMinusBeta1 = static_cast<float>(1 - options.beta1);
  update.beta2 = static_cast<float>(options.beta2);
  update.oneMinusBeta2 = static_cast<float>(1 - options.beta2);
  update.rootScale = static_cast<float>(1 / std::sqrt(1 - std::pow(options.beta2, step)));
  update.epsilon = static_cast<float>(options.epsilon);
  update.keep = static_cast<float>(1 - options.learning_rate * options.weight_decay);
  update.stepLength = static_cast<float>(options.learning_rate / (1 - std::pow(options.beta1, step)));
  return update;
}

// The new value. This file is compiled without fused products and sums (CMakeLists.txt), so that every element gets the same bits
// wherever a range is cut, and on every processor.
LF_INLINE float updated(const Update& u, float value, float gradient, float& first, float& second) {
  const float g = gradient * u.gradientScale;
  first = first * u.beta1 + g * u.oneMinusBeta1;
  second = second * u.beta2 + g * g * u.oneMinusBeta2;
  return value * u.keep - u.stepLength * (first / (std::sqrt(second) * u.rootScale + u.epsilon));
}

LF_CLONES void adamw(
    const Update& update, float* __restrict values, const float* __restrict gradients, float* __restrict firstMoments,
    float* __restrict secondMoments, int64_t count) {
  const Update u = update;
  for (int64_t i = 0; i < count; ++i) {
    values[i] = updated(u, values[i], gradients[i], firstMoments[i], secondMoments[i]);
  }
}

LF_CLONES void toBf16(const float* __restrict values, Bf16* __restrict copy, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    store(copy[i], values[i]);
  }
}

void check(int64_t count) {
  require(count >= 0, "count", count, "0 and more");
}

void check(const lf_adamw_options& options) {
  require(options.step >= 1, "step", options.step, "1 and more");
  require(options.beta1 >= 0 && options.beta1 < 1, "beta1", options.beta1, "from 0 to below 1");
  require(options.beta2 >= 0 && options.beta2 < 1, "beta2", options.beta2, "from 0 to below 1");
}

} // namespace

int32_t lf_sum_of_squares(const float* values, int64_t count, double* sum, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::SumOfSquares);
    check(count);
    std::vector<double> sums(static_cast<size_t>(chunksOf(count)));
    forChunks(count, [&](int64_t first, int64_t length) {
      sums[static_cast<size_t>(first / kChunk)] = sumOfSquares(values + first, length);
    });
    *sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  });
}

int32_t lf_adamw(
    const lf_adamw_options* options, float* values, const float* gradients, float* first_moments, float* second_moments,
    int64_t count, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::AdamW);
    check(count);
    check(*options);
    const Update update = prepare(*options);
    forChunks(count, [&](int64_t i, int64_t length) {
      adamw(update, values + i, gradients + i, first_moments + i, second_moments + i, length);
    });
  });
}

int32_t lf_to_bf16(const float* values, uint16_t* copy, int64_t count, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::ToBf16);
    check(count);
    auto* const halves = reinterpret_cast<Bf16*>(copy);
    forChunks(count, [&](int64_t i, int64_t length) { toBf16(values + i, halves + i, length); });
  });
}
