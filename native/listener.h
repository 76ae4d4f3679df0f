#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "socket.h"

namespace linformer {

using Token = std::array<uint8_t, 16>;

// How the other ranks reach one: what it published in the rendezvous store.
struct Endpoint {
  SocketAddress address;
  std::string text;
  Token token;

  // From "address port token", the token as 32 hexadecimal digits.
  static Endpoint parse(const std::string& text);
};

// Listens on a port chosen by the system, and connects a rank with all others.
//
// Of two ranks the higher one connects. Both ends then say who they are, which group they
// want, and the secret token that the other end published, so that a stray connection (a port
// scan, a rank of an older generation) is dropped and disturbs nobody.
class Listener {
 public:
  Listener(int rank, int size, int64_t generation, const std::string& bindAddress);

  // "port token", to be published behind the address under which this machine is reached.
  std::string endpoint() const;

  // Connects with all other ranks; returns a socket per rank (none for this rank itself).
  // Throws Failure when a rank cannot be reached, at the deadline, and when wakeUp is signalled.
  std::vector<Descriptor> connect(
      const std::vector<Endpoint>& endpoints, const WakeUp& wakeUp, Clock::time_point deadline);

 private:
  // What both ends of a connection send first. All ranks have the same byte order.
  struct Hello {
    uint64_t magic;
    int64_t generation;
    int32_t from;
    int32_t to;
    int32_t size;
    int32_t reserved;
    Token token;
  };

  struct HalfOpen {
    Descriptor socket;
    int peer; // Unknown until an incoming connection has said who it is.
    bool outgoing;
    bool connecting;
    bool dropped;
    Clock::time_point expiry;
    size_t received;
    Hello theirs;
  };

  Hello hello(int peer, const Token& token) const;
  void startConnecting(int peer);
  void acceptAll();
  bool advance(HalfOpen& half);
  void advanceOutgoing(HalfOpen& half);
  void advanceIncoming(HalfOpen& half);
  bool receive(HalfOpen& half);
  void poll(const WakeUp& wakeUp, Clock::time_point deadline);
  int firstMissing() const;

  const int rank_;
  const int size_;
  const int64_t generation_;
  Token token_;
  Descriptor socket_;
  int port_ = 0;

  std::vector<Endpoint> endpoints_;
  std::vector<HalfOpen> halfOpen_;
  std::vector<Descriptor> connected_;
};

} // namespace linformer
