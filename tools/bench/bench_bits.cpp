// A layer of 1-bit weights, computed from bits and by the engine's bytes, in turns: is the first faster?
//
// From bits: sum over planes p of 2^p (2 popcount(x_p & w) - popcount(x_p)), with w the set of weights +1
// (the others are -1), 64 channels a word. Planes of the input are made once and serve all outputs; that is
// part of the time.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <random>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "bsq/infer/kernels.h"

namespace bsq::bench {
namespace {

constexpr int kTurns = 31;
constexpr int64_t kTaps = 9, kWord = 64;

/// A convolution of 3 x 3, as many outputs as inputs, on a square image with its border.
struct Shape {
  int64_t channels, side;
  int64_t row() const { return (side + 2) * channels; }
  int64_t numbers() const { return (side + 2) * row(); }
  int64_t outputs() const { return side * side * channels; }
};

#if defined(__x86_64__)
// Bits that both have. A count of 4 bits is a lookup, 64 at once; `words` is a multiple of 4, at most 4 * 31,
// so that the counts of a byte stay within it.
__attribute__((target("avx2"))) int64_t common_bits(const uint64_t* a, const uint64_t* b, int64_t words) {
  const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low = _mm256_set1_epi8(15);
  __m256i bytes = _mm256_setzero_si256();
  for (int64_t i = 0; i < words; i += 4) {
    const __m256i both = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i)),
                                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)));
    const __m256i first = _mm256_shuffle_epi8(counts, _mm256_and_si256(both, low));
    const __m256i second = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(both, 4), low));
    bytes = _mm256_add_epi8(bytes, _mm256_add_epi8(first, second));
  }
  const __m256i sums = _mm256_sad_epu8(bytes, _mm256_setzero_si256());
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return _mm_cvtsi128_si64(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two)));
}
#else
int64_t common_bits(const uint64_t* a, const uint64_t* b, int64_t words) {
  int64_t count = 0;
  for (int64_t i = 0; i < words; ++i) {
    count += __builtin_popcountll(a[i] & b[i]);
  }
  return count;
}
#endif

class BitLayer {
 public:
  BitLayer(const Shape& shape, const std::vector<int8_t>& signs, int maps)
      : shape_(shape),
        maps_(maps),
        words_(shape.channels / kWord),
        own_((kTaps * words_ + kTogether - 1) / kTogether * kTogether),
        planes_(static_cast<size_t>(shape.numbers() / kWord * maps)),
        window_(static_cast<size_t>(maps * own_)),
        weights_(static_cast<size_t>(shape.channels * own_)) {
    for (size_t i = 0; i < signs.size(); ++i) {
      const auto k = static_cast<int64_t>(i) % (kTaps * shape.channels);
      const auto output = static_cast<int64_t>(i) / (kTaps * shape.channels);
      weights_[static_cast<size_t>(output * own_ + k / kWord)] |= uint64_t{signs[i] > 0} << (k % kWord);
    }
  }

  // Codes (pixel, channel) to words (plane, pixel, channel / 64).
  void take(const std::vector<uint8_t>& codes) {
    const size_t words = codes.size() / kWord;
    for (size_t i = 0; i < words; ++i) {
      for (int plane = 0; plane < maps_; ++plane) {
        uint64_t bits = 0;
        for (size_t group = 0; group < kWord / 8; ++group) {
          // The lowest bits of 8 bytes, gathered by a product.
          uint64_t eight = 0;
          std::copy_n(codes.data() + i * kWord + group * 8, 8, reinterpret_cast<uint8_t*>(&eight));
          const uint64_t lowest = eight >> plane & 0x0101010101010101ULL;
          bits |= (lowest * 0x0102040810204080ULL >> 56) << (8 * group);
        }
        planes_[static_cast<size_t>(plane) * words + i] = bits;
      }
    }
  }

  void run(std::vector<int32_t>& sums) {
    for (int64_t y = 0; y < shape_.side; ++y) {
      for (int64_t x = 0; x < shape_.side; ++x) {
        run_pixel(fill_window(y, x), sums.data() + (y * shape_.side + x) * shape_.channels);
      }
    }
  }

 private:
  static constexpr int64_t kTogether = 4;  // words

  // The sum of the window's codes.
  int32_t fill_window(int64_t y, int64_t x) {
    int32_t sum = 0;
    for (int64_t plane = 0; plane < maps_; ++plane) {
      auto* to = window_.data() + plane * own_;
      const auto* from = planes_.data() + plane * (shape_.numbers() / kWord);
      for (int64_t ky = 0; ky < 3; ++ky) {
        std::copy_n(from + ((y + ky) * (shape_.side + 2) + x) * words_, 3 * words_, to + ky * 3 * words_);
      }
      sum += static_cast<int32_t>(common_bits(to, to, own_)) << plane;
    }
    return sum;
  }

  void run_pixel(int32_t all, int32_t* out) const {
    for (int64_t output = 0; output < shape_.channels; ++output) {
      int64_t sum = 0;
      for (int64_t plane = 0; plane < maps_; ++plane) {
        sum += common_bits(window_.data() + plane * own_, weights_.data() + output * own_, own_) << plane;
      }
      out[output] = static_cast<int32_t>(2 * sum) - all;
    }
  }

  Shape shape_;
  int maps_;
  int64_t words_, own_;  ///< of a pixel, of an output's weights
  std::vector<uint64_t> planes_, window_, weights_;
};

/// The same by the engine's kernel.
class ByteLayer {
 public:
  ByteLayer(const Shape& shape, const std::vector<int8_t>& signs, int maps)
      : shape_(shape), gain_(static_cast<size_t>(shape.channels), 1.0F), shift_(gain_.size(), 0.0F) {
    const int64_t numbers = kTaps * shape.channels;
    weights_.resize(signs.size());
    for (int64_t output = 0; output < shape.channels; ++output) {
      for (int64_t k = 0; k < numbers; ++k) {
        const int64_t block = output / infer::kBlock * infer::kBlock * numbers;
        weights_[static_cast<size_t>(block + (k / 4 * infer::kBlock + output % infer::kBlock) * 4 + k % 4)] =
            signs[static_cast<size_t>(output * numbers + k)];
      }
    }
    for (int64_t ky = 0; ky < 3; ++ky) {
      offsets_.push_back(ky * shape.row());
    }
    task_.offsets = offsets_.data();
    task_.taps = 3;
    task_.run = 3 * shape.channels;
    task_.in_pixel = shape.channels;
    task_.in_row = shape.row();
    task_.weights = weights_.data();
    task_.outputs = shape.channels;
    task_.height = task_.width = shape.side;
    // A sum in 16 bits grows by at most two codes each quad.
    task_.period = std::min<int64_t>(numbers / 4, 32767 / (2 * ((1 << maps) - 1)));
    task_.gain = gain_.data();
    task_.shift = shift_.data();
    task_.finish = &finish_;
    task_.out_pixel = shape.channels;
    task_.out_row = shape.side * shape.channels;
  }

  void run(const std::vector<uint8_t>& codes, std::vector<float>& sums) {
    task_.in = codes.data();
    task_.out = sums.data();
    infer::best_kernels().bytes(task_);
  }

 private:
  Shape shape_;
  std::vector<float> gain_, shift_;
  std::vector<int8_t> weights_;
  std::vector<int64_t> offsets_;
  infer::Finish finish_{-1e30F, 1e30F};
  infer::LayerTask task_;
};

template <typename Work>
double microseconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + kTurns / 2, times.end());
  return times[kTurns / 2];
}

void compare(const Shape& shape, int maps) {
  std::mt19937 random(1);
  std::vector<uint8_t> codes(static_cast<size_t>(shape.numbers()));
  for (auto& code : codes) {
    code = static_cast<uint8_t>(random() & ((1U << maps) - 1));
  }
  std::vector<int8_t> signs(static_cast<size_t>(shape.channels * kTaps * shape.channels));
  for (auto& sign : signs) {
    sign = (random() & 1) != 0 ? int8_t{1} : int8_t{-1};
  }
  BitLayer bits(shape, signs, maps);
  ByteLayer bytes(shape, signs, maps);
  std::vector<int32_t> bit_sums(static_cast<size_t>(shape.outputs()));
  std::vector<float> byte_sums(bit_sums.size());
  std::vector<double> bit_times, byte_times;
  for (int turn = 0; turn < kTurns; ++turn) {
    bit_times.push_back(microseconds([&] {
      bits.take(codes);
      bits.run(bit_sums);
    }));
    byte_times.push_back(microseconds([&] { bytes.run(codes, byte_sums); }));
  }
  for (size_t i = 0; i < bit_sums.size(); ++i) {
    if (static_cast<float>(bit_sums[i]) != byte_sums[i]) {
      std::cerr << "bench_bits: output " << i << ": " << bit_sums[i] << " from bits, " << byte_sums[i]
                << " from bytes\n";
      std::exit(1);
    }
  }
  const double from_bits = median(bit_times), from_bytes = median(byte_times);
  std::cout << std::setw(4) << shape.channels << " channels, " << std::setw(2) << shape.side << " x "
            << std::setw(2) << shape.side << ", maps of " << maps << " bits: from bits " << std::setw(8)
            << from_bits << " us, bytes " << std::setw(8) << from_bytes << " us; bits over bytes "
            << std::setprecision(2) << from_bits / from_bytes << std::setprecision(1) << "\n";
}

}  // namespace
}  // namespace bsq::bench

int main() {
  std::cout << std::fixed << std::setprecision(1) << "weights of 1 bit, 3 x 3, "
            << bsq::infer::best_kernels().name << " kernels, one thread, medians\n";
  for (const bsq::bench::Shape& shape : {bsq::bench::Shape{64, 8}, {128, 16}, {512, 7}}) {
    for (const int maps : {1, 2, 4, 8}) {
      bsq::bench::compare(shape, maps);
    }
  }
  return 0;
}
