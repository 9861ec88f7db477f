// Compiled once for each instruction set (CMakeLists.txt), with BSQ_LOOPS naming its table.

#include "bsq/kernels/norm_act_loops.h"

#include "bsq/kernels/norm_act_spans.h"

namespace bsq::norm_act {
namespace {

template <typename S>
void find_largest_loop(const Span<S>& span, const Largest& largest) {
  if (span.residual != nullptr) {
    for_columns<LargestOf</*kResidual=*/true>::template Column>(span, largest);
  } else {
    for_columns<LargestOf</*kResidual=*/false>::template Column>(span, largest);
  }
}

template <bool kResidual, typename S>
void apply_loop(const Span<S>& span, const Quantization& numbers) {
  if (numbers.per_step >= 0) {
    for_columns<Apply<kResidual, /*kQuantize=*/true>::template Column>(span, numbers);
  } else {
    for_columns<Apply<kResidual, /*kQuantize=*/false>::template Column>(span, numbers);
  }
}

template <bool kResidual, bool kClosed, typename S>
void sum_loop_of(const Span<S>& span, const GradientRow& row) {
  if (span.second_gradient != nullptr) {
    for_columns<GradientSum<kResidual, /*kSecond=*/true, kClosed>::template Column>(span, row);
  } else {
    for_columns<GradientSum<kResidual, /*kSecond=*/false, kClosed>::template Column>(span, row);
  }
}

template <bool kClosed, typename S>
void sum_loop(const Span<S>& span, const GradientRow& row) {
  if (span.residual != nullptr) {
    sum_loop_of</*kResidual=*/true, kClosed>(span, row);
  } else {
    sum_loop_of</*kResidual=*/false, kClosed>(span, row);
  }
}

template <bool kPassed, bool kClosed, typename S>
void input_loop(const Span<S>& span, const InputGradient& numbers) {
  for_columns<InputGradientOf<kPassed, kClosed>::template Column>(span, numbers);
}

template <typename S>
constexpr LoopsOf<S> make_loops() {
  return {
      [](const Span<S>& span, const Moments& moments) { for_columns<MomentsColumn>(span, moments); },
      find_largest_loop<S>,
      apply_loop</*kResidual=*/false, S>,
      apply_loop</*kResidual=*/true, S>,
      sum_loop</*kClosed=*/false, S>,
      sum_loop</*kClosed=*/true, S>,
      input_loop</*kPassed=*/true, /*kClosed=*/false, S>,
      input_loop</*kPassed=*/false, /*kClosed=*/false, S>,
      input_loop</*kPassed=*/false, /*kClosed=*/true, S>,
  };
}

}  // namespace

extern const Loops BSQ_LOOPS = {make_loops<float>(), make_loops<Brain>()};

}  // namespace bsq::norm_act
