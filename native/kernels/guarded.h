// The edge between C++ and callers who are not C++.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <cstdio>
#include <exception>
#include <string>

#include "../failure.h"
#include "linformer_kernels.h"

namespace linformer {

inline int32_t report(lf_error* error, Code code, const char* message) {
  error->peer = kNoPeer;
  std::snprintf(error->message, sizeof(error->message), "%s", message);
  return static_cast<int32_t>(code);
}

// Nothing thrown may reach the caller.
template <typename Body>
int32_t guardedKernel(lf_error* error, Body body) {
  try {
    body();
    return static_cast<int32_t>(Code::Ok);
  } catch (const Failure& failure) {
    return report(error, failure.code, failure.what());
  } catch (const dnnl::error& failure) {
    const auto message = std::string("oneDNN: ") + failure.what() + " (status " + std::to_string(failure.status) + ")";
    return report(error, Code::Failed, message.c_str());
  } catch (const std::exception& exception) {
    return report(error, Code::Failed, exception.what());
  } catch (...) {
    return report(error, Code::Failed, "unknown error");
  }
}

// Throws Failure unless `holds`: "NAME is VALUE; allowed: ALLOWED".
template <typename Value>
void require(bool holds, const char* name, Value value, const char* allowed) {
  if (!holds) {
    throw Failure(
        Code::InvalidArgument, kNoPeer, std::string(name) + " is " + std::to_string(value) + "; allowed: " + allowed);
  }
}

} // namespace linformer
