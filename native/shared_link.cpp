#include "shared_link.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace linformer {

namespace {

// Large enough that a rank that computes meanwhile seldom makes the other wait, small enough for the caches.
constexpr size_t kRingBytes = 1 << 20;

// What is moved at a time: the other rank can begin with it while more is moved.
constexpr size_t kStepBytes = 256 * 1024;

// A writer that waits is woken when it can write that much, not at each byte.
constexpr size_t kRoomForWriter = kRingBytes / 2;

constexpr size_t kCacheLine = 64;

// Nobody can make the memory smaller under those who use it.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

} // namespace

// What has been written and read since the beginning, each changed by one side only.
struct SharedLink::Ring {
  alignas(kCacheLine) std::atomic<uint64_t> written;
  alignas(kCacheLine) std::atomic<uint64_t> read;
  alignas(kCacheLine) std::atomic<uint32_t> readerWaits;
  alignas(kCacheLine) std::atomic<uint32_t> writerWaits;
  alignas(kCacheLine) char data[kRingBytes];

  size_t used() const {
    const auto used = written.load(std::memory_order_acquire) - read.load(std::memory_order_acquire);
    if (used > kRingBytes) {
      throw std::runtime_error("the memory that it shares with this rank is damaged");
    }
    return used;
  }
};

struct SharedLink::Memory {
  LinkName name;
  Ring down; // From the higher rank to the lower one.
  Ring up;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

namespace {

bool same(const LinkName& a, const LinkName& b) {
  return a.generation == b.generation && a.higher == b.higher && a.lower == b.lower && a.token == b.token;
}

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
void inRing(char* data, uint64_t from, size_t bytes, Body body) {
  const size_t begin = from % kRingBytes;
  const size_t first = std::min(bytes, kRingBytes - begin);
  body(data + begin, size_t{0}, first);
  if (first < bytes) {
    body(data, first, bytes - first);
  }
}

} // namespace

std::unique_ptr<SharedLink> SharedLink::create(const LinkName& name) {
  Descriptor file(::memfd_create("linformer-link", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), sizeof(Memory)) != 0 || ::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
    return nullptr;
  }
  auto link = map(std::move(file), /*higher=*/true);
  if (link) {
    link->memory_->name = name;
  }
  return link;
}

std::unique_ptr<SharedLink> SharedLink::open(const LinkPlace& place, const LinkName& name) {
  if (place.process <= 0) {
    return nullptr;
  }
  const auto path = "/proc/" + std::to_string(place.process) + "/fd/" + std::to_string(place.descriptor);
  Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fcntl(file.get(), F_GET_SEALS) != kSeals || ::fstat(file.get(), &status) != 0 ||
      status.st_size != static_cast<off_t>(sizeof(Memory))) {
    return nullptr;
  }
  auto link = map(std::move(file), /*higher=*/false);
  return link && same(link->memory_->name, name) ? std::move(link) : nullptr;
}

std::unique_ptr<SharedLink> SharedLink::map(Descriptor file, bool higher) {
  void* const memory = ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  // A new file is all zeros, which is how the rings begin.
  return std::unique_ptr<SharedLink>(new SharedLink(std::move(file), static_cast<Memory*>(memory), higher));
}

SharedLink::SharedLink(Descriptor file, Memory* memory, bool higher)
    : file_(std::move(file)),
      memory_(memory),
      out_(higher ? memory->down : memory->up),
      in_(higher ? memory->up : memory->down) {}

SharedLink::~SharedLink() {
  ::munmap(memory_, sizeof(Memory));
}

LinkPlace SharedLink::place() const {
  return {static_cast<int32_t>(::getpid()), file_.get()};
}

size_t SharedLink::write(const iovec* parts, int count) {
  const size_t bytes = std::min({kStepBytes, kRingBytes - out_.used(), total(parts, count)});
  const auto at = out_.written.load(std::memory_order_relaxed);
  forFirst(parts, count, bytes, [&](const char* piece, size_t offset, size_t length) {
    inRing(out_.data, at + offset, length, [&](char* place, size_t done, size_t some) {
      std::memcpy(place, piece + done, some);
    });
  });
  out_.written.store(at + bytes, std::memory_order_release);
  return bytes;
}

size_t SharedLink::read(const iovec* parts, int count) {
  const size_t bytes = std::min({kStepBytes, in_.used(), total(parts, count)});
  const auto at = in_.read.load(std::memory_order_relaxed);
  forFirst(parts, count, bytes, [&](char* piece, size_t offset, size_t length) {
    inRing(in_.data, at + offset, length, [&](const char* place, size_t done, size_t some) {
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
  return !(forRead && in_.used() > 0) && !(forWrite && out_.used() < kRingBytes);
}

bool SharedLink::owesWakeUp() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto take = [](std::atomic<uint32_t>& waits) {
    return waits.load(std::memory_order_relaxed) != 0 && waits.exchange(0, std::memory_order_relaxed) != 0;
  };
  const bool reader = out_.used() > 0 && take(out_.readerWaits);
  const bool writer = in_.used() <= kRingBytes - kRoomForWriter && take(in_.writerWaits);
  return reader || writer;
}

} // namespace linformer
