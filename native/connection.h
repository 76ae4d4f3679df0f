#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gloo/transport/pair.h>
#include <sys/uio.h>

#include "listener.h"
#include "mesh.h"
#include "shared_link.h"
#include "socket.h"

namespace linformer {

// What is between a rank and another one: the messages that are posted, and the socket or the memory that they go through.
class Connection : public gloo::transport::Pair {
 public:
  Connection(Mesh& mesh, int peer, Listener::Link link);

  int fd() const { return socket_.get(); }
  int peer() const { return peer_; }

  // The poll(2) events that this connection waits for, beside a reset; 0 when nothing is posted.
  short events() const;

  // Asks the peer for a wake-up where poll(2) alone would not notice; returns false when there is something to move already.
  bool mayBlock();

  // From now on the end of the socket is no loss to the peer.
  void leave();

  // Whether the peer has left in order, and nothing is posted that would miss it.
  bool done() const;

  bool receives() const { return !receives_.empty(); }
  bool sends() const { return !sends_.empty(); }

  // Throws when poll(2) says that the peer has gone and no receive would notice.
  void checkEvents(short events);

  // Moves what can be moved without waiting; returns whether anything was.
  bool advance();

  // Forgets what is posted.
  void clear();

  void post(Buffer* buffer, bool send, uint64_t slot, size_t offset, size_t nbytes);

  const gloo::transport::Address& address() const override;
  void connect(const std::vector<char>& bytes) override;
  void close() override;
  void setSync(bool enable, bool busyPoll) override;
  std::unique_ptr<gloo::transport::Buffer> createSendBuffer(int slot, void* ptr, size_t size) override;
  std::unique_ptr<gloo::transport::Buffer> createRecvBuffer(int slot, void* ptr, size_t size) override;
  void send(gloo::transport::UnboundBuffer* buffer, uint64_t slot, size_t offset, size_t nbytes) override;
  void recv(gloo::transport::UnboundBuffer* buffer, uint64_t slot, size_t offset, size_t nbytes) override;

 private:
  struct Header {
    uint64_t slot;
    uint64_t length;
  };

  struct Message {
    Buffer* buffer;
    Header header;
    char* data;
    size_t moved; // Of the header and the data behind it.

    size_t total() const { return sizeof(Header) + header.length; }
  };

  bool advanceSends();
  bool advanceReceives();
  ssize_t write(iovec* parts, int count);
  ssize_t read(iovec* parts, int count);
  void takeWakeUps();
  void wakePeer();
  void check(const Header& expected) const;
  [[noreturn]] void fail(const std::string& what) const;

  Mesh& mesh_;
  const int peer_;
  const Descriptor socket_;
  const std::unique_ptr<SharedLink> shared_; // Null where all goes over the socket.
  bool ended_ = false;                       // The peer's end of the socket, where memory is shared.
  std::deque<Message> sends_;
  std::deque<Message> receives_;
  Header arrived_{};
};

// "all-reduce number 7": what Gloo encodes in a slot.
std::string describeSlot(uint64_t slot);

} // namespace linformer
