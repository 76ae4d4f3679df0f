#include "bridge.h"

#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/anomaly_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

using bridge::guarded;
using torch::autograd::variable_list;

EXPORT int32_t tb_grad_enabled() { return c10::GradMode::is_enabled(); }
EXPORT void tb_set_grad_enabled(int32_t enabled) { c10::GradMode::set_enabled(enabled != 0); }
EXPORT int32_t tb_inference_enabled() { return c10::InferenceMode::is_enabled(); }
EXPORT void* tb_inference_guard(int32_t enabled) { return new c10::InferenceMode(enabled != 0); }
EXPORT void tb_inference_guard_free(void* guard) { delete static_cast<c10::InferenceMode*>(guard); }

EXPORT int tb_backward(at::Tensor** roots, int64_t root_count, at::Tensor** grads, int64_t grad_count,
                       int32_t retain_graph, int32_t create_graph, at::Tensor** inputs, int64_t input_count) {
  return guarded([&] {
    torch::autograd::backward(bridge::tensors(roots, root_count), bridge::tensors(grads, grad_count),
                              retain_graph != 0, create_graph != 0, bridge::tensors(inputs, input_count));
  });
}

// Writes input_count handles.
EXPORT int tb_grad(at::Tensor** outputs, int64_t output_count, at::Tensor** inputs, int64_t input_count,
                   at::Tensor** grads, int64_t grad_count, int32_t retain_graph, int32_t create_graph,
                   int32_t allow_unused, at::Tensor** results) {
  return guarded([&] {
    auto list = torch::autograd::grad(bridge::tensors(outputs, output_count), bridge::tensors(inputs, input_count),
                                      bridge::tensors(grads, grad_count), retain_graph != 0, create_graph != 0,
                                      allow_unused != 0);
    for (size_t i = 0; i < list.size(); i++)
      results[i] = bridge::handle(std::move(list[i]));
  });
}

namespace {

// Fills grads (as many as the node has tensor inputs) and returns 0, or writes a message and returns 1. The handles
// in grads go on belonging to the managed side; those in grad_outputs are handed over to it.
using Backward = int32_t (*)(intptr_t managed, at::Tensor** grad_outputs, int32_t output_count, at::Tensor** grads,
                             int32_t grad_count, char* message, int32_t message_size);
using Release = void (*)(intptr_t managed);

struct ManagedNode : torch::autograd::Node {
  intptr_t managed = 0;
  Backward backward = nullptr;
  Release release = nullptr;
  bool materialize = true;
  std::vector<torch::autograd::SavedVariable> saved;
  std::vector<torch::autograd::VariableInfo> outputs;

  ~ManagedNode() override { release(managed); }

  variable_list apply(variable_list&& inputs) override {
    at::OptionalDeviceGuard guard;
    std::vector<at::Tensor*> grad_outputs(inputs.size());
    for (size_t i = 0; i < inputs.size(); i++)
      grad_outputs[i] = bridge::handle(
          !inputs[i].defined() && materialize ? outputs[i].zeros(guard) : std::move(inputs[i]));
    std::vector<at::Tensor*> grads(num_outputs(), nullptr);
    char message[2048] = "";
    // The managed frame has returned before anything is thrown here.
    if (backward(managed, grad_outputs.data(), grad_outputs.size(), grads.data(), grads.size(), message,
                 sizeof message))
      throw std::runtime_error(message);
    return bridge::tensors(grads.data(), grads.size());
  }

  void release_variables() override {
    for (auto& variable : saved)
      variable.reset_data();
  }
};

struct NodeHandle {
  std::shared_ptr<ManagedNode> strong;  // until the graph holds the node
  std::weak_ptr<ManagedNode> weak;

  std::shared_ptr<ManagedNode> get() {
    auto node = weak.lock();
    TORCH_CHECK(node, "the node of this function is gone");
    return node;
  }
};

}  // namespace

EXPORT int tb_node_new(intptr_t managed, Backward backward, Release release, at::Tensor** inputs, int64_t input_count,
                       int32_t executable, NodeHandle** out) {
  return guarded([&] {
    auto node = std::shared_ptr<ManagedNode>(new ManagedNode(), torch::autograd::deleteNode);
    node->managed = managed;
    node->backward = backward;
    node->release = release;
    if (executable)
      node->set_next_edges(torch::autograd::collect_next_edges(bridge::tensors(inputs, input_count)));
    node->clear_input_metadata();
    *out = new NodeHandle{node, node};
  });
}

// Writes output_count handles.
EXPORT int tb_node_wrap(NodeHandle* handle, at::Tensor** inputs, int64_t input_count, at::Tensor** fixed,
                        int64_t fixed_count, at::Tensor** dirty, int64_t dirty_count, at::Tensor** outputs,
                        int64_t output_count, int32_t executable, at::Tensor** results) {
  return guarded([&] {
    std::unordered_set<at::TensorImpl*> not_differentiable, changed;
    for (int64_t i = 0; i < fixed_count; i++)
      not_differentiable.insert(fixed[i]->unsafeGetTensorImpl());
    for (int64_t i = 0; i < dirty_count; i++) {
      dirty[i]->unsafeGetTensorImpl()->bump_version();
      changed.insert(dirty[i]->unsafeGetTensorImpl());
    }
    auto raw = bridge::tensors(outputs, output_count);
    auto node = handle->get();
    auto wrapped = torch::autograd::_wrap_outputs(
        bridge::tensors(inputs, input_count), not_differentiable, changed, torch::autograd::to_optional(raw),
        executable ? node : nullptr, [](variable_list, variable_list) -> variable_list {
          TORCH_CHECK(false, "forward-mode differentiation of a managed function is not supported");
        });
    for (size_t i = 0; i < wrapped.size(); i++) {
      if (executable)
        node->outputs.push_back(wrapped[i] ? torch::autograd::VariableInfo(*wrapped[i])
                                           : torch::autograd::VariableInfo());
      results[i] = wrapped[i] ? bridge::handle(*wrapped[i]) : nullptr;
    }
  });
}

EXPORT int tb_node_save(NodeHandle* handle, at::Tensor** tensors, int64_t count, int32_t materialize) {
  return guarded([&] {
    auto node = handle->get();
    node->materialize = materialize != 0;
    node->saved.clear();
    for (auto& tensor : bridge::tensors(tensors, count))
      node->saved.emplace_back(tensor, tensor.defined() && tensor.grad_fn() == node);
  });
}

// Writes as many handles as were saved; an undefined one is null.
EXPORT int tb_node_saved(NodeHandle* handle, at::Tensor** results) {
  return guarded([&] {
    auto node = handle->get();
    for (size_t i = 0; i < node->saved.size(); i++)
      results[i] = bridge::handle(node->saved[i].unpack(node));
  });
}

EXPORT void tb_node_attached(NodeHandle* handle) {
  // The handle itself goes with the node when the graph has not taken it.
  guarded([&] { auto node = std::move(handle->strong); });
}

EXPORT void tb_node_free(NodeHandle* handle) {
  guarded([&] { delete handle; });
}
