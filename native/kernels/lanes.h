// Threads that each do a part of their own.
#pragma once

#include <omp.h>

#include <exception>
#include <vector>

namespace linformer {

// While it lives, what this thread makes is made for one thread.
class OneThread {
 public:
  OneThread() : threads_(omp_get_max_threads()) {
    omp_set_num_threads(1);
  }

  ~OneThread() {
    omp_set_num_threads(threads_);
  }

  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int threads_;
};

// Calls body(lane) for each lane, on a thread of its own where there are as many; throws what the first of them has thrown.
template <typename Body>
void inLanes(int lanes, Body body) {
  std::vector<std::exception_ptr> thrown(static_cast<size_t>(lanes));
#pragma omp parallel for num_threads(lanes) schedule(static, 1)
  for (int lane = 0; lane < lanes; ++lane) {
    try {
      body(lane);
    } catch (...) {
      thrown[static_cast<size_t>(lane)] = std::current_exception();
    }
  }
  for (const auto& one : thrown) {
    if (one != nullptr) {
      std::rethrow_exception(one);
    }
  }
}

} // namespace linformer
