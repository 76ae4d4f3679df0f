// What the tests set: by the environment, which is read once when the library is loaded, or later by nccl_double_set.
#pragma once

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#define DOUBLE_EXPORT extern "C" __attribute__((visibility("default")))

namespace nccl_double {

// From any thread: getenv is not safe while somebody sets variables.
std::optional<std::string> setting(const std::string& name);

inline long number(const char* name, long otherwise) {
  auto value = setting(name);
  return value && !value->empty() ? std::strtol(value->c_str(), nullptr, 10) : otherwise;
}

// NCCL_DOUBLE_FAIL=function=code makes that function return the code.
inline int failure(const char* function) {
  std::string chosen = setting("NCCL_DOUBLE_FAIL").value_or("");
  size_t length = std::strlen(function);
  bool named = chosen.compare(0, length, function) == 0 && chosen.size() > length && chosen[length] == '=';
  return named ? std::atoi(chosen.c_str() + length + 1) : 0;
}

}  // namespace nccl_double
