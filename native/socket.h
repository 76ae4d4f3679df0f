#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include <sys/socket.h>

namespace linformer {

using Clock = std::chrono::steady_clock;

// A secret by which two ranks know each other.
using Token = std::array<uint8_t, 16>;

// Milliseconds from now to a deadline as poll(2) wants them: rounded up, never negative.
int millisecondsUntil(Clock::time_point deadline);

std::string errorText(int error);

// Owns a file descriptor. All of them are closed on exec: a child process that inherited one
// would keep the connection of a dead rank open.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// A numeric IPv4 or IPv6 address with a port.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  static SocketAddress parse(const std::string& address, int port);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Whether closing the socket resets the connection, which poll(2) reports at the other end at
// once, or ends it in order, after all that was sent.
void setLinger(int fd, bool reset);

// Whether both ends of a connection have the same address.
bool staysOnThisMachine(int fd);

// Wakes a thread that waits in poll(2), from any other thread.
class WakeUp {
 public:
  WakeUp();
  void signal();
  int fd() const { return event_.get(); }

 private:
  Descriptor event_;
};

} // namespace linformer
