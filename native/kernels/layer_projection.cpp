#include "layer.h"

namespace linformer {

namespace {

float* floats(void* values) {
  return static_cast<float*>(values);
}

} // namespace

template <typename Element>
std::array<typename Layer<Element>::Side, 2> Layer<Element>::sidesOf(
    const LayerCall& call, const Matrices& matrices, const Saved& saved, const lf_layer_parameters& gradients) const {
  const auto& fp32 = *call.fp32;
  const Side keys{
      matrices.key, matrices.projectionKey, floats(fp32.key_bias), saved.beforeKeys, saved.keys, places_.keySums,
      places_.dKeys, floats(gradients.key_weight), floats(gradients.key_bias), floats(gradients.projection_key)};
  const Side values{
      matrices.value, matrices.projectionValue, floats(fp32.value_bias), saved.beforeValues, saved.values,
      places_.valueSums, places_.dValues, floats(gradients.value_weight), floats(gradients.value_bias),
      floats(sizes_.sharesKeyValue ? gradients.projection_key : gradients.projection_value)};
  return {keys, values};
}

template <typename Element>
const Element* Layer<Element>::maskedOperand(const Element* operand, const float* keep) {
  if (keep == nullptr) {
    return operand;
  }
  auto* masked = at<Element>(places_.masked);
  inParallel(sizes_.rows, [&](int64_t from, int64_t to, int) {
    maskRows(operand, keep, masked, sizes_.hidden, from, to);
  });
  return masked;
}

// For one sequence, whose padding `keep` tells.
template <typename Element>
const Element* Layer<Element>::maskedProjection(const Element* projection, const float* keep) {
  if (keep == nullptr) {
    return projection;
  }
  auto* masked = at<Element>(places_.maskedProjection);
  inParallel(sizes_.projectionHeads * sizes_.projected, [&](int64_t from, int64_t to, int) {
    maskColumns(projection, keep, masked, sizes_.length, sizes_.columns, from, to);
  });
  return masked;
}

// E·1 for each sequence, or, without padding, once. Returns how many numbers that are.
template <typename Element>
int64_t Layer<Element>::sumProjection(const Side& side, const float* keep) {
  const int64_t k = sizes_.projected;
  auto* sums = at<float>(side.sums);
  if (keep == nullptr) {
    sumColumns(side.projection, nullptr, sums, sizes_.length, sizes_.columns, 0, k);
    return k;
  }
  for (int64_t b = 0; b < sizes_.batch; ++b) {
    sumColumns(side.projection, keep + b * sizes_.length, sums + b * k, sizes_.length, sizes_.columns, 0, k);
  }
  return sizes_.batch * k;
}

template <typename Element>
void Layer<Element>::project(
    const LayerCall& call, const Matrices& matrices, const Element* operand, const Saved& saved) {
  const int64_t hidden = sizes_.hidden;
  const auto* input = sizes_.projectsInput ? maskedOperand(operand, call.keep) : operand;
  for (const auto& side : sidesOf(call, matrices, saved, {})) {
    if (sizes_.projectsInput) {
      if (side.result == saved.keys || !sizes_.sharesKeyValue) {
        projection_.project.run(side.projection, input, side.before, productScratch());
      }
      const int64_t period = sumProjection(side, call.keep);
      const auto* sums = at<float>(side.sums);
      auto* product = at<float>(side.gradient);
      projection_.dense.run(side.before, side.weight, product, productScratch());
      inParallel(sizes_.batch * sizes_.projected, [&](int64_t from, int64_t to, int) {
        addOuter(product, sums, period, side.bias, side.result, hidden, from, to);
      });
    } else {
      projection_.dense.run(input, side.weight, side.before, productScratch(), side.bias);
      if (call.keep != nullptr) {
        maskRows(side.before, call.keep, side.before, hidden, 0, sizes_.rows);
      }
      projection_.project.run(side.projection, side.before, side.result, productScratch());
    }
  }
}

template <typename Element>
void Layer<Element>::projectBackward(
    const LayerCall& call, const Matrices& matrices, const Element* operand, const Saved& saved, float* dOperand,
    const lf_layer_parameters& gradients) {
  const auto sides = sidesOf(call, matrices, saved, gradients);
  if (sizes_.projectsInput) {
    projectInputBackward(call, sides, operand, dOperand);
    return;
  }
  for (const auto& side : sides) {
    projectRowsBackward(call, side, operand, dOperand);
  }
}

// To E from its sums, E·1.
template <typename Element>
void Layer<Element>::addSums(const float* keep, float* dProjection) {
  const int64_t k = sizes_.projected;
  auto* dSums = at<float>(places_.dSums);
  for (int64_t b = 0; b < sizes_.batch; ++b) {
    if (keep != nullptr) {
      addOuterInPlace(dProjection, dSums + b * k, keep + b * sizes_.length, sizes_.length, sizes_.columns, 0, k);
    } else if (b > 0) {
      sumRows(dSums + b * k, dSums, k, 0, 1);
    }
  }
  if (keep == nullptr) {
    addOuterInPlace(dProjection, dSums, nullptr, sizes_.length, sizes_.columns, 0, k);
  }
}

template <typename Element>
void Layer<Element>::projectInputBackward(
    const LayerCall& call, const std::array<Side, 2>& sides, const Element* operand, float* dOperand) {
  const int64_t hidden = sizes_.hidden;
  const int64_t size = sizes_.projected * hidden;
  const int64_t projectedRows = sizes_.batch * sizes_.projected;
  const auto* input = maskedOperand(operand, call.keep);
  auto* element = at<Element>(places_.projectedElement);
  auto* dProjected = at<float>(places_.dProjected);
  auto* dSums = at<float>(places_.dSums);
  for (size_t i = 0; i < sides.size(); ++i) {
    const auto& side = sides[i];
    const auto* gradient = at<float>(side.gradient);
    const int64_t period = sumProjection(side, call.keep);
    const auto* projectionSums = at<float>(side.sums);
    inParallelSumming<1>(projectedRows, {side.dBias}, {hidden}, [&](int64_t from, int64_t to, const auto& sums) {
      addOuterBackward(gradient, projectionSums, period, side.bias, element, dSums, sums[0], hidden, from, to);
    });
    addSums(call.keep, side.dProjection);
    projection_.dDenseWeight.run(element, side.before, side.dWeight, productScratch());
    const bool adds = i > 0 && sizes_.sharesKeyValue;
    (adds ? projection_.dDenseAdded : projection_.dDense).run(element, side.weight, dProjected, productScratch());
    if (i == 0 && sizes_.sharesKeyValue) {
      continue;
    }
    inParallel(
        projectedRows, [&](int64_t from, int64_t to, int) { cast(dProjected, element, hidden, from, to); });
    for (int64_t b = 0; b < sizes_.batch; ++b) {
      const auto* keep = call.keep != nullptr ? call.keep + b * sizes_.length : nullptr;
      projection_.dProjection.run(
          element + b * size, input + b * sizes_.length * hidden, side.dProjection, productScratch());
      projection_.dInput.run(
          maskedProjection(side.projection, keep), element + b * size, dOperand + b * sizes_.length * hidden,
          productScratch());
    }
  }
}

template <typename Element>
void Layer<Element>::projectRowsBackward(
    const LayerCall& call, const Side& side, const Element* operand, float* dOperand) {
  const int64_t hidden = sizes_.hidden;
  const int64_t size = sizes_.projected * hidden;
  auto* element = at<Element>(places_.projectedElement);
  auto* dRows = at<Element>(places_.dRows);
  const auto* gradient = at<float>(side.gradient);
  inParallel(sizes_.batch * sizes_.projected, [&](int64_t from, int64_t to, int) {
    cast(gradient, element, hidden, from, to);
  });
  for (int64_t b = 0; b < sizes_.batch; ++b) {
    const auto* keep = call.keep != nullptr ? call.keep + b * sizes_.length : nullptr;
    const int64_t row = b * sizes_.length * hidden;
    projection_.dProjection.run(element + b * size, side.before + row, side.dProjection, productScratch());
    projection_.dInput.run(maskedProjection(side.projection, keep), element + b * size, dRows + row, productScratch());
  }
  inParallelSumming<1>(sizes_.rows, {side.dBias}, {hidden}, [&](int64_t from, int64_t to, const auto& sums) {
    sumRows(dRows, sums[0], hidden, from, to);
  });
  projection_.dDenseWeight.run(dRows, operand, side.dWeight, productScratch());
  projection_.dDenseAdded.run(dRows, side.weight, dOperand, productScratch());
}

template class Layer<float>;
template class Layer<Bf16>;

} // namespace linformer
