#include "socket.h"

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "failure.h"

namespace linformer {

int millisecondsUntil(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left <= 0 ? 0 : static_cast<int>(std::min<long long>(left, 1'000'000'000));
}

std::string errorText(int error) {
  char buffer[256];
#ifdef __GLIBC__
  // glibc's own variant, which is what C++ sees there, returns the text.
  return strerror_r(error, buffer, sizeof(buffer));
#else
  return strerror_r(error, buffer, sizeof(buffer)) == 0 ? buffer : "error " + std::to_string(error);
#endif
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

SocketAddress SocketAddress::parse(const std::string& address, int port) {
  SocketAddress result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    result.length = sizeof(*v4);
    return result;
  }

  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    result.length = sizeof(*v6);
    return result;
  }

  throw Failure(Code::InvalidArgument, kNoPeer, "'" + address + "' is not an IPv4 or IPv6 address");
}

void setLinger(int fd, bool reset) {
  const linger value{reset ? 1 : 0, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof(value));
}

bool staysOnThisMachine(int fd) {
  SocketAddress own;
  SocketAddress other;
  own.length = other.length = sizeof(sockaddr_storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own.storage), &own.length) != 0 ||
      ::getpeername(fd, reinterpret_cast<sockaddr*>(&other.storage), &other.length) != 0 ||
      own.storage.ss_family != other.storage.ss_family) {
    return false;
  }
  if (own.storage.ss_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in&>(own.storage).sin_addr.s_addr ==
        reinterpret_cast<const sockaddr_in&>(other.storage).sin_addr.s_addr;
  }
  return own.storage.ss_family == AF_INET6 &&
      IN6_ARE_ADDR_EQUAL(
             &reinterpret_cast<const sockaddr_in6&>(own.storage).sin6_addr,
             &reinterpret_cast<const sockaddr_in6&>(other.storage).sin6_addr);
}

WakeUp::WakeUp() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) {
    throw Failure(Code::Failed, kNoPeer, "eventfd: " + errorText(errno));
  }
}

void WakeUp::signal() {
  // The counter is never read back: once signalled, every later poll returns at once.
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof(one));
}

} // namespace linformer
