#include "linformer_kernels.h"
#include "matmul.h"

int32_t lf_kernels_capabilities() {
  int32_t capabilities = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    capabilities |= LF_KERNELS_VECTORISED;
  }
  if (linformer::hasBf16Products()) {
    capabilities |= LF_KERNELS_BF16;
  }
#endif
  return capabilities;
}
