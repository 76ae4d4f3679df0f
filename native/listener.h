#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared_link.h"
#include "socket.h"

namespace linformer {

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
// scan, a rank of an older generation) is dropped and disturbs nobody. Where both have the same
// address the higher rank also offers memory, which the lower one takes if it can reach it.
class Listener {
 public:
  // How a rank is connected with another.
  struct Link {
    Descriptor socket;
    std::unique_ptr<SharedLink> shared; // Null where they share no memory.
  };

  Listener(int rank, int size, int64_t generation, const std::string& bindAddress, bool sharesMemory);

  // "port token", to be published behind the address under which this machine is reached.
  std::string endpoint() const;

  // Connects with all other ranks; returns a link per rank (none for this rank itself).
  // Throws Failure when a rank cannot be reached, at the deadline, and when wakeUp is signalled.
  std::vector<Link> connect(
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
    LinkPlace memory; // The higher rank's offer; the lower one repeats what it has taken.
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
    std::unique_ptr<SharedLink> shared;
  };

  Hello hello(int peer, const Token& token, const LinkPlace& memory) const;
  LinkName nameOf(int higher, int lower, const Token& token) const;
  void startConnecting(int peer);
  void acceptAll();
  bool advance(HalfOpen& half);
  void advanceOutgoing(HalfOpen& half);
  void advanceIncoming(HalfOpen& half);
  bool receive(HalfOpen& half);
  void settle(int peer, HalfOpen& half);
  void poll(const WakeUp& wakeUp, Clock::time_point deadline);
  int firstMissing() const;

  const int rank_;
  const int size_;
  const int64_t generation_;
  const bool sharesMemory_;
  Token token_;
  Descriptor socket_;
  int port_ = 0;

  std::vector<Endpoint> endpoints_;
  std::vector<HalfOpen> halfOpen_;
  std::vector<Link> connected_;
};

} // namespace linformer
