// The peak that shares are counted against: a 4096 x 512 x 512 matrix product through oneDNN, its primitive created once, with
// weights in whichever layout is faster: plain or oneDNN's own.
//
// For each line "fp32 SECONDS" or "bf16 SECONDS" of its input it writes GFLOP/s; OMP_NUM_THREADS says on how many cores.
#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <unordered_map>

using dnnl::memory;

namespace {

constexpr memory::dim M = 4096;
constexpr memory::dim K = 512;
constexpr memory::dim N = 512;

class Product {
 public:
  Product(const dnnl::engine& engine, memory::data_type type, memory::format_tag weights)
      : stream_(engine) {
    const memory::desc source({M, K}, type, memory::format_tag::ab);
    const memory::desc target({M, N}, memory::data_type::f32, memory::format_tag::ab);
    const dnnl::matmul::primitive_desc description({source, memory::desc({K, N}, type, weights), target}, engine);
    product_ = dnnl::matmul(description);
    arguments_ = {{DNNL_ARG_SRC, memory(source, engine)},
                  {DNNL_ARG_WEIGHTS, memory(description.weights_desc(), engine)},
                  {DNNL_ARG_DST, memory(target, engine)}};
    for (auto& [argument, values] : arguments_) {
      std::memset(values.get_data_handle(), 0, values.get_desc().get_size());
    }
  }

  // The best of many short runs: the machine's limit, not what else it does.
  double gigaflops(double seconds) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    double best = 0;
    do {
      const auto start = Clock::now();
      for (int i = 0; i < 5; i++) {
        product_.execute(stream_, arguments_);
      }
      stream_.wait();
      const std::chrono::duration<double> time = Clock::now() - start;
      best = std::max(best, 5 * 2.0 * M * K * N / time.count() / 1e9);
    } while (Clock::now() < end);
    return best;
  }

 private:
  dnnl::stream stream_;
  dnnl::matmul product_;
  std::unordered_map<int, memory> arguments_;
};

} // namespace

int main() {
  try {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    char precision[5];
    double seconds;
    while (std::scanf("%4s %lf", precision, &seconds) == 2) {
      const auto type = std::strcmp(precision, "bf16") == 0 ? memory::data_type::bf16 : memory::data_type::f32;
      Product plain(engine, type, memory::format_tag::ab);
      Product chosen(engine, type, memory::format_tag::any);
      std::printf("%.1f\n", std::max(plain.gigaflops(seconds / 2), chosen.gigaflops(seconds / 2)));
      std::fflush(stdout);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "onednn-peak: %s\n", error.what());
    return 1;
  }
}
