#pragma once

#include <cstddef>

#include "group.h"

namespace linformer {

// Sums floats in place; count elements on every rank. What travels is rounded to bfloat16, half as many
// bytes as those of allReduce(): once on the way to the rank that sums a part, in float and in the order
// of ranks, and once, as the sum, on the way to all. Every rank ends with the same bits, the rounded sum.
// A single rank keeps its floats as they are.
void allReduceRounded(Group& group, float* data, size_t count);

} // namespace linformer
