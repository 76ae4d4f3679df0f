#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace bridge {

// A tagged argument or result, laid out as NativeValue on the C# side.
enum class Tag : int64_t {
  None = 0,
  Tensor = 1,        // bits: at::Tensor*
  Int = 2,           // bits: the value; also dtype, layout and memory format
  Double = 3,        // bits: those of the double
  Bool = 4,
  IntList = 5,       // bits: int64_t*, length
  TensorList = 6,    // bits: at::Tensor**, length; a null entry is an undefined tensor
  OptionalTensorList = 7,
  String = 8,        // bits: char*, length
  Device = 9,        // bits: device type, length: index
  Generator = 10,    // bits: at::Generator*
  Default = 11,      // the schema's default
};

struct Value {
  Tag tag;
  int64_t bits;
  int64_t length;
};

// Keeps a copy of the message for the calling thread; always returns 1.
int fail(const char* message) noexcept;

// Runs the body; an exception becomes a return value of 1 and a message.
template <typename Body>
int guarded(Body&& body) noexcept {
  try {
    body();
    return 0;
  } catch (const c10::Error& e) {
    return fail(e.what_without_backtrace());
  } catch (const std::exception& e) {
    return fail(e.what());
  } catch (...) {
    return fail("unknown native exception");
  }
}

// A handle owns one reference; an undefined tensor is a null handle.
inline at::Tensor* handle(at::Tensor tensor) {
  return tensor.defined() ? new at::Tensor(std::move(tensor)) : nullptr;
}

std::vector<at::Tensor> tensors(at::Tensor* const* handles, int64_t length);

}  // namespace bridge
