#include "attention_products.h"

#include <algorithm>

namespace linformer {

namespace {

constexpr bool kAccumulate = true;

} // namespace

AttentionSizes::AttentionSizes(const lf_attention_shape& shape)
    : batch(shape.batch),
      length(shape.length),
      columns(shape.columns),
      hidden(shape.hidden),
      heads(shape.heads),
      projected(shape.projected),
      numbers(shape.bf16 != 0 ? Numbers::Bf16 : Numbers::Fp32),
      headSize(hidden / heads),
      projectionHeads(shape.sharing == 0 ? heads : 1),
      projections(shape.sharing == 2 ? 1 : 2),
      projectsInput(projectionHeads == 1) {}

std::vector<Chunk> chunksOf(const AttentionSizes& sizes, int lanes) {
  // Enough for the products to be near their best, and for gradients of weights to be read and written seldom.
  constexpr int64_t kRows = 512;
  constexpr int64_t kMultiple = 16;
  const int64_t wanted = std::max<int64_t>((sizes.length + kRows - 1) / kRows, lanes);
  const int64_t part = std::min(
      sizes.length, ((sizes.length + wanted - 1) / wanted + kMultiple - 1) / kMultiple * kMultiple);
  const int64_t parts = (sizes.length + part - 1) / part;
  std::vector<Chunk> chunks;
  for (int64_t b = 0; b < sizes.batch; ++b) {
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t length = std::min(part, sizes.length - i * part);
      chunks.push_back(
          {b, i * part, length, length == part ? size_t{0} : size_t{1}, static_cast<int>(i * std::min<int64_t>(lanes, parts) / parts)});
    }
  }
  return chunks;
}

ChunkProducts::ChunkProducts(const AttentionSizes& sizes, int64_t length) {
  const auto type = sizes.numbers;
  const int64_t hidden = sizes.hidden;
  const int64_t k = sizes.projected;
  const int64_t d = sizes.headSize;
  const auto rows = Layout::rows(hidden);
  query = Matmul::plain(length, hidden, hidden, rows, rows.transposed(), type, type, false, true);
  output = Matmul::plain(length, hidden, hidden, rows, rows.transposed(), type, Numbers::Fp32, false, true);
  dOutputWeight = Matmul::plain(hidden, length, hidden, rows.transposed(), rows, type, Numbers::Fp32, kAccumulate);
  dQueryWeight = dOutputWeight;
  dMixed = Matmul::plain(length, hidden, hidden, rows, rows, type, type);
  dX = Matmul::plain(length, hidden, hidden, rows, rows, type, Numbers::Fp32);

  const auto weights = Layout::rows(k);
  const auto ofHead = [&](int64_t m, int64_t inner, int64_t n, Layout a, Layout b, Layout c, Numbers numbers, bool accumulate) {
    return Matmul({m, inner, n, a, b, c, type, numbers, accumulate});
  };
  scores = ofHead(length, d, k, rows, rows.transposed(), weights, Numbers::Fp32, false);
  mixed = ofHead(length, k, d, weights, rows, rows, type, false);
  dWeights = scores;
  dQuery = mixed;
  dValues = ofHead(k, length, d, weights.transposed(), rows, rows, Numbers::Fp32, kAccumulate);
  dKeys = dValues;

  const int64_t part = hidden / sizes.projectionHeads;
  const Layout matrix{0, k * length, length, 1};
  const Layout input{0, part, hidden, 1};
  const auto projecting = [&](int64_t m, int64_t inner, int64_t n, Layout a, Layout b, Layout c, Numbers numbers,
                              bool accumulate) {
    return Matmul({m, inner, n, a, b, c, type, numbers, accumulate, false, 1, sizes.projectionHeads});
  };
  project = projecting(k, length, part, matrix, input, input, Numbers::Fp32, kAccumulate);
  dProjection = projecting(k, part, length, input, input.transposed(), matrix, Numbers::Fp32, false);
  if (sizes.projectsInput) {
    dInput = projecting(length, k, part, matrix.transposed(), input, input, Numbers::Fp32, kAccumulate);
  } else {
    dInput = projecting(length, k, part, matrix.transposed(), input, input, type, false);
    dense = query;
    dDenseWeight = dQueryWeight;
    dDense = Matmul::plain(length, hidden, hidden, rows, rows, type, Numbers::Fp32, kAccumulate);
  }
}

size_t ChunkProducts::scratchBytes() const {
  return largestScratch(
      {&query, &scores, &mixed, &output, &dOutputWeight, &dMixed, &dWeights, &dValues, &dKeys, &dQuery, &dQueryWeight,
       &dX, &project, &dProjection, &dInput, &dense, &dDenseWeight, &dDense});
}

ProjectedProducts::ProjectedProducts(const AttentionSizes& sizes) {
  const auto type = sizes.numbers;
  const int64_t hidden = sizes.hidden;
  const int64_t all = sizes.batch * sizes.projected;
  const auto rows = Layout::rows(hidden);
  dense = Matmul::plain(all, hidden, hidden, rows, rows.transposed(), type, Numbers::Fp32);
  dDenseWeight = Matmul::plain(hidden, all, hidden, rows.transposed(), rows, type, Numbers::Fp32, kAccumulate);
  dDense = Matmul::plain(all, hidden, hidden, rows, rows, type, Numbers::Fp32);
  dDenseAdded = Matmul::plain(all, hidden, hidden, rows, rows, type, Numbers::Fp32, kAccumulate);
}

size_t ProjectedProducts::scratchBytes() const {
  return largestScratch({&dense, &dDenseWeight, &dDense, &dDenseAdded});
}

} // namespace linformer
