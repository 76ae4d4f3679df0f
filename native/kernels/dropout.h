// Dropout whose mask is a function of (seed, site, row, column): it is computed again where it is needed again.
#pragma once

#include <cstdint>

#include "vector.h"

namespace linformer {

// A place in the network that has a mask of its own.
enum class Site : uint64_t { AttentionWeights = 1, AttentionOutput = 2, FeedForwardOutput = 3, Embedding = 4 };

// What the elements of a row have in common.
struct DropoutRow {
  uint32_t first, second;
};

struct Dropout {
  uint64_t key = 0;
  uint32_t threshold = 0; // An element whose number is below it is dropped.
  float scale = 1.0f;     // Of what is kept: 1 / (1 - probability).

  static Dropout none() {
    return {};
  }

  static Dropout of(uint64_t seed, Site site, float probability) {
    const auto threshold = static_cast<uint32_t>(static_cast<double>(probability) * 4294967296.0);
    return {mixed(seed + mixed(static_cast<uint64_t>(site))), threshold, 1.0f / (1.0f - probability)};
  }

  bool active() const {
    return threshold != 0;
  }

  LF_INLINE DropoutRow row(int64_t row) const {
    const uint64_t bits = mixed(key + static_cast<uint64_t>(row) * 0x9e3779b97f4a7c15u);
    return {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
  }

  // 0, or scale.
  LF_INLINE float factor(DropoutRow row, uint32_t column) const {
    uint32_t bits = column * 0x9e3779b9u + row.first;
    bits = (bits ^ (bits >> 16)) * 0x7feb352du;
    bits = ((bits ^ (bits >> 15)) + row.second) * 0x846ca68bu;
    bits ^= bits >> 16;
    return bits < threshold ? 0.0f : scale;
  }

 private:
  // SplitMix64's output function.
  static LF_INLINE uint64_t mixed(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
  }
};

} // namespace linformer
