#include "bridge.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Utils.h>

#include <string>

namespace bridge {

namespace {
thread_local std::string last_error;
}

int fail(const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();
  }
  return 1;
}

std::vector<at::Tensor> tensors(at::Tensor* const* handles, int64_t length) {
  std::vector<at::Tensor> list;
  list.reserve(length);
  for (int64_t i = 0; i < length; i++)
    list.push_back(handles[i] ? *handles[i] : at::Tensor());
  return list;
}

}  // namespace bridge

using bridge::guarded;

EXPORT const char* tb_last_error() { return bridge::last_error.c_str(); }

EXPORT void tb_tensor_free(at::Tensor* tensor) {
  guarded([&] { delete tensor; });
}

EXPORT at::Tensor* tb_tensor_alias(at::Tensor* tensor) { return new at::Tensor(*tensor); }

EXPORT int64_t tb_tensor_dim(at::Tensor* tensor) { return tensor->dim(); }
EXPORT int64_t tb_tensor_numel(at::Tensor* tensor) { return tensor->numel(); }
EXPORT int64_t tb_tensor_element_size(at::Tensor* tensor) { return tensor->element_size(); }
EXPORT int64_t tb_tensor_storage_offset(at::Tensor* tensor) { return tensor->storage_offset(); }
EXPORT int32_t tb_tensor_dtype(at::Tensor* tensor) { return static_cast<int32_t>(tensor->scalar_type()); }
EXPORT int32_t tb_tensor_device_type(at::Tensor* tensor) { return static_cast<int32_t>(tensor->device().type()); }
EXPORT int32_t tb_tensor_device_index(at::Tensor* tensor) { return tensor->device().index(); }
EXPORT int32_t tb_tensor_is_contiguous(at::Tensor* tensor) { return tensor->is_contiguous(); }
EXPORT int32_t tb_tensor_is_sparse(at::Tensor* tensor) { return tensor->is_sparse(); }
EXPORT int32_t tb_tensor_is_leaf(at::Tensor* tensor) { return tensor->is_leaf(); }
EXPORT int32_t tb_tensor_requires_grad(at::Tensor* tensor) { return tensor->requires_grad(); }
EXPORT int32_t tb_tensor_same(at::Tensor* left, at::Tensor* right) { return left->is_same(*right); }

EXPORT int tb_tensor_sizes(at::Tensor* tensor, int64_t* out) {
  return guarded([&] { std::copy(tensor->sizes().begin(), tensor->sizes().end(), out); });
}

EXPORT int tb_tensor_strides(at::Tensor* tensor, int64_t* out) {
  return guarded([&] { std::copy(tensor->strides().begin(), tensor->strides().end(), out); });
}

EXPORT int tb_tensor_data(at::Tensor* tensor, void** out) {
  return guarded([&] { *out = tensor->data_ptr(); });
}

EXPORT int tb_tensor_storage(at::Tensor* tensor, void** data, int64_t* bytes) {
  return guarded([&] {
    *data = tensor->storage().data();
    *bytes = tensor->storage().nbytes();
  });
}

EXPORT int tb_tensor_set_requires_grad(at::Tensor* tensor, int32_t value) {
  return guarded([&] { tensor->set_requires_grad(value != 0); });
}

EXPORT int tb_tensor_retain_grad(at::Tensor* tensor) {
  return guarded([&] { tensor->retain_grad(); });
}

EXPORT int tb_tensor_grad(at::Tensor* tensor, at::Tensor** out) {
  return guarded([&] { *out = bridge::handle(tensor->grad()); });
}

EXPORT int tb_tensor_set_grad(at::Tensor* tensor, at::Tensor* grad) {
  return guarded([&] {
    if (grad)
      tensor->mutable_grad() = *grad;
    else
      tensor->mutable_grad().reset();
  });
}

// An uninitialised tensor, for filling from managed memory.
EXPORT int tb_tensor_empty(const int64_t* sizes, int32_t dims, int32_t dtype, at::Tensor** out) {
  return guarded([&] {
    *out = new at::Tensor(at::empty(at::IntArrayRef(sizes, dims), static_cast<at::ScalarType>(dtype)));
  });
}

EXPORT int32_t tb_threads() { return at::get_num_threads(); }
EXPORT int32_t tb_interop_threads() { return at::get_num_interop_threads(); }

EXPORT int tb_set_threads(int32_t count) {
  return guarded([&] { at::set_num_threads(count); });
}

EXPORT int tb_set_interop_threads(int32_t count) {
  return guarded([&] { at::set_num_interop_threads(count); });
}

EXPORT int tb_generator_new(uint64_t seed, at::Generator** out) {
  return guarded([&] { *out = new at::Generator(at::detail::createCPUGenerator(seed)); });
}

EXPORT int tb_generator_default(at::Generator** out) {
  return guarded([&] { *out = new at::Generator(at::detail::getDefaultCPUGenerator()); });
}

EXPORT void tb_generator_free(at::Generator* generator) {
  guarded([&] { delete generator; });
}

EXPORT int tb_generator_state(at::Generator* generator, at::Tensor** out) {
  return guarded([&] {
    std::lock_guard<std::mutex> lock(generator->mutex());
    *out = new at::Tensor(generator->get_state());
  });
}

EXPORT int tb_generator_set_state(at::Generator* generator, at::Tensor* state) {
  return guarded([&] {
    TORCH_CHECK(state, "the state of a generator must be a tensor");
    std::lock_guard<std::mutex> lock(generator->mutex());
    generator->set_state(*state);
  });
}

EXPORT int tb_generator_seed(at::Generator* generator, uint64_t seed) {
  return guarded([&] {
    std::lock_guard<std::mutex> lock(generator->mutex());
    generator->set_current_seed(seed);
  });
}

EXPORT int tb_generator_initial_seed(at::Generator* generator, uint64_t* out) {
  return guarded([&] { *out = generator->current_seed(); });
}
