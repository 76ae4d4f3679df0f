// One layer of the encoder, forward and backward.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "activation.h"
#include "layer_products.h"
#include "linformer_kernels.h"
#include "norm.h"
#include "parallel.h"
#include "rows.h"
#include "scratch.h"

namespace linformer {

// What a call works on.
struct LayerCall {
  const lf_layer_parameters* fp32;
  const lf_layer_parameters* bf16;
  const float* x;
  const float* keep; // Null: nothing is padded.
  uint64_t seed;
};

class AnyLayer {
 public:
  virtual ~AnyLayer() = default;
  virtual int64_t savedBytes() const = 0;
  virtual void forward(const LayerCall& call, float* y, void* saved) = 0;
  virtual void backward(
      const LayerCall& call, const void* saved, const float* dy, float* dx, const lf_layer_parameters& gradients) = 0;
};

// Element: what goes into products, float or Bf16.
template <typename Element>
class Layer final : public AnyLayer {
 public:
  Layer(const lf_layer_shape& shape, std::shared_ptr<SharedScratch> scratch);
  int64_t savedBytes() const override;
  void forward(const LayerCall& call, float* y, void* saved) override;
  void backward(
      const LayerCall& call, const void* saved, const float* dy, float* dx,
      const lf_layer_parameters& gradients) override;

 private:
  // The matrices for the products.
  struct Matrices {
    const Element *query, *key, *value, *output, *input, *feedForwardOutput, *projectionKey, *projectionValue;
  };

  // What forward leaves for backward. Keys and values are projected: [batch, k, hidden].
  struct Saved {
    Element *attentionNormal, *feedForwardNormal; // [rows, hidden]: normalized, before weight and bias.
    float *attentionRstd, *feedForwardRstd;       // [rows]
    Element *query, *mixed;                       // [rows, hidden]
    Element *weights;                             // [rows, heads, k]; by block [sequence, head, row, k].
    Element *preactivation;                       // [rows, feedForward]
    Element *keys, *values;
    Element *beforeKeys, *beforeValues; // E·X and F·X: [batch, k, hidden]; or K and V: [rows, hidden].
    int64_t step;                       // 0: what is by row is kept for one block only, and overwritten by the next.
  };

  // Offsets in the scratch; what is used at different times may lie at the same place.
  struct Places {
    int64_t matrices;                  // Elements of Matrices, where they have to be made.
    int64_t operand, masked;           // Element [rows, hidden]: the input of attention, and that with padding zeroed.
    int64_t kept;                      // What Saved points to when nothing is kept.
    int64_t products;                  // Scratch of oneDNN.
    int64_t branch;                    // fp32 [block rows, hidden].
    int64_t normalized;                // Element [block rows, hidden].
    int64_t activation, dActivation;   // Element [block rows, feedForward].
    int64_t scores;                    // fp32 [block rows, heads, k].
    int64_t dropped, dScores;          // Element [block rows, heads, k].
    int64_t dBranch, dMixed, dQuery;   // Element [block rows, hidden].
    int64_t dNormalized;               // fp32 [rows, hidden]: of the operand, when the norm comes first.
    int64_t dKeys, dValues;            // fp32 [batch, k, hidden].
    int64_t dProjected;                // fp32 [batch, k, hidden].
    int64_t projectedElement;          // Element [batch, k, hidden].
    int64_t keySums, valueSums, dSums; // fp32 [batch, k]: E·1.
    int64_t maskedProjection;          // Element, as E.
    int64_t dRows;                     // Element [rows, hidden].
  };

  Places plan(Plan& plan) const;
  Saved layout(char* memory, bool whole, int64_t* bytes) const;
  Saved savedFor(void* memory) const;

  // layer_forward.cpp
  void attend(
      const Block& block, const LayerCall& call, const Matrices& matrices, const Element* operand, const Saved& saved,
      float* y);
  void feedForward(const Block& block, const LayerCall& call, const Matrices& matrices, const Saved& saved, float* y);
  const Element* castOperand(const float* x);
  const Element* normalizedOperand(const LayerCall& call, const Saved& saved);

  // layer_backward.cpp
  void feedForwardBackward(
      const Block& block, const LayerCall& call, const Matrices& matrices, const Saved& saved, const float* dy,
      float* dx, const lf_layer_parameters& gradients);
  void attendBackward(
      const Block& block, const LayerCall& call, const Matrices& matrices, const Element* operand, const Saved& saved,
      const float* dy, float* dx, float* dOperand, const lf_layer_parameters& gradients);
  const Element* weightsBackward(
      const Block& block, const LayerCall& call, const Saved& saved, const Element* dMixed);
  const Element* branchOperand(NormBackward<Element>& pass) const;

  // layer_projection.cpp: keys and values, projected to k rows.
  void project(const LayerCall& call, const Matrices& matrices, const Element* operand, const Saved& saved);
  void projectBackward(
      const LayerCall& call, const Matrices& matrices, const Element* operand, const Saved& saved, float* dOperand,
      const lf_layer_parameters& gradients);

  // Of keys, or of values.
  struct Side {
    const Element *weight, *projection;
    const float* bias;
    Element *before, *result; // In Saved.
    int64_t sums, gradient;   // Places: of E·1, and of the gradient of the result.
    float *dWeight, *dBias, *dProjection;
  };
  std::array<Side, 2> sidesOf(
      const LayerCall& call, const Matrices& matrices, const Saved& saved, const lf_layer_parameters& gradients) const;
  const Element* maskedOperand(const Element* operand, const float* keep);
  const Element* maskedProjection(const Element* projection, const float* keep);
  int64_t sumProjection(const Side& side, const float* keep);
  void addSums(const float* keep, float* dProjection);
  void projectInputBackward(
      const LayerCall& call, const std::array<Side, 2>& sides, const Element* operand, float* dOperand);
  void projectRowsBackward(const LayerCall& call, const Side& side, const Element* operand, float* dOperand);

  Matrices matricesOf(const LayerCall& call);
  const float* paddingIn(const float* keep) const;

  template <typename Type>
  Type* at(int64_t place) const {
    return reinterpret_cast<Type*>(scratch_->at(place));
  }

  void* productScratch() const {
    return scratch_->at(places_.products);
  }

  int64_t firstRow(const Block& block) const {
    return block.sequence * sizes_.length + block.position;
  }

  int64_t rowsOf(const Block& block) const {
    return block.sequences * block.length;
  }

  Dropout dropout(const LayerCall& call, Site site) const;

  const LayerSizes sizes_;
  const float epsilon_, probability_;
  const float scale_; // Of the scores.
  const std::vector<Block> blocks_;
  std::vector<BlockProducts> products_; // By kind of block.
  ProjectionProducts projection_;
  int64_t blockRows_; // Of the largest block.
  int64_t savedBytes_;
  Places places_;
  int64_t scratchBytes_;
  const std::shared_ptr<SharedScratch> scratch_;
  bool drops_ = false; // In this call.
};

} // namespace linformer
