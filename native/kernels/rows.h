// Small passes over matrices of `width` columns; each function works on the rows [from, to).
#pragma once

#include "vector.h"

namespace linformer {

void cast(const float* x, Bf16* y, int64_t width, int64_t from, int64_t to);
void cast(const float* x, float* y, int64_t width, int64_t from, int64_t to);

// y = keep[row] · x, which may be the same.
void maskRows(const float* x, const float* keep, float* y, int64_t width, int64_t from, int64_t to);
void maskRows(const Bf16* x, const float* keep, Bf16* y, int64_t width, int64_t from, int64_t to);

// y = x · keep[column], for the first `columns` of `width`.
void maskColumns(
    const float* x, const float* keep, float* y, int64_t columns, int64_t width, int64_t from, int64_t to);
void maskColumns(const Bf16* x, const float* keep, Bf16* y, int64_t columns, int64_t width, int64_t from, int64_t to);

// sums[row] = Σ x · keep[column] over the first `columns` of `width`; keep null: all are kept.
void sumColumns(
    const float* x, const float* keep, float* sums, int64_t columns, int64_t width, int64_t from, int64_t to);
void sumColumns(const Bf16* x, const float* keep, float* sums, int64_t columns, int64_t width, int64_t from, int64_t to);

// A run of columns by itself: y[row][c] = x[row][c] · keep[c] for the first `columns` of x's `width`, with rows of y as long as the
// run; sums[row] += Σ y. Keep null: all 1; sums null: not wanted.
void packColumns(
    const float* x, const float* keep, float* y, float* sums, int64_t columns, int64_t width, int64_t from, int64_t to);
void packColumns(
    const float* x, const float* keep, Bf16* y, float* sums, int64_t columns, int64_t width, int64_t from, int64_t to);

// packColumns backwards, added: dx[row][c] += keep[c] · (dy[row][c] + dsums[row]). Dsums null: all 0.
void addPacked(
    const float* dy, const float* dsums, const float* keep, float* dx, int64_t columns, int64_t width, int64_t from,
    int64_t to);

// sums[column] += Σ x over rows.
void sumRows(const float* x, float* sums, int64_t width, int64_t from, int64_t to);
void sumRows(const Bf16* x, float* sums, int64_t width, int64_t from, int64_t to);

// y = x + left[row mod period] · right[column].
void addOuter(
    const float* x, const float* left, int64_t period, const float* right, float* y, int64_t width, int64_t from, int64_t to);
void addOuter(
    const float* x, const float* left, int64_t period, const float* right, Bf16* y, int64_t width, int64_t from, int64_t to);

// addOuter backwards: y = dx; dleft[row] = dx · right; dright[column] += left[row mod period] · dx.
void addOuterBackward(
    const float* dx, const float* left, int64_t period, const float* right, float* y, float* dleft, float* dright,
    int64_t width, int64_t from, int64_t to);
void addOuterBackward(
    const float* dx, const float* left, int64_t period, const float* right, Bf16* y, float* dleft, float* dright,
    int64_t width, int64_t from, int64_t to);

// y[row][column] += left[row] · right[column] for the first `columns` of `width`; right null: all 1.
void addOuterInPlace(
    float* y, const float* left, const float* right, int64_t columns, int64_t width, int64_t from, int64_t to);

} // namespace linformer
