// How attention goes through its chunks.
#pragma once

#include "attention.h"
#include "lanes.h"

namespace linformer {

template <typename Element>
template <typename Body>
void Attention<Element>::forChunks(Body body) {
  inLanes(static_cast<int>(lanes_.size()), [&](int lane) {
    for (const auto& chunk : chunks_) {
      if (chunk.lane == lane) {
        body(chunk);
      }
    }
  });
}

} // namespace linformer
