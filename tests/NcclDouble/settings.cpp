#include "settings.h"

#include <unistd.h>

#include <map>
#include <mutex>

namespace nccl_double {

namespace {

using Values = std::map<std::string, std::string>;

Values read_environment() {
  Values values;
  for (char** entry = environ; *entry != nullptr; entry++) {
    std::string text = *entry;
    size_t end = text.find('=');
    if (end != std::string::npos) {
      values[text.substr(0, end)] = text.substr(end + 1);
    }
  }
  return values;
}

struct Settings {
  std::mutex mutex;
  const Values environment = read_environment();
  Values chosen;
};

// Never destroyed: threads of the library may outlive the end of main.
Settings& settings() {
  static Settings* all = new Settings();
  return *all;
}

__attribute__((constructor)) void load() { settings(); }

}  // namespace

std::optional<std::string> setting(const std::string& name) {
  auto& all = settings();
  std::lock_guard<std::mutex> lock(all.mutex);
  for (const Values* values : {static_cast<const Values*>(&all.chosen), &all.environment}) {
    auto found = values->find(name);
    if (found != values->end()) {
      return found->second;
    }
  }
  return std::nullopt;
}

}  // namespace nccl_double

// Takes the place of the environment's value; null gives that back.
DOUBLE_EXPORT void nccl_double_set(const char* name, const char* value) {
  auto& all = nccl_double::settings();
  std::lock_guard<std::mutex> lock(all.mutex);
  if (value != nullptr) {
    all.chosen[name] = value;
  } else {
    all.chosen.erase(name);
  }
}
