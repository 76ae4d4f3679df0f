#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gloo/transport/context.h>
#include <gloo/transport/pair.h>
#include <gloo/transport/unbound_buffer.h>

#include "failure.h"
#include "listener.h"
#include "socket.h"

namespace linformer {

class Buffer;
class Connection;

// For what Gloo's interface has and no collective here uses.
[[noreturn]] void notOffered(const char* what);

// A transport for Gloo's collectives over the connections that a Listener has made: TCP, and memory between ranks
// of one machine.
//
// Gloo's own TCP transport moves bytes on a thread of its own. A surprise there (a stray
// connection, a peer that dies while connecting) ends the process, and no other thread can end
// its waits. Here the thread that runs the collective moves the bytes while it waits: no locks,
// and one poll(2) that also sees abort().
//
// On each connection messages arrive in the order in which they were sent, and the collectives
// post receives in that order too, so a message carries only its slot and length, and these
// must be what the receiver expects. If not, the ranks have called different collectives.
class Mesh : public gloo::transport::Context, public std::enable_shared_from_this<Mesh> {
 public:
  Mesh(int rank, int size);

  const WakeUp& wakeUp() const { return wakeUp_; }

  // Takes what Listener::connect returned.
  void open(std::vector<Listener::Link> links);

  // Every wait from now on ends at this time, however many there are.
  void setDeadline(Clock::time_point deadline) { deadline_ = deadline; }

  // Ends what runs and whatever comes later. From any thread.
  void abort();

  // Resets all connections, so that the other ranks fail at once too. From any thread.
  void tearDown();

  // What was sent reaches the others even when the mesh goes now.
  void leave();

  // Tears down and forgets what is posted: its buffers are about to go.
  void discard();

  bool aborted() const { return aborted_; }

  // Throws when the mesh was aborted or torn down.
  void throwIfStopped() const;

  // Moves bytes until counter is above zero, then counts it down.
  void wait(int& counter);

  std::unique_ptr<gloo::transport::Pair>& createPair(int rank) override;
  std::unique_ptr<gloo::transport::UnboundBuffer> createUnboundBuffer(void* ptr, size_t size) override;

 private:
  bool advance();
  void block();

  WakeUp wakeUp_;
  std::atomic<bool> aborted_{false};
  std::atomic<bool> open_{false};
  std::atomic<bool> tornDown_{false};
  Clock::time_point deadline_ = Clock::time_point::max();
  // The pairs of the base class with their own type.
  std::vector<Connection*> connections_;
};

class Buffer : public gloo::transport::UnboundBuffer {
 public:
  Buffer(std::shared_ptr<Mesh> mesh, void* ptr, size_t size);
  ~Buffer() override;

  // The timeouts are ignored: the mesh has a deadline for the whole operation.
  bool waitRecv(int* rank, std::chrono::milliseconds timeout) override;
  bool waitSend(int* rank, std::chrono::milliseconds timeout) override;
  void abortWaitRecv() override {}
  void abortWaitSend() override {}

  void send(int dstRank, uint64_t slot, size_t offset, size_t nbytes) override;
  void recv(int srcRank, uint64_t slot, size_t offset, size_t nbytes) override;
  void recv(std::vector<int> srcRanks, uint64_t slot, size_t offset, size_t nbytes) override;

 private:
  friend class Connection;

  size_t checkRange(size_t offset, size_t nbytes) const;

  const std::shared_ptr<Mesh> mesh_;
  int pending_ = 0; // Messages posted and not yet moved.
  int sent_ = 0;
  int received_ = 0;
  int sentTo_ = kNoPeer;
  int receivedFrom_ = kNoPeer;
};

} // namespace linformer
