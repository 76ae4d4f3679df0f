#include "attention.h"
#include "attention_lanes.h"
#include "parallel.h"

namespace linformer {

template <typename Element>
void Attention<Element>::forward(const AttentionCall& call, float* y, void* memory) {
  drops_ = memory != nullptr && probability_ > 0;
  const auto saved = savedFor(memory);
  const auto matrices = matricesOf(call);
  const auto sides = sidesOf(call, matrices, saved, {});
  project(call, sides);
  const auto* queryBias = static_cast<const float*>(call.parameters->query_bias);
  const auto* outputBias = static_cast<const float*>(call.parameters->output_bias);
  forChunks([&](const Chunk& chunk) {
    const auto& products = productsOf(chunk);
    auto* scratch = productScratch(chunk);
    auto* query = queryOf(chunk, saved);
    auto* mixed = mixedOf(chunk, saved);
    products.query.run(operandOf(chunk, call), matrices.query, query, scratch, queryBias);
    for (int64_t head = 0; head < sizes_.heads; ++head) {
      const auto* weights = weigh(chunk, call, sides, saved, query, head);
      products.mixed.run(weights, ofHead(sides[1].saved.result + projectedOf(chunk), head), ofHead(mixed, head), scratch);
    }
    products.output.run(mixed, matrices.output, y + firstRow(chunk) * sizes_.hidden, scratch, outputBias);
  });
}

// Keys and values, of which there are k: sums over the whole sequence, in fp32 until they are complete.
template <typename Element>
void Attention<Element>::project(const AttentionCall& call, const Sides& sides) {
  const int64_t rows = sizes_.batch * sizes_.projected;
  for (size_t i = 0; i < projections(); ++i) {
    clearLanes(lane_.result[i], projectedSize());
    clearLanes(lane_.sums[i], rows);
  }
  forChunks([&](const Chunk& chunk) {
    const auto& products = productsOf(chunk);
    const auto* operand = operandOf(chunk, call);
    for (size_t i = 0; i < projections(); ++i) {
      const auto& side = sides[i];
      const auto* input = operand;
      float* sums = at<float>(chunk, lane_.sums[i]) + chunk.sequence * sizes_.projected;
      if (!sizes_.projectsInput) {
        products.dense.run(operand, side.weight, at<Element>(chunk, lane_.rows), productScratch(chunk), side.bias);
        input = at<Element>(chunk, lane_.rows);
        sums = nullptr;
      }
      const auto* columns = packed(chunk, call, side, sums);
      products.project.run(
          columns, input, at<float>(chunk, lane_.result[i]) + projectedOf(chunk), productScratch(chunk));
    }
  });
  for (size_t i = 0; i < projections(); ++i) {
    auto* sum = at<float>(places_.gradient[i]);
    auto* complete = sizes_.projectsInput ? sides[i].saved.before : sides[i].saved.result;
    addLanes(lane_.result[i], projectedSize(), sum, false);
    inParallel(rows, [&](int64_t from, int64_t to, int) { cast(sum, complete, sizes_.hidden, from, to); });
    addLanes(lane_.sums[i], rows, sides[i].saved.sums, false);
  }
  if (sizes_.projectsInput) {
    finishProjectedInput(sides);
  }
}

// E·X·Wᵀ + (E·1)bᵀ, from E·X.
template <typename Element>
void Attention<Element>::finishProjectedInput(const Sides& sides) {
  const int64_t rows = sizes_.batch * sizes_.projected;
  auto* product = at<float>(places_.product);
  for (const auto& side : sides) {
    projected_.dense.run(side.saved.before, side.weight, product, at<char>(places_.products));
    inParallel(rows, [&](int64_t from, int64_t to, int) {
      addOuter(product, side.saved.sums, rows, side.bias, side.saved.result, sizes_.hidden, from, to);
    });
  }
}

template <typename Element>
void Attention<Element>::scoresOf(const Chunk& chunk, const Sides& sides, const Element* query, int64_t head) const {
  productsOf(chunk).scores.run(
      ofHead(query, head), ofHead(sides[0].saved.result + projectedOf(chunk), head), at<float>(chunk, lane_.scores),
      productScratch(chunk));
}

// The attention weights of a head; returns them after their dropout.
template <typename Element>
const Element* Attention<Element>::weigh(
    const Chunk& chunk, const AttentionCall& call, const Sides& sides, const Saved& saved, const Element* query,
    int64_t head) const {
  scoresOf(chunk, sides, query, head);
  const Softmax<Element> pass{
      sizes_.projected, scale_, at<float>(chunk, lane_.scores), at<Element>(chunk, lane_.weights), dropout(call),
      weightsRow(chunk, head), at<Element>(chunk, lane_.dropped),
      saved.logSums != nullptr ? saved.logSums + weightsRow(chunk, head) : nullptr};
  softmax(pass, 0, chunk.length);
  return pass.dropout.active() ? pass.dropped : pass.weights;
}

template class Attention<float>;
template class Attention<Bf16>;

} // namespace linformer
