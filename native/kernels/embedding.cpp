#include <algorithm>
#include <array>
#include <vector>

#include "guarded.h"
#include "lookup.h"
#include "norm.h"
#include "parallel.h"
#include "profile.h"
#include "scratch.h"

using namespace linformer;

namespace {

// Rows that are taken at a time, so that what lies between two passes stays in the cache.
constexpr int64_t kBlock = 256;

struct Saved {
  float* normal; // [rows, hidden].
  float* rstd;   // [rows].
};

int64_t rowsOf(const lf_embedding_shape& shape) {
  return shape.batch * shape.length;
}

int64_t layOut(const lf_embedding_shape& shape, char* memory, Saved& saved) {
  Plan plan;
  const int64_t normal = plan.add(rowsOf(shape) * shape.hidden * static_cast<int64_t>(sizeof(float)));
  const int64_t rstd = plan.add(rowsOf(shape) * static_cast<int64_t>(sizeof(float)));
  if (memory != nullptr) {
    saved = {reinterpret_cast<float*>(memory + normal), reinterpret_cast<float*>(memory + rstd)};
  }
  return plan.size();
}

void check(const lf_embedding_shape& shape) {
  require(shape.batch >= 1, "batch", shape.batch, "1 and more");
  require(shape.hidden >= 1, "hidden", shape.hidden, "1 and more");
  require(shape.vocabulary >= 1, "vocabulary", shape.vocabulary, "1 and more");
  require(shape.length >= 1 && shape.length <= shape.positions, "length", shape.length, "from 1 to that of the positions");
  require(shape.dropout >= 0 && shape.dropout < 1, "dropout", shape.dropout, "from 0 to below 1");
}

LF_CLONES void addPositions(
    const lf_embedding_shape& shape, const float* tokens, const float* positions, const int64_t* ids, float* y, int64_t from,
    int64_t to) {
  const int64_t width = shape.hidden;
  for (int64_t row = from; row < to; ++row) {
    const float* __restrict token = tokens + ids[row] * width;
    const float* __restrict position = positions + row % shape.length * width;
    float* __restrict target = y + row * width;
    for (int64_t c = 0; c < width; ++c) {
      target[c] = token[c] + position[c];
    }
  }
}

// y[row] = dropout(x[firstRow + row]), which may be the same memory.
LF_CLONES void drop(
    const Dropout& dropout, const float* x, float* y, int64_t width, int64_t firstRow, int64_t from, int64_t to) {
  const Dropout copy = dropout;
  for (int64_t row = from; row < to; ++row) {
    const DropoutRow mask = copy.row(firstRow + row);
    const float* source = x + (firstRow + row) * width;
    float* target = y + row * width;
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) {
      target[c] = source[c] * copy.factor(mask, static_cast<uint32_t>(c));
    }
  }
}

// Rows [from, to), normalised in place. What is saved of row `from` goes to the start of `saved`.
void normalize(
    const lf_embedding_shape& shape, const float* weight, const float* shift, const Saved& saved, float* y, int64_t from,
    int64_t to) {
  const int64_t width = shape.hidden;
  NormForward<float> pass{};
  pass.width = width;
  pass.x = pass.value = y + from * width;
  pass.weight = weight;
  pass.shift = shift;
  pass.epsilon = shape.epsilon;
  pass.normal = saved.normal;
  pass.rstd = saved.rstd;
  addAndNormalize(pass, 0, to - from);
}

struct Gradients {
  float *tokens, *positions, *normWeight, *normBias;
};

// The gradient of tokens[ids] + positions for one block of rows: either dy itself, or in `scratch`.
const float* blockGradient(
    const lf_embedding_shape& shape, const Dropout& dropout, const float* weight, const Saved& saved, const float* dy,
    int64_t first, int64_t count, std::vector<float>& scratch, const Gradients& gradients) {
  const int64_t width = shape.hidden;
  if (!dropout.active() && weight == nullptr) {
    return dy + first * width;
  }
  float* const block = scratch.data();
  const std::array<float*, 2> sums{gradients.normWeight, gradients.normBias};
  inParallelSumming<2>(count, sums, {width, width}, [&](int64_t from, int64_t to, const std::array<float*, 2>& own) {
    const float* gradient = dy + first * width;
    if (dropout.active()) {
      drop(dropout, dy, block, width, first, from, to);
      gradient = block;
    }
    if (weight != nullptr) {
      NormBackward<float> pass{};
      pass.width = width;
      pass.dvalue = gradient;
      pass.weight = weight;
      pass.normal = saved.normal + first * width;
      pass.rstd = saved.rstd + first;
      pass.dsum = block;
      normalizeBackward(pass, {own[0], own[1], nullptr}, from, to);
    }
  });
  return block;
}

void backward(
    const lf_embedding_shape& shape, const Dropout& dropout, const float* weight, const Saved& saved, const int64_t* ids,
    const float* dy, const Gradients& gradients) {
  const int64_t width = shape.hidden;
  const int64_t rows = rowsOf(shape);
  std::vector<float> scratch(static_cast<size_t>(kBlock * width));
  std::vector<int64_t> places(static_cast<size_t>(kBlock));
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t count = std::min(kBlock, rows - first);
    const float* const gradient = blockGradient(shape, dropout, weight, saved, dy, first, count, scratch, gradients);
    for (int64_t i = 0; i < count; ++i) {
      places[static_cast<size_t>(i)] = (first + i) % shape.length;
    }
    scatterRows(gradient, ids + first, count, width, gradients.tokens);
    scatterRows(gradient, places.data(), count, width, gradients.positions);
  }
}

} // namespace

int64_t lf_embedding_saved_bytes(const lf_embedding_shape* shape) {
  Saved none{};
  return layOut(*shape, nullptr, none);
}

int32_t lf_embedding_forward(
    const lf_embedding_shape* shape, const float* tokens, const float* positions, const float* norm_weight,
    const float* norm_bias, const int64_t* ids, uint64_t seed, float* y, void* saved, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::Embedding);
    check(*shape);
    requireRows("ids", ids, rowsOf(*shape), shape->vocabulary);
    Saved kept{};
    layOut(*shape, static_cast<char*>(saved), kept);
    const auto dropout = saved == nullptr ? Dropout::none() : Dropout::of(seed, Site::Embedding, shape->dropout);
    // A block for each thread, when nobody wants what is saved.
    const int64_t unwantedRow = saved == nullptr && norm_weight != nullptr ? shape->hidden + 1 : 0;
    std::vector<float> unwanted(static_cast<size_t>(omp_get_max_threads() * kBlock * unwantedRow));
    inParallel(rowsOf(*shape), [&](int64_t from, int64_t to, int thread) {
      float* const own = unwanted.data() + thread * kBlock * unwantedRow;
      for (int64_t first = from; first < to; first += kBlock) {
        const int64_t end = std::min(first + kBlock, to);
        addPositions(*shape, tokens, positions, ids, y, first, end);
        if (norm_weight != nullptr) {
          const Saved here = saved != nullptr ? Saved{kept.normal + first * shape->hidden, kept.rstd + first}
                                              : Saved{own, own + kBlock * shape->hidden};
          normalize(*shape, norm_weight, norm_bias, here, y, first, end);
        }
        if (dropout.active()) {
          drop(dropout, y, y, shape->hidden, 0, first, end);
        }
      }
    });
  });
}

int32_t lf_embedding_backward(
    const lf_embedding_shape* shape, const float*, const float*, const float* norm_weight, const float*, const int64_t* ids,
    uint64_t seed, const void* saved, const float* dy, float* dtokens, float* dpositions, float* dnorm_weight,
    float* dnorm_bias, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::EmbeddingBackward);
    check(*shape);
    requireRows("ids", ids, rowsOf(*shape), shape->vocabulary);
    Saved kept{};
    layOut(*shape, static_cast<char*>(const_cast<void*>(saved)), kept);
    backward(
        *shape, Dropout::of(seed, Site::Embedding, shape->dropout), norm_weight, kept, ids, dy,
        {dtokens, dpositions, dnorm_weight, dnorm_bias});
  });
}
