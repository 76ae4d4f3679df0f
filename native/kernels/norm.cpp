#include "norm.h"

#include <cmath>

#include "profile.h"

namespace linformer {

namespace {

template <typename Element>
LF_INLINE void addRow(const NormForward<Element>& pass, int64_t row, float* sum) {
  const int64_t width = pass.width;
  const float* x = pass.x + row * width; // It may be where the sum is.
  const float* __restrict branch = pass.branch + row * width;
  const float* __restrict bias = pass.bias;
  if (pass.dropout.active()) {
    const Dropout dropout = pass.dropout;
    const DropoutRow mask = dropout.row(pass.firstRow + row);
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      sum[c] = x[c] + (branch[c] + bias[c]) * dropout.factor(mask, static_cast<uint32_t>(c));
    }
  } else {
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      sum[c] = x[c] + (branch[c] + bias[c]);
    }
  }
}

template <bool HasValue, bool HasOperand, typename Element>
LF_INLINE void writeRow(const NormForward<Element>& pass, int64_t row, const float* sum, float mean, float rstd) {
  const int64_t width = pass.width;
  const float* __restrict weight = pass.weight;
  const float* __restrict shift = pass.shift;
  float* value = HasValue ? pass.value + row * width : nullptr; // It may be where the sum is.
  Element* __restrict operand = HasOperand ? pass.operand + row * width : nullptr;
  Element* __restrict normal = pass.normal + row * width;
#pragma omp simd simdlen(kLanes<Element>)
  for (int64_t c = 0; c < width; ++c) {
    const float n = (sum[c] - mean) * rstd;
    const float v = n * weight[c] + shift[c];
    store(normal[c], n);
    if (HasOperand) {
      store(operand[c], v);
    }
    if (HasValue) {
      value[c] = v;
    }
  }
}

template <typename Element>
LF_INLINE void normalizeRow(const NormForward<Element>& pass, int64_t row, const float* sum) {
  const int64_t width = pass.width;
  float total = 0;
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : total)
  for (int64_t c = 0; c < width; ++c) {
    total += sum[c];
  }
  const float mean = total / static_cast<float>(width);
  float squares = 0;
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : squares)
  for (int64_t c = 0; c < width; ++c) {
    const float difference = sum[c] - mean;
    squares += difference * difference;
  }
  const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(width) + pass.epsilon);
  pass.rstd[row] = rstd;
  if (pass.value == nullptr) {
    writeRow<false, true>(pass, row, sum, mean, rstd);
  } else if (pass.operand == nullptr) {
    writeRow<true, false>(pass, row, sum, mean, rstd);
  } else {
    writeRow<true, true>(pass, row, sum, mean, rstd);
  }
}

template <typename Element>
LF_INLINE void addAndNormalizeRows(const NormForward<Element>& pass, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    const float* sum = pass.x + row * pass.width;
    if (pass.branch != nullptr) {
      float* target = (pass.sum != nullptr ? pass.sum : pass.value) + row * pass.width;
      addRow(pass, row, target);
      sum = target;
    }
    if (pass.weight != nullptr) {
      normalizeRow(pass, row, sum);
    }
  }
}

template <typename Element>
LF_INLINE void backwardRow(const NormBackward<Element>& pass, const NormSums& sums, int64_t row, float* dsum) {
  const int64_t width = pass.width;
  const float* dvalue = pass.dvalue + row * width;
  const Element* __restrict normal = pass.normal + row * width;
  const float* __restrict weight = pass.weight;
  float* __restrict dweight = sums.weight;
  float* __restrict dshift = sums.shift;
  float total = 0;
  float along = 0;
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : total, along)
  for (int64_t c = 0; c < width; ++c) {
    const float n = toFloat(normal[c]);
    const float d = dvalue[c];
    const float g = d * weight[c];
    total += g;
    along += g * n;
    dweight[c] += d * n;
    dshift[c] += d;
  }
  const float mean = total / static_cast<float>(width);
  const float slope = along / static_cast<float>(width);
  const float rstd = pass.rstd[row];
  if (pass.residual != nullptr) {
    const float* residual = pass.residual + row * width;
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      dsum[c] = residual[c] + rstd * (dvalue[c] * weight[c] - mean - toFloat(normal[c]) * slope);
    }
  } else {
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      dsum[c] = rstd * (dvalue[c] * weight[c] - mean - toFloat(normal[c]) * slope);
    }
  }
}

// What goes back into the branch, and the gradient of its bias.
template <typename Element>
LF_INLINE void dropRow(const NormBackward<Element>& pass, float* __restrict bias, int64_t row, const float* dsum) {
  const int64_t width = pass.width;
  Element* __restrict operand = pass.operand + row * width;
  if (pass.dropout.active()) {
    const Dropout dropout = pass.dropout;
    const DropoutRow mask = dropout.row(pass.firstRow + row);
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      const float d = dsum[c] * dropout.factor(mask, static_cast<uint32_t>(c));
      bias[c] += d;
      store(operand[c], d);
    }
  } else if (pass.operand != nullptr) {
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      bias[c] += dsum[c];
      store(operand[c], dsum[c]);
    }
  } else {
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      bias[c] += dsum[c];
    }
  }
}

template <typename Element>
LF_INLINE void normalizeBackwardRows(
    const NormBackward<Element>& pass, const NormSums& sums, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    const float* dsum = pass.dvalue + row * pass.width;
    if (pass.weight != nullptr) {
      float* target = pass.dsum + row * pass.width;
      backwardRow(pass, sums, row, target);
      dsum = target;
    }
    if (sums.bias != nullptr) {
      dropRow(pass, sums.bias, row, dsum);
    }
  }
}

template <typename Element>
LF_INLINE void restoreRows(
    const Element* __restrict normal, const float* __restrict weight, const float* __restrict shift,
    Element* __restrict operand, int64_t width, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      store(operand[row * width + c], toFloat(normal[row * width + c]) * weight[c] + shift[c]);
    }
  }
}

} // namespace

LF_CLONES void addAndNormalize(const NormForward<float>& pass, int64_t from, int64_t to) {
  const Timed timed(Kernel::AddAndNormalize);
  addAndNormalizeRows(pass, from, to);
}

LF_CLONES void addAndNormalize(const NormForward<Bf16>& pass, int64_t from, int64_t to) {
  const Timed timed(Kernel::AddAndNormalize);
  addAndNormalizeRows(pass, from, to);
}

LF_CLONES void normalizeBackward(const NormBackward<float>& pass, const NormSums& sums, int64_t from, int64_t to) {
  const Timed timed(Kernel::NormalizeBackward);
  normalizeBackwardRows(pass, sums, from, to);
}

LF_CLONES void normalizeBackward(const NormBackward<Bf16>& pass, const NormSums& sums, int64_t from, int64_t to) {
  const Timed timed(Kernel::NormalizeBackward);
  normalizeBackwardRows(pass, sums, from, to);
}

LF_CLONES void restoreNormalized(
    const float* normal, const float* weight, const float* shift, float* operand, int64_t width, int64_t from, int64_t to) {
  const Timed timed(Kernel::RestoreNormalized);
  restoreRows(normal, weight, shift, operand, width, from, to);
}

LF_CLONES void restoreNormalized(
    const Bf16* normal, const float* weight, const float* shift, Bf16* operand, int64_t width, int64_t from, int64_t to) {
  const Timed timed(Kernel::RestoreNormalized);
  restoreRows(normal, weight, shift, operand, width, from, to);
}

} // namespace linformer
