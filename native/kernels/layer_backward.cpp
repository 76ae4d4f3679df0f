#include "layer.h"

#include <algorithm>
#include <type_traits>

namespace linformer {

namespace {

float* floats(void* values) {
  return static_cast<float*>(values);
}

template <typename Element>
void normalizeBackwardAll(
    const NormBackward<Element>& pass, int64_t rows, float* dWeight, float* dShift, float* dBias) {
  inParallelSumming<3>(
      rows, {dWeight, dShift, dBias}, {pass.width, pass.width, pass.width},
      [&](int64_t from, int64_t to, const auto& sums) {
        normalizeBackward(pass, {sums[0], sums[1], sums[2]}, from, to);
      });
}

} // namespace

template <typename Element>
void Layer<Element>::backward(
    const LayerCall& given, const void* memory, const float* dy, float* dx, const lf_layer_parameters& gradients) {
  scratch_->reserve(scratchBytes_);
  LayerCall call = given;
  call.keep = paddingIn(given.keep);
  drops_ = probability_ > 0;
  const auto saved = savedFor(const_cast<void*>(memory));
  const auto matrices = matricesOf(call);
  const auto& fp32 = *call.fp32;
  const int64_t hidden = sizes_.hidden;
  const Element* operand = sizes_.normFirst ? at<Element>(places_.operand) : castOperand(call.x);
  if (sizes_.normFirst) {
    inParallel(sizes_.rows, [&](int64_t from, int64_t to, int) {
      restoreNormalized(
          saved.attentionNormal, floats(fp32.attention_norm_weight), floats(fp32.attention_norm_bias),
          at<Element>(places_.operand), hidden, from, to);
    });
  }
  const int64_t projected = sizes_.batch * sizes_.projected * hidden;
  std::fill_n(at<float>(places_.dKeys), projected, 0.0f);
  std::fill_n(at<float>(places_.dValues), projected, 0.0f);

  float* dOperand = sizes_.normFirst ? at<float>(places_.dNormalized) : dx;
  for (const auto& block : blocks_) {
    feedForwardBackward(block, call, matrices, saved, dy, dx, gradients);
    attendBackward(block, call, matrices, operand, saved, dy, dx, dOperand, gradients);
  }
  projectBackward(call, matrices, operand, saved, dOperand, gradients);
  if (sizes_.normFirst) {
    NormBackward<Element> pass{};
    pass.width = hidden;
    pass.dvalue = dOperand;
    pass.weight = floats(fp32.attention_norm_weight);
    pass.normal = saved.attentionNormal;
    pass.rstd = saved.attentionRstd;
    pass.residual = dx;
    pass.dsum = dx;
    normalizeBackwardAll(
        pass, sizes_.rows, floats(gradients.attention_norm_weight), floats(gradients.attention_norm_bias), nullptr);
  }
}

// To its input: added to the residual's in dx, or, when the norm comes first, apart from it in the scratch for a branch.
template <typename Element>
void Layer<Element>::feedForwardBackward(
    const Block& block, const LayerCall& call, const Matrices& matrices, const Saved& saved, const float* dy, float* dx,
    const lf_layer_parameters& gradients) {
  const auto& products = products_[block.kind];
  const auto& fp32 = *call.fp32;
  const int64_t hidden = sizes_.hidden;
  const int64_t wide = sizes_.feedForward;
  const int64_t first = firstRow(block);
  const int64_t rows = rowsOf(block);
  const bool normFirst = sizes_.normFirst;

  NormBackward<Element> pass{};
  pass.width = hidden;
  pass.dvalue = dy + first * hidden;
  pass.dropout = dropout(call, Site::FeedForwardOutput);
  pass.firstRow = first;
  if (!normFirst) {
    pass.weight = floats(fp32.feed_forward_norm_weight);
    pass.normal = saved.feedForwardNormal + first * hidden;
    pass.rstd = saved.feedForwardRstd + first;
    pass.dsum = dx + first * hidden;
  }
  const auto* dBranch = branchOperand(pass);
  normalizeBackwardAll(
      pass, rows, floats(gradients.feed_forward_norm_weight), floats(gradients.feed_forward_norm_bias),
      floats(gradients.feed_forward_output_bias));

  auto* normalized = at<Element>(places_.normalized);
  const auto* normal = (normFirst ? saved.feedForwardNormal : saved.attentionNormal) + first * hidden;
  const auto* weight = floats(normFirst ? fp32.feed_forward_norm_weight : fp32.attention_norm_weight);
  const auto* shift = floats(normFirst ? fp32.feed_forward_norm_bias : fp32.attention_norm_bias);
  inParallel(rows, [&](int64_t from, int64_t to, int) {
    restoreNormalized(normal, weight, shift, normalized, hidden, from, to);
  });

  auto* activation = at<Element>(places_.activation);
  auto* dActivation = at<Element>(places_.dActivation);
  products.dActivation.run(dBranch, matrices.feedForwardOutput, dActivation, productScratch());
  inParallelSumming<1>(
      rows, {floats(gradients.input_bias)}, {wide}, [&](int64_t from, int64_t to, const auto& sums) {
        geluBackward(saved.preactivation + first * wide, dActivation, activation, sums[0], wide, from, to);
      });
  products.dFeedForwardOutputWeight.run(
      dBranch, activation, gradients.feed_forward_output_weight, productScratch());
  products.dInputWeight.run(dActivation, normalized, gradients.input_weight, productScratch());
  products.dNormalized.run(
      dActivation, matrices.input, normFirst ? at<float>(places_.branch) : dx + first * hidden, productScratch());
}

// Where a pass leaves what goes back into the branch: what it writes or reads anyway, if that will do.
template <typename Element>
const Element* Layer<Element>::branchOperand(NormBackward<Element>& pass) const {
  if constexpr (std::is_same_v<Element, float>) {
    if (!pass.dropout.active()) {
      return pass.dsum != nullptr ? pass.dsum : pass.dvalue;
    }
  }
  pass.operand = at<Element>(places_.dBranch);
  return pass.operand;
}

template <typename Element>
void Layer<Element>::attendBackward(
    const Block& block, const LayerCall& call, const Matrices& matrices, const Element* operand, const Saved& saved,
    const float* dy, float* dx, float* dOperand, const lf_layer_parameters& gradients) {
  const auto& products = products_[block.kind];
  const auto& fp32 = *call.fp32;
  const int64_t hidden = sizes_.hidden;
  const int64_t first = firstRow(block);
  const int64_t rows = rowsOf(block);
  const bool normFirst = sizes_.normFirst;

  NormBackward<Element> pass{};
  pass.width = hidden;
  pass.dvalue = normFirst ? at<float>(places_.branch) : dx + first * hidden;
  pass.weight = floats(normFirst ? fp32.feed_forward_norm_weight : fp32.attention_norm_weight);
  pass.normal = (normFirst ? saved.feedForwardNormal : saved.attentionNormal) + first * hidden;
  pass.rstd = (normFirst ? saved.feedForwardRstd : saved.attentionRstd) + first;
  pass.residual = normFirst ? dy + first * hidden : nullptr;
  pass.dsum = dx + first * hidden;
  pass.dropout = dropout(call, Site::AttentionOutput);
  pass.firstRow = first;
  const auto* dBranch = branchOperand(pass);
  normalizeBackwardAll(
      pass, rows, floats(normFirst ? gradients.feed_forward_norm_weight : gradients.attention_norm_weight),
      floats(normFirst ? gradients.feed_forward_norm_bias : gradients.attention_norm_bias),
      floats(gradients.output_bias));

  auto* dMixed = at<Element>(places_.dMixed);
  products.dOutputWeight.run(dBranch, saved.mixed + first * hidden, gradients.output_weight, productScratch());
  products.dMixed.run(dBranch, matrices.output, dMixed, productScratch());
  const auto* dQuery = weightsBackward(block, call, saved, dMixed);
  inParallelSumming<1>(
      rows, {floats(gradients.query_bias)}, {hidden}, [&](int64_t from, int64_t to, const auto& sums) {
        sumRows(dQuery, sums[0], hidden, from, to);
      });
  products.dQueryWeight.run(dQuery, operand + first * hidden, gradients.query_weight, productScratch());
  products.dX.run(dQuery, matrices.query, dOperand + first * hidden, productScratch());
}

// Through the softmax: to keys and values, and to the queries, which it returns.
template <typename Element>
const Element* Layer<Element>::weightsBackward(
    const Block& block, const LayerCall& call, const Saved& saved, const Element* dMixed) {
  const auto& products = products_[block.kind];
  const int64_t hidden = sizes_.hidden;
  const int64_t first = firstRow(block);
  const int64_t projected = block.sequence * sizes_.projected * hidden;
  const auto* weights = saved.weights + first * sizes_.heads * sizes_.projected;
  auto* dWeights = at<float>(places_.scores);
  auto* dScores = at<Element>(places_.dScores);
  auto* dQuery = at<Element>(places_.dQuery);

  products.dWeights.run(dMixed, saved.values + projected, dWeights, productScratch());
  const SoftmaxBackward<Element> pass{
      sizes_.projected, scale_, weights, dWeights, dScores, dropout(call, Site::AttentionWeights),
      first * sizes_.heads, at<Element>(places_.dropped)};
  inParallel(rowsOf(block) * sizes_.heads, [&](int64_t from, int64_t to, int) { softmaxBackward(pass, from, to); });
  const auto* used = pass.dropout.active() ? pass.dropped : weights;
  products.dValues.run(used, dMixed, at<float>(places_.dValues) + projected, productScratch());
  products.dKeys.run(
      dScores, saved.query + first * hidden, at<float>(places_.dKeys) + projected, productScratch());
  products.dQuery.run(dScores, saved.keys + projected, dQuery, productScratch());
  return dQuery;
}

template class Layer<float>;
template class Layer<Bf16>;

} // namespace linformer
