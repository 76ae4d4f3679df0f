// What loops over numbers are made of: plain scalar functions that compilers vectorise when they are inlined into a loop.
#pragma once

#include <cstdint>
#include <cstring>

// A function so marked is compiled once for each of these levels, and the machine's is taken when the library is loaded. Levels, since
// the name of a processor, such as skylake-avx512, is taken on just that model and on no later one.
// It is no template, and what it calls within its loops is LF_INLINE.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define LF_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LF_CLONES
#endif

#define LF_INLINE inline __attribute__((always_inline))

namespace linformer {

// A type of its own, so that functions can be overloaded by what arrays hold.
struct Bf16 {
  uint16_t bits;
};

// How many elements a loop over Element, with sums in float, takes at a time at best: for `#pragma omp simd simdlen`, since
// compilers would rather have half of it.
template <typename Element>
constexpr int kLanes = 64 / static_cast<int>(sizeof(Element));

LF_INLINE uint32_t bitsOf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

LF_INLINE float fromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

LF_INLINE float toFloat(float x) {
  return x;
}

LF_INLINE float toFloat(Bf16 x) {
  return fromBits(static_cast<uint32_t>(x.bits) << 16);
}

LF_INLINE void store(float& target, float x) {
  target = x;
}

// To nearest, ties to even; NaN stays NaN.
LF_INLINE void store(Bf16& target, float x) {
  const uint32_t bits = bitsOf(x);
  const uint32_t rounded = x == x ? bits + (0x7fffu + ((bits >> 16) & 1u)) : bits | 0x400000u;
  target.bits = static_cast<uint16_t>(rounded >> 16);
}

// 2^x for x ≤ 127.99, to 2 units in the last place. Below 2^-126 it gives 2^-126; NaN stays NaN.
LF_INLINE float exp2Below(float x) {
  x = x < -126.0f ? -126.0f : x;
  const float shifted = x + 12582912.0f; // 1.5 · 2^23: rounds to an integer, which is then in the low bits.
  const float fraction = x - (shifted - 12582912.0f);
  float p = 1.535336188319500e-4f;
  p = p * fraction + 1.339887440266574e-3f;
  p = p * fraction + 9.618437357674640e-3f;
  p = p * fraction + 5.550332471162809e-2f;
  p = p * fraction + 2.402264791363012e-1f;
  p = p * fraction + 6.931472028550421e-1f;
  p = p * fraction + 1.0f;
  return fromBits(bitsOf(p) + (bitsOf(shifted) << 23));
}

// The same for any x: above 2^127.99 it gives that.
LF_INLINE float exp2Of(float x) {
  return exp2Below(x > 127.99f ? 127.99f : x);
}

constexpr float kLog2E = 1.44269504088896341f;

// e^x, relative error up to 1e-7 · (2 + |x|) / 2; the limits are those of exp2Of.
LF_INLINE float expOf(float x) {
  return exp2Of(x * kLog2E);
}

// The normal distribution's share below -z, for z ≥ 0, over e^(-z²/2), from t = 1 / (1 + cz): a fit of the least relative error.
struct PreciseTail { // Relative error 1.2e-7.
  static constexpr float c = 0.3f;
  static LF_INLINE float of(float t) {
    float p = 0.03619853329f;
    p = p * t - 0.1593919992f;
    p = p * t + 0.2101387465f;
    p = p * t - 0.05718278602f;
    p = p * t + 0.1304227486f;
    p = p * t + 0.0993457757f;
    p = p * t + 0.1208456667f;
    p = p * t + 0.1196232579f;
    return p * t;
  }
};

struct RoughTail { // Relative error 4.5e-5, a fiftieth of what bf16 rounds off.
  static constexpr float c = 0.25f;
  static LF_INLINE float of(float t) {
    float p = 0.2420150838f;
    p = p * t - 0.1048907055f;
    p = p * t + 0.1812641905f;
    p = p * t + 0.0802059714f;
    p = p * t + 0.1013879766f;
    return p * t;
  }
};

// PreciseTail for float, RoughTail for Bf16.
template <typename Element>
struct TailFor;
template <>
struct TailFor<float> : PreciseTail {};
template <>
struct TailFor<Bf16> : RoughTail {};

// GELU(x) = xΦ(x), and its derivative Φ(x) + xφ(x). Absolute error: Tail's, times |x|.
template <typename Tail>
LF_INLINE void geluOf(float x, float& value, float& derivative) {
  const float z = fromBits(bitsOf(x) & 0x7fffffffu);
  const float density = exp2Below(x * x * (-0.5f * kLog2E));
  const float tail = Tail::of(1.0f / (1.0f + Tail::c * z)) * density;
  const float share = x < 0.0f ? tail : 1.0f - tail;
  value = x * share;
  derivative = share + x * density * 0.3989422804f;
}

template <typename Tail>
LF_INLINE float geluOf(float x) {
  float value;
  float derivative;
  geluOf<Tail>(x, value, derivative);
  return value;
}

// The natural logarithm of a normal positive number, to 3 units in the last place (near 1: absolute error up to 1e-7).
LF_INLINE float logOf(float x) {
  const uint32_t bits = bitsOf(x);
  const uint32_t shifted = bits - 0x3f3504f3u; // From √½: the mantissa is then in [√½, √2).
  const auto exponent = static_cast<float>(static_cast<int32_t>(shifted) >> 23);
  const float mantissa = fromBits((shifted & 0x007fffffu) + 0x3f3504f3u);
  const float z = mantissa - 1.0f;
  float p = 7.0376836292e-2f;
  p = p * z - 1.1514610310e-1f;
  p = p * z + 1.1676998740e-1f;
  p = p * z - 1.2420140846e-1f;
  p = p * z + 1.4249322787e-1f;
  p = p * z - 1.6668057665e-1f;
  p = p * z + 2.0000714765e-1f;
  p = p * z - 2.4999993993e-1f;
  p = p * z + 3.3333331174e-1f;
  const float square = z * z;
  const float result = z + (z * square * p - 0.5f * square) + exponent * 0.69314718056f;
  return x == x ? result : x;
}

} // namespace linformer
