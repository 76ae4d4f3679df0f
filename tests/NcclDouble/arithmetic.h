// Sums, minima and maxima of the values of all ranks, in the order of ranks.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace nccl_double {

// ncclRedOp_t
enum Reduction { sum = 0, product = 1, maximum = 2, minimum = 3 };

// ncclDataType_t
enum Type { int32 = 2, int64 = 4, float32 = 7, float64 = 8, bfloat16 = 9 };

inline size_t size_of(int type) {
  switch (type) {
    case bfloat16: return 2;
    case int32: case float32: return 4;
    case int64: case float64: return 8;
    default: return 0;
  }
}

struct BFloat16 {
  uint16_t bits;

  operator float() const {
    uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }

  // To the nearest, of two to the even one.
  static BFloat16 of(float value) {
    uint32_t wide;
    std::memcpy(&wide, &value, sizeof wide);
    if (std::isnan(value)) {
      return BFloat16{static_cast<uint16_t>((wide >> 16) | 0x40)};
    }
    return BFloat16{static_cast<uint16_t>((wide + 0x7fff + ((wide >> 16) & 1)) >> 16)};
  }
};

inline float combine(float a, float b, int reduction) {
  // As on a GPU, a NaN is lost in a minimum or maximum.
  return reduction == sum ? a + b : reduction == minimum ? std::fmin(a, b) : std::fmax(a, b);
}

inline double combine(double a, double b, int reduction) {
  return reduction == sum ? a + b : reduction == minimum ? std::fmin(a, b) : std::fmax(a, b);
}

template <typename T>
T combine_integers(T a, T b, int reduction) {
  using Unsigned = std::make_unsigned_t<T>;
  return reduction == sum ? static_cast<T>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b))
                          : reduction == minimum ? (a < b ? a : b) : (a > b ? a : b);
}

inline int32_t combine(int32_t a, int32_t b, int reduction) { return combine_integers(a, b, reduction); }
inline int64_t combine(int64_t a, int64_t b, int reduction) { return combine_integers(a, b, reduction); }

template <typename T>
void reduce_as(const std::vector<const unsigned char*>& inputs, unsigned char* output, size_t count, int reduction) {
  for (size_t i = 0; i < count; i++) {
    T result, next;
    std::memcpy(&result, inputs[0] + i * sizeof(T), sizeof(T));
    for (size_t rank = 1; rank < inputs.size(); rank++) {
      std::memcpy(&next, inputs[rank] + i * sizeof(T), sizeof(T));
      result = combine(result, next, reduction);
    }
    std::memcpy(output + i * sizeof(T), &result, sizeof(T));
  }
}

inline void reduce_bfloat16(const std::vector<const unsigned char*>& inputs, unsigned char* output, size_t count, int reduction) {
  for (size_t i = 0; i < count; i++) {
    BFloat16 next;
    std::memcpy(&next, inputs[0] + i * 2, 2);
    float result = next;
    for (size_t rank = 1; rank < inputs.size(); rank++) {
      std::memcpy(&next, inputs[rank] + i * 2, 2);
      result = combine(result, static_cast<float>(next), reduction);
    }
    next = BFloat16::of(result);
    std::memcpy(output + i * 2, &next, 2);
  }
}

inline void reduce(const std::vector<const unsigned char*>& inputs, unsigned char* output, size_t count, int type, int reduction) {
  switch (type) {
    case int32: return reduce_as<int32_t>(inputs, output, count, reduction);
    case int64: return reduce_as<int64_t>(inputs, output, count, reduction);
    case float32: return reduce_as<float>(inputs, output, count, reduction);
    case float64: return reduce_as<double>(inputs, output, count, reduction);
    default: return reduce_bfloat16(inputs, output, count, reduction);
  }
}

}  // namespace nccl_double
