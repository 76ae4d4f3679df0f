#include "attention.h"
#include "attention_lanes.h"
#include "parallel.h"

namespace linformer {

namespace {

float* floats(void* values) {
  return static_cast<float*>(values);
}

} // namespace

template <typename Element>
void Attention<Element>::backward(
    const AttentionCall& call, const void* memory, const float* dy, float* dx, const lf_attention_parameters& gradients) {
  drops_ = probability_ > 0;
  const auto saved = savedFor(const_cast<void*>(memory));
  const auto matrices = matricesOf(call);
  const auto sides = sidesOf(call, matrices, saved, gradients);
  const int64_t hidden = sizes_.hidden;
  for (const int64_t place : {lane_.result[0], lane_.result[1]}) {
    clearLanes(place, projectedSize());
  }
  for (const int64_t place : {lane_.dQueryWeight, lane_.dOutputWeight, lane_.dWeight[0], lane_.dWeight[1]}) {
    clearLanes(place, hidden * hidden);
  }
  for (const int64_t place : {lane_.dQueryBias, lane_.dOutputBias, lane_.dBias[0], lane_.dBias[1]}) {
    clearLanes(place, hidden);
  }
  forChunks([&](const Chunk& chunk) {
    const int64_t first = firstRow(chunk) * hidden;
    attendBackward(chunk, call, matrices, saved, sides, dy + first, dx + first);
  });
  for (const auto& side : sides) {
    auto* gradient = at<float>(places_.gradient[side.number]);
    addLanes(lane_.result[side.number], projectedSize(), gradient, false);
    if (!sizes_.projectsInput) {
      inParallel(sizes_.batch * sizes_.projected, [&](int64_t from, int64_t to, int) {
        cast(gradient, at<Element>(places_.element[side.number]), hidden, from, to);
      });
    }
  }
  addLanes(lane_.dQueryWeight, hidden * hidden, floats(gradients.query_weight), true);
  addLanes(lane_.dQueryBias, hidden, floats(gradients.query_bias), true);
  addLanes(lane_.dOutputWeight, hidden * hidden, floats(gradients.output_weight), true);
  addLanes(lane_.dOutputBias, hidden, floats(gradients.output_bias), true);

  if (sizes_.projectsInput) {
    startProjectedInputBackward(sides);
  }
  forChunks([&](const Chunk& chunk) {
    const auto* operand = operandOf(chunk, call);
    float* dOperand = dx + firstRow(chunk) * hidden;
    for (size_t i = 0; i < projections(); ++i) {
      if (sizes_.projectsInput) {
        inputBackward(chunk, call, sides[i], operand, dOperand);
      } else {
        rowsBackward(chunk, call, sides[i], operand, dOperand);
      }
    }
  });
  if (!sizes_.projectsInput) {
    for (const auto& side : sides) {
      addLanes(lane_.dWeight[side.number], hidden * hidden, side.dWeight, true);
      addLanes(lane_.dBias[side.number], hidden, side.dBias, true);
    }
  }
}

// To the input by way of the queries, and to the projected keys and values.
template <typename Element>
void Attention<Element>::attendBackward(
    const Chunk& chunk, const AttentionCall& call, const Matrices& matrices, const Saved& saved, const Sides& sides,
    const float* dy, float* dx) const {
  const auto& products = productsOf(chunk);
  auto* scratch = productScratch(chunk);
  const auto* dOutput = castRows(chunk, dy, lane_.dyOperand);
  sumRows(dy, at<float>(chunk, lane_.dOutputBias), sizes_.hidden, 0, chunk.length);
  products.dOutputWeight.run(dOutput, mixedOf(chunk, saved), at<float>(chunk, lane_.dOutputWeight), scratch);
  products.dMixed.run(dOutput, matrices.output, at<Element>(chunk, lane_.dMixed), scratch);

  const auto* dQuery = weightsBackward(chunk, call, saved, sides);
  sumRows(dQuery, at<float>(chunk, lane_.dQueryBias), sizes_.hidden, 0, chunk.length);
  products.dQueryWeight.run(dQuery, operandOf(chunk, call), at<float>(chunk, lane_.dQueryWeight), scratch);
  products.dX.run(dQuery, matrices.query, dx, scratch);
}

// Through the softmax, head by head, so that what is made of one stays in the cache: to keys and values, and to the queries, which it
// returns.
template <typename Element>
const Element* Attention<Element>::weightsBackward(
    const Chunk& chunk, const AttentionCall& call, const Saved& saved, const Sides& sides) const {
  const auto& products = productsOf(chunk);
  const auto* query = queryOf(chunk, saved);
  auto* scratch = productScratch(chunk);
  const int64_t projected = projectedOf(chunk);
  auto* scores = at<float>(chunk, lane_.scores);
  auto* dWeights = scores; // Once the weights are made of them.
  auto* dScores = at<Element>(chunk, lane_.dScores);
  auto* dQuery = at<Element>(chunk, lane_.dQuery);
  for (int64_t head = 0; head < sizes_.heads; ++head) {
    const auto* dMixed = ofHead(at<Element>(chunk, lane_.dMixed), head);
    scoresOf(chunk, sides, query, head);
    softmaxAgain(
        SoftmaxAgain<Element>{
            sizes_.projected, scale_, scores, saved.logSums + weightsRow(chunk, head), at<Element>(chunk, lane_.weights)},
        0, chunk.length);
    products.dWeights.run(dMixed, ofHead(sides[1].saved.result + projected, head), dWeights, scratch);
    const SoftmaxBackward<Element> pass{
        sizes_.projected, scale_, at<Element>(chunk, lane_.weights), dWeights, dScores, dropout(call),
        weightsRow(chunk, head), at<Element>(chunk, lane_.dropped)};
    softmaxBackward(pass, 0, chunk.length);
    const auto* used = pass.dropout.active() ? pass.dropped : pass.weights;
    products.dValues.run(used, dMixed, ofHead(at<float>(chunk, lane_.result[1]) + projected, head), scratch);
    products.dKeys.run(dScores, ofHead(query, head), ofHead(at<float>(chunk, lane_.result[0]) + projected, head), scratch);
    products.dQuery.run(dScores, ofHead(sides[0].saved.result + projected, head), ofHead(dQuery, head), scratch);
  }
  return dQuery;
}

// To what is made of E·X and of E·1, and from there to these; where E is F, both are in the first side's.
template <typename Element>
void Attention<Element>::startProjectedInputBackward(const Sides& sides) {
  const int64_t hidden = sizes_.hidden;
  const int64_t rows = sizes_.batch * sizes_.projected;
  for (const auto& side : sides) {
    const bool adds = side.number > 0 && sizes_.projections == 1;
    const size_t target = adds ? 0 : side.number;
    auto* gradient = at<float>(places_.gradient[side.number]);
    auto* element = at<Element>(places_.element[side.number]);
    auto* dSums = at<float>(places_.dSums[side.number]);
    inParallelSumming<1>(rows, {side.dBias}, {hidden}, [&](int64_t from, int64_t to, const auto& sums) {
      addOuterBackward(gradient, side.saved.sums, rows, side.bias, element, dSums, sums[0], hidden, from, to);
    });
    auto* scratch = at<char>(places_.products);
    projected_.dDenseWeight.run(element, side.saved.before, side.dWeight, scratch);
    (adds ? projected_.dDenseAdded : projected_.dDense)
        .run(element, side.weight, at<float>(places_.gradient[target]), scratch);
    if (adds) {
      sumRows(dSums, at<float>(places_.dSums[target]), rows, 0, 1);
    }
  }
  for (size_t i = 0; i < projections(); ++i) {
    inParallel(rows, [&](int64_t from, int64_t to, int) {
      cast(at<float>(places_.gradient[i]), at<Element>(places_.element[i]), hidden, from, to);
    });
  }
}

// To E: from its product with the input, and from its sums.
template <typename Element>
void Attention<Element>::projectionBackward(
    const Chunk& chunk, const AttentionCall& call, const Side& side, const Element* input) const {
  auto* dPacked = at<float>(chunk, lane_.dPacked);
  const auto* element = at<Element>(places_.element[side.number]) + projectedOf(chunk);
  productsOf(chunk).dProjection.run(element, input, dPacked, productScratch(chunk));
  const auto* dSums = sizes_.projectsInput
      ? at<float>(places_.dSums[side.number]) + chunk.sequence * sizes_.projected
      : nullptr;
  addPacked(
      dPacked, dSums, keepOf(chunk, call), side.dProjection + chunk.position, chunk.length, sizes_.columns, 0,
      sizes_.projectionHeads * sizes_.projected);
}

template <typename Element>
void Attention<Element>::inputBackward(
    const Chunk& chunk, const AttentionCall& call, const Side& side, const Element* operand, float* dx) const {
  projectionBackward(chunk, call, side, operand);
  const auto* columns = packed(chunk, call, side, nullptr);
  const auto* element = at<Element>(places_.element[side.number]) + projectedOf(chunk);
  productsOf(chunk).dInput.run(columns, element, dx, productScratch(chunk));
}

template <typename Element>
void Attention<Element>::rowsBackward(
    const Chunk& chunk, const AttentionCall& call, const Side& side, const Element* operand, float* dx) const {
  const auto& products = productsOf(chunk);
  auto* scratch = productScratch(chunk);
  auto* rows = at<Element>(chunk, lane_.rows);
  auto* dRows = at<Element>(chunk, lane_.dRows);
  products.dense.run(operand, side.weight, rows, scratch, side.bias);
  projectionBackward(chunk, call, side, rows);
  const auto* columns = packed(chunk, call, side, nullptr);
  products.dInput.run(columns, at<Element>(places_.element[side.number]) + projectedOf(chunk), dRows, scratch);
  sumRows(dRows, at<float>(chunk, lane_.dBias[side.number]), sizes_.hidden, 0, chunk.length);
  products.dDenseWeight.run(dRows, operand, at<float>(chunk, lane_.dWeight[side.number]), scratch);
  products.dDense.run(dRows, side.weight, dx, scratch);
}

template class Attention<float>;
template class Attention<Bf16>;

} // namespace linformer
