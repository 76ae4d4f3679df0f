// Memory for the kernels' intermediates.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace linformer {

// Adds up the sizes of parts of one block of memory, each aligned to a cache line.
class Plan {
 public:
  // The offset of a part of so many bytes.
  int64_t add(int64_t bytes) {
    const int64_t offset = size_;
    size_ += (bytes + 63) / 64 * 64;
    return offset;
  }

  int64_t size() const {
    return size_;
  }

 private:
  int64_t size_ = 0;
};

// Memory in large pages where the system has them.
class Scratch {
 public:
  Scratch() = default;

  explicit Scratch(int64_t bytes) {
    constexpr size_t kPage = size_t{2} << 20;
    const size_t size = (static_cast<size_t>(bytes) + kPage - 1) / kPage * kPage;
    memory_.reset(static_cast<char*>(std::aligned_alloc(kPage, size == 0 ? kPage : size)));
    if (memory_ == nullptr) {
      throw std::bad_alloc();
    }
    madvise(memory_.get(), size, MADV_HUGEPAGE);
  }

  char* at(int64_t offset) const {
    return memory_.get() + offset;
  }

 private:
  struct Free {
    void operator()(char* memory) const {
      std::free(memory);
    }
  };

  std::unique_ptr<char, Free> memory_;
};

// Scratch that several take turns with: as large as whoever wanted most of it.
class SharedScratch {
 public:
  // What was there before is lost.
  void reserve(int64_t bytes) {
    if (bytes > bytes_) {
      memory_ = Scratch(); // First: both would not be needed at once.
      bytes_ = 0;
      memory_ = Scratch(bytes);
      bytes_ = bytes;
    }
  }

  char* at(int64_t offset) const {
    return memory_.at(offset);
  }

 private:
  Scratch memory_;
  int64_t bytes_ = 0;
};

} // namespace linformer
