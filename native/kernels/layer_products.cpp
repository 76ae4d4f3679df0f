#include "layer_products.h"

#include <algorithm>

namespace linformer {

namespace {

// Rows of a block: enough for the products to be near their best, and for gradients of weights to be read and written seldom; few
// enough for what lies between the products to stay in the cache.
int64_t rowsOfBlock(const LayerSizes& sizes) {
  return std::clamp<int64_t>((int64_t{1} << 20) / sizes.feedForward, 512, 1024);
}

constexpr bool kAccumulate = true;

} // namespace

LayerSizes::LayerSizes(const lf_layer_shape& shape)
    : batch(shape.batch),
      length(shape.length),
      columns(shape.columns),
      hidden(shape.hidden),
      heads(shape.heads),
      feedForward(shape.feed_forward),
      projected(shape.projected),
      normFirst(shape.norm_first != 0),
      sharesKeyValue(shape.sharing == 2),
      numbers(shape.bf16 != 0 ? Numbers::Bf16 : Numbers::Fp32),
      rows(batch * length),
      headSize(hidden / heads),
      projectionHeads(shape.sharing == 0 ? heads : 1) {
  const int64_t inputFirst = (sharesKeyValue ? 1 : 2) * projected * length * hidden + 2 * projected * hidden * hidden;
  const int64_t keysFirst = 2 * length * hidden * hidden + 2 * projected * length * hidden;
  projectsInput = projectionHeads == 1 && shape.sharing != 0 && inputFirst <= keysFirst;
}

std::vector<Block> blocksOf(const LayerSizes& sizes) {
  std::vector<Block> blocks;
  const int64_t rows = rowsOfBlock(sizes);
  if (sizes.length <= rows) {
    const int64_t together = std::min(rows / sizes.length, sizes.batch);
    for (int64_t b = 0; b < sizes.batch; b += together) {
      const int64_t count = std::min(together, sizes.batch - b);
      blocks.push_back({b, count, 0, sizes.length, count == together ? size_t{0} : size_t{1}});
    }
    return blocks;
  }
  const int64_t parts = (sizes.length + rows - 1) / rows;
  const int64_t part = ((sizes.length + parts - 1) / parts + 15) / 16 * 16;
  for (int64_t b = 0; b < sizes.batch; ++b) {
    for (int64_t position = 0; position < sizes.length; position += part) {
      const int64_t length = std::min(part, sizes.length - position);
      blocks.push_back({b, 1, position, length, length == part ? size_t{0} : size_t{1}});
    }
  }
  return blocks;
}

BlockProducts::BlockProducts(const LayerSizes& sizes, int64_t sequences, int64_t length) {
  const auto type = sizes.numbers;
  const int64_t rows = sequences * length;
  const int64_t hidden = sizes.hidden;
  const int64_t wide = sizes.feedForward;
  const int64_t k = sizes.projected;
  const auto narrowRows = Layout::rows(hidden);
  const auto wideRows = Layout::rows(wide);

  query = Matmul::plain(rows, hidden, hidden, narrowRows, narrowRows.transposed(), type, type, false, true);
  output = Matmul::plain(rows, hidden, hidden, narrowRows, narrowRows.transposed(), type, Numbers::Fp32);
  input = Matmul::plain(rows, hidden, wide, narrowRows, narrowRows.transposed(), type, type, false, true);
  feedForwardOutput = Matmul::plain(rows, wide, hidden, wideRows, wideRows.transposed(), type, Numbers::Fp32);

  dActivation = Matmul::plain(rows, hidden, wide, narrowRows, wideRows, type, type);
  dInputWeight = Matmul::plain(wide, rows, hidden, wideRows.transposed(), narrowRows, type, Numbers::Fp32, kAccumulate);
  dFeedForwardOutputWeight =
      Matmul::plain(hidden, rows, wide, narrowRows.transposed(), wideRows, type, Numbers::Fp32, kAccumulate);
  dNormalized = Matmul::plain(rows, wide, hidden, wideRows, narrowRows, type, Numbers::Fp32, !sizes.normFirst);
  dMixed = Matmul::plain(rows, hidden, hidden, narrowRows, narrowRows, type, type);
  dOutputWeight = Matmul::plain(hidden, rows, hidden, narrowRows.transposed(), narrowRows, type, Numbers::Fp32, kAccumulate);
  dQueryWeight = dOutputWeight;
  dX = Matmul::plain(rows, hidden, hidden, narrowRows, narrowRows, type, Numbers::Fp32, !sizes.normFirst);

  // By sequence and head, from here on.
  const int64_t d = sizes.headSize;
  const Layout queries{length * hidden, d, hidden, 1};
  const Layout keys{k * hidden, d, hidden, 1};
  const Layout weights{sizes.heads * length * k, length * k, k, 1};
  const auto perHead = [&](int64_t m, int64_t inner, int64_t n, Layout a, Layout b, Layout c, Numbers output,
                           bool accumulate = false) {
    return Matmul({m, inner, n, a, b, c, type, output, accumulate, false, sequences, sizes.heads});
  };
  scores = perHead(length, d, k, queries, keys.transposed(), weights, Numbers::Fp32);
  mixed = perHead(length, k, d, weights, keys, queries, type);
  dWeights = scores;
  dQuery = mixed;
  dValues = perHead(k, length, d, weights.transposed(), queries, keys, Numbers::Fp32, kAccumulate);
  dKeys = dValues;
}

size_t BlockProducts::scratchBytes() const {
  return largestScratch(
      {&query, &scores, &mixed, &output, &input, &feedForwardOutput, &dActivation, &dInputWeight,
       &dFeedForwardOutputWeight, &dNormalized, &dMixed, &dOutputWeight, &dWeights, &dValues, &dKeys, &dQuery,
       &dQueryWeight, &dX});
}

ProjectionProducts::ProjectionProducts(const LayerSizes& sizes) {
  const auto type = sizes.numbers;
  const int64_t hidden = sizes.hidden;
  const int64_t k = sizes.projected;
  const int64_t length = sizes.length;
  const int64_t part = hidden / sizes.projectionHeads; // Columns that a matrix of E is applied to.
  const auto rows = Layout::rows(hidden);
  const Layout matrix{0, k * sizes.columns, sizes.columns, 1};
  const Layout input{length * hidden, part, hidden, 1};
  const Layout output{k * hidden, part, hidden, 1};
  const auto byHead = [&](int64_t m, int64_t inner, int64_t n, Layout a, Layout b, Layout c, Numbers numbers,
                          bool accumulate, int64_t sequences) {
    return Matmul({m, inner, n, a, b, c, type, numbers, accumulate, false, sequences, sizes.projectionHeads});
  };
  project = byHead(k, length, part, matrix, input, output, type, false, sizes.batch);
  dProjection = byHead(k, part, length, output, input.transposed(), matrix, Numbers::Fp32, kAccumulate, 1);

  const int64_t denseRows = sizes.projectsInput ? sizes.batch * k : sizes.rows;
  dDenseWeight = Matmul::plain(hidden, denseRows, hidden, rows.transposed(), rows, type, Numbers::Fp32, kAccumulate);
  dDenseAdded = Matmul::plain(denseRows, hidden, hidden, rows, rows, type, Numbers::Fp32, kAccumulate);
  if (sizes.projectsInput) {
    dense = Matmul::plain(denseRows, hidden, hidden, rows, rows.transposed(), type, Numbers::Fp32);
    dDense = Matmul::plain(denseRows, hidden, hidden, rows, rows, type, Numbers::Fp32);
    dInput = byHead(length, k, part, matrix.transposed(), output, input, Numbers::Fp32, kAccumulate, 1);
  } else {
    dense = Matmul::plain(denseRows, hidden, hidden, rows, rows.transposed(), type, type, false, true);
    dDense = dDenseAdded;
    dInput = byHead(length, k, part, matrix.transposed(), output, input, type, false, 1);
  }
}

size_t ProjectionProducts::scratchBytes() const {
  return largestScratch({&project, &dense, &dDense, &dDenseAdded, &dDenseWeight, &dProjection, &dInput});
}

} // namespace linformer
