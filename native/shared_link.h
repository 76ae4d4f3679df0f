#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <sys/uio.h>

#include "socket.h"

namespace linformer {

// Whose memory it is: the pair of ranks of one group, and the secret that the lower one published.
struct LinkName {
  int64_t generation;
  int32_t size; // Of the group.
  int32_t higher;
  int32_t lower;
  Token token;
};

// How a process of this machine finds memory of another: as a file that the other has open.
struct LinkPlace {
  int32_t process = 0; // 0 for none.
  int32_t descriptor = -1;
};

// Memory that two ranks of one machine share: a ring of bytes each way, in place of what would go through the
// system's network. It costs about one copy on each side and no call into the system as long as both have work.
//
// The memory has no name in any file system, so that nothing of it stays, whatever dies. It tells nobody of a
// death either: the two keep their socket, over which one also wakes the other.
class SharedLink {
 public:
  // Null where the system gives no such memory.
  static std::unique_ptr<SharedLink> create(const LinkName& name);

  // Null where the place cannot be reached, as from another container, or is not the memory of that name.
  static std::unique_ptr<SharedLink> open(const LinkPlace& place, const LinkName& name);

  ~SharedLink();
  SharedLink(const SharedLink&) = delete;
  SharedLink& operator=(const SharedLink&) = delete;

  // Until forgetPlace().
  LinkPlace place() const;

  // Both have it now: its file is needed no more.
  void forgetPlace() { file_ = Descriptor(); }

  // Tells the other rank that the end of the socket is no loss: all that this one sends has been written. A wake-up
  // that comes too late resets the connection, which would look like one.
  void leave();
  bool otherHasLeft() const;

  // Moves some bytes; returns how many, 0 when there is no room or nothing there.
  // Throws Failure when the other rank has written nonsense into the memory.
  size_t write(const iovec* parts, int count);
  size_t read(const iovec* parts, int count);

  // Asks the other rank for a wake-up once it has made a read or a write possible. Returns false when one is already.
  bool askForWakeUp(bool forRead, bool forWrite);

  // Whether the other rank has asked, and what it waits for has come; asks no more then.
  bool owesWakeUp();

 private:
  struct Ring;
  struct Memory;

  SharedLink(Descriptor file, Memory* memory, const LinkName& name, bool higher);

  static std::unique_ptr<SharedLink> map(Descriptor file, const LinkName& name, bool higher);
  size_t used(const Ring& ring) const;

  Descriptor file_;
  Memory* const memory_;
  const int peer_;
  const size_t ringBytes_;
  Ring& out_;
  Ring& in_;
  char* const outBytes_;
  char* const inBytes_;
};

} // namespace linformer
