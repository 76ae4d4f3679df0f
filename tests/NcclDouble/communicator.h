// One rank's end of a communicator.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cuda.h"
#include "segment.h"

namespace nccl_double {

// ncclResult_t
enum Result {
  ok = 0,
  cuda_error = 1,
  system_error = 2,
  internal_error = 3,
  invalid_argument = 4,
  invalid_usage = 5,
  remote_error = 6,
  in_progress = 7,
};

enum Kind { all_reduce, reduce_scatter, all_gather, broadcast };

struct Collective {
  Operation operation;
  const unsigned char* send;
  unsigned char* receive;
  Stream* stream;
};

// Remembers the first thing that was done which the real library answers by corrupting memory.
void refuse(const std::string& what);

class Communicator {
 public:
  // The handle is where the caller has the communicator's address, which the real library reads again when it has connected.
  Communicator(const std::string& name, int ranks, int rank, void* const* handle);

  int ranks() const { return ranks_; }
  int state() const { return state_; }
  bool is_of_this_thread() const;
  bool has_lost_its_thread() const;
  bool connects_on_another_thread() const;
  void connect();
  void launch(std::vector<Collective> collectives);
  void finalize();
  void abort();
  void join();

  // The one that calls keeps it alive meanwhile.
  std::shared_ptr<Communicator> self;

 private:
  void in_background(std::function<void()> work);
  void execute(const Collective& collective);
  void exchange(const Collective& collective, size_t first, size_t count);
  bool meet();
  bool lost();
  bool wait_for(const std::function<bool()>& condition);
  void hang();

  Segment shared_;
  int ranks_;
  int rank_;
  void* const* handle_;
  std::atomic<pid_t> launched_by_{0};
  std::atomic<pid_t> connected_by_{0};
  uint64_t meetings_ = 0;
  bool launched_ = false;
  std::atomic<int> state_{ok};
  std::atomic<bool> aborted_{false};
  std::atomic<int> running_{0};
  std::thread background_;
};

}  // namespace nccl_double
