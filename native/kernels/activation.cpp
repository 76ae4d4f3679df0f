#include "activation.h"

#include "profile.h"

namespace linformer {

namespace {

template <typename Element>
LF_INLINE void geluRows(const Element* __restrict x, Element* __restrict value, int64_t from, int64_t to) {
#pragma omp simd simdlen(kLanes<Element>)
  for (int64_t i = from; i < to; ++i) {
    store(value[i], geluOf<TailFor<Element>>(toFloat(x[i])));
  }
}

template <typename Element>
LF_INLINE void geluBackwardRows(
    const Element* __restrict x, Element* __restrict gradient, Element* __restrict value, float* __restrict sums,
    int64_t width, int64_t from, int64_t to) {
  for (int64_t row = from; row < to; ++row) {
    const int64_t first = row * width;
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      float v;
      float derivative;
      geluOf<TailFor<Element>>(toFloat(x[first + c]), v, derivative);
      const float d = toFloat(gradient[first + c]) * derivative;
      sums[c] += d;
      store(value[first + c], v);
      store(gradient[first + c], d);
    }
  }
}

// Lanes of their own: a maximum over a plain variable is not vectorised, because of NaN. NaN is left out here, and comes back in.
LF_INLINE float largest(const float* __restrict x, int64_t width) {
  constexpr int64_t kLanes = 32;
  float lanes[kLanes];
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    lanes[lane] = x[0];
  }
  int64_t c = 0;
  for (; c + kLanes <= width; c += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = x[c + lane] > lanes[lane] ? x[c + lane] : lanes[lane];
    }
  }
  float result = x[0];
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    result = lanes[lane] > result ? lanes[lane] : result;
  }
  for (; c < width; ++c) {
    result = x[c] > result ? x[c] : result;
  }
  return result;
}

template <typename Element>
LF_INLINE void softmaxRows(const Softmax<Element>& pass, int64_t from, int64_t to) {
  const int64_t width = pass.width;
  const float scale = pass.scale * kLog2E;
  const Dropout dropout = pass.dropout;
  for (int64_t row = from; row < to; ++row) {
    float* __restrict scores = pass.scores + row * width;
    Element* __restrict weights = pass.weights + row * width;
    const float most = largest(scores, width) * scale;
    float total = 0;
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : total)
    for (int64_t c = 0; c < width; ++c) {
      const float e = exp2Below(scores[c] * scale - most);
      scores[c] = e;
      total += e;
    }
    const float factor = 1.0f / total;
    if (pass.logSums != nullptr) {
      pass.logSums[row] = most + logOf(total) * kLog2E;
    }
    if (dropout.active()) {
      Element* __restrict dropped = pass.dropped + row * width;
      const DropoutRow mask = dropout.row(pass.firstRow + row);
#pragma omp simd simdlen(kLanes<Element>)
      for (int64_t c = 0; c < width; ++c) {
        const float p = scores[c] * factor;
        store(weights[c], p);
        store(dropped[c], p * dropout.factor(mask, static_cast<uint32_t>(c)));
      }
    } else {
#pragma omp simd simdlen(kLanes<Element>)
      for (int64_t c = 0; c < width; ++c) {
        store(weights[c], scores[c] * factor);
      }
    }
  }
}

template <typename Element>
LF_INLINE void softmaxAgainRows(const SoftmaxAgain<Element>& pass, int64_t from, int64_t to) {
  const int64_t width = pass.width;
  const float scale = pass.scale * kLog2E;
  for (int64_t row = from; row < to; ++row) {
    const float* __restrict scores = pass.scores + row * width;
    Element* __restrict weights = pass.weights + row * width;
    const float logSum = pass.logSums[row];
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      store(weights[c], exp2Below(scores[c] * scale - logSum));
    }
  }
}

template <bool Drops, typename Element>
LF_INLINE void softmaxBackwardRows(const SoftmaxBackward<Element>& pass, int64_t from, int64_t to) {
  const int64_t width = pass.width;
  const float scale = pass.scale;
  const Dropout dropout = pass.dropout;
  for (int64_t row = from; row < to; ++row) {
    const Element* __restrict weights = pass.weights + row * width;
    const float* __restrict gradient = pass.gradient + row * width;
    Element* __restrict scores = pass.scores + row * width;
    Element* __restrict dropped = Drops ? pass.dropped + row * width : nullptr;
    const DropoutRow mask = Drops ? dropout.row(pass.firstRow + row) : DropoutRow{};
    float along = 0;
#pragma omp simd simdlen(kLanes<Element>) reduction(+ : along)
    for (int64_t c = 0; c < width; ++c) {
      const float p = toFloat(weights[c]);
      const float factor = Drops ? dropout.factor(mask, static_cast<uint32_t>(c)) : 1.0f;
      along += p * (gradient[c] * factor);
      if (Drops) {
        store(dropped[c], p * factor);
      }
    }
#pragma omp simd simdlen(kLanes<Element>)
    for (int64_t c = 0; c < width; ++c) {
      const float factor = Drops ? dropout.factor(mask, static_cast<uint32_t>(c)) : 1.0f;
      store(scores[c], toFloat(weights[c]) * scale * (gradient[c] * factor - along));
    }
  }
}

template <typename Element>
LF_INLINE void softmaxBackwardEither(const SoftmaxBackward<Element>& pass, int64_t from, int64_t to) {
  if (pass.dropout.active()) {
    softmaxBackwardRows<true>(pass, from, to);
  } else {
    softmaxBackwardRows<false>(pass, from, to);
  }
}

} // namespace

LF_CLONES void gelu(const float* x, float* value, int64_t width, int64_t from, int64_t to) {
  const Timed timed(Kernel::Gelu);
  geluRows(x, value, from * width, to * width);
}

LF_CLONES void gelu(const Bf16* x, Bf16* value, int64_t width, int64_t from, int64_t to) {
  const Timed timed(Kernel::Gelu);
  geluRows(x, value, from * width, to * width);
}

LF_CLONES void geluBackward(
    const float* x, float* gradient, float* value, float* sums, int64_t width, int64_t from, int64_t to) {
  const Timed timed(Kernel::GeluBackward);
  geluBackwardRows(x, gradient, value, sums, width, from, to);
}

LF_CLONES void geluBackward(
    const Bf16* x, Bf16* gradient, Bf16* value, float* sums, int64_t width, int64_t from, int64_t to) {
  const Timed timed(Kernel::GeluBackward);
  geluBackwardRows(x, gradient, value, sums, width, from, to);
}

LF_CLONES void softmax(const Softmax<float>& pass, int64_t from, int64_t to) {
  const Timed timed(Kernel::Softmax);
  softmaxRows(pass, from, to);
}

LF_CLONES void softmax(const Softmax<Bf16>& pass, int64_t from, int64_t to) {
  const Timed timed(Kernel::Softmax);
  softmaxRows(pass, from, to);
}

LF_CLONES void softmaxAgain(const SoftmaxAgain<float>& pass, int64_t from, int64_t to) {
  const Timed timed(Kernel::Softmax);
  softmaxAgainRows(pass, from, to);
}

LF_CLONES void softmaxAgain(const SoftmaxAgain<Bf16>& pass, int64_t from, int64_t to) {
  const Timed timed(Kernel::Softmax);
  softmaxAgainRows(pass, from, to);
}

LF_CLONES void softmaxBackward(const SoftmaxBackward<float>& pass, int64_t from, int64_t to) {
  const Timed timed(Kernel::SoftmaxBackward);
  softmaxBackwardEither(pass, from, to);
}

LF_CLONES void softmaxBackward(const SoftmaxBackward<Bf16>& pass, int64_t from, int64_t to) {
  const Timed timed(Kernel::SoftmaxBackward);
  softmaxBackwardEither(pass, from, to);
}

} // namespace linformer
