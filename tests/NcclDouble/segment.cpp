#include "segment.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace nccl_double {

Segment::Segment(const std::string& name) : name_(name) {
  int file = shm_open(name.c_str(), O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) {
    throw std::runtime_error("shm_open " + name + ": " + std::strerror(errno));
  }
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) {
    throw std::runtime_error("mmap " + name + ": " + std::strerror(errno));
  }
  shared_ = static_cast<Shared*>(memory);
}

Segment::~Segment() { munmap(shared_, sizeof(Shared)); }

void Segment::remove_name() { shm_unlink(name_.c_str()); }

bool has_ended(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string stat;
  if (!std::getline(file, stat)) {
    return true;
  }
  size_t name_end = stat.rfind(')');
  char state = name_end != std::string::npos && name_end + 2 < stat.size() ? stat[name_end + 2] : 'X';
  return state == 'Z' || state == 'X';
}

}  // namespace nccl_double
