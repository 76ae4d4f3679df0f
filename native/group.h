#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gloo/context.h>

#include "listener.h"
#include "mesh.h"

namespace linformer {

// The ranks of one generation, as one of them sees them.
class Group {
 public:
  Group(int rank, int size, int64_t generation, const std::string& bindAddress, bool sharesMemory)
      : rank(rank),
        size(size),
        listener_(std::make_unique<Listener>(rank, size, generation, bindAddress, sharesMemory)),
        mesh_(std::make_shared<Mesh>(rank, size)) {}

  ~Group() { mesh_->leave(); }

  const int rank;
  const int size;

  std::string endpoint() const { return listener().endpoint(); }

  void connect(const std::vector<Endpoint>& endpoints, Clock::time_point deadline) {
    mesh_->open(listener().connect(endpoints, mesh_->wakeUp(), deadline));
    listener_.reset();
    context_ = std::make_shared<MeshContext>(rank, size, mesh_);
  }

  void abort() { mesh_->abort(); }

  // Runs something that waits on the mesh until a deadline. Whatever goes wrong ends the group, so that the
  // other ranks notice at once.
  template <typename Body>
  void run(Clock::time_point deadline, Body body) {
    try {
      mesh_->throwIfStopped();
      mesh_->setDeadline(deadline);
      body(*this, deadline);
    } catch (...) {
      mesh_->discard();
      if (mesh_->aborted()) {
        throw Failure(Code::Aborted, kNoPeer, "aborted");
      }
      throw;
    }
  }

  const std::shared_ptr<gloo::Context>& context() const {
    if (!context_) {
      throw Failure(Code::InvalidArgument, kNoPeer, "the group is not connected yet");
    }
    return context_;
  }

  // A number for each collective, the same on all ranks if they call the same ones.
  uint32_t nextTag() { return tag_++; }

  // Memory for the collective that runs, kept for the next one: its contents are anything.
  void* scratch(size_t bytes) {
    if (bytes > scratchBytes_) {
      scratch_.reset(); // Before the larger one is made.
      scratchBytes_ = 0;
      scratch_.reset(new char[bytes]);
      scratchBytes_ = bytes;
    }
    return scratch_.get();
  }

 private:
  // Gloo's algorithms take their transport from protected members of this.
  struct MeshContext : gloo::Context {
    MeshContext(int rank, int size, std::shared_ptr<Mesh> mesh) : gloo::Context(rank, size) {
      transportContext_ = std::move(mesh);
    }
  };

  Listener& listener() const {
    if (!listener_) {
      throw Failure(Code::InvalidArgument, kNoPeer, "the group is connected already");
    }
    return *listener_;
  }

  std::unique_ptr<Listener> listener_; // Until the group is connected.
  const std::shared_ptr<Mesh> mesh_;
  std::shared_ptr<gloo::Context> context_;
  uint32_t tag_ = 0;
  std::unique_ptr<char[]> scratch_;
  size_t scratchBytes_ = 0;
};

} // namespace linformer
