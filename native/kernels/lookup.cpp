#include "lookup.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "../failure.h"
#include "parallel.h"
#include "vector.h"

namespace linformer {

namespace {

// A cache line of floats: threads that share none do not wait for each other.
constexpr int64_t kLine = 16;

LF_CLONES void addRows(
    const float* x, const int64_t* rows, int64_t count, int64_t width, int64_t fromColumn, int64_t toColumn, float* table) {
  for (int64_t i = 0; i < count; ++i) {
    const float* __restrict source = x + i * width;
    float* __restrict target = table + rows[i] * width;
    for (int64_t c = fromColumn; c < toColumn; ++c) {
      target[c] += source[c];
    }
  }
}

} // namespace

void requireRows(const char* name, const int64_t* rows, int64_t count, int64_t limit) {
  const auto* const bad = std::find_if(rows, rows + count, [limit](int64_t row) { return row < 0 || row >= limit; });
  if (bad != rows + count) {
    throw Failure(
        Code::InvalidArgument, kNoPeer,
        std::string(name) + "[" + std::to_string(bad - rows) + "] is " + std::to_string(*bad) + "; allowed: from 0 to " +
            std::to_string(limit - 1));
  }
}

void gatherRows(const float* table, const int64_t* rows, int64_t width, float* y, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; ++i) {
    std::memcpy(y + i * width, table + rows[i] * width, static_cast<size_t>(width) * sizeof(float));
  }
}

void scatterRows(const float* x, const int64_t* rows, int64_t count, int64_t width, float* table) {
  inParallel((width + kLine - 1) / kLine, [&](int64_t from, int64_t to, int) {
    addRows(x, rows, count, width, from * kLine, std::min(to * kLine, width), table);
  });
}

} // namespace linformer
