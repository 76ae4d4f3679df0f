// GELU, and the softmax over scores with the dropout of its weights; each function works on the rows [from, to).
#pragma once

#include "dropout.h"

namespace linformer {

void gelu(const float* x, float* value, int64_t width, int64_t from, int64_t to);
void gelu(const Bf16* x, Bf16* value, int64_t width, int64_t from, int64_t to);

// Value = gelu(x) again; gradient: in, of the value; out, of x, whose sum over rows is added to `sums`.
void geluBackward(
    const float* x, float* gradient, float* value, float* sums, int64_t width, int64_t from, int64_t to);
void geluBackward(const Bf16* x, Bf16* gradient, Bf16* value, float* sums, int64_t width, int64_t from, int64_t to);

// weights = softmax(scale · scores); dropped = dropout(weights), where there is dropout.
template <typename Element>
struct Softmax {
  int64_t width;
  float scale;
  float* scores; // Overwritten.
  Element* weights;
  Dropout dropout;
  int64_t firstRow; // The number of row 0 for the dropout.
  Element* dropped; // Neither read nor written without dropout.
  float* logSums = nullptr; // Receives what softmaxAgain wants, a number a row; null: it is not wanted.
};

void softmax(const Softmax<float>& pass, int64_t from, int64_t to);
void softmax(const Softmax<Bf16>& pass, int64_t from, int64_t to);

// weights = softmax(scale · scores) again, in one pass.
template <typename Element>
struct SoftmaxAgain {
  int64_t width;
  float scale;
  const float* scores;
  const float* logSums;
  Element* weights;
};

void softmaxAgain(const SoftmaxAgain<float>& pass, int64_t from, int64_t to);
void softmaxAgain(const SoftmaxAgain<Bf16>& pass, int64_t from, int64_t to);

template <typename Element>
struct SoftmaxBackward {
  int64_t width;
  float scale;
  const Element* weights;
  const float* gradient; // Of the dropped weights.
  Element* scores;       // Receives the gradient of the scores before they are scaled.
  Dropout dropout;
  int64_t firstRow;
  Element* dropped; // Receives dropout(weights), where there is dropout.
};

void softmaxBackward(const SoftmaxBackward<float>& pass, int64_t from, int64_t to);
void softmaxBackward(const SoftmaxBackward<Bf16>& pass, int64_t from, int64_t to);

} // namespace linformer
