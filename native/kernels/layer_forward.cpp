#include "layer.h"

#include <algorithm>
#include <type_traits>

namespace linformer {

namespace {

const float* floats(const void* values) {
  return static_cast<const float*>(values);
}

} // namespace

template <typename Element>
void Layer<Element>::forward(const LayerCall& given, float* y, void* memory) {
  scratch_->reserve(scratchBytes_);
  LayerCall call = given;
  call.keep = paddingIn(given.keep);
  drops_ = memory != nullptr && probability_ > 0;
  const auto saved = savedFor(memory);
  const auto matrices = matricesOf(call);
  const auto* operand = sizes_.normFirst ? normalizedOperand(call, saved) : castOperand(call.x);
  project(call, matrices, operand, saved);
  for (const auto& block : blocks_) {
    attend(block, call, matrices, operand, saved, y);
    feedForward(block, call, matrices, saved, y);
  }
}

template <typename Element>
const float* Layer<Element>::paddingIn(const float* keep) const {
  return keep != nullptr && std::find(keep, keep + sizes_.rows, 0.0f) != keep + sizes_.rows ? keep : nullptr;
}

template <typename Element>
const Element* Layer<Element>::castOperand(const float* x) {
  if constexpr (std::is_same_v<Element, float>) {
    return x;
  } else {
    auto* operand = at<Element>(places_.operand);
    inParallel(sizes_.rows, [&](int64_t from, int64_t to, int) { cast(x, operand, sizes_.hidden, from, to); });
    return operand;
  }
}

template <typename Element>
const Element* Layer<Element>::normalizedOperand(const LayerCall& call, const Saved& saved) {
  auto* operand = at<Element>(places_.operand);
  NormForward<Element> pass{};
  pass.width = sizes_.hidden;
  pass.x = call.x;
  pass.weight = floats(call.fp32->attention_norm_weight);
  pass.shift = floats(call.fp32->attention_norm_bias);
  pass.epsilon = epsilon_;
  pass.operand = operand;
  pass.normal = saved.attentionNormal;
  pass.rstd = saved.attentionRstd;
  inParallel(sizes_.rows, [&](int64_t from, int64_t to, int) { addAndNormalize(pass, from, to); });
  return operand;
}

// The stream between the residuals lies in y.
template <typename Element>
void Layer<Element>::attend(
    const Block& block, const LayerCall& call, const Matrices& matrices, const Element* operand, const Saved& saved,
    float* y) {
  const auto& products = products_[block.kind];
  const int64_t hidden = sizes_.hidden;
  const int64_t first = firstRow(block);
  const int64_t kept = first * saved.step;
  const int64_t weightWidth = sizes_.heads * sizes_.projected;
  const int64_t projected = block.sequence * sizes_.projected * hidden;
  auto* query = saved.query + kept * hidden;
  auto* weights = saved.weights + kept * weightWidth;
  auto* mixed = saved.mixed + kept * hidden;
  auto* scores = at<float>(places_.scores);
  auto* branch = at<float>(places_.branch);

  products.query.run(
      operand + first * hidden, matrices.query, query, productScratch(), floats(call.fp32->query_bias));
  products.scores.run(query, saved.keys + projected, scores, productScratch());
  const Softmax<Element> attention{
      sizes_.projected, scale_, scores, weights, dropout(call, Site::AttentionWeights), first * sizes_.heads,
      at<Element>(places_.dropped)};
  inParallel(
      rowsOf(block) * sizes_.heads, [&](int64_t from, int64_t to, int) { softmax(attention, from, to); });
  const auto* used = attention.dropout.active() ? attention.dropped : weights;
  products.mixed.run(used, saved.values + projected, mixed, productScratch());
  products.output.run(mixed, matrices.output, branch, productScratch());

  NormForward<Element> pass{};
  pass.width = hidden;
  pass.x = call.x + first * hidden;
  pass.branch = branch;
  pass.bias = floats(call.fp32->output_bias);
  pass.dropout = dropout(call, Site::AttentionOutput);
  pass.firstRow = first;
  pass.epsilon = epsilon_;
  if (sizes_.normFirst) {
    pass.sum = y + first * hidden;
    pass.weight = floats(call.fp32->feed_forward_norm_weight);
    pass.shift = floats(call.fp32->feed_forward_norm_bias);
    pass.operand = at<Element>(places_.normalized);
    pass.normal = saved.feedForwardNormal + kept * hidden;
    pass.rstd = saved.feedForwardRstd + kept;
  } else {
    pass.weight = floats(call.fp32->attention_norm_weight);
    pass.shift = floats(call.fp32->attention_norm_bias);
    pass.value = y + first * hidden;
    pass.operand = std::is_same_v<Element, float> ? nullptr : at<Element>(places_.normalized);
    pass.normal = saved.attentionNormal + kept * hidden;
    pass.rstd = saved.attentionRstd + kept;
  }
  inParallel(rowsOf(block), [&](int64_t from, int64_t to, int) { addAndNormalize(pass, from, to); });
}

template <typename Element>
void Layer<Element>::feedForward(
    const Block& block, const LayerCall& call, const Matrices& matrices, const Saved& saved, float* y) {
  const auto& products = products_[block.kind];
  const int64_t hidden = sizes_.hidden;
  const int64_t wide = sizes_.feedForward;
  const int64_t first = firstRow(block);
  const int64_t kept = first * saved.step;
  float* stream = y + first * hidden;
  const void* operand = at<Element>(places_.normalized);
  if (std::is_same_v<Element, float> && !sizes_.normFirst) {
    operand = stream;
  }
  auto* preactivation = saved.preactivation + kept * wide;
  auto* activation = at<Element>(places_.activation);
  auto* branch = at<float>(places_.branch);

  products.input.run(operand, matrices.input, preactivation, productScratch(), floats(call.fp32->input_bias));
  inParallel(rowsOf(block), [&](int64_t from, int64_t to, int) { gelu(preactivation, activation, wide, from, to); });
  products.feedForwardOutput.run(activation, matrices.feedForwardOutput, branch, productScratch());

  NormForward<Element> pass{};
  pass.width = hidden;
  pass.x = stream;
  pass.branch = branch;
  pass.bias = floats(call.fp32->feed_forward_output_bias);
  pass.dropout = dropout(call, Site::FeedForwardOutput);
  pass.firstRow = first;
  pass.epsilon = epsilon_;
  if (sizes_.normFirst) {
    pass.sum = stream;
  } else {
    pass.weight = floats(call.fp32->feed_forward_norm_weight);
    pass.shift = floats(call.fp32->feed_forward_norm_bias);
    pass.value = stream;
    pass.normal = saved.feedForwardNormal + kept * hidden;
    pass.rstd = saved.feedForwardRstd + kept;
  }
  inParallel(rowsOf(block), [&](int64_t from, int64_t to, int) { addAndNormalize(pass, from, to); });
}

template class Layer<float>;
template class Layer<Bf16>;

} // namespace linformer
