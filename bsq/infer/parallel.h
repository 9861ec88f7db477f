#pragma once

#include <cstdint>
#include <functional>

namespace bsq::infer {

/// Calls work(i) for every i from 0 to count - 1, on the calling thread and up to threads - 1 others, which
/// stay for the next call. Each takes the next i that nobody has taken, and the caller waits only for what
/// has begun elsewhere: a thread that gets no core holds nobody up. What work throws is thrown here, once.
void for_each(int64_t count, int threads, const std::function<void(int64_t)>& work);

}  // namespace bsq::infer
