// Attention by itself, forward and backward, a chunk of rows at a time, each thread its own. For backward, queries and what the weights
// mix are kept, but not the weights, which are larger than both: they are computed again.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "activation.h"
#include "attention_products.h"
#include "linformer_kernels.h"
#include "rows.h"
#include "scratch.h"

namespace linformer {

// What a call works on.
struct AttentionCall {
  const lf_attention_parameters* parameters;
  const float* x;
  const float* keep; // Null: nothing is padded.
  uint64_t seed;
};

class AnyAttention {
 public:
  virtual ~AnyAttention() = default;
  virtual int64_t savedBytes() const = 0;
  virtual void forward(const AttentionCall& call, float* y, void* saved) = 0;
  virtual void backward(
      const AttentionCall& call, const void* saved, const float* dy, float* dx,
      const lf_attention_parameters& gradients) = 0;
};

// Element: what goes into products, float or Bf16.
template <typename Element>
class Attention final : public AnyAttention {
 public:
  explicit Attention(const lf_attention_shape& shape);
  int64_t savedBytes() const override;
  void forward(const AttentionCall& call, float* y, void* saved) override;
  void backward(
      const AttentionCall& call, const void* saved, const float* dy, float* dx,
      const lf_attention_parameters& gradients) override;

 private:
  struct Matrices {
    const Element *query, *key, *value, *output;
  };

  // What forward leaves for backward, of keys and of values.
  struct SavedSide {
    Element* result; // [batch, k, hidden]
    Element* before; // E·X: [batch, k, hidden], where the input is projected.
    float* sums;     // E·1: [batch, k], likewise.
  };
  struct Saved {
    std::array<SavedSide, 2> sides;
    Element *query, *mixed; // [rows, hidden]; null when nothing is kept.
    float* logSums;         // [rows, heads], in the order of the weights: of softmax; likewise.
  };

  // Of keys, or of values.
  struct Side {
    size_t number; // 0 or 1.
    SavedSide saved;
    const Element* weight;
    const float *bias, *projection;
    float *dWeight, *dBias, *dProjection;
  };
  using Sides = std::array<Side, 2>;

  // Offsets in the memory that all lanes share.
  struct Places {
    int64_t matrices;                       // Element, where they have to be made.
    int64_t kept;                           // What Saved points to when nothing is kept.
    int64_t products;                       // Scratch of oneDNN.
    int64_t product;                        // fp32 [batch, k, hidden]
    std::array<int64_t, 2> gradient, dSums; // fp32 [batch, k, hidden]; [batch, k].
    std::array<int64_t, 2> element;         // Element [batch, k, hidden].
  };

  // Offsets in the memory of each lane. Sums are of its chunks only, until they are added to those of the others.
  struct LanePlaces {
    int64_t products;                         // Scratch of oneDNN.
    int64_t operand, dyOperand;               // Element [chunk, hidden].
    int64_t query, mixed;                     // Element [chunk, hidden], when nothing is kept.
    int64_t dMixed, dQuery;                   // Element [chunk, hidden].
    int64_t scores;                           // fp32 [chunk, k], of a head.
    int64_t weights, dropped, dScores;        // Element [chunk, k], of a head.
    int64_t packed;                           // Element [projection heads, k, chunk]: columns of E.
    int64_t dPacked;                          // fp32, likewise.
    int64_t rows, dRows;                      // Element [chunk, hidden]: keys before they are projected.
    std::array<int64_t, 2> result, sums;      // fp32 [batch, k, hidden]; [batch, k]: of keys and values, and of E·1.
    std::array<int64_t, 2> dWeight, dBias;    // fp32 [hidden, hidden]; [hidden]: of keys and values.
    int64_t dQueryWeight, dQueryBias, dOutputWeight, dOutputBias;
  };

  struct Lane {
    std::vector<ChunkProducts> products; // By kind of chunk.
    Scratch scratch;
  };

  Places plan(Plan& plan) const;
  LanePlaces planLane(Plan& plan, const std::vector<ChunkProducts>& products) const;
  Saved layout(char* memory, bool whole, int64_t* bytes) const;
  Saved savedFor(void* memory) const;
  Matrices matricesOf(const AttentionCall& call);
  Sides sidesOf(
      const AttentionCall& call, const Matrices& matrices, const Saved& saved,
      const lf_attention_parameters& gradients) const;
  const Element* castRows(const Chunk& chunk, const float* rows, int64_t place) const;
  const Element* operandOf(const Chunk& chunk, const AttentionCall& call) const;
  const Element* packed(const Chunk& chunk, const AttentionCall& call, const Side& side, float* sums) const;
  const float* keepOf(const Chunk& chunk, const AttentionCall& call) const;
  Dropout dropout(const AttentionCall& call) const;

  // Runs body(chunk) for all chunks, each lane in the order of its own.
  template <typename Body>
  void forChunks(Body body);
  void clearLanes(int64_t place, int64_t count);
  // target = or += the sum of what the lanes have, in their order.
  void addLanes(int64_t place, int64_t count, float* target, bool accumulate) const;

  // attention_forward.cpp
  void project(const AttentionCall& call, const Sides& sides);
  void finishProjectedInput(const Sides& sides);
  void scoresOf(const Chunk& chunk, const Sides& sides, const Element* query, int64_t head) const;
  const Element* weigh(
      const Chunk& chunk, const AttentionCall& call, const Sides& sides, const Saved& saved, const Element* query,
      int64_t head) const;

  // attention_backward.cpp
  void attendBackward(
      const Chunk& chunk, const AttentionCall& call, const Matrices& matrices, const Saved& saved, const Sides& sides,
      const float* dy, float* dx) const;
  const Element* weightsBackward(
      const Chunk& chunk, const AttentionCall& call, const Saved& saved, const Sides& sides) const;
  void startProjectedInputBackward(const Sides& sides);
  void inputBackward(
      const Chunk& chunk, const AttentionCall& call, const Side& side, const Element* operand, float* dx) const;
  void rowsBackward(
      const Chunk& chunk, const AttentionCall& call, const Side& side, const Element* operand, float* dx) const;
  void projectionBackward(
      const Chunk& chunk, const AttentionCall& call, const Side& side, const Element* input) const;

  template <typename Type>
  Type* at(int64_t place) const {
    return reinterpret_cast<Type*>(scratch_.at(place));
  }

  template <typename Type>
  Type* at(const Chunk& chunk, int64_t place) const {
    return reinterpret_cast<Type*>(lanes_[static_cast<size_t>(chunk.lane)].scratch.at(place));
  }

  void* productScratch(const Chunk& chunk) const {
    return at<char>(chunk, lane_.products);
  }

  int64_t firstRow(const Chunk& chunk) const {
    return chunk.sequence * sizes_.length + chunk.position;
  }

  // Of attention weights [batch, chunks, heads, chunk, k]: the number of a head's first row, for the dropout.
  int64_t weightsRow(const Chunk& chunk, int64_t head) const {
    return firstRow(chunk) * sizes_.heads + head * chunk.length;
  }

  // Where a head begins in the rows of [.., hidden].
  template <typename Type>
  Type* ofHead(Type* rows, int64_t head) const {
    return rows + head * sizes_.headSize;
  }

  const ChunkProducts& productsOf(const Chunk& chunk) const {
    return lanes_[static_cast<size_t>(chunk.lane)].products[chunk.kind];
  }

  Element* queryOf(const Chunk& chunk, const Saved& saved) const {
    return saved.query != nullptr ? saved.query + firstRow(chunk) * sizes_.hidden : at<Element>(chunk, lane_.query);
  }

  Element* mixedOf(const Chunk& chunk, const Saved& saved) const {
    return saved.mixed != nullptr ? saved.mixed + firstRow(chunk) * sizes_.hidden : at<Element>(chunk, lane_.mixed);
  }

  // Of the sequence in arrays [batch, k, hidden].
  int64_t projectedOf(const Chunk& chunk) const {
    return chunk.sequence * sizes_.projected * sizes_.hidden;
  }

  int64_t projectedSize() const {
    return sizes_.batch * sizes_.projected * sizes_.hidden;
  }

  // Sums over the sequence: of E·X by projection, or of E·K by side.
  size_t projections() const {
    return sizes_.projectsInput ? static_cast<size_t>(sizes_.projections) : size_t{2};
  }

  const AttentionSizes sizes_;
  const float probability_;
  const float scale_; // Of the scores.
  const std::vector<Chunk> chunks_;
  ProjectedProducts projected_;
  int64_t savedBytes_ = 0;
  Places places_;
  LanePlaces lane_;
  Scratch scratch_;
  std::vector<Lane> lanes_;
  bool drops_ = false; // In this call.
};

} // namespace linformer
