#include "attention.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "guarded.h"
#include "lanes.h"
#include "parallel.h"
#include "profile.h"

namespace linformer {

namespace {

template <typename Element>
constexpr int64_t bytesOf(int64_t count) {
  return count * static_cast<int64_t>(sizeof(Element));
}

std::vector<ChunkProducts> productsFor(const AttentionSizes& sizes, const std::vector<Chunk>& chunks) {
  const OneThread made;
  std::vector<ChunkProducts> products;
  for (const auto& chunk : chunks) {
    if (chunk.kind == products.size()) {
      products.emplace_back(sizes, chunk.length);
    }
  }
  return products;
}

float* floats(void* values) {
  return static_cast<float*>(values);
}

} // namespace

template <typename Element>
Attention<Element>::Attention(const lf_attention_shape& shape)
    : sizes_(shape),
      probability_(shape.dropout),
      scale_(1.0f / std::sqrt(static_cast<float>(sizes_.headSize))),
      chunks_(chunksOf(sizes_, omp_get_max_threads())),
      projected_(sizes_) {
  layout(nullptr, true, &savedBytes_);
  Plan sizes;
  places_ = plan(sizes);
  scratch_ = Scratch(sizes.size());
  for (int lane = 0; lane <= chunks_.back().lane; ++lane) {
    auto products = productsFor(sizes_, chunks_);
    Plan own;
    lane_ = planLane(own, products);
    lanes_.push_back({std::move(products), Scratch(own.size())});
  }
}

template <typename Element>
int64_t Attention<Element>::savedBytes() const {
  return savedBytes_;
}

template <typename Element>
typename Attention<Element>::Places Attention<Element>::plan(Plan& plan) const {
  const int64_t hidden = sizes_.hidden;
  Places places;
  places.products = plan.add(static_cast<int64_t>(projected_.scratchBytes()));
  places.product = plan.add(bytesOf<float>(projectedSize()));
  for (size_t i = 0; i < 2; ++i) {
    places.gradient[i] = plan.add(bytesOf<float>(projectedSize()));
    places.dSums[i] = plan.add(bytesOf<float>(sizes_.batch * sizes_.projected));
    places.element[i] = plan.add(bytesOf<Element>(projectedSize()));
  }
  places.matrices = plan.add(bytesOf<Element>(4 * hidden * hidden));
  int64_t kept = 0;
  layout(nullptr, false, &kept);
  places.kept = plan.add(kept);
  return places;
}

template <typename Element>
typename Attention<Element>::LanePlaces Attention<Element>::planLane(
    Plan& plan, const std::vector<ChunkProducts>& products) const {
  const int64_t hidden = sizes_.hidden;
  const int64_t length = chunks_.front().length;
  const int64_t weights = length * sizes_.projected;
  const int64_t columns = length * sizes_.projectionHeads * sizes_.projected;
  size_t scratch = 0;
  for (const auto& some : products) {
    scratch = std::max(scratch, some.scratchBytes());
  }
  LanePlaces places;
  for (auto* place : {&places.operand, &places.dyOperand, &places.query, &places.mixed, &places.dMixed, &places.dQuery,
                      &places.rows, &places.dRows}) {
    *place = plan.add(bytesOf<Element>(length * hidden));
  }
  places.scores = plan.add(bytesOf<float>(weights));
  for (auto* place : {&places.weights, &places.dropped, &places.dScores}) {
    *place = plan.add(bytesOf<Element>(weights));
  }
  places.packed = plan.add(bytesOf<Element>(columns));
  places.dPacked = plan.add(bytesOf<float>(columns));
  places.products = plan.add(static_cast<int64_t>(scratch));
  for (auto* place : {&places.dWeight[0], &places.dWeight[1], &places.dQueryWeight, &places.dOutputWeight}) {
    *place = plan.add(bytesOf<float>(hidden * hidden));
  }
  for (auto* place : {&places.dBias[0], &places.dBias[1], &places.dQueryBias, &places.dOutputBias}) {
    *place = plan.add(bytesOf<float>(hidden));
  }
  for (size_t i = 0; i < 2; ++i) {
    places.result[i] = plan.add(bytesOf<float>(projectedSize()));
    places.sums[i] = plan.add(bytesOf<float>(sizes_.batch * sizes_.projected));
  }
  return places;
}

template <typename Element>
typename Attention<Element>::Saved Attention<Element>::layout(char* memory, bool whole, int64_t* bytes) const {
  const int64_t projected = sizes_.batch * sizes_.projected;
  const int64_t rows = sizes_.batch * sizes_.length;
  Plan plan;
  Saved saved{};
  const auto elements = [&](int64_t count) {
    return reinterpret_cast<Element*>(memory + plan.add(bytesOf<Element>(count)));
  };
  for (int64_t i = 0; i < 2; ++i) {
    auto& side = saved.sides[static_cast<size_t>(i)];
    side.result = elements(projectedSize());
    if (i < sizes_.projections) {
      side.before = elements(sizes_.projectsInput ? projectedSize() : 0);
      side.sums = reinterpret_cast<float*>(memory + plan.add(bytesOf<float>(projected)));
    } else {
      side.before = saved.sides[0].before;
      side.sums = saved.sides[0].sums;
    }
  }
  if (whole) {
    saved.query = elements(rows * sizes_.hidden);
    saved.mixed = elements(rows * sizes_.hidden);
    saved.logSums = reinterpret_cast<float*>(memory + plan.add(bytesOf<float>(rows * sizes_.heads)));
  }
  *bytes = plan.size();
  return saved;
}

template <typename Element>
typename Attention<Element>::Saved Attention<Element>::savedFor(void* memory) const {
  int64_t bytes = 0;
  return memory != nullptr ? layout(static_cast<char*>(memory), true, &bytes)
                           : layout(scratch_.at(places_.kept), false, &bytes);
}

template <typename Element>
typename Attention<Element>::Matrices Attention<Element>::matricesOf(const AttentionCall& call) {
  const auto& from = *call.parameters;
  if constexpr (std::is_same_v<Element, float>) {
    return {floats(from.query_weight), floats(from.key_weight), floats(from.value_weight), floats(from.output_weight)};
  } else {
    const int64_t size = sizes_.hidden * sizes_.hidden;
    auto* matrices = at<Element>(places_.matrices);
    int64_t next = 0;
    for (const void* matrix : {from.query_weight, from.key_weight, from.value_weight, from.output_weight}) {
      Element* const copy = matrices + next;
      inParallel(sizes_.hidden, [&](int64_t first, int64_t last, int) {
        cast(static_cast<const float*>(matrix), copy, sizes_.hidden, first, last);
      });
      next += size;
    }
    return {matrices, matrices + size, matrices + 2 * size, matrices + 3 * size};
  }
}

template <typename Element>
typename Attention<Element>::Sides Attention<Element>::sidesOf(
    const AttentionCall& call, const Matrices& matrices, const Saved& saved,
    const lf_attention_parameters& gradients) const {
  const auto& from = *call.parameters;
  const bool one = sizes_.projections == 1;
  const Side keys{
      0, saved.sides[0], matrices.key, floats(from.key_bias), floats(from.projection_key),
      floats(gradients.key_weight), floats(gradients.key_bias), floats(gradients.projection_key)};
  const Side values{
      1, saved.sides[1], matrices.value, floats(from.value_bias),
      floats(one ? from.projection_key : from.projection_value), floats(gradients.value_weight),
      floats(gradients.value_bias), floats(one ? gradients.projection_key : gradients.projection_value)};
  return {keys, values};
}

// Rows for the products: as they are, or in bf16.
template <typename Element>
const Element* Attention<Element>::castRows(const Chunk& chunk, const float* rows, int64_t place) const {
  if constexpr (std::is_same_v<Element, float>) {
    return rows;
  } else {
    auto* made = at<Element>(chunk, place);
    cast(rows, made, sizes_.hidden, 0, chunk.length);
    return made;
  }
}

template <typename Element>
const Element* Attention<Element>::operandOf(const Chunk& chunk, const AttentionCall& call) const {
  return castRows(chunk, call.x + firstRow(chunk) * sizes_.hidden, lane_.operand);
}

template <typename Element>
const float* Attention<Element>::keepOf(const Chunk& chunk, const AttentionCall& call) const {
  return call.keep != nullptr ? call.keep + firstRow(chunk) : nullptr;
}

// The chunk's columns of E, with those of padding zeroed: that is as good as zeroed keys. Adds to E·1 unless sums is null.
template <typename Element>
const Element* Attention<Element>::packed(
    const Chunk& chunk, const AttentionCall& call, const Side& side, float* sums) const {
  auto* columns = at<Element>(chunk, lane_.packed);
  packColumns(
      side.projection + chunk.position, keepOf(chunk, call), columns, sums, chunk.length, sizes_.columns, 0,
      sizes_.projectionHeads * sizes_.projected);
  return columns;
}

template <typename Element>
void Attention<Element>::clearLanes(int64_t place, int64_t count) {
  for (const auto& lane : lanes_) {
    std::fill_n(reinterpret_cast<float*>(lane.scratch.at(place)), count, 0.0f);
  }
}

template <typename Element>
void Attention<Element>::addLanes(int64_t place, int64_t count, float* target, bool accumulate) const {
  inParallel(count, [&](int64_t from, int64_t to, int) {
    for (size_t lane = 0; lane < lanes_.size(); ++lane) {
      const auto* own = reinterpret_cast<const float*>(lanes_[lane].scratch.at(place));
      if (lane == 0 && !accumulate) {
        std::copy(own + from, own + to, target + from);
      } else {
        sumRows(own + from, target + from, to - from, 0, 1);
      }
    }
  });
}

template <typename Element>
Dropout Attention<Element>::dropout(const AttentionCall& call) const {
  return drops_ ? Dropout::of(call.seed, Site::AttentionWeights, probability_) : Dropout::none();
}

template class Attention<float>;
template class Attention<Bf16>;

} // namespace linformer

using namespace linformer;

struct lf_attention {
  std::unique_ptr<AnyAttention> attention;
};

namespace {

void check(const lf_attention_shape& shape) {
  const auto positive = [](const char* name, int64_t value) {
    require(value >= 1 && value <= INT32_MAX, name, value, "1 to 2147483647");
  };
  positive("batch", shape.batch);
  positive("length", shape.length);
  positive("columns", shape.columns);
  positive("hidden", shape.hidden);
  positive("heads", shape.heads);
  positive("projected", shape.projected);
  require(shape.length <= shape.columns, "length", shape.length, "at most the columns");
  require(shape.hidden % shape.heads == 0, "heads", shape.heads, "what divides hidden");
  require(shape.sharing >= 0 && shape.sharing <= 2, "sharing", shape.sharing, "0, 1 and 2");
  require(shape.bf16 == 0 || shape.bf16 == 1, "bf16", shape.bf16, "0 and 1");
  require(shape.dropout >= 0 && shape.dropout < 1, "dropout", shape.dropout, "0 up to, without, 1");
}

} // namespace

int32_t lf_attention_create(const lf_attention_shape* shape, lf_attention** attention, lf_error* error) {
  return guardedKernel(error, [&] {
    check(*shape);
    std::unique_ptr<AnyAttention> made;
    if (shape->bf16 != 0) {
      made = std::make_unique<Attention<Bf16>>(*shape);
    } else {
      made = std::make_unique<Attention<float>>(*shape);
    }
    *attention = new lf_attention{std::move(made)};
  });
}

void lf_attention_destroy(lf_attention* attention) {
  delete attention;
}

int64_t lf_attention_saved_bytes(const lf_attention* attention) {
  return attention->attention->savedBytes();
}

int32_t lf_attention_forward(
    lf_attention* attention, const lf_attention_parameters* parameters, const float* x, const float* keep, uint64_t seed,
    float* y, void* saved, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::Attention);
    attention->attention->forward({parameters, x, keep, seed}, y, saved);
  });
}

int32_t lf_attention_backward(
    lf_attention* attention, const lf_attention_parameters* parameters, const float* x, const float* keep, uint64_t seed,
    const void* saved, const float* dy, float* dx, const lf_attention_parameters* gradients, lf_error* error) {
  return guardedKernel(error, [&] {
    const Timed timed(Kernel::AttentionBackward);
    attention->attention->backward({parameters, x, keep, seed}, saved, dy, dx, *gradients);
  });
}
