// The C ABI of linformer_kernels: the blocks of a masked language model on the CPU, forward and backward, with raw pointers and
// without libtorch. Every function that returns a code catches everything, and tells why in error (codes: ../failure.h).
//
// Arrays are contiguous and row-major, in the order of the dimensions that are named. "bf16" is the upper half of an fp32, as uint16_t.
// Gradients of parameters are fp32 and are added to what is there. Work is spread over OpenMP's threads (OMP_NUM_THREADS);
// with the same number of threads the same input gives the same bits.
#pragma once

#include "../linformer_native.h"

// Bits of what lf_kernels_capabilities returns.
enum {
  LF_KERNELS_VECTORISED = 1, // AVX2 or better: without it these functions work, but slower than others would.
  LF_KERNELS_BF16 = 2,       // Products of bf16 in hardware: AVX512_BF16 or AMX.
};

LF_EXPORT int32_t lf_kernels_capabilities(void);

// ---- A layer of the encoder: attention and feed-forward, each with its residual and norm. ----

struct lf_layer_shape {
  int64_t batch, length; // Of x: [batch, length, hidden].
  int64_t columns;       // Of E and F (n). Length is at most columns; the first `length` columns are used.
  int64_t hidden, heads, feed_forward, projected;
  int32_t sharing;    // 0: E and F are [heads, projected, columns]; 1: [projected, columns]; 2: the same, and F is E.
  int32_t norm_first; // 1: x + f(norm(x)); 0: norm(x + f(x)).
  int32_t bf16;       // 1: products and saved activations in bf16; the residual stream, sums, statistics and gradients stay fp32.
  float epsilon;      // Of the norms.
  float dropout;      // In [0, 1).
};

// In the order of the mathematics; weights are [outputs, inputs].
struct lf_layer_parameters {
  void* query_weight;
  void* query_bias;
  void* key_weight;
  void* key_bias;
  void* value_weight;
  void* value_bias;
  void* output_weight;
  void* output_bias;
  void* attention_norm_weight;
  void* attention_norm_bias;
  void* input_weight; // Of the feed-forward: [feed_forward, hidden].
  void* input_bias;
  void* feed_forward_output_weight; // [hidden, feed_forward].
  void* feed_forward_output_bias;
  void* feed_forward_norm_weight;
  void* feed_forward_norm_bias;
  void* projection_key;   // E.
  void* projection_value; // F; not read when sharing is 2.
};

// Scratch that layers of several shapes take turns with: it grows to what the largest of them needs.
struct lf_scratch;

LF_EXPORT int32_t lf_scratch_create(lf_scratch** scratch, lf_error* error);
LF_EXPORT void lf_scratch_destroy(lf_scratch* scratch); // Layers that were made with it keep it.

// Primitives for layers of one shape; it holds no parameters, so one serves all layers of a model. One call at a time, also of those
// that have the same scratch.
struct lf_layer;

LF_EXPORT int32_t lf_layer_create(const lf_layer_shape* shape, const lf_scratch* scratch, lf_layer** layer, lf_error* error);
LF_EXPORT void lf_layer_destroy(lf_layer* layer);

// Bytes that a forward keeps for its backward; they want an alignment of 64.
LF_EXPORT int64_t lf_layer_saved_bytes(const lf_layer* layer);

// `bf16`: the weights and projections in bf16 (its biases and norms are not read); null: they are made from `fp32` in each call.
// Not read when the shape says fp32.
// `keep`: [batch, length], 1 for a token and 0 for padding; null: nothing is padded.
// `seed`: of the dropout; the same one goes to backward.
// `saved`: null for evaluation, which also leaves out dropout.
// y: [batch, length, hidden]; not x.
LF_EXPORT int32_t lf_layer_forward(
    lf_layer* layer, const lf_layer_parameters* fp32, const lf_layer_parameters* bf16, const float* x, const float* keep,
    uint64_t seed, float* y, void* saved, lf_error* error);

// With what forward was given. Dx: [batch, length, hidden], written whole; not dy.
LF_EXPORT int32_t lf_layer_backward(
    lf_layer* layer, const lf_layer_parameters* fp32, const lf_layer_parameters* bf16, const float* x, const float* keep,
    uint64_t seed, const void* saved, const float* dy, float* dx, const lf_layer_parameters* gradients, lf_error* error);

// ---- Attention by itself, for sequences of any length: nothing of the size [length, projected] is ever there. ----

struct lf_attention_shape {
  int64_t batch, length; // Of x: [batch, length, hidden].
  int64_t columns;       // Of E and F (n). Length is at most columns; the first `length` columns are used.
  int64_t hidden, heads, projected;
  int32_t sharing; // 0: E and F are [heads, projected, columns]; 1: [projected, columns]; 2: the same, and F is E.
  int32_t bf16;    // 1: products in bf16; x, y, sums and gradients stay fp32.
  float dropout;   // Of the attention weights, in [0, 1).
};

// In the order of the mathematics; weights are [outputs, inputs].
struct lf_attention_parameters {
  void* query_weight;
  void* query_bias;
  void* key_weight;
  void* key_bias;
  void* value_weight;
  void* value_bias;
  void* output_weight;
  void* output_bias;
  void* projection_key;   // E.
  void* projection_value; // F; not read when sharing is 2.
};

// Primitives and scratch for attention of one shape. One call at a time.
struct lf_attention;

LF_EXPORT int32_t lf_attention_create(const lf_attention_shape* shape, lf_attention** attention, lf_error* error);
LF_EXPORT void lf_attention_destroy(lf_attention* attention);

// Bytes that a forward keeps for its backward; they want an alignment of 64.
LF_EXPORT int64_t lf_attention_saved_bytes(const lf_attention* attention);

// `keep`, `seed`, `saved` as of lf_layer_forward. y: [batch, length, hidden]; not x.
LF_EXPORT int32_t lf_attention_forward(
    lf_attention* attention, const lf_attention_parameters* parameters, const float* x, const float* keep, uint64_t seed,
    float* y, void* saved, lf_error* error);

// With what forward was given. Dx: [batch, length, hidden], written whole; not dy.
LF_EXPORT int32_t lf_attention_backward(
    lf_attention* attention, const lf_attention_parameters* parameters, const float* x, const float* keep, uint64_t seed,
    const void* saved, const float* dy, float* dx, const lf_attention_parameters* gradients, lf_error* error);

// ---- Embedding: dropout(norm(tokens[ids] + positions)). ----

struct lf_embedding_shape {
  int64_t batch, length; // Of ids: [batch, length].
  int64_t vocabulary, positions, hidden; // Tokens: [vocabulary, hidden]; positions: [positions, hidden], of which the first `length` are used.
  float epsilon; // Of the norm.
  float dropout; // In [0, 1).
};

// Norm_weight and norm_bias: null for none. Saved: lf_embedding_saved_bytes (without a norm nothing is written there, and any address
// will do), or null for evaluation, which also leaves out dropout. An id out of range is an error, and nothing is written.
LF_EXPORT int64_t lf_embedding_saved_bytes(const lf_embedding_shape* shape);
LF_EXPORT int32_t lf_embedding_forward(
    const lf_embedding_shape* shape, const float* tokens, const float* positions, const float* norm_weight, const float* norm_bias,
    const int64_t* ids, uint64_t seed, float* y, void* saved, lf_error* error);
LF_EXPORT int32_t lf_embedding_backward(
    const lf_embedding_shape* shape, const float* tokens, const float* positions, const float* norm_weight, const float* norm_bias,
    const int64_t* ids, uint64_t seed, const void* saved, const float* dy, float* dtokens, float* dpositions, float* dnorm_weight,
    float* dnorm_bias, lf_error* error);

// ---- Head of a masked language model, with its loss, on the rows that are predicted. ----

struct lf_head_shape {
  int64_t rows; // Of hidden states: batch · length.
  int64_t hidden, vocabulary;
  int32_t norm_first; // 1: the final norm of a pre-norm encoder is applied to the predicted rows first.
  int32_t bf16;
  float epsilon;
};

struct lf_head_parameters {
  void* final_norm_weight; // Read when norm_first is 1.
  void* final_norm_bias;
  void* dense_weight; // [hidden, hidden].
  void* dense_bias;
  void* norm_weight;
  void* norm_bias;
  void* tokens; // [vocabulary, hidden], the token embeddings.
  void* bias;   // [vocabulary].
};

struct lf_head;

LF_EXPORT int32_t lf_head_create(const lf_head_shape* shape, lf_head** head, lf_error* error);
LF_EXPORT void lf_head_destroy(lf_head* head);
LF_EXPORT int64_t lf_head_saved_bytes(const lf_head* head, int64_t predicted);

// Positions: the rows that are predicted, in any order; targets: their tokens. One out of range is an error, and nothing is written.
// Loss: the sum over them. Saved: null for evaluation; else lf_head_saved_bytes, aligned to 64.
LF_EXPORT int32_t lf_head_forward(
    lf_head* head, const lf_head_parameters* fp32, const lf_head_parameters* bf16, const float* hidden, const int64_t* positions,
    const int64_t* targets, int64_t predicted, double* loss, void* saved, lf_error* error);

// Of scale · loss. Dhidden: [rows, hidden], written whole.
LF_EXPORT int32_t lf_head_backward(
    lf_head* head, const lf_head_parameters* fp32, const lf_head_parameters* bf16, const float* hidden, const int64_t* positions,
    const int64_t* targets, int64_t predicted, float scale, const void* saved, float* dhidden, const lf_head_parameters* gradients,
    lf_error* error);

// ---- Where the time goes: of the thread that calls these functions, while no other does. ----

// On: forgets what was measured and begins; 0: ends.
LF_EXPORT void lf_profile_begin(int32_t on);

// What was measured of kernel `index`, from 0 on: its name (UTF-8, which stays), calls, wall time without that of kernels inside it, and
// floating-point operations of its products. Returns 0 when there is no kernel of that index.
LF_EXPORT int32_t lf_profile_read(int32_t index, const char** name, int64_t* calls, double* seconds, double* flops);

// ---- Optimizer: each is one pass. ----

struct lf_adamw_options {
  double learning_rate, beta1, beta2, epsilon;
  double weight_decay;   // Decoupled, per unit of learning rate; 0 for biases and norms.
  double gradient_scale; // Gradients are multiplied by it: one over the count, times the factor of clipping.
  int64_t step;          // From 1 on.
};

// In double, from chunks that are counted from `values` on: the same bits whatever the number of threads, but not for other cuts.
LF_EXPORT int32_t lf_sum_of_squares(const float* values, int64_t count, double* sum, lf_error* error);

// One update of AdamW. The same bits whatever the number of threads, and for a range as a whole and in pieces.
LF_EXPORT int32_t lf_adamw(
    const lf_adamw_options* options, float* values, const float* gradients, float* first_moments, float* second_moments,
    int64_t count, lf_error* error);

// To nearest, ties to even; NaN stays NaN.
LF_EXPORT int32_t lf_to_bf16(const float* values, uint16_t* copy, int64_t count, lf_error* error);
