// Softmax and cross-entropy by blocks of the vocabulary, on transposed logits: [vocabulary, columns] with a column per predicted row.
// So the embeddings are the left factor of the product that makes them, which reads them as they lie, and every statistic is a vector
// over columns.
#pragma once

#include <cstdint>

#include "vector.h"

namespace linformer {

// Columns [from, to) of one block: its logits without bias are [rows, stride].
struct LogitBlock {
  const float* logits;
  const float* bias; // [rows].
  int64_t rows, stride, from, to;
};

// Maxima and sums are the running ones of all blocks so far, [stride]: before the first block, kLowest and 0.
constexpr float kLowest = -3.402823466e38f; // Not -∞: the difference of two would be NaN.

// Takes the block into the maxima and rescales the sums to them.
void takeMaxima(const LogitBlock& block, float* maxima, float* sums);

// Adds e^(logit - maximum) to the sums; `exponentials`, [rows, stride], are kept for backward.
void takeSums(const LogitBlock& block, const float* maxima, float* sums);
void takeSums(const LogitBlock& block, const float* maxima, float* sums, float* exponentials);
void takeSums(const LogitBlock& block, const float* maxima, float* sums, Bf16* exponentials);

// Rows [from, to) of a block of exponentials, [rows, columns], times a factor for each column: the gradient of the logits but for the
// targets' own. The sum of a row is added to biasGradient, [rows].
void scaleColumns(
    const float* exponentials, const float* factors, int64_t columns, int64_t from, int64_t to, float* gradient,
    float* biasGradient);
void scaleColumns(
    const Bf16* exponentials, const float* factors, int64_t columns, int64_t from, int64_t to, Bf16* gradient,
    float* biasGradient);

} // namespace linformer
