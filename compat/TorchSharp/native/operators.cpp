#include "bridge.h"

#include <ATen/core/Generator.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <string>

using bridge::Tag;
using bridge::Value;

namespace bridge {
namespace {

c10::IValue argument(const Value& value, const c10::Argument& formal) {
  switch (value.tag) {
    case Tag::None:
      return {};
    case Tag::Tensor:
      return *reinterpret_cast<at::Tensor*>(value.bits);
    case Tag::Int:
      return value.bits;
    case Tag::Double: {
      double number;
      std::memcpy(&number, &value.bits, sizeof number);
      return number;
    }
    case Tag::Bool:
      return value.bits != 0;
    case Tag::IntList: {
      auto first = reinterpret_cast<const int64_t*>(value.bits);
      return c10::IValue(at::IntArrayRef(first, value.length));
    }
    case Tag::TensorList:
      return c10::IValue(tensors(reinterpret_cast<at::Tensor**>(value.bits), value.length));
    case Tag::OptionalTensorList: {
      c10::List<c10::optional<at::Tensor>> list;
      auto handles = reinterpret_cast<at::Tensor**>(value.bits);
      for (int64_t i = 0; i < value.length; i++)
        list.push_back(handles[i] ? c10::optional<at::Tensor>(*handles[i]) : c10::nullopt);
      return list;
    }
    case Tag::String:
      return std::string(reinterpret_cast<const char*>(value.bits), value.length);
    case Tag::Device:
      return c10::Device(static_cast<c10::DeviceType>(value.bits), static_cast<c10::DeviceIndex>(value.length));
    case Tag::Generator:
      return *reinterpret_cast<at::Generator*>(value.bits);
    case Tag::Default:
      TORCH_CHECK(formal.default_value().has_value(), "argument ", formal.name(), " has no default");
      return *formal.default_value();
  }
  TORCH_CHECK(false, "unknown tag of an argument");
}

Value result(c10::IValue value) {
  if (value.isTensor())
    return {Tag::Tensor, reinterpret_cast<int64_t>(handle(std::move(value).toTensor())), 0};
  if (value.isInt())
    return {Tag::Int, value.toInt(), 0};
  if (value.isBool())
    return {Tag::Bool, value.toBool(), 0};
  if (value.isScalar())
    value = c10::IValue(value.toScalar().toDouble());
  if (value.isDouble()) {
    Value out{Tag::Double, 0, 0};
    double number = value.toDouble();
    std::memcpy(&out.bits, &number, sizeof number);
    return out;
  }
  TORCH_CHECK(value.isTensorList(), "an operator returned a kind of value that is not supported");
  auto list = value.toTensorVector();
  auto handles = new at::Tensor*[list.size()];
  for (size_t i = 0; i < list.size(); i++)
    handles[i] = handle(std::move(list[i]));
  return {Tag::TensorList, reinterpret_cast<int64_t>(handles), static_cast<int64_t>(list.size())};
}

}  // namespace
}  // namespace bridge

EXPORT int tb_operator_find(const char* name, const char* overload, void** found) {
  return bridge::guarded([&] {
    // Operators live as long as the process, so the handle may as well.
    *found = new c10::OperatorHandle(c10::Dispatcher::singleton().findSchemaOrThrow(name, overload));
  });
}

// Missing trailing arguments take the schema's defaults. result_count may be smaller than what the operator
// returns (an in-place operator's result is its own argument); the rest is dropped.
EXPORT int tb_operator_call(void* found, const Value* arguments, int32_t argument_count, Value* results,
                            int32_t result_count) {
  return bridge::guarded([&] {
    auto& op = *static_cast<c10::OperatorHandle*>(found);
    auto& formals = op.schema().arguments();
    TORCH_CHECK(static_cast<size_t>(argument_count) <= formals.size(), op.schema().name(), " takes ", formals.size(),
                " arguments");
    torch::jit::Stack stack;
    stack.reserve(formals.size());
    const Value missing{Tag::Default, 0, 0};
    for (size_t i = 0; i < formals.size(); i++)
      stack.push_back(bridge::argument(i < static_cast<size_t>(argument_count) ? arguments[i] : missing, formals[i]));
    op.callBoxed(stack);
    for (int32_t i = 0; i < result_count; i++)
      results[i] = bridge::result(std::move(stack[i]));
  });
}

EXPORT void tb_tensor_array_free(at::Tensor** handles) { delete[] handles; }
