// Loops over OpenMP's threads.
#pragma once

#include <omp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace linformer {

// Calls body(from, to, thread) once per thread, with ranges that depend on count and the number of threads alone.
template <typename Body>
void inParallel(int64_t count, Body body) {
  const int threads = omp_get_max_threads();
  if (threads == 1 || count < 2) {
    body(int64_t{0}, count, 0);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    const int64_t from = count * thread / threads;
    const int64_t to = count * (thread + 1) / threads;
    if (from < to) {
      body(from, to, thread);
    }
  }
}

// The same for sums: calls body(from, to, sums), where sums has the targets, vectors of these widths, or others that are added to
// them in the order of the threads. A target that is null stays null.
template <size_t Count, typename Body>
void inParallelSumming(
    int64_t count, const std::array<float*, Count>& targets, const std::array<int64_t, Count>& widths, Body body) {
  const int threads = omp_get_max_threads();
  if (threads == 1) {
    body(int64_t{0}, count, targets);
    return;
  }
  int64_t width = 0;
  for (const int64_t one : widths) {
    width += one;
  }
  std::vector<float> sums(static_cast<size_t>(width * threads));
  inParallel(count, [&](int64_t from, int64_t to, int thread) {
    std::array<float*, Count> own{};
    float* next = sums.data() + width * thread;
    for (size_t i = 0; i < Count; ++i) {
      own[i] = targets[i] != nullptr ? next : nullptr;
      next += widths[i];
    }
    body(from, to, own);
  });
  for (int thread = 0; thread < threads; ++thread) {
    const float* next = sums.data() + width * thread;
    for (size_t i = 0; i < Count; ++i) {
      for (int64_t c = 0; c < widths[i] && targets[i] != nullptr; ++c) {
        targets[i][c] += next[c];
      }
      next += widths[i];
    }
  }
}

} // namespace linformer
