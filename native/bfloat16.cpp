#include "bfloat16.h"

#include <cstring>

// The loops are compiled for several levels of instruction set, of which the machine's is chosen when the library is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define LF_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LF_VECTORISED
#endif

namespace linformer {

namespace {

inline __attribute__((always_inline)) uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline __attribute__((always_inline)) float floatOf(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

} // namespace

LF_VECTORISED
void round(BFloat16* __restrict to, const float* __restrict from, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t bits = bitsOf(from[i]);
    const uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const uint32_t quiet = (bits >> 16) | 0x40;
    to[i] = static_cast<BFloat16>((bits & 0x7fffffff) > 0x7f800000 ? quiet : nearest);
  }
}

LF_VECTORISED
void widen(float* __restrict to, const BFloat16* __restrict from, size_t count) {
  for (size_t i = 0; i < count; i++) {
    to[i] = floatOf(from[i]);
  }
}

LF_VECTORISED
void add(float* __restrict to, const BFloat16* __restrict from, size_t count) {
  for (size_t i = 0; i < count; i++) {
    to[i] += floatOf(from[i]);
  }
}

LF_VECTORISED
void add(float* __restrict to, const float* __restrict from, size_t count) {
  for (size_t i = 0; i < count; i++) {
    to[i] += from[i];
  }
}

} // namespace linformer
