// What the ranks of a communicator share: a file in memory that all of them map.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace nccl_double {

constexpr int max_ranks = 16;
constexpr size_t slot_bytes = 256 * 1024;

// What a rank is about to do, for the others to compare.
struct Operation {
  int kind;
  int type;
  int reduction;
  int root;
  uint64_t count;

  bool operator==(const Operation& other) const {
    return kind == other.kind && type == other.type && reduction == other.reduction && root == other.root && count == other.count;
  }
};

enum Presence : int { absent = 0, present = 1, finalized = 2, gone = 3 };

struct RankState {
  std::atomic<int> presence;
  std::atomic<int> process;
  std::atomic<uint64_t> arrived;
  Operation operation;
};

struct Shared {
  RankState ranks[max_ranks];
  unsigned char slots[max_ranks][slot_bytes];
};

class Segment {
 public:
  explicit Segment(const std::string& name);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  Shared* operator->() const { return shared_; }
  void remove_name();

 private:
  std::string name_;
  Shared* shared_;
};

// Whether a process has ended, be it that nobody has taken notice yet.
bool has_ended(pid_t process);

}  // namespace nccl_double
