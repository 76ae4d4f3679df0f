// The matrix products of an encoder layer.
#pragma once

#include <vector>

#include "linformer_kernels.h"
#include "matmul.h"

namespace linformer {

// The numbers of lf_layer_shape, and what follows from them.
struct LayerSizes {
  explicit LayerSizes(const lf_layer_shape& shape);

  int64_t batch, length, columns, hidden, heads, feedForward, projected;
  bool normFirst, sharesKeyValue;
  Numbers numbers;
  int64_t rows;            // batch · length
  int64_t headSize;        // hidden / heads
  int64_t projectionHeads; // Matrices in E, each for hidden / projectionHeads columns of the keys.
  // E·(X·Wᵀ + 1bᵀ) as (E·X)·Wᵀ + (E·1)bᵀ: a choice where heads share E, the better one as long as the length is above k.
  bool projectsInput;

  int64_t projectionSize() const {
    return projectionHeads * projected * columns;
  }
};

// Some rows that pass through the layer together, so that what lies between the products stays in the cache: several whole
// sequences, or a part of one.
struct Block {
  int64_t sequence, sequences; // The first, and how many.
  int64_t position, length;    // Of each sequence.
  size_t kind;                 // Which products: blocks of the same shape have the same.
};

std::vector<Block> blocksOf(const LayerSizes& sizes);

// Of a block.
struct BlockProducts {
  BlockProducts(const LayerSizes& sizes, int64_t sequences, int64_t length);
  size_t scratchBytes() const;

  Matmul query, scores, mixed, output, input, feedForwardOutput;
  Matmul dActivation, dInputWeight, dFeedForwardOutputWeight, dNormalized; // Feed-forward.
  Matmul dMixed, dOutputWeight, dWeights, dValues, dKeys, dQuery, dQueryWeight, dX; // Attention.
};

// Of keys (and likewise values) and their projection, for the whole batch, or, where it says so, for one sequence.
struct ProjectionProducts {
  explicit ProjectionProducts(const LayerSizes& sizes);
  size_t scratchBytes() const;

  Matmul project;       // E·X, or E·K.
  Matmul dense;         // X·Wᵀ + b of all rows, or (E·X)·Wᵀ.
  Matmul dDense, dDenseAdded; // What goes back through W: to E·X, or to X.
  Matmul dDenseWeight;
  Matmul dProjection;   // One sequence: to E.
  Matmul dInput;        // One sequence: to X (added), or to K.
};

} // namespace linformer
