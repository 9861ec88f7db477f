#pragma once

// Run-time dispatch for loops that the compiler vectorizes: it makes a variant for each instruction set, the
// loader picks one. Sanitizers are not up yet when the loader asks, so a sanitized build keeps the portable
// variant.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define BSQ_VECTOR_VARIANTS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define BSQ_VECTOR_VARIANTS
#endif

#define BSQ_INLINE inline __attribute__((always_inline))
