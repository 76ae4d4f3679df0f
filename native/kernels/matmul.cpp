#include "matmul.h"

#include <algorithm>

namespace linformer {

namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

const dnnl::stream& stream() {
  static thread_local const dnnl::stream one(engine()); // One is not for several threads at once.
  return one;
}

memory::data_type typeOf(Numbers numbers) {
  return numbers == Numbers::Bf16 ? memory::data_type::bf16 : memory::data_type::f32;
}

memory::desc describe(
    const Product& product, int64_t rows, int64_t columns, const Layout& layout, Numbers numbers) {
  memory::dims sizes;
  memory::dims strides;
  const auto addBatch = [&](int64_t size, int64_t stride) {
    sizes.push_back(stride == 0 ? 1 : size);
    strides.push_back(stride == 0 ? rows * columns : stride);
  };
  if (product.outer > 1) {
    addBatch(product.outer, layout.outer);
  }
  if (product.outer > 1 || product.inner > 1) {
    addBatch(product.inner, layout.inner);
  }
  sizes.insert(sizes.end(), {rows, columns});
  strides.insert(strides.end(), {layout.row, layout.column});
  return memory::desc(sizes, typeOf(numbers), strides);
}

memory unbound(const memory::desc& description) {
  return memory(description, engine(), nullptr);
}

} // namespace

Matmul::Matmul(const Product& product) {
  const auto a = describe(product, product.m, product.k, product.a, product.input);
  const auto b = describe(product, product.k, product.n, product.b, product.input);
  const auto c = describe(product, product.m, product.n, product.c, product.output);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (product.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  memory::desc bias;
  if (product.bias) {
    memory::dims sizes(a.dims().size(), 1);
    sizes.back() = product.n;
    memory::dims strides(a.dims().size(), product.n);
    strides.back() = 1;
    bias = memory::desc(sizes, memory::data_type::f32, strides);
  }
  const auto operation =
      product.bias ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c);
  const dnnl::matmul::primitive_desc primitive(operation, attributes, engine());
  primitive_ = dnnl::matmul(primitive);
  a_ = unbound(a);
  b_ = unbound(b);
  c_ = unbound(c);
  if (product.bias) {
    bias_ = unbound(bias);
  }
  scratch_ = unbound(primitive.scratchpad_desc());
  scratchBytes_ = primitive.scratchpad_desc().get_size();
  const int64_t batch = product.outer * product.inner;
  record_ = recordOfProduct(batch, product.m, product.k, product.n, product.input == Numbers::Bf16);
  flops_ = 2.0 * static_cast<double>(batch * product.m) * static_cast<double>(product.k * product.n);
}

Matmul Matmul::plain(
    int64_t m, int64_t k, int64_t n, Layout a, Layout b, Numbers input, Numbers output, bool accumulate, bool bias) {
  return Matmul({m, k, n, a, b, Layout::rows(n), input, output, accumulate, bias});
}

size_t Matmul::scratchBytes() const {
  return scratchBytes_;
}

void Matmul::run(const void* a, const void* b, void* c, void* scratch, const float* bias) const {
  const Timed timed(record_, flops_);
  // oneDNN has no way to say that it only reads.
  a_.set_data_handle(const_cast<void*>(a), stream());
  b_.set_data_handle(const_cast<void*>(b), stream());
  c_.set_data_handle(c, stream());
  scratch_.set_data_handle(scratch, stream());
  dnnl_exec_arg_t arguments[5] = {
      {DNNL_ARG_SRC, a_.get()},
      {DNNL_ARG_WEIGHTS, b_.get()},
      {DNNL_ARG_DST, c_.get()},
      {DNNL_ARG_SCRATCHPAD, scratch_.get()},
  };
  int count = 4;
  if (bias != nullptr) {
    bias_.set_data_handle(const_cast<float*>(bias), stream());
    arguments[count++] = {DNNL_ARG_BIAS, bias_.get()};
  }
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive_.get(), stream().get(), count, arguments), "a matrix product failed");
}

size_t largestScratch(std::initializer_list<const Matmul*> products) {
  size_t bytes = 0;
  for (const auto* product : products) {
    bytes = std::max(bytes, product->scratchBytes());
  }
  return bytes;
}

bool hasBf16Products() {
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & 0x80u) != 0; // The bit that AVX512_BF16 adds.
}

} // namespace linformer
