// The matrix products of attention, for runs of rows.
#pragma once

#include <vector>

#include "linformer_kernels.h"
#include "matmul.h"

namespace linformer {

// The numbers of lf_attention_shape, and what follows from them.
struct AttentionSizes {
  explicit AttentionSizes(const lf_attention_shape& shape);

  int64_t batch, length, columns, hidden, heads, projected;
  Numbers numbers;
  int64_t headSize;        // hidden / heads
  int64_t projectionHeads; // Matrices in E, each for hidden / projectionHeads columns of the keys.
  int64_t projections;     // Of E and F: 1 when they are one.
  // E·(X·Wᵀ + 1bᵀ) as (E·X)·Wᵀ + (E·1)bᵀ: never more work where heads share E, since k is at most n.
  bool projectsInput;
};

// Consecutive rows of one sequence, so few that all that is made of them stays in the cache. A lane is a thread with memory of its own;
// it has the same rows of all sequences, and so columns of E that no other has.
struct Chunk {
  int64_t sequence, position, length;
  size_t kind; // Which products.
  int lane;
};

// For at most so many lanes.
std::vector<Chunk> chunksOf(const AttentionSizes& sizes, int lanes);

// Of a chunk.
struct ChunkProducts {
  ChunkProducts(const AttentionSizes& sizes, int64_t length);
  size_t scratchBytes() const;

  Matmul query, scores, mixed, output;
  Matmul dOutputWeight, dMixed, dWeights, dValues, dKeys, dQuery, dQueryWeight, dX;
  Matmul project;                  // Adds E·X, or E·K.
  Matmul dProjection, dInput;      // To E; to X (added), or to K.
  Matmul dense, dDenseWeight, dDense; // Of keys, where they are made before they are projected.
};

// Of all k rows of a batch, where the input is projected.
struct ProjectedProducts {
  explicit ProjectedProducts(const AttentionSizes& sizes);
  size_t scratchBytes() const;

  Matmul dense, dDenseWeight, dDense, dDenseAdded;
};

} // namespace linformer
