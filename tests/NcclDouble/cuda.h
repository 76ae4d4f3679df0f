// Streams and events over host memory: each stream is a thread that does its tasks in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace nccl_double {

// The GPUs that this process sees: NCCL_DOUBLE_GPUS, and of those the ones that CUDA_VISIBLE_DEVICES names.
int all_gpus();
int visible_gpus();
void uuid_of(int gpu, char* text, size_t capacity);

class Stream {
 public:
  Stream();
  ~Stream();
  void enqueue(std::function<void()> task);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::thread thread_;
};

// The stream that a handle stands for: null is the default stream. Null if there is none.
Stream* stream_of(void* handle);

}  // namespace nccl_double
