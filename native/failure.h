#pragma once

#include <stdexcept>
#include <string>

namespace linformer {

// What the C ABI returns; the values are part of it.
enum class Code : int {
  Ok = 0,
  Failed = 1,
  Aborted = 2,
  TimedOut = 3,
  InvalidArgument = 4,
};

constexpr int kNoPeer = -1;

// An error with its code and, where it is known, the rank at the other end.
struct Failure : std::runtime_error {
  Failure(Code code, int peer, const std::string& message)
      : std::runtime_error(message), code(code), peer(peer) {}

  const Code code;
  const int peer;
};

} // namespace linformer
