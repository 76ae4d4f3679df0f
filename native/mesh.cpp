#include "mesh.h"

#include <algorithm>
#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "connection.h"

namespace linformer {

void notOffered(const char* what) {
  throw Failure(Code::InvalidArgument, kNoPeer, std::string(what) + " is not offered by this transport");
}

Mesh::Mesh(int rank, int size) : gloo::transport::Context(rank, size) {}

void Mesh::open(std::vector<Listener::Link> links) {
  for (int peer = 0; peer < size; peer++) {
    if (peer == rank) {
      continue;
    }
    const int on = 1;
    const int fd = links[peer].socket.get();
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    // Until leave(), the end of this process or of the mesh resets its connections.
    setLinger(fd, true);
    auto connection = std::make_unique<Connection>(*this, peer, std::move(links[peer]));
    connections_.push_back(connection.get());
    pairs_[peer] = std::move(connection);
  }

  // abort() reads these two in the other order, so one of both sees the other.
  open_ = true;
  if (aborted_) {
    tearDown();
  }
}

void Mesh::abort() {
  aborted_ = true;
  wakeUp_.signal();
  if (open_) {
    tearDown();
  }
}

void Mesh::tearDown() {
  tornDown_ = true;
  if (!open_) {
    return;
  }
  // Reset, not closed: another thread may be using the descriptors.
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  for (const auto* connection : connections_) {
    if (::connect(connection->fd(), &nobody, sizeof(nobody)) != 0) {
      ::shutdown(connection->fd(), SHUT_RDWR);
    }
  }
}

void Mesh::leave() {
  if (tornDown_) {
    return;
  }
  for (auto* connection : connections_) {
    connection->leave();
  }
}

void Mesh::throwIfStopped() const {
  if (aborted_) {
    throw Failure(Code::Aborted, kNoPeer, "aborted");
  }
  if (tornDown_) {
    throw Failure(Code::Failed, kNoPeer, "the group has failed before");
  }
}

void Mesh::discard() {
  tearDown();
  for (auto* connection : connections_) {
    connection->clear();
  }
}

void Mesh::wait(int& counter) {
  while (counter == 0) {
    throwIfStopped();
    if (!advance() && counter == 0) {
      block();
    }
  }
  counter--;
}

bool Mesh::advance() {
  bool moved = false;
  for (auto* connection : connections_) {
    moved |= connection->advance();
  }
  return moved;
}

void Mesh::block() {
  // All connections: a reset one means that a rank was lost, even if nothing is due from it now.
  std::vector<pollfd> polled{{wakeUp_.fd(), POLLIN, 0}};
  for (auto* connection : connections_) {
    if (!connection->mayBlock()) {
      return;
    }
    polled.push_back({connection->done() ? -1 : connection->fd(), connection->events(), 0});
  }

  if (::poll(polled.data(), polled.size(), millisecondsUntil(deadline_)) < 0 && errno != EINTR) {
    throw Failure(Code::Failed, kNoPeer, "poll: " + errorText(errno));
  }
  throwIfStopped();
  for (size_t i = 0; i < connections_.size(); i++) {
    connections_[i]->checkEvents(polled[i + 1].revents);
  }
  if (Clock::now() >= deadline_) {
    const auto waitsFor = [this](bool receive) {
      return std::find_if(connections_.begin(), connections_.end(), [receive](const auto* connection) {
        return receive ? connection->receives() : connection->sends();
      });
    };
    const auto late = waitsFor(true) != connections_.end() ? waitsFor(true) : waitsFor(false);
    const int peer = late == connections_.end() ? kNoPeer : (*late)->peer();
    throw Failure(Code::TimedOut, peer, "timed out waiting for rank " + std::to_string(peer));
  }
}

std::unique_ptr<gloo::transport::Pair>& Mesh::createPair(int) {
  notOffered("createPair");
}

std::unique_ptr<gloo::transport::UnboundBuffer> Mesh::createUnboundBuffer(void* ptr, size_t bytes) {
  return std::make_unique<Buffer>(shared_from_this(), ptr, bytes);
}

Buffer::Buffer(std::shared_ptr<Mesh> mesh, void* ptr, size_t size)
    : gloo::transport::UnboundBuffer(ptr, size), mesh_(std::move(mesh)) {}

Buffer::~Buffer() {
  // Only when an exception passes: then the streams are cut in the middle of a message.
  if (pending_ > 0) {
    mesh_->discard();
  }
}

bool Buffer::waitRecv(int* rank, std::chrono::milliseconds) {
  mesh_->wait(received_);
  if (rank != nullptr) {
    *rank = receivedFrom_;
  }
  return true;
}

bool Buffer::waitSend(int* rank, std::chrono::milliseconds) {
  mesh_->wait(sent_);
  if (rank != nullptr) {
    *rank = sentTo_;
  }
  return true;
}

void Buffer::send(int dstRank, uint64_t slot, size_t offset, size_t nbytes) {
  mesh_->getPair(dstRank)->send(this, slot, offset, checkRange(offset, nbytes));
}

void Buffer::recv(int srcRank, uint64_t slot, size_t offset, size_t nbytes) {
  mesh_->getPair(srcRank)->recv(this, slot, offset, checkRange(offset, nbytes));
}

void Buffer::recv(std::vector<int>, uint64_t, size_t, size_t) {
  notOffered("receiving from any of several ranks");
}

size_t Buffer::checkRange(size_t offset, size_t nbytes) const {
  if (offset > size || (nbytes != kUnspecifiedByteCount && nbytes > size - offset)) {
    throw Failure(Code::InvalidArgument, kNoPeer, "a message reaches beyond its buffer");
  }
  return nbytes == kUnspecifiedByteCount ? size - offset : nbytes;
}

} // namespace linformer
