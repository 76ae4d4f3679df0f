#include "shared_link.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failure.h"

namespace linformer {

namespace {

constexpr char kFileName[] = "linformer-link";

// Large enough that a rank that computes meanwhile seldom makes the other wait, small enough for the caches.
constexpr size_t kMostRingBytes = 1 << 20;
constexpr size_t kLeastRingBytes = 128 * 1024;

// What the rings from one rank to all others may take together.
constexpr size_t kRingBytesOfRank = 16 << 20;

// What is moved at a time: the other rank can begin with it while more is moved.
constexpr size_t kStepBytes = 256 * 1024;

constexpr size_t kCacheLine = 64;
constexpr size_t kPage = 4096;

// Nobody can make the memory smaller under those who use it.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// A power of two, the same for all ranks of a group.
size_t ringBytesOf(int size) {
  size_t bytes = kMostRingBytes;
  while (bytes > kLeastRingBytes && bytes * static_cast<size_t>(size) > kRingBytesOfRank) {
    bytes /= 2;
  }
  return bytes;
}

bool same(const LinkName& a, const LinkName& b) {
  return a.generation == b.generation && a.size == b.size && a.higher == b.higher && a.lower == b.lower &&
      a.token == b.token;
}

} // namespace

// What has been written and read since the beginning, each changed by one side only.
struct SharedLink::Ring {
  alignas(kCacheLine) std::atomic<uint64_t> written;
  std::atomic<uint32_t> writerLeft;
  alignas(kCacheLine) std::atomic<uint64_t> read;
  alignas(kCacheLine) std::atomic<uint32_t> readerWaits;
  alignas(kCacheLine) std::atomic<uint32_t> writerWaits;
};

// Behind its page the bytes of the two rings, in that order.
struct alignas(kPage) SharedLink::Memory {
  LinkName name;
  Ring down; // From the higher rank to the lower one.
  Ring up;

  static size_t bytes(size_t ringBytes) { return sizeof(Memory) + 2 * ringBytes; }
};

static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

namespace {

// Calls body(piece, offset, bytes) for the first bytes of the parts.
template <typename Body>
void forFirst(const iovec* parts, int count, size_t bytes, Body body) {
  size_t offset = 0;
  for (int i = 0; i < count && offset < bytes; i++) {
    const size_t length = std::min(parts[i].iov_len, bytes - offset);
    body(static_cast<char*>(parts[i].iov_base), offset, length);
    offset += length;
  }
}

size_t total(const iovec* parts, int count) {
  size_t bytes = 0;
  for (int i = 0; i < count; i++) {
    bytes += parts[i].iov_len;
  }
  return bytes;
}

// Calls body(place, done, bytes) for a range of the ring, which may go over its end.
template <typename Body>
void inRing(char* data, size_t ringBytes, uint64_t from, size_t bytes, Body body) {
  const size_t begin = from % ringBytes;
  const size_t first = std::min(bytes, ringBytes - begin);
  body(data + begin, size_t{0}, first);
  if (first < bytes) {
    body(data, first, bytes - first);
  }
}

} // namespace

std::unique_ptr<SharedLink> SharedLink::create(const LinkName& name) {
  Descriptor file(::memfd_create(kFileName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  // Room for all of it now: later its lack would end the process.
  const auto bytes = static_cast<off_t>(Memory::bytes(ringBytesOf(name.size)));
  if (!file || ::posix_fallocate(file.get(), 0, bytes) != 0 || ::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
    return nullptr;
  }
  auto link = map(std::move(file), name, /*higher=*/true);
  if (link) {
    link->memory_->name = name;
  }
  return link;
}

std::unique_ptr<SharedLink> SharedLink::open(const LinkPlace& place, const LinkName& name) {
  if (place.process <= 0) {
    return nullptr;
  }
  // Opening something else, such as a device, could do something already.
  const auto path = "/proc/" + std::to_string(place.process) + "/fd/" + std::to_string(place.descriptor);
  const auto expected = std::string("/memfd:") + kFileName + " (deleted)";
  char target[64];
  const auto length = ::readlink(path.c_str(), target, sizeof(target));
  if (length < 0 || std::string(target, static_cast<size_t>(length)) != expected) {
    return nullptr;
  }
  Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
  struct stat status {};
  const int seals = file ? ::fcntl(file.get(), F_GET_SEALS) : -1;
  if (seals < 0 || (seals & kSeals) != kSeals || ::fstat(file.get(), &status) != 0 ||
      status.st_size != static_cast<off_t>(Memory::bytes(ringBytesOf(name.size)))) {
    return nullptr;
  }
  auto link = map(std::move(file), name, /*higher=*/false);
  return link && same(link->memory_->name, name) ? std::move(link) : nullptr;
}

std::unique_ptr<SharedLink> SharedLink::map(Descriptor file, const LinkName& name, bool higher) {
  void* const memory =
      ::mmap(nullptr, Memory::bytes(ringBytesOf(name.size)), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  // A new file is all zeros, which is how the rings begin.
  return std::unique_ptr<SharedLink>(new SharedLink(std::move(file), static_cast<Memory*>(memory), name, higher));
}

SharedLink::SharedLink(Descriptor file, Memory* memory, const LinkName& name, bool higher)
    : file_(std::move(file)),
      memory_(memory),
      peer_(higher ? name.lower : name.higher),
      ringBytes_(ringBytesOf(name.size)),
      out_(higher ? memory->down : memory->up),
      in_(higher ? memory->up : memory->down),
      outBytes_(reinterpret_cast<char*>(memory + 1) + (higher ? 0 : ringBytes_)),
      inBytes_(reinterpret_cast<char*>(memory + 1) + (higher ? ringBytes_ : 0)) {}

SharedLink::~SharedLink() {
  ::munmap(memory_, Memory::bytes(ringBytes_));
}

LinkPlace SharedLink::place() const {
  return {static_cast<int32_t>(::getpid()), file_.get()};
}

void SharedLink::leave() {
  out_.writerLeft.store(1, std::memory_order_release);
}

bool SharedLink::otherHasLeft() const {
  return in_.writerLeft.load(std::memory_order_acquire) != 0;
}

size_t SharedLink::used(const Ring& ring) const {
  const auto used = ring.written.load(std::memory_order_acquire) - ring.read.load(std::memory_order_acquire);
  if (used > ringBytes_) {
    throw Failure(
        Code::Failed, peer_, "lost rank " + std::to_string(peer_) + ": the memory that it shares with this rank is damaged");
  }
  return used;
}

size_t SharedLink::write(const iovec* parts, int count) {
  const size_t bytes = std::min({kStepBytes, ringBytes_ - used(out_), total(parts, count)});
  const auto at = out_.written.load(std::memory_order_relaxed);
  forFirst(parts, count, bytes, [&](const char* piece, size_t offset, size_t length) {
    inRing(outBytes_, ringBytes_, at + offset, length, [&](char* place, size_t done, size_t some) {
      std::memcpy(place, piece + done, some);
    });
  });
  out_.written.store(at + bytes, std::memory_order_release);
  return bytes;
}

size_t SharedLink::read(const iovec* parts, int count) {
  const size_t bytes = std::min({kStepBytes, used(in_), total(parts, count)});
  const auto at = in_.read.load(std::memory_order_relaxed);
  forFirst(parts, count, bytes, [&](char* piece, size_t offset, size_t length) {
    inRing(inBytes_, ringBytes_, at + offset, length, [&](const char* place, size_t done, size_t some) {
      std::memcpy(piece + done, place, some);
    });
  });
  in_.read.store(at + bytes, std::memory_order_release);
  return bytes;
}

// Each side first tells what it has done or wants and then looks at what the other has: with a fence between, one
// of both sees the other.
bool SharedLink::askForWakeUp(bool forRead, bool forWrite) {
  if (forRead) {
    in_.readerWaits.store(1, std::memory_order_relaxed);
  }
  if (forWrite) {
    out_.writerWaits.store(1, std::memory_order_relaxed);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return !(forRead && used(in_) > 0) && !(forWrite && used(out_) < ringBytes_);
}

bool SharedLink::owesWakeUp() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto take = [](std::atomic<uint32_t>& waits) {
    return waits.load(std::memory_order_relaxed) != 0 && waits.exchange(0, std::memory_order_relaxed) != 0;
  };
  const bool reader = used(out_) > 0 && take(out_.readerWaits);
  // A writer is woken when it can write half of the ring, not at each byte.
  const bool writer = used(in_) <= ringBytes_ / 2 && take(in_.writerWaits);
  return reader || writer;
}

} // namespace linformer
