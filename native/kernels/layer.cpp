#include "layer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "guarded.h"
#include "profile.h"

namespace linformer {

namespace {

template <typename Element>
constexpr int64_t bytesOf(int64_t count) {
  return count * static_cast<int64_t>(sizeof(Element));
}

std::vector<BlockProducts> productsOf(const LayerSizes& sizes, const std::vector<Block>& blocks) {
  std::vector<BlockProducts> products;
  for (const auto& block : blocks) {
    if (block.kind == products.size()) {
      products.emplace_back(sizes, block.sequences, block.length);
    }
  }
  return products;
}

size_t scratchOf(const std::vector<BlockProducts>& products, const ProjectionProducts& projection) {
  size_t bytes = projection.scratchBytes();
  for (const auto& some : products) {
    bytes = std::max(bytes, some.scratchBytes());
  }
  return bytes;
}

} // namespace

template <typename Element>
Layer<Element>::Layer(const lf_layer_shape& shape, std::shared_ptr<SharedScratch> scratch)
    : sizes_(shape),
      epsilon_(shape.epsilon),
      probability_(shape.dropout),
      scale_(1.0f / std::sqrt(static_cast<float>(sizes_.headSize))),
      blocks_(blocksOf(sizes_)),
      products_(productsOf(sizes_, blocks_)),
      projection_(sizes_),
      blockRows_(rowsOf(blocks_.front())),
      scratch_(std::move(scratch)) {
  layout(nullptr, true, &savedBytes_);
  Plan sizes;
  places_ = plan(sizes);
  scratchBytes_ = sizes.size();
}

template <typename Element>
int64_t Layer<Element>::savedBytes() const {
  return savedBytes_;
}

template <typename Element>
typename Layer<Element>::Places Layer<Element>::plan(Plan& plan) const {
  const int64_t hidden = sizes_.hidden;
  const int64_t narrow = blockRows_ * hidden;
  const int64_t wide = blockRows_ * sizes_.feedForward;
  const int64_t weights = blockRows_ * sizes_.heads * sizes_.projected;
  const int64_t projected = sizes_.batch * sizes_.projected;
  const int64_t matrices = 4 * hidden * hidden + 2 * hidden * sizes_.feedForward + 2 * sizes_.projectionSize();
  int64_t kept = 0;
  layout(nullptr, false, &kept);
  Places places;
  places.branch = plan.add(bytesOf<float>(narrow));
  places.normalized = plan.add(bytesOf<Element>(narrow));
  places.activation = plan.add(bytesOf<Element>(wide));
  places.dActivation = plan.add(bytesOf<Element>(wide));
  places.scores = plan.add(bytesOf<float>(weights));
  places.dropped = plan.add(bytesOf<Element>(weights));
  places.dScores = plan.add(bytesOf<Element>(weights));
  places.dBranch = plan.add(bytesOf<Element>(narrow));
  places.dMixed = plan.add(bytesOf<Element>(narrow));
  places.dQuery = plan.add(bytesOf<Element>(narrow));
  places.products = plan.add(static_cast<int64_t>(scratchOf(products_, projection_)));
  places.dKeys = plan.add(bytesOf<float>(projected * hidden));
  places.dValues = plan.add(bytesOf<float>(projected * hidden));
  places.dProjected = plan.add(bytesOf<float>(projected * hidden));
  places.projectedElement = plan.add(bytesOf<Element>(projected * hidden));
  places.keySums = plan.add(bytesOf<float>(projected));
  places.valueSums = plan.add(bytesOf<float>(projected));
  places.dSums = plan.add(bytesOf<float>(projected));
  places.operand = plan.add(bytesOf<Element>(sizes_.rows * hidden));
  places.masked = plan.add(bytesOf<Element>(sizes_.rows * hidden));
  places.dRows = plan.add(bytesOf<Element>(sizes_.rows * hidden));
  places.dNormalized = plan.add(bytesOf<float>(sizes_.normFirst ? sizes_.rows * hidden : 0));
  places.maskedProjection = plan.add(bytesOf<Element>(sizes_.projectionSize()));
  places.matrices = plan.add(bytesOf<Element>(matrices));
  places.kept = plan.add(kept);
  return places;
}

template <typename Element>
typename Layer<Element>::Saved Layer<Element>::layout(char* memory, bool whole, int64_t* bytes) const {
  const int64_t hidden = sizes_.hidden;
  const int64_t rows = whole ? sizes_.rows : blockRows_;
  const int64_t projected = sizes_.batch * sizes_.projected * hidden;
  const int64_t before = sizes_.projectsInput ? projected : sizes_.rows * hidden;
  const bool sameBefore = sizes_.projectsInput && sizes_.sharesKeyValue;
  Plan plan;
  Saved saved;
  const auto elements = [&](int64_t count) { return reinterpret_cast<Element*>(memory + plan.add(bytesOf<Element>(count))); };
  const auto floats = [&](int64_t count) { return reinterpret_cast<float*>(memory + plan.add(bytesOf<float>(count))); };
  // The norm before attention is one pass over all rows.
  saved.attentionNormal = elements((sizes_.normFirst ? sizes_.rows : rows) * hidden);
  saved.attentionRstd = floats(sizes_.normFirst ? sizes_.rows : rows);
  saved.feedForwardNormal = elements(rows * hidden);
  saved.feedForwardRstd = floats(rows);
  saved.query = elements(rows * hidden);
  saved.mixed = elements(rows * hidden);
  saved.weights = elements(rows * sizes_.heads * sizes_.projected);
  saved.preactivation = elements(rows * sizes_.feedForward);
  saved.keys = elements(projected);
  saved.values = elements(projected);
  saved.beforeKeys = elements(before);
  saved.beforeValues = sameBefore ? saved.beforeKeys : elements(before);
  saved.step = whole ? 1 : 0;
  *bytes = plan.size();
  return saved;
}

template <typename Element>
typename Layer<Element>::Saved Layer<Element>::savedFor(void* memory) const {
  int64_t bytes = 0;
  return memory != nullptr ? layout(static_cast<char*>(memory), true, &bytes)
                           : layout(scratch_->at(places_.kept), false, &bytes);
}

template <typename Element>
Dropout Layer<Element>::dropout(const LayerCall& call, Site site) const {
  return drops_ ? Dropout::of(call.seed, site, probability_) : Dropout::none();
}

template <>
Layer<float>::Matrices Layer<float>::matricesOf(const LayerCall& call) {
  const auto& from = *call.fp32;
  const auto of = [](const void* matrix) { return static_cast<const float*>(matrix); };
  return {of(from.query_weight), of(from.key_weight), of(from.value_weight), of(from.output_weight),
          of(from.input_weight), of(from.feed_forward_output_weight), of(from.projection_key),
          of(sizes_.sharesKeyValue ? from.projection_key : from.projection_value)};
}

template <>
Layer<Bf16>::Matrices Layer<Bf16>::matricesOf(const LayerCall& call) {
  const bool made = call.bf16 == nullptr;
  const auto& from = made ? *call.fp32 : *call.bf16;
  auto* next = at<Bf16>(places_.matrices);
  const auto of = [&](const void* matrix, int64_t rows, int64_t width) {
    if (!made) {
      return static_cast<const Bf16*>(matrix);
    }
    Bf16* const copy = next;
    next += rows * width;
    inParallel(rows, [&](int64_t first, int64_t last, int) {
      cast(static_cast<const float*>(matrix), copy, width, first, last);
    });
    return static_cast<const Bf16*>(copy);
  };
  const int64_t hidden = sizes_.hidden;
  const int64_t wide = sizes_.feedForward;
  const int64_t projections = sizes_.projectionHeads * sizes_.projected;
  Matrices matrices;
  matrices.query = of(from.query_weight, hidden, hidden);
  matrices.key = of(from.key_weight, hidden, hidden);
  matrices.value = of(from.value_weight, hidden, hidden);
  matrices.output = of(from.output_weight, hidden, hidden);
  matrices.input = of(from.input_weight, wide, hidden);
  matrices.feedForwardOutput = of(from.feed_forward_output_weight, hidden, wide);
  matrices.projectionKey = of(from.projection_key, projections, sizes_.columns);
  matrices.projectionValue =
      sizes_.sharesKeyValue ? matrices.projectionKey : of(from.projection_value, projections, sizes_.columns);
  return matrices;
}

template class Layer<float>;
template class Layer<Bf16>;

} // namespace linformer

using namespace linformer;

struct lf_scratch {
  std::shared_ptr<SharedScratch> scratch;
};

struct lf_layer {
  std::unique_ptr<AnyLayer> layer;
};

namespace {

void check(const lf_layer_shape& shape) {
  const auto positive = [](const char* name, int64_t value) {
    require(value >= 1 && value <= INT32_MAX, name, value, "1 to 2147483647");
  };
  positive("batch", shape.batch);
  positive("length", shape.length);
  positive("columns", shape.columns);
  positive("hidden", shape.hidden);
  positive("heads", shape.heads);
  positive("feed_forward", shape.feed_forward);
  positive("projected", shape.projected);
  require(shape.length <= shape.columns, "length", shape.length, "at most the columns");
  require(shape.hidden % shape.heads == 0, "heads", shape.heads, "what divides hidden");
  require(shape.sharing >= 0 && shape.sharing <= 2, "sharing", shape.sharing, "0, 1 and 2");
  require(shape.norm_first == 0 || shape.norm_first == 1, "norm_first", shape.norm_first, "0 and 1");
  require(shape.bf16 == 0 || shape.bf16 == 1, "bf16", shape.bf16, "0 and 1");
  require(shape.epsilon >= 0 && std::isfinite(shape.epsilon), "epsilon", shape.epsilon, "0 or more");
  require(shape.dropout >= 0 && shape.dropout < 1, "dropout", shape.dropout, "0 up to, without, 1");
}


} // namespace

int32_t lf_scratch_create(lf_scratch** scratch, lf_error* error) {
  return guardedKernel(error, [&] { *scratch = new lf_scratch{std::make_shared<SharedScratch>()}; });
}

void lf_scratch_destroy(lf_scratch* scratch) {
  delete scratch;
}

int32_t lf_layer_create(const lf_layer_shape* shape, const lf_scratch* scratch, lf_layer** layer, lf_error* error) {
  return guardedKernel(error, [&] {
    check(*shape);
    std::unique_ptr<AnyLayer> made;
    if (shape->bf16 != 0) {
      made = std::make_unique<Layer<Bf16>>(*shape, scratch->scratch);
    } else {
      made = std::make_unique<Layer<float>>(*shape, scratch->scratch);
    }
    *layer = new lf_layer{std::move(made)};
  });
}

void lf_layer_destroy(lf_layer* layer) {
  delete layer;
}

int64_t lf_layer_saved_bytes(const lf_layer* layer) {
  return layer->layer->savedBytes();
}

int32_t lf_layer_forward(
    lf_layer* layer, const lf_layer_parameters* fp32, const lf_layer_parameters* bf16, const float* x, const float* keep,
    uint64_t seed, float* y, void* saved, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::Layer);
    layer->layer->forward({fp32, bf16, x, keep, seed}, y, saved);
  });
}

int32_t lf_layer_backward(
    lf_layer* layer, const lf_layer_parameters* fp32, const lf_layer_parameters* bf16, const float* x, const float* keep,
    uint64_t seed, const void* saved, const float* dy, float* dx, const lf_layer_parameters* gradients, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::LayerBackward);
    layer->layer->backward({fp32, bf16, x, keep, seed}, saved, dy, dx, *gradients);
  });
}
