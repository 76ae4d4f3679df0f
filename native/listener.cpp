#include "listener.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/random.h>

#include "failure.h"

namespace linformer {

namespace {

constexpr uint64_t kMagic = 0x32524f464e494c21; // "!LINFOR2"
// Strangers that connect and say nothing: how many at once, and for how long.
constexpr size_t kMaxIncoming = 64;
constexpr auto kHelloTimeout = std::chrono::seconds(5);

} // namespace

Endpoint Endpoint::parse(const std::string& text) {
  std::istringstream stream(text);
  std::string address;
  int port = 0;
  std::string hex;
  Endpoint result;
  if (!(stream >> address >> port >> hex) || port <= 0 || port > 65535 ||
      hex.size() != 2 * result.token.size() ||
      hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw Failure(Code::Failed, kNoPeer, "'" + text + "' in the rendezvous store is no endpoint");
  }

  for (size_t i = 0; i < result.token.size(); i++) {
    result.token[i] = static_cast<uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  result.address = SocketAddress::parse(address, port);
  result.text = address + " port " + std::to_string(port);
  return result;
}

Listener::Listener(int rank, int size, int64_t generation, const std::string& bindAddress, bool sharesMemory)
    : rank_(rank), size_(size), generation_(generation), sharesMemory_(sharesMemory) {
  if (getrandom(token_.data(), token_.size(), 0) != static_cast<ssize_t>(token_.size())) {
    throw Failure(Code::Failed, kNoPeer, "getrandom: " + errorText(errno));
  }

  auto address = SocketAddress::parse(bindAddress, 0);
  socket_ = Descriptor(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_) {
    throw Failure(Code::Failed, kNoPeer, "socket: " + errorText(errno));
  }
  if (::bind(socket_.get(), address.get(), address.length) != 0 ||
      ::listen(socket_.get(), SOMAXCONN) != 0) {
    throw Failure(
        Code::Failed, kNoPeer, "cannot listen on " + bindAddress + ": " + errorText(errno));
  }

  socklen_t length = sizeof(address.storage);
  ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address.storage), &length);
  port_ = ntohs(
      address.storage.ss_family == AF_INET
          ? reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port
          : reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
}

std::string Listener::endpoint() const {
  std::string text = std::to_string(port_) + " ";
  for (const auto byte : token_) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", byte);
    text += digits;
  }
  return text;
}

std::vector<Listener::Link> Listener::connect(
    const std::vector<Endpoint>& endpoints, const WakeUp& wakeUp, Clock::time_point deadline) {
  endpoints_ = endpoints;
  connected_.clear();
  connected_.resize(size_);
  for (int peer = 0; peer < rank_; peer++) {
    startConnecting(peer);
  }

  while (firstMissing() != kNoPeer) {
    poll(wakeUp, deadline);
    acceptAll();
    halfOpen_.erase(
        std::remove_if(
            halfOpen_.begin(), halfOpen_.end(), [this](auto& half) { return advance(half); }),
        halfOpen_.end());
  }

  halfOpen_.clear();
  return std::move(connected_);
}

int Listener::firstMissing() const {
  for (int peer = 0; peer < size_; peer++) {
    if (peer != rank_ && !connected_[peer].socket) {
      return peer;
    }
  }
  return kNoPeer;
}

void Listener::startConnecting(int peer) {
  const auto& endpoint = endpoints_[peer];
  HalfOpen half{};
  half.peer = peer;
  half.outgoing = true;
  half.connecting = true;
  half.socket = Descriptor(::socket(
      endpoint.address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!half.socket ||
      (::connect(half.socket.get(), endpoint.address.get(), endpoint.address.length) != 0 &&
       errno != EINPROGRESS && errno != EINTR)) {
    throw Failure(
        Code::Failed, peer,
        "cannot connect to rank " + std::to_string(peer) + " at " + endpoint.text + ": " +
            errorText(errno));
  }
  halfOpen_.push_back(std::move(half));
}

void Listener::acceptAll() {
  auto incoming = std::count_if(
      halfOpen_.begin(), halfOpen_.end(), [](const auto& half) { return !half.outgoing; });
  for (; incoming < static_cast<ptrdiff_t>(kMaxIncoming); incoming++) {
    HalfOpen half{};
    half.socket = Descriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!half.socket) {
      return; // Nobody is waiting, or whoever was has gone.
    }
    half.peer = kNoPeer;
    half.expiry = Clock::now() + kHelloTimeout;
    halfOpen_.push_back(std::move(half));
  }
}

// Waits until a socket has news.
void Listener::poll(const WakeUp& wakeUp, Clock::time_point deadline) {
  auto wakeAt = deadline;
  std::vector<pollfd> polled{{wakeUp.fd(), POLLIN, 0}};
  size_t incoming = 0;
  for (const auto& half : halfOpen_) {
    polled.push_back({half.socket.get(), static_cast<short>(half.connecting ? POLLOUT : POLLIN), 0});
    if (!half.outgoing) {
      incoming++;
      wakeAt = std::min(wakeAt, half.expiry);
    }
  }
  if (incoming < kMaxIncoming) {
    polled.push_back({socket_.get(), POLLIN, 0});
  }

  const int count = ::poll(polled.data(), polled.size(), millisecondsUntil(wakeAt));
  if (count < 0 && errno != EINTR) {
    throw Failure(Code::Failed, kNoPeer, "poll: " + errorText(errno));
  }
  if (polled[0].revents != 0) {
    throw Failure(Code::Aborted, kNoPeer, "aborted");
  }
  if (Clock::now() >= deadline) {
    const int peer = firstMissing();
    throw Failure(
        Code::TimedOut, peer, "no connection with rank " + std::to_string(peer) + " in time");
  }
}

// Returns whether this connection is settled: connected or dropped.
bool Listener::advance(HalfOpen& half) {
  if (half.outgoing) {
    advanceOutgoing(half);
  } else {
    advanceIncoming(half);
  }
  return half.dropped || !half.socket;
}

Listener::Hello Listener::hello(int peer, const Token& token, const LinkPlace& memory) const {
  return Hello{kMagic, generation_, rank_, peer, size_, 0, token, memory};
}

LinkName Listener::nameOf(int higher, int lower, const Token& token) const {
  return LinkName{generation_, size_, higher, lower, token};
}

void Listener::advanceOutgoing(HalfOpen& half) {
  const auto fail = [&](const std::string& why) {
    throw Failure(
        Code::Failed, half.peer,
        "cannot connect to rank " + std::to_string(half.peer) + " at " +
            endpoints_[half.peer].text + ": " + why);
  };

  if (half.connecting) {
    pollfd polled{half.socket.get(), POLLOUT, 0};
    if (::poll(&polled, 1, 0) <= 0) {
      return;
    }
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(half.socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      fail(errorText(error));
    }
    // A fresh connection's buffer takes these few bytes whole.
    const auto& token = endpoints_[half.peer].token;
    if (sharesMemory_ && staysOnThisMachine(half.socket.get())) {
      half.shared = SharedLink::create(nameOf(rank_, half.peer, token));
    }
    const auto mine = hello(half.peer, token, half.shared ? half.shared->place() : LinkPlace{});
    if (::send(half.socket.get(), &mine, sizeof(mine), MSG_NOSIGNAL) != sizeof(mine)) {
      fail("it closed the connection");
    }
    half.connecting = false;
  }

  if (!receive(half)) {
    if (half.dropped) {
      fail("it closed the connection");
    }
    return;
  }

  if (half.theirs.magic != kMagic || half.theirs.generation != generation_ ||
      half.theirs.from != half.peer || half.theirs.to != rank_ || half.theirs.size != size_ ||
      half.theirs.token != token_) {
    fail("it is not that rank of this generation");
  }
  if (half.theirs.memory.process == 0) {
    half.shared.reset();
  }
  settle(half.peer, half);
}

void Listener::settle(int peer, HalfOpen& half) {
  if (half.shared) {
    half.shared->forgetPlace();
  }
  connected_[peer] = Link{std::move(half.socket), std::move(half.shared)};
}

void Listener::advanceIncoming(HalfOpen& half) {
  if (!receive(half)) {
    half.dropped = half.dropped || Clock::now() >= half.expiry;
    return;
  }

  const auto& theirs = half.theirs;
  const bool known = theirs.magic == kMagic && theirs.generation == generation_ &&
      theirs.to == rank_ && theirs.size == size_ && theirs.token == token_ &&
      theirs.from > rank_ && theirs.from < size_ && !connected_[theirs.from].socket;
  if (!known) {
    half.dropped = true;
    return;
  }

  if (sharesMemory_) {
    half.shared = SharedLink::open(theirs.memory, nameOf(theirs.from, rank_, token_));
  }
  const auto mine = hello(theirs.from, endpoints_[theirs.from].token, half.shared ? theirs.memory : LinkPlace{});
  if (::send(half.socket.get(), &mine, sizeof(mine), MSG_NOSIGNAL) != sizeof(mine)) {
    throw Failure(
        Code::Failed, theirs.from,
        "rank " + std::to_string(theirs.from) + " closed the connection while connecting");
  }
  settle(theirs.from, half);
}

// Returns whether the other end's whole greeting is there. Sets dropped when it has gone.
bool Listener::receive(HalfOpen& half) {
  while (half.received < sizeof(Hello)) {
    const auto count = ::recv(
        half.socket.get(), reinterpret_cast<char*>(&half.theirs) + half.received,
        sizeof(Hello) - half.received, 0);
    if (count > 0) {
      half.received += static_cast<size_t>(count);
      continue;
    }
    if (count < 0 && errno == EINTR) {
      continue;
    }
    half.dropped = count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    return false;
  }
  return true;
}

} // namespace linformer
