#include <algorithm>

#include "head.h"

namespace linformer {

namespace {

constexpr int64_t kPadding = 16;

// Logits of a block of the vocabulary, in fp32: they are to stay in the second cache.
constexpr int64_t kBlockLogits = 160 * 1024;
constexpr int64_t kSmallestBlock = 64;
constexpr int64_t kLargestBlock = 1024;

constexpr size_t kPlans = 24;

} // namespace

int64_t HeadPlan::columnsFor(int64_t predicted) {
  return std::max<int64_t>(1, (predicted + kPadding - 1) / kPadding) * kPadding;
}

HeadPlan::HeadPlan(const lf_head_shape& shape, int64_t predicted) : columns(columnsFor(predicted)) {
  const int64_t fitting = kBlockLogits / columns / kSmallestBlock * kSmallestBlock;
  block = std::min(std::clamp(fitting, kSmallestBlock, kLargestBlock), shape.vocabulary);
  blocks = (shape.vocabulary + block - 1) / block;
  rest = shape.vocabulary - (blocks - 1) * block;

  constexpr int64_t kFloat = sizeof(float);
  const int64_t element = shape.bf16 != 0 ? sizeof(Bf16) : kFloat;
  const int64_t rows = columns * shape.hidden;
  Plan kept;
  finalNormal = kept.add(shape.norm_first != 0 ? rows * element : 0);
  finalRstd = kept.add(columns * kFloat);
  operand = kept.add(rows * element);
  inner = kept.add(rows * kFloat);
  normal = kept.add(rows * element);
  rstd = kept.add(columns * kFloat);
  output = kept.add(rows * element);
  maxima = kept.add(columns * kFloat);
  sums = kept.add(columns * kFloat);
  targets = kept.add(columns * kFloat);
  small = kept.size();
  blockMaxima = kept.add(blocks * columns * kFloat);
  exponentials = kept.add(shape.vocabulary * columns * element);
  saved = kept.size();

  Plan passing;
  passing.add(small); // What is saved, when nobody wants it.
  gathered = passing.add(rows * kFloat);
  activated = passing.add(rows * kFloat);
  gradient = passing.add(rows * kFloat);
  innerGradient = passing.add(rows * element);
  transposed = passing.add(rows * kFloat);
  factors = passing.add(columns * kFloat);
  logits = passing.add(block * columns * kFloat);
  weights = passing.add(std::max(block, shape.hidden) * shape.hidden * element);
  workspace = passing.size();
  fixedScratch_ = scratch = passing.size();
}

Matmul HeadPlan::make(const Product& product) {
  Matmul made(product);
  workspaceBytes_ = std::max(workspaceBytes_, static_cast<int64_t>(made.scratchBytes()));
  scratch = fixedScratch_ + workspaceBytes_;
  return made;
}

void HeadPlan::makeForward(const lf_head_shape& shape) {
  const auto numbers = shape.bf16 != 0 ? Numbers::Bf16 : Numbers::Fp32;
  const auto wide = Layout::rows(shape.hidden);
  const auto tall = Layout::rows(columns);
  Product product{columns, shape.hidden, shape.hidden, wide, wide.transposed(), wide, numbers, Numbers::Fp32};
  product.bias = true;
  dense = make(product);
  product = {block, shape.hidden, columns, wide, wide.transposed(), tall, numbers, Numbers::Fp32};
  blockLogits = make(product);
  product.m = rest;
  restLogits = make(product);
  hasForward = true;
}

void HeadPlan::makeBackward(const lf_head_shape& shape) {
  const auto numbers = shape.bf16 != 0 ? Numbers::Bf16 : Numbers::Fp32;
  const auto wide = Layout::rows(shape.hidden);
  const auto tall = Layout::rows(columns);
  Product product{columns, shape.hidden, shape.hidden, wide, wide, wide, numbers, Numbers::Fp32};
  denseInput = make(product);
  product = {shape.hidden, columns, shape.hidden, wide.transposed(), wide, wide, numbers, Numbers::Fp32, true};
  denseWeight = make(product);
  product = {block, columns, shape.hidden, tall, wide, wide, numbers, Numbers::Fp32, true};
  blockWeight = make(product);
  product.m = rest;
  restWeight = make(product);
  product = {shape.hidden, block, columns, wide.transposed(), tall, tall, numbers, Numbers::Fp32, true};
  blockInput = make(product);
  product.k = rest;
  restInput = make(product);
  hasBackward = true;
}

HeadPlan& Head::plan(int64_t predicted, bool backward) {
  const int64_t columns = HeadPlan::columnsFor(predicted);
  auto found = plans_.find(columns);
  if (found == plans_.end()) {
    if (plans_.size() == kPlans) {
      plans_.erase(std::min_element(plans_.begin(), plans_.end(), [](const auto& one, const auto& other) {
        return one.second->lastUse < other.second->lastUse;
      }));
    }
    found = plans_.emplace(columns, std::make_unique<HeadPlan>(shape, predicted)).first;
  }
  HeadPlan& plan = *found->second;
  plan.lastUse = ++uses_;
  if (!plan.hasForward) {
    plan.makeForward(shape);
  }
  if (backward && !plan.hasBackward) {
    plan.makeBackward(shape);
  }
  if (plan.scratch > scratchBytes_) {
    scratch_ = Scratch(); // First: both at once would be more than is needed.
    scratchBytes_ = 0;
    scratch_ = Scratch(plan.scratch);
    scratchBytes_ = plan.scratch;
  }
  return plan;
}

} // namespace linformer
