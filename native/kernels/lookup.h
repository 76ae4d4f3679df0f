// Rows of tables by number.
#pragma once

#include <cstdint>

namespace linformer {

// Throws Failure that names the first number outside [0, limit).
void requireRows(const char* name, const int64_t* rows, int64_t count, int64_t limit);

// y[i] = table[rows[i]], for i in [from, to).
void gatherRows(const float* table, const int64_t* rows, int64_t width, float* y, int64_t from, int64_t to);

// table[rows[i]] += x[i] for i in [0, count), in this order, whatever the number of threads.
void scatterRows(const float* x, const int64_t* rows, int64_t count, int64_t width, float* table);

} // namespace linformer
