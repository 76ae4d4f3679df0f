#pragma once

#include <cstddef>
#include <cstdint>

namespace linformer {

// The upper half of a float, as bits.
using BFloat16 = uint16_t;

// To the nearest, ties to the even one. What is too large becomes infinity; NaN stays NaN, with its sign.
void round(BFloat16* to, const float* from, size_t count);

// Exact.
void widen(float* to, const BFloat16* from, size_t count);

// to[i] += from[i].
void add(float* to, const BFloat16* from, size_t count);
void add(float* to, const float* from, size_t count);

} // namespace linformer
