// A bare Gloo program: all-reduce over Gloo's own TCP transport on loopback, with its default
// options. What the product's process group is measured against.
//
// Usage: gloo-bare RANK SIZE FOLDER
// Each line of standard input, "BYTES ITERATIONS", runs so many all-reduces of float32; each rank
// answers with the seconds that they took.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <vector>

#include <gloo/allreduce.h>
#include <gloo/barrier.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

static void allReduce(const std::shared_ptr<gloo::Context>& context, std::vector<float>& data) {
  gloo::AllreduceOptions options(context);
  options.setOutput(data.data(), data.size());
  options.setReduceFunction(
      static_cast<void (*)(void*, const void*, const void*, size_t)>(&gloo::sum<float>));
  gloo::allreduce(options);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: gloo-bare RANK SIZE FOLDER\n";
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);

  auto device = gloo::transport::tcp::CreateDevice("127.0.0.1");
  gloo::rendezvous::FileStore store(argv[3]);
  auto context = std::make_shared<gloo::rendezvous::Context>(std::stoi(argv[1]), std::stoi(argv[2]));
  context->connectFullMesh(store, device);

  size_t bytes = 0;
  int iterations = 0;
  while (std::cin >> bytes >> iterations) {
    std::vector<float> data(bytes / sizeof(float), 1.0f);
    allReduce(context, data);
    gloo::BarrierOptions barrier(context);
    gloo::barrier(barrier);

    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < iterations; i++) {
      allReduce(context, data);
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    std::printf("%.9f\n", elapsed.count());
    std::fflush(stdout);
  }
  return 0;
}
