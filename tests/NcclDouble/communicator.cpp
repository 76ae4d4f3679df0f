#include "communicator.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>

#include "arithmetic.h"
#include "settings.h"

namespace nccl_double {

namespace {

void pause(int microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

void delay(const char* name, long otherwise) {
  std::this_thread::sleep_for(std::chrono::milliseconds(number(name, otherwise)));
}

pid_t this_thread() { return static_cast<pid_t>(syscall(SYS_gettid)); }

// Until a collective has left its stream, it may touch its buffers.
std::atomic<int> in_streams{0};
std::mutex refused_mutex;
std::string refused;

}  // namespace

void refuse(const std::string& what) {
  std::fprintf(stderr, "the double of NCCL refuses: %s\n", what.c_str());
  std::lock_guard<std::mutex> lock(refused_mutex);
  if (refused.empty()) {
    refused = what;
  }
}

Communicator::Communicator(const std::string& name, int ranks, int rank, void* const* handle)
    : shared_(name), ranks_(ranks), rank_(rank), handle_(handle) {}

bool Communicator::is_of_this_thread() const { return launched_by_ == 0 || launched_by_ == this_thread(); }

bool Communicator::has_lost_its_thread() const {
  return launched_by_ != 0 && access(("/proc/self/task/" + std::to_string(launched_by_)).c_str(), F_OK) != 0;
}

bool Communicator::connects_on_another_thread() const { return connected_by_ != 0 && connected_by_ != this_thread(); }

void Communicator::connect() {
  state_ = in_progress;
  connected_by_ = this_thread();
  in_background([this] {
    delay("NCCL_DOUBLE_CONNECT_MS", 5);
    shared_->ranks[rank_].process = getpid();
    shared_->ranks[rank_].presence = present;
    bool all = wait_for([this] {
      for (int rank = 0; rank < ranks_; rank++) {
        if (shared_->ranks[rank].presence == absent) {
          return false;
        }
      }
      return true;
    });
    if (*handle_ != this) {
      refuse("the memory in which ncclCommInitRankConfig was given the communicator has moved while it connected");
      state_ = internal_error;
    } else if (all) {
      connected_by_ = 0;
      shared_.remove_name();
      state_ = ok;
    }
  });
}

void Communicator::launch(std::vector<Collective> collectives) {
  launched_by_ = this_thread();
  auto put_into_streams = [this, collectives] {
    running_ += static_cast<int>(collectives.size());
    in_streams += static_cast<int>(collectives.size());
    auto alive = self;
    for (const auto& collective : collectives) {
      collective.stream->enqueue([alive, collective] {
        alive->execute(collective);
        alive->running_--;
        if (alive->aborted_) {
          // Its kernel ends when it comes to see the abort.
          delay("NCCL_DOUBLE_LINGER_MS", 0);
        }
        in_streams--;
      });
    }
    state_ = ok;
  };

  // The first one connects ranks, so it is launched a while after the call has returned.
  if (!launched_ || number("NCCL_DOUBLE_LAUNCH_MS", 0) != 0) {
    launched_ = true;
    state_ = in_progress;
    in_background([put_into_streams] {
      delay("NCCL_DOUBLE_LAUNCH_MS", 5);
      put_into_streams();
    });
  } else {
    put_into_streams();
  }
}

void Communicator::finalize() {
  state_ = in_progress;
  in_background([this] {
    wait_for([this] { return running_ == 0; });
    shared_->ranks[rank_].presence = finalized;
    bool all = wait_for([this] {
      for (int rank = 0; rank < ranks_; rank++) {
        if (shared_->ranks[rank].presence == present) {
          return false;
        }
      }
      return true;
    });
    if (all) {
      state_ = ok;
    }
  });
}

void Communicator::abort() {
  aborted_ = true;
  join();
  while (running_ != 0) {
    pause(100);
  }
  shared_->ranks[rank_].presence = gone;
  shared_.remove_name();
}

void Communicator::join() {
  if (background_.joinable()) {
    background_.join();
  }
}

void Communicator::in_background(std::function<void()> work) {
  join();
  background_ = std::thread(std::move(work));
}

void Communicator::execute(const Collective& collective) {
  delay("NCCL_DOUBLE_DELAY_MS", 0);
  shared_->ranks[rank_].operation = collective.operation;
  if (!meet()) {
    return;
  }
  for (int rank = 0; rank < ranks_; rank++) {
    if (!(shared_->ranks[rank].operation == collective.operation)) {
      // The real one cannot tell either.
      hang();
      return;
    }
  }

  size_t chunk = slot_bytes / size_of(collective.operation.type) / (collective.operation.kind == reduce_scatter ? ranks_ : 1);
  for (size_t first = 0; first < collective.operation.count && !aborted_; first += chunk) {
    exchange(collective, first, std::min(chunk, static_cast<size_t>(collective.operation.count) - first));
  }
}

// Everybody shows a chunk of what it gives, then takes what it gets.
void Communicator::exchange(const Collective& collective, size_t first, size_t count) {
  const auto& operation = collective.operation;
  size_t size = size_of(operation.type);
  auto* mine = shared_->slots[rank_];
  if (operation.kind == reduce_scatter) {
    for (int part = 0; part < ranks_; part++) {
      std::memcpy(mine + part * count * size, collective.send + (part * operation.count + first) * size, count * size);
    }
  } else if (operation.kind != broadcast || operation.root == rank_) {
    std::memcpy(mine, collective.send + first * size, count * size);
  }
  if (!meet()) {
    return;
  }

  std::vector<const unsigned char*> inputs;
  for (int rank = 0; rank < ranks_; rank++) {
    inputs.push_back(shared_->slots[rank] + (operation.kind == reduce_scatter ? rank_ * count * size : 0));
  }
  auto* output = collective.receive + first * size;
  switch (operation.kind) {
    case all_reduce:
    case reduce_scatter:
      reduce(inputs, output, count, operation.type, operation.reduction);
      break;
    case all_gather:
      for (int rank = 0; rank < ranks_; rank++) {
        std::memcpy(output + rank * operation.count * size, inputs[rank], count * size);
      }
      break;
    default:
      std::memcpy(output, inputs[operation.root], count * size);
  }
  meet();
}

// Waits until all ranks have come here as often as this one.
bool Communicator::meet() {
  uint64_t meeting = ++meetings_;
  shared_->ranks[rank_].arrived = meeting;
  return wait_for([this, meeting] {
    for (int rank = 0; rank < ranks_; rank++) {
      if (shared_->ranks[rank].arrived < meeting) {
        return false;
      }
    }
    return true;
  });
}

// A rank that is lost is an error, which does not end what waits for it: only the abort does.
bool Communicator::wait_for(const std::function<bool()>& condition) {
  for (int turn = 0; !condition(); turn++) {
    if (aborted_) {
      return false;
    }
    if (turn % 64 == 63 && lost()) {
      state_ = remote_error;
      hang();
      return false;
    }
    if (turn > 200) {
      pause(200);
    } else {
      std::this_thread::yield();
    }
  }
  return true;
}

void Communicator::hang() {
  while (!aborted_) {
    pause(500);
  }
}

bool Communicator::lost() {
  // With NCCL_DOUBLE_SILENT_PEERS nobody ever hears of it, as behind NVLink.
  if (number("NCCL_DOUBLE_SILENT_PEERS", 0) != 0) {
    return false;
  }
  for (int rank = 0; rank < ranks_; rank++) {
    int presence = shared_->ranks[rank].presence;
    if (rank != rank_ && (presence == gone || (presence == present && has_ended(shared_->ranks[rank].process)))) {
      return true;
    }
  }
  return false;
}

}  // namespace nccl_double

// What was refused since the last call; empty for nothing.
DOUBLE_EXPORT void nccl_double_refused(char* text, int capacity) {
  std::lock_guard<std::mutex> lock(nccl_double::refused_mutex);
  std::snprintf(text, static_cast<size_t>(capacity), "%s", nccl_double::refused.c_str());
  nccl_double::refused.clear();
}

DOUBLE_EXPORT int nccl_double_collectives_in_streams() { return nccl_double::in_streams; }
