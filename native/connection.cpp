#include "connection.h"

#include <cerrno>

#include <gloo/types.h>
#include <poll.h>
#include <sys/socket.h>

namespace linformer {

namespace {

bool wouldBlock(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

// A count of bytes as the system tells it.
ssize_t moved(size_t bytes) {
  if (bytes == 0) {
    errno = EAGAIN;
    return -1;
  }
  return static_cast<ssize_t>(bytes);
}

// The part of a message (header, then data) that is still to be moved.
int remaining(iovec (&parts)[2], void* header, size_t headerBytes, char* data, size_t bytes, size_t moved) {
  int count = 0;
  if (moved < headerBytes) {
    parts[count++] = {static_cast<char*>(header) + moved, headerBytes - moved};
    moved = headerBytes;
  }
  if (moved - headerBytes < bytes) {
    parts[count++] = {data + (moved - headerBytes), bytes - (moved - headerBytes)};
  }
  return count;
}

} // namespace

Connection::Connection(Mesh& mesh, int peer, Listener::Link link)
    : mesh_(mesh), peer_(peer), socket_(std::move(link.socket)), shared_(std::move(link.shared)) {}

short Connection::events() const {
  // What goes through memory is announced on the socket, whatever its direction.
  const short sending = shared_ ? POLLIN | POLLRDHUP : POLLOUT | POLLRDHUP;
  return static_cast<short>((receives_.empty() ? 0 : POLLIN) | (sends_.empty() ? 0 : sending));
}

bool Connection::mayBlock() {
  return !shared_ || shared_->askForWakeUp(!receives_.empty(), !sends_.empty());
}

void Connection::leave() {
  setLinger(fd(), false);
  if (shared_) {
    shared_->leave();
  }
}

bool Connection::done() const {
  return shared_ && ended_ && receives_.empty() && sends_.empty() && shared_->otherHasLeft();
}

void Connection::checkEvents(short events) {
  if (shared_ && events != 0) {
    takeWakeUps();
  }
  // While something is to be received, reading what is left comes first and finds the end. A rank
  // that is done may leave, unless something is still to be sent to it.
  if (receives_.empty() && !done() && (events & (POLLRDHUP | POLLHUP | POLLERR))) {
    fail("it has closed the connection");
  }
}

bool Connection::advance() {
  const bool sent = advanceSends();
  return advanceReceives() || sent;
}

void Connection::clear() {
  for (const auto* queue : {&sends_, &receives_}) {
    for (const auto& message : *queue) {
      message.buffer->pending_--;
    }
  }
  sends_.clear();
  receives_.clear();
}

void Connection::post(Buffer* buffer, bool send, uint64_t slot, size_t offset, size_t nbytes) {
  mesh_.throwIfStopped();
  auto& queue = send ? sends_ : receives_;
  queue.push_back({buffer, {slot, nbytes}, static_cast<char*>(buffer->ptr) + offset, 0});
  buffer->pending_++;
}

bool Connection::advanceSends() {
  bool moved = false;
  while (!sends_.empty()) {
    auto& message = sends_.front();
    iovec parts[2];
    const int used = remaining(
        parts, &message.header, sizeof(Header), message.data, message.header.length, message.moved);
    const auto count = write(parts, used);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (wouldBlock(errno)) {
        break;
      }
      fail(errorText(errno));
    }

    moved = true;
    message.moved += static_cast<size_t>(count);
    if (message.moved < message.total()) {
      continue;
    }
    message.buffer->pending_--;
    message.buffer->sent_++;
    message.buffer->sentTo_ = peer_;
    sends_.pop_front();
  }
  return moved;
}

// Stops after one whole message, so that its receiver can work on it while more arrives.
bool Connection::advanceReceives() {
  bool moved = false;
  while (!receives_.empty()) {
    auto& message = receives_.front();
    iovec parts[2];
    const int used = remaining(
        parts, &arrived_, sizeof(Header), message.data, message.header.length, message.moved);
    const auto count = read(parts, used);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (wouldBlock(errno)) {
        break;
      }
      fail(errorText(errno));
    }
    if (count == 0) {
      fail("it has closed the connection");
    }

    moved = true;
    const bool headerWasThere = message.moved >= sizeof(Header);
    message.moved += static_cast<size_t>(count);
    if (!headerWasThere && message.moved >= sizeof(Header)) {
      check(message.header);
    }
    if (message.moved < message.total()) {
      continue;
    }
    message.buffer->pending_--;
    message.buffer->received_++;
    message.buffer->receivedFrom_ = peer_;
    receives_.pop_front();
    break;
  }
  return moved;
}

// As sendmsg(2) and readv(2) tell it.
ssize_t Connection::write(iovec* parts, int count) {
  if (!shared_) {
    msghdr wrapped{};
    wrapped.msg_iov = parts;
    wrapped.msg_iovlen = static_cast<size_t>(count);
    return ::sendmsg(fd(), &wrapped, MSG_NOSIGNAL);
  }
  if (ended_) {
    fail("it has closed the connection");
  }
  const auto written = shared_->write(parts, count);
  wakePeer();
  return moved(written);
}

ssize_t Connection::read(iovec* parts, int count) {
  if (!shared_) {
    return ::readv(fd(), parts, count);
  }
  const auto some = shared_->read(parts, count);
  if (some == 0 && ended_) {
    return 0; // It wrote before it went: there is nothing more.
  }
  wakePeer();
  return moved(some);
}

// Its bytes mean nothing but that something can be moved.
void Connection::takeWakeUps() {
  char bytes[64];
  while (!ended_) {
    const auto count = ::recv(fd(), bytes, sizeof(bytes), MSG_DONTWAIT);
    if (count < 0 && wouldBlock(errno)) {
      return;
    }
    ended_ = count == 0 || (count < 0 && errno != EINTR);
  }
}

void Connection::wakePeer() {
  // Where the socket has no room, wake-ups are on their way; where it is closed, reading finds the end.
  if (shared_->owesWakeUp()) {
    const char byte = 0;
    if (::send(fd(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && !wouldBlock(errno) && errno != EINTR) {
      ended_ = true;
    }
  }
}

void Connection::check(const Header& expected) const {
  if (arrived_.slot == expected.slot && arrived_.length == expected.length) {
    return;
  }
  throw Failure(
      Code::Failed, peer_,
      "rank " + std::to_string(peer_) + " sent " + std::to_string(arrived_.length) + " bytes for " +
          describeSlot(arrived_.slot) + " where " + std::to_string(expected.length) + " bytes for " +
          describeSlot(expected.slot) +
          " were expected: all ranks must call the same collectives, with the same sizes, in the same order");
}

void Connection::fail(const std::string& what) const {
  throw Failure(Code::Failed, peer_, "lost rank " + std::to_string(peer_) + ": " + what);
}

const gloo::transport::Address& Connection::address() const {
  notOffered("the address of a pair");
}

void Connection::connect(const std::vector<char>&) {
  notOffered("connecting a pair");
}

void Connection::close() {
  ::shutdown(fd(), SHUT_RDWR);
}

void Connection::setSync(bool, bool) {
  notOffered("synchronous mode");
}

std::unique_ptr<gloo::transport::Buffer> Connection::createSendBuffer(int, void*, size_t) {
  notOffered("a bound buffer");
}

std::unique_ptr<gloo::transport::Buffer> Connection::createRecvBuffer(int, void*, size_t) {
  notOffered("a bound buffer");
}

void Connection::send(gloo::transport::UnboundBuffer* buffer, uint64_t slot, size_t offset, size_t nbytes) {
  post(static_cast<Buffer*>(buffer), true, slot, offset, nbytes);
  if (sends_.size() == 1) {
    advanceSends();
  }
}

void Connection::recv(gloo::transport::UnboundBuffer* buffer, uint64_t slot, size_t offset, size_t nbytes) {
  post(static_cast<Buffer*>(buffer), false, slot, offset, nbytes);
}

std::string describeSlot(uint64_t slot) {
  // Prefix of 8 bits, tag of 32, 24 for the collective itself: see gloo/types.h.
  const auto number = std::to_string((slot >> 24) & 0xffffffff);
  switch (slot >> 56) {
    case gloo::kAllreduceSlotPrefix:
      return "all-reduce number " + number;
    case gloo::kAlltoallSlotPrefix:
      return "rounded all-reduce number " + number;
    case gloo::kAllgatherSlotPrefix:
      return "all-gather number " + number;
    case gloo::kBroadcastSlotPrefix:
      return "broadcast number " + number;
    case gloo::kBarrierSlotPrefix:
      return "barrier number " + number;
    case gloo::kReduceSlotPrefix:
      return "reduce-scatter number " + number;
    default:
      return "an unknown message";
  }
}

} // namespace linformer
