#pragma once

#include <cstddef>

#include "group.h"

namespace linformer {

// The values are part of the C ABI.
enum class ElementType : int { Float32 = 0, Float64 = 1, Int32 = 2, Int64 = 3 };
enum class Reduction : int { Sum = 0, Min = 1, Max = 2 };

size_t elementSize(ElementType type);

// In place; count elements on every rank.
void allReduce(Group& group, void* data, size_t count, ElementType type, Reduction reduction);

// Input has size·count elements, output count: those of this rank's place, where output may be.
// The order in which the ranks' elements are combined depends on place and size alone.
void reduceScatter(
    Group& group, const void* input, void* output, size_t count, ElementType type, Reduction reduction);

// Input has count elements, output size·count. Input may be this rank's place in output.
void allGather(Group& group, const void* input, void* output, size_t count, ElementType type);

void broadcast(Group& group, void* data, size_t count, ElementType type, int root);

void barrier(Group& group);

} // namespace linformer
