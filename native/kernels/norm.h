// Residual, bias, dropout and layer norm in one pass over rows of `width`; each function works on the rows [from, to).
#pragma once

#include "dropout.h"

namespace linformer {

// sum = x + dropout(branch + bias); value = norm(sum).
template <typename Element>
struct NormForward {
  int64_t width;
  const float* x;
  const float* branch; // Null: sum is x.
  const float* bias;
  Dropout dropout;
  int64_t firstRow; // The number of row 0 for the dropout.
  float* sum;       // Null: not wanted.

  const float* weight; // Null: no norm, and nothing below is read or written.
  const float* shift;
  float epsilon;
  float* value;     // Null: not wanted; then there is a sum, or no branch.
  Element* operand; // The value for the products; null: not wanted.
  Element* normal;  // (sum - mean) · rstd, for backward.
  float* rstd;      // Of each row, for backward.
};

void addAndNormalize(const NormForward<float>& pass, int64_t from, int64_t to);
void addAndNormalize(const NormForward<Bf16>& pass, int64_t from, int64_t to);

// dsum = residual + (gradient of norm)(dvalue); operand = dropout(dsum), what goes back into the branch.
template <typename Element>
struct NormBackward {
  int64_t width;
  const float* dvalue;
  const float* weight; // Null: no norm, dsum = dvalue.
  const Element* normal;
  const float* rstd;
  const float* residual; // Null: 0.
  float* dsum;           // May be dvalue or residual; null: not wanted.
  Dropout dropout;
  int64_t firstRow;
  Element* operand; // Null: not wanted.
};

// Sums over rows, which are added to what is there.
struct NormSums {
  float* weight;
  float* shift;
  float* bias; // Of the operand; null: not wanted.
};

void normalizeBackward(const NormBackward<float>& pass, const NormSums& sums, int64_t from, int64_t to);
void normalizeBackward(const NormBackward<Bf16>& pass, const NormSums& sums, int64_t from, int64_t to);

// operand = normal · weight + shift.
void restoreNormalized(
    const float* normal, const float* weight, const float* shift, float* operand, int64_t width, int64_t from, int64_t to);
void restoreNormalized(
    const Bf16* normal, const float* weight, const float* shift, Bf16* operand, int64_t width, int64_t from, int64_t to);

} // namespace linformer
