// The head of a masked language model with its loss: on rows x of the hidden states,
// a = norm?(x), z = a·Dᵀ + d, h = norm(gelu(z)), logits = h·Wᵀ + b, loss = Σ -log softmax(logits)[target].
#pragma once

#include <map>
#include <memory>

#include "cross_entropy.h"
#include "linformer_kernels.h"
#include "matmul.h"
#include "scratch.h"

namespace linformer {

// What depends on the number of predicted rows: primitives, and where everything lies.
struct HeadPlan {
  HeadPlan(const lf_head_shape& shape, int64_t predicted);

  // The number of predicted rows, padded: how many primitives there are is bounded by that.
  static int64_t columnsFor(int64_t predicted);

  void makeForward(const lf_head_shape& shape);
  void makeBackward(const lf_head_shape& shape);

  int64_t columns; // Padded rows.
  int64_t block;   // Rows of the vocabulary that are taken at a time.
  int64_t blocks;
  int64_t rest;    // Rows of the last block.

  // Offsets in what is saved; `small` bytes of it are wanted for evaluation too.
  int64_t finalNormal, finalRstd, operand, inner, normal, rstd, output, maxima, sums, targets, small;
  int64_t blockMaxima, exponentials, saved;

  // Offsets in scratch.
  int64_t gathered, activated, gradient, innerGradient, transposed, factors, logits, weights, workspace;
  int64_t scratch = 0;

  bool hasForward = false, hasBackward = false;
  Matmul dense, blockLogits, restLogits;
  Matmul denseWeight, denseInput, blockWeight, restWeight, blockInput, restInput;
  uint64_t lastUse = 0;

 private:
  Matmul make(const Product& product);

  int64_t fixedScratch_, workspaceBytes_ = 0;
};

// One call at a time.
class Head {
 public:
  explicit Head(const lf_head_shape& shape) : shape(shape) {}

  // The plan for so many predicted rows, with scratch to run it.
  HeadPlan& plan(int64_t predicted, bool backward);

  // Memory of the scratch, which grows and never shrinks.
  template <typename Element>
  Element* scratch(int64_t offset) const {
    return reinterpret_cast<Element*>(scratch_.at(offset));
  }

  const lf_head_shape shape;

 private:
  std::map<int64_t, std::unique_ptr<HeadPlan>> plans_; // By padded rows.
  Scratch scratch_;
  int64_t scratchBytes_ = 0;
  uint64_t uses_ = 0;
};

} // namespace linformer
