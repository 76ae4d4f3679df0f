#include "wire.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <gloo/transport/unbound_buffer.h>
#include <gloo/types.h>

#include "bfloat16.h"

namespace linformer {

namespace {

// Elements of a message: large enough that its cost does not count, small enough that what is rounded is
// still in the cache when it is sent, and what has arrived when it is summed.
constexpr size_t kSegment = 32 * 1024;

// Segments that a rank sends ahead of the one that it sums, and between that one and the one whose sums it
// takes from the others: in that time they arrive.
constexpr size_t kAhead = 4;
constexpr size_t kBehind = 2;

// Segments of a part that have room at a time, so that the memory stays in the cache. That is enough: a rank that
// is at segment s with its addends has taken the sums of segment s - kRoom + 1, and so the others have those of
// segment s - kRoom behind them too.
constexpr size_t kRoom = kAhead + kBehind + 2;

// Parts begin on a cache line of floats.
constexpr size_t kAlignment = 16;

// The all-reduce of one rank. Rank r sums part r of the buffer; the others send it theirs, its addends, and get
// the sums. Each part is cut into as many segments, of which the last may be empty.
class RoundedAllReduce {
 public:
  RoundedAllReduce(Group& group, float* data, size_t count)
      : group_(group),
        data_(data),
        count_(count),
        part_(((count + group.size - 1) / group.size + kAlignment - 1) / kAlignment * kAlignment),
        slot_(gloo::Slot::build(gloo::kAlltoallSlotPrefix, group.nextTag())),
        room_(std::min(part_, kRoom * kSegment)),
        parts_(static_cast<BFloat16*>(group.scratch(2 * group.size * room_ * sizeof(BFloat16)))) {
    for (int distance = 1; distance < group.size; distance++) {
      const int peer = (group.rank + distance) % group.size;
      peers_.push_back({peer, buffer(addendsOf(peer)), buffer(partOf(peer))});
    }
    sums_ = buffer(partOf(group.rank));
  }

  // On each connection messages are sent and received in the order of this schedule.
  void run() {
    const size_t segments = (part_ + kSegment - 1) / kSegment;
    schedule(segments, [&](size_t number) { expectAddends(number); }, [&](size_t number) { expectSums(number); }, [](size_t) {});
    schedule(
        segments, [&](size_t number) { sendAddends(number); }, [&](size_t number) { sumAndSend(number); },
        [&](size_t number) { takeSums(number); });
    for (size_t number = 0; number < segments; number++) {
      for (const auto& peer : peers_) {
        ifAny(peer.rank, number, [&](const Segment&) { peer.exchanged->waitSend(); });
        ifAny(group_.rank, number, [&](const Segment&) { sums_->waitSend(); });
      }
    }
  }

 private:
  using Buffer = std::unique_ptr<gloo::transport::UnboundBuffer>;

  struct Peer {
    int rank;
    Buffer addends;   // What it adds to this rank's part.
    Buffer exchanged; // Its part: goes to it as addends and comes back as sums, which it has only once it has the addends.
  };

  template <typename First, typename Second, typename Third>
  static void schedule(size_t segments, First first, Second second, Third third) {
    for (size_t step = 0; step < segments + kAhead + kBehind; step++) {
      if (step < segments) {
        first(step);
      }
      if (step >= kAhead && step - kAhead < segments) {
        second(step - kAhead);
      }
      if (step >= kAhead + kBehind) {
        third(step - kAhead - kBehind);
      }
    }
  }

  Buffer buffer(BFloat16* first) const {
    return group_.context()->createUnboundBuffer(first, room_ * sizeof(BFloat16));
  }

  // Room for what goes to and comes from a rank of the part that it sums, and for what it adds to this rank's.
  BFloat16* partOf(int rank) const { return parts_ + rank * room_; }
  BFloat16* addendsOf(int rank) const { return parts_ + (group_.size + rank) * room_; }

  size_t begin(int rank) const { return std::min(count_, rank * part_); }
  size_t length(int rank) const { return begin(rank + 1) - begin(rank); }

  // A segment of the part that a rank sums.
  struct Segment {
    size_t place;  // In the data.
    size_t room;   // In the room for it, in elements.
    size_t length;

    size_t offset() const { return room * sizeof(BFloat16); }
    size_t bytes() const { return length * sizeof(BFloat16); }
  };

  template <typename Body>
  void ifAny(int rank, size_t number, Body body) const {
    const size_t offset = number * kSegment;
    if (offset < length(rank)) {
      body(Segment{begin(rank) + offset, number % kRoom * kSegment, std::min(kSegment, length(rank) - offset)});
    }
  }

  void expectAddends(size_t number) {
    ifAny(group_.rank, number, [&](const Segment& segment) {
      for (const auto& peer : peers_) {
        peer.addends->recv(peer.rank, slot_, segment.offset(), segment.bytes());
      }
    });
  }

  void expectSums(size_t number) {
    for (const auto& peer : peers_) {
      ifAny(peer.rank, number, [&](const Segment& segment) {
        peer.exchanged->recv(peer.rank, slot_, segment.offset(), segment.bytes());
      });
    }
  }

  void sendAddends(size_t number) {
    for (const auto& peer : peers_) {
      ifAny(peer.rank, number, [&](const Segment& segment) {
        round(partOf(peer.rank) + segment.room, data_ + segment.place, segment.length);
        peer.exchanged->send(peer.rank, slot_, segment.offset(), segment.bytes());
      });
    }
  }

  void sumAndSend(size_t number) {
    ifAny(group_.rank, number, [&](const Segment& segment) {
      for (const auto& peer : peers_) {
        peer.addends->waitRecv();
      }
      sum(segment);
      for (const auto& peer : peers_) {
        sums_->send(peer.rank, slot_, segment.offset(), segment.bytes());
      }
    });
  }

  // Block by block, so that the sums stay in the nearest cache.
  void sum(const Segment& segment) const {
    constexpr size_t kBlock = 2048;
    float sums[kBlock];
    for (size_t start = 0; start < segment.length; start += kBlock) {
      const size_t count = std::min(kBlock, segment.length - start);
      const size_t room = segment.room + start;
      auto* const mine = data_ + segment.place + start;
      std::fill_n(sums, count, -0.0f); // To which adding is exact, zeros of either sign included.
      for (int rank = 0; rank < group_.size; rank++) {
        if (rank == group_.rank) {
          add(sums, mine, count);
        } else {
          add(sums, addendsOf(rank) + room, count);
        }
      }
      round(partOf(group_.rank) + room, sums, count);
      widen(mine, partOf(group_.rank) + room, count);
    }
  }

  void takeSums(size_t number) {
    for (const auto& peer : peers_) {
      ifAny(peer.rank, number, [&](const Segment& segment) {
        peer.exchanged->waitRecv();
        widen(data_ + segment.place, partOf(peer.rank) + segment.room, segment.length);
      });
    }
  }

  Group& group_;
  float* const data_;
  const size_t count_;
  const size_t part_;
  const uint64_t slot_;
  const size_t room_; // Elements of a part that have room.
  BFloat16* const parts_;
  std::vector<Peer> peers_;
  Buffer sums_; // This rank's part.
};

} // namespace

void allReduceRounded(Group& group, float* data, size_t count) {
  if (group.size > 1) {
    RoundedAllReduce(group, data, count).run();
  } else {
    group.nextTag();
  }
}

} // namespace linformer
