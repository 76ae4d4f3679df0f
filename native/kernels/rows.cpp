#include "rows.h"

#include <cstring>

namespace linformer {

namespace {

template <typename Element>
LF_INLINE void maskRowsOf(const Element* x, const float* keep, Element* y, int64_t width, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    if (keep[row] == 0.0f) {
      std::memset(y + row * width, 0, static_cast<size_t>(width) * sizeof(Element));
    } else if (x != y) {
      std::memcpy(y + row * width, x + row * width, static_cast<size_t>(width) * sizeof(Element));
    }
  }
}

template <typename Element>
LF_INLINE void maskColumnsOf(
    const Element* __restrict x, const float* __restrict keep, Element* __restrict y, int64_t columns, int64_t width,
    int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < columns; ++c) {
      store(y[row * width + c], toFloat(x[row * width + c]) * keep[c]);
    }
  }
}

template <typename Element>
LF_INLINE void sumColumnsOf(
    const Element* __restrict x, const float* __restrict keep, float* __restrict sums, int64_t columns, int64_t width,
    int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    float sum = 0;
    if (keep == nullptr) {
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : sum)
      for (int64_t c = 0; c < columns; ++c) {
        sum += toFloat(x[row * width + c]);
      }
    } else {
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : sum)
      for (int64_t c = 0; c < columns; ++c) {
        sum += toFloat(x[row * width + c]) * keep[c];
      }
    }
    sums[row] = sum;
  }
}

template <bool Masked, typename Element>
LF_INLINE void packColumnsOf(
    const float* __restrict x, const float* __restrict keep, Element* __restrict y, float* __restrict sums,
    int64_t columns, int64_t width, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    float sum = 0;
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) {
      const float value = Masked ? x[row * width + c] * keep[c] : x[row * width + c];
      sum += value;
      store(y[row * columns + c], value);
    }
    if (sums != nullptr) {
      sums[row] += sum;
    }
  }
}

template <typename Element>
LF_INLINE void packColumnsEither(
    const float* x, const float* keep, Element* y, float* sums, int64_t columns, int64_t width, int64_t from,
    int64_t to) {
  if (keep != nullptr) {
    packColumnsOf<true>(x, keep, y, sums, columns, width, from, to);
  } else {
    packColumnsOf<false>(x, keep, y, sums, columns, width, from, to);
  }
}

template <typename Element>
LF_INLINE void sumRowsOf(const Element* __restrict x, float* __restrict sums, int64_t width, int64_t from, int64_t to) {
  int64_t row = from;
  for (; row + 4 <= to; row += 4) {
    const Element* __restrict first = x + row * width;
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      sums[c] += (toFloat(first[c]) + toFloat(first[width + c])) +
          (toFloat(first[2 * width + c]) + toFloat(first[3 * width + c]));
    }
  }
  for (; row < to; ++row) {
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      sums[c] += toFloat(x[row * width + c]);
    }
  }
}

template <typename Element>
LF_INLINE void addOuterOf(
    const float* __restrict x, const float* __restrict left, int64_t period, const float* __restrict right,
    Element* __restrict y, int64_t width, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    const float factor = left[row % period];
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      store(y[row * width + c], x[row * width + c] + factor * right[c]);
    }
  }
}

template <typename Element>
LF_INLINE void addOuterBackwardOf(
    const float* __restrict dx, const float* __restrict left, int64_t period, const float* __restrict right,
    Element* __restrict y, float* __restrict dleft, float* __restrict dright, int64_t width, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    const float factor = left[row % period];
    float along = 0;
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : along)
    for (int64_t c = 0; c < width; ++c) {
      const float d = dx[row * width + c];
      along += d * right[c];
      dright[c] += factor * d;
      store(y[row * width + c], d);
    }
    dleft[row] = along;
  }
}

} // namespace

LF_CLONES void cast(const float* __restrict x, Bf16* __restrict y, int64_t width, int64_t from, int64_t to) {
#pragma omp simd
  for (int64_t i = from * width; i < to * width; ++i) {
    store(y[i], x[i]);
  }
}

void cast(const float* x, float* y, int64_t width, int64_t from, int64_t to) {
  std::memcpy(y + from * width, x + from * width, static_cast<size_t>((to - from) * width) * sizeof(float));
}

void maskRows(const float* x, const float* keep, float* y, int64_t width, int64_t from, int64_t to) {
  maskRowsOf(x, keep, y, width, from, to);
}

void maskRows(const Bf16* x, const float* keep, Bf16* y, int64_t width, int64_t from, int64_t to) {
  maskRowsOf(x, keep, y, width, from, to);
}

LF_CLONES void maskColumns(
    const float* x, const float* keep, float* y, int64_t columns, int64_t width, int64_t from, int64_t to) {
  maskColumnsOf(x, keep, y, columns, width, from, to);
}

LF_CLONES void maskColumns(
    const Bf16* x, const float* keep, Bf16* y, int64_t columns, int64_t width, int64_t from, int64_t to) {
  maskColumnsOf(x, keep, y, columns, width, from, to);
}

LF_CLONES void sumColumns(
    const float* x, const float* keep, float* sums, int64_t columns, int64_t width, int64_t from, int64_t to) {
  sumColumnsOf(x, keep, sums, columns, width, from, to);
}

LF_CLONES void sumColumns(
    const Bf16* x, const float* keep, float* sums, int64_t columns, int64_t width, int64_t from, int64_t to) {
  sumColumnsOf(x, keep, sums, columns, width, from, to);
}

LF_CLONES void packColumns(
    const float* x, const float* keep, float* y, float* sums, int64_t columns, int64_t width, int64_t from, int64_t to) {
  packColumnsEither(x, keep, y, sums, columns, width, from, to);
}

LF_CLONES void packColumns(
    const float* x, const float* keep, Bf16* y, float* sums, int64_t columns, int64_t width, int64_t from, int64_t to) {
  packColumnsEither(x, keep, y, sums, columns, width, from, to);
}

LF_CLONES void addPacked(
    const float* __restrict dy, const float* __restrict dsums, const float* __restrict keep, float* __restrict dx,
    int64_t columns, int64_t width, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    const float sum = dsums != nullptr ? dsums[row] : 0.0f;
    if (keep == nullptr) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        dx[row * width + c] += dy[row * columns + c] + sum;
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        dx[row * width + c] += keep[c] * (dy[row * columns + c] + sum);
      }
    }
  }
}

LF_CLONES void sumRows(const float* x, float* sums, int64_t width, int64_t from, int64_t to) {
  sumRowsOf(x, sums, width, from, to);
}

LF_CLONES void sumRows(const Bf16* x, float* sums, int64_t width, int64_t from, int64_t to) {
  sumRowsOf(x, sums, width, from, to);
}

LF_CLONES void addOuter(
    const float* x, const float* left, int64_t period, const float* right, float* y, int64_t width, int64_t from,
    int64_t to) {
  addOuterOf(x, left, period, right, y, width, from, to);
}

LF_CLONES void addOuter(
    const float* x, const float* left, int64_t period, const float* right, Bf16* y, int64_t width, int64_t from,
    int64_t to) {
  addOuterOf(x, left, period, right, y, width, from, to);
}

LF_CLONES void addOuterBackward(
    const float* dx, const float* left, int64_t period, const float* right, float* y, float* dleft, float* dright,
    int64_t width, int64_t from, int64_t to) {
  addOuterBackwardOf(dx, left, period, right, y, dleft, dright, width, from, to);
}

LF_CLONES void addOuterBackward(
    const float* dx, const float* left, int64_t period, const float* right, Bf16* y, float* dleft, float* dright,
    int64_t width, int64_t from, int64_t to) {
  addOuterBackwardOf(dx, left, period, right, y, dleft, dright, width, from, to);
}

LF_CLONES void addOuterInPlace(
    float* y, const float* left, const float* right, int64_t columns, int64_t width, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    float* __restrict target = y + row * width;
    const float factor = left[row];
    if (right == nullptr) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        target[c] += factor;
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        target[c] += factor * right[c];
      }
    }
  }
}

} // namespace linformer
