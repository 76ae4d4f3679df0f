#include "head.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "activation.h"
#include "guarded.h"
#include "lookup.h"
#include "norm.h"
#include "parallel.h"
#include "profile.h"
#include "rows.h"

using namespace linformer;

struct lf_head {
  Head head;
};

namespace {

// Columns of logits that threads divide: a cache line.
constexpr int64_t kLine = 16;

struct Call {
  const lf_head_parameters& fp32;
  const lf_head_parameters* bf16;
  const int64_t* positions;
  const int64_t* targets;
  int64_t predicted;
};

const float* floats(const void* memory) {
  return static_cast<const float*>(memory);
}

float* floats(void* memory) {
  return static_cast<float*>(memory);
}

// dst[column][row] = src[row][column], with columns of dst as wide as `rows`.
LF_CLONES void transpose(const float* __restrict source, int64_t rows, int64_t columns, float* __restrict target) {
  constexpr int64_t kTile = 16;
  for (int64_t row = 0; row < rows; row += kTile) {
    for (int64_t column = 0; column < columns; ++column) {
      for (int64_t r = row; r < rows && r < row + kTile; ++r) {
        target[column * rows + r] = source[r * columns + column];
      }
    }
  }
}

// Forward and backward for one type of the products' operands.
template <typename Element>
class Pass {
 public:
  Pass(Head& head, const Call& call, bool backward, char* saved)
      : head_(head), call_(call), plan_(head.plan(call.predicted, backward)), width_(head.shape.hidden),
        saved_(saved != nullptr ? saved : head.scratch<char>(0)) {}

  double forward(const float* hidden, bool keep) {
    gather(hidden);
    enterVocabulary();
    std::fill_n(kept<float>(plan_.maxima), plan_.columns, kLowest);
    std::fill_n(kept<float>(plan_.sums), plan_.columns, 0.0f);
    std::fill_n(kept<float>(plan_.targets), plan_.columns, 0.0f);
    for (int64_t block = 0; block < plan_.blocks; ++block) {
      takeBlock(block, keep);
    }
    double loss = 0;
    for (int64_t i = 0; i < call_.predicted; ++i) {
      loss += kept<float>(plan_.maxima)[i] + std::log(static_cast<double>(kept<float>(plan_.sums)[i])) -
          kept<float>(plan_.targets)[i];
    }
    return loss;
  }

  void backward(float scale, float* dhidden, const lf_head_parameters& gradients) {
    float* const transposed = passing<float>(plan_.transposed);
    std::fill_n(transposed, plan_.columns * width_, 0.0f);
    for (int64_t block = 0; block < plan_.blocks; ++block) {
      takeBlockGradient(block, scale, gradients);
    }
    transpose(transposed, width_, plan_.columns, passing<float>(plan_.gradient));
    leaveVocabulary(gradients);
    scatter(dhidden, gradients);
  }

 private:
  template <typename Value>
  Value* kept(int64_t offset) const {
    return reinterpret_cast<Value*>(saved_ + offset);
  }

  template <typename Value>
  Value* passing(int64_t offset) const {
    return head_.scratch<Value>(offset);
  }

  void* workspace() const {
    return passing<char>(plan_.workspace);
  }

  int64_t rowsOf(int64_t block) const {
    return block + 1 == plan_.blocks ? plan_.rest : plan_.block;
  }

  // Rows of a weight in the type of the products: those that are given, or a cast.
  const Element* weights(const void* fp32, const void* bf16, int64_t first, int64_t rows) const {
    if constexpr (std::is_same_v<Element, float>) {
      return floats(fp32) + first * width_;
    } else {
      if (bf16 != nullptr) {
        return static_cast<const Element*>(bf16) + first * width_;
      }
      auto* const casted = passing<Element>(plan_.weights);
      inParallel(rows, [&](int64_t from, int64_t to, int) {
        cast(floats(fp32) + first * width_, casted, width_, from, to);
      });
      return casted;
    }
  }

  const Element* embeddings(int64_t block) const {
    return weights(
        call_.fp32.tokens, call_.bf16 != nullptr ? call_.bf16->tokens : nullptr, block * plan_.block, rowsOf(block));
  }

  const Element* denseWeight() const {
    return weights(call_.fp32.dense_weight, call_.bf16 != nullptr ? call_.bf16->dense_weight : nullptr, 0, width_);
  }

  // The predicted rows, normalised for a pre-norm encoder, as operand of the dense layer.
  void gather(const float* hidden) {
    auto* const rows = passing<float>(plan_.gathered);
    std::fill(rows + call_.predicted * width_, rows + plan_.columns * width_, 0.0f);
    inParallel(call_.predicted, [&](int64_t from, int64_t to, int) {
      gatherRows(hidden, call_.positions, width_, rows, from, to);
    });
    inParallel(plan_.columns, [&](int64_t from, int64_t to, int) {
      if (head_.shape.norm_first != 0) {
        normalize(
            rows, call_.fp32.final_norm_weight, call_.fp32.final_norm_bias, plan_.operand, plan_.finalNormal,
            plan_.finalRstd, from, to);
      } else {
        cast(rows, kept<Element>(plan_.operand), width_, from, to);
      }
    });
  }

  void normalize(
      const float* x, const void* weight, const void* shift, int64_t operand, int64_t normal, int64_t rstd, int64_t from,
      int64_t to) {
    NormForward<Element> pass{};
    pass.width = width_;
    pass.x = x;
    pass.weight = floats(weight);
    pass.shift = floats(shift);
    pass.epsilon = head_.shape.epsilon;
    pass.operand = kept<Element>(operand);
    pass.normal = kept<Element>(normal);
    pass.rstd = kept<float>(rstd);
    addAndNormalize(pass, from, to);
  }

  // Dense, GELU, norm.
  void enterVocabulary() {
    plan_.dense.run(
        kept<Element>(plan_.operand), denseWeight(), kept<float>(plan_.inner), workspace(), floats(call_.fp32.dense_bias));
    auto* const activated = passing<float>(plan_.activated);
    inParallel(plan_.columns, [&](int64_t from, int64_t to, int) {
      gelu(kept<float>(plan_.inner), activated, width_, from, to);
      normalize(
          activated, call_.fp32.norm_weight, call_.fp32.norm_bias, plan_.output, plan_.normal, plan_.rstd, from, to);
    });
  }

  void takeBlock(int64_t block, bool keep) {
    auto* const logits = passing<float>(plan_.logits);
    const int64_t first = block * plan_.block;
    const int64_t rows = rowsOf(block);
    const float* const bias = floats(call_.fp32.bias) + first;
    const Matmul& product = rows == plan_.block ? plan_.blockLogits : plan_.restLogits;
    product.run(embeddings(block), kept<Element>(plan_.output), logits, workspace());

    auto* const maxima = kept<float>(plan_.maxima);
    auto* const sums = kept<float>(plan_.sums);
    inParallel(plan_.columns / kLine, [&](int64_t from, int64_t to, int) {
      const LogitBlock part{logits, bias, rows, plan_.columns, from * kLine, to * kLine};
      takeMaxima(part, maxima, sums);
      if (keep) {
        takeSums(part, maxima, sums, kept<Element>(plan_.exponentials) + first * plan_.columns);
      } else {
        takeSums(part, maxima, sums);
      }
    });
    if (keep) {
      std::copy_n(maxima, plan_.columns, kept<float>(plan_.blockMaxima) + block * plan_.columns);
    }
    forTargets(first, rows, [&](int64_t column, int64_t row) {
      kept<float>(plan_.targets)[column] = logits[row * plan_.columns + column] + bias[row];
    });
  }

  // Calls body(column, row in the block) for each target in the block.
  template <typename Body>
  void forTargets(int64_t first, int64_t rows, Body body) const {
    for (int64_t column = 0; column < call_.predicted; ++column) {
      const int64_t row = call_.targets[column] - first;
      if (row >= 0 && row < rows) {
        body(column, row);
      }
    }
  }

  // The gradient of a block's logits, then what it gives for the embeddings and for the head's inner rows.
  void takeBlockGradient(int64_t block, float scale, const lf_head_parameters& gradients) {
    const int64_t first = block * plan_.block;
    const int64_t rows = rowsOf(block);
    auto* const gradient = passing<Element>(plan_.logits);
    softmaxGradient(block, scale, gradient, floats(gradients.bias) + first);
    const bool whole = rows == plan_.block;
    (whole ? plan_.blockWeight : plan_.restWeight)
        .run(gradient, kept<Element>(plan_.output), floats(gradients.tokens) + first * width_, workspace());
    (whole ? plan_.blockInput : plan_.restInput)
        .run(embeddings(block), gradient, passing<float>(plan_.transposed), workspace());
  }

  void softmaxGradient(int64_t block, float scale, Element* gradient, float* biasGradient) {
    const int64_t first = block * plan_.block;
    const int64_t rows = rowsOf(block);
    const float* const maxima = kept<float>(plan_.maxima);
    const float* const sums = kept<float>(plan_.sums);
    const float* const own = kept<float>(plan_.blockMaxima) + block * plan_.columns;
    const Element* const exponentials = kept<Element>(plan_.exponentials) + first * plan_.columns;
    auto* const factors = passing<float>(plan_.factors);
    std::fill_n(factors, plan_.columns, 0.0f);
    for (int64_t i = 0; i < call_.predicted; ++i) {
      factors[i] = scale * std::exp(own[i] - maxima[i]) / sums[i];
    }
    inParallel(rows, [&](int64_t from, int64_t to, int) {
      scaleColumns(exponentials, factors, plan_.columns, from, to, gradient, biasGradient);
    });
    // The target's probability is taken from its logit: 1 minus a rounded one would be wrong where it is near 1.
    forTargets(first, rows, [&](int64_t column, int64_t row) {
      const float probability = std::exp(kept<float>(plan_.targets)[column] - maxima[column]) / sums[column];
      const float exact = scale * (probability - 1.0f);
      const int64_t place = row * plan_.columns + column;
      biasGradient[row] += exact - toFloat(exponentials[place]) * factors[column];
      store(gradient[place], exact);
    });
  }

  NormBackward<Element> normBackward(const void* weight, int64_t normal, int64_t rstd, float* gradient) const {
    NormBackward<Element> pass{};
    pass.width = width_;
    pass.dvalue = pass.dsum = gradient;
    pass.weight = floats(weight);
    pass.normal = kept<Element>(normal);
    pass.rstd = kept<float>(rstd);
    return pass;
  }

  // Norm, GELU and dense, backwards; the gradient of the dense layer's input replaces that of its output.
  void leaveVocabulary(const lf_head_parameters& gradients) {
    auto* const gradient = passing<float>(plan_.gradient);
    auto* const operand = passing<Element>(plan_.innerGradient);
    const auto norm = normBackward(call_.fp32.norm_weight, plan_.normal, plan_.rstd, gradient);
    const std::array<float*, 3> sums{
        floats(gradients.norm_weight), floats(gradients.norm_bias), floats(gradients.dense_bias)};
    inParallelSumming<3>(
        plan_.columns, sums, {width_, width_, width_}, [&](int64_t from, int64_t to, const std::array<float*, 3>& own) {
          normalizeBackward(norm, {own[0], own[1], nullptr}, from, to);
          geluBackward(kept<float>(plan_.inner), gradient, passing<float>(plan_.activated), own[2], width_, from, to);
          cast(gradient, operand, width_, from, to);
        });
    plan_.denseWeight.run(operand, kept<Element>(plan_.operand), gradients.dense_weight, workspace());
    plan_.denseInput.run(operand, denseWeight(), gradient, workspace());
  }

  void scatter(float* dhidden, const lf_head_parameters& gradients) {
    auto* const gradient = passing<float>(plan_.gradient);
    if (head_.shape.norm_first != 0) {
      const auto norm = normBackward(call_.fp32.final_norm_weight, plan_.finalNormal, plan_.finalRstd, gradient);
      const std::array<float*, 2> sums{floats(gradients.final_norm_weight), floats(gradients.final_norm_bias)};
      inParallelSumming<2>(
          plan_.columns, sums, {width_, width_}, [&](int64_t from, int64_t to, const std::array<float*, 2>& own) {
            normalizeBackward(norm, {own[0], own[1], nullptr}, from, to);
          });
    }
    inParallel(head_.shape.rows, [&](int64_t from, int64_t to, int) {
      std::memset(dhidden + from * width_, 0, static_cast<size_t>((to - from) * width_) * sizeof(float));
    });
    scatterRows(gradient, call_.positions, call_.predicted, width_, dhidden);
  }

  Head& head_;
  const Call& call_;
  HeadPlan& plan_;
  const int64_t width_;
  char* const saved_;
};

void check(const lf_head_shape& shape) {
  require(shape.rows >= 1, "rows", shape.rows, "1 and more");
  require(shape.hidden >= 1, "hidden", shape.hidden, "1 and more");
  require(shape.vocabulary >= 1, "vocabulary", shape.vocabulary, "1 and more");
  require(shape.epsilon > 0, "epsilon", shape.epsilon, "above 0");
}

void check(const lf_head_shape& shape, const Call& call) {
  require(call.predicted >= 0, "predicted", call.predicted, "0 and more");
  requireRows("positions", call.positions, call.predicted, shape.rows);
  requireRows("targets", call.targets, call.predicted, shape.vocabulary);
}

} // namespace

int32_t lf_head_create(const lf_head_shape* shape, lf_head** head, lf_error* error) {
  return guardedKernel(error, [&] {
    check(*shape);
    *head = new lf_head{Head(*shape)};
  });
}

void lf_head_destroy(lf_head* head) {
  delete head;
}

int64_t lf_head_saved_bytes(const lf_head* head, int64_t predicted) {
  return HeadPlan(head->head.shape, predicted).saved;
}

int32_t lf_head_forward(
    lf_head* head, const lf_head_parameters* fp32, const lf_head_parameters* bf16, const float* hidden,
    const int64_t* positions, const int64_t* targets, int64_t predicted, double* loss, void* saved, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::Head);
    const Call call{*fp32, bf16, positions, targets, predicted};
    check(head->head.shape, call);
    const bool keep = saved != nullptr;
    auto* const memory = static_cast<char*>(saved);
    *loss = head->head.shape.bf16 != 0 ? Pass<Bf16>(head->head, call, keep, memory).forward(hidden, keep)
                                       : Pass<float>(head->head, call, keep, memory).forward(hidden, keep);
  });
}

int32_t lf_head_backward(
    lf_head* head, const lf_head_parameters* fp32, const lf_head_parameters* bf16, const float*, const int64_t* positions,
    const int64_t* targets, int64_t predicted, float scale, const void* saved, float* dhidden,
    const lf_head_parameters* gradients, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::HeadBackward);
    const Call call{*fp32, bf16, positions, targets, predicted};
    check(head->head.shape, call);
    auto* const memory = static_cast<char*>(const_cast<void*>(saved)); // Only read.
    if (head->head.shape.bf16 != 0) {
      Pass<Bf16>(head->head, call, true, memory).backward(scale, dhidden, *gradients);
    } else {
      Pass<float>(head->head, call, true, memory).backward(scale, dhidden, *gradients);
    }
  });
}
