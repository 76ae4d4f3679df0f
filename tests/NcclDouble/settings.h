// What the tests set by the environment, read at each use.
#pragma once

#include <cstdlib>
#include <cstring>
#include <string>

#define DOUBLE_EXPORT extern "C" __attribute__((visibility("default")))

inline std::string setting(const char* name, const char* otherwise = "") {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

inline long number(const char* name, long otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != 0 ? std::strtol(value, nullptr, 10) : otherwise;
}

// NCCL_DOUBLE_FAIL=function=code makes that function return the code.
inline int failure(const char* function) {
  std::string chosen = setting("NCCL_DOUBLE_FAIL");
  size_t length = std::strlen(function);
  bool named = chosen.compare(0, length, function) == 0 && chosen.size() > length && chosen[length] == '=';
  return named ? std::atoi(chosen.c_str() + length + 1) : 0;
}
