#pragma once

// The loops of norm_act_loops.h, for norm_act_loops.cpp alone: it is compiled once for each instruction set,
// so nothing here may be left out of line. Each is a column: kLanes neighbouring elements of a row (or one),
// whose numbers and sums by channel stay in registers while it goes down the rows.

#include <cstdint>

#include "bsq/kernels/lanes.h"
#include "bsq/kernels/norm_act_loops.h"

namespace bsq::norm_act {

/// Makes each column from (span, numbers, its place j in the row), goes down the rows by step(i), then calls
/// finish().
template <template <typename, typename> class Column, typename S, typename Numbers>
BSQ_INLINE void for_columns(const Span<S>& span, const Numbers& numbers) {
  static_assert(kGroup % (4 * kLanes) == 0, "a row is whole columns");
  const int64_t row = span.row;
  const int64_t whole = span.count / row * row;
  for (int64_t j = 0; j < (whole > 0 ? row : 0); j += 4 * kLanes) {
    Column<Lanes, S> a(span, numbers, j), b(span, numbers, j + kLanes), c(span, numbers, j + 2 * kLanes),
        d(span, numbers, j + 3 * kLanes);
    for (int64_t i = j; i < whole; i += row) {
      a.step(i);
      b.step(i + kLanes);
      c.step(i + 2 * kLanes);
      d.step(i + 3 * kLanes);
    }
    a.finish();
    b.finish();
    c.finish();
    d.finish();
  }
  for (int64_t j = 0; j < span.count - whole; ++j) {
    Column<float, S> column(span, numbers, j);
    column.step(whole + j);
    column.finish();
  }
}

template <typename V>
BSQ_INLINE void add_to(float* sum, V more) {
  store(load<V>(sum) + more, sum);
}

template <typename V, typename S>
class MomentsColumn {
 public:
  BSQ_INLINE MomentsColumn(const Span<S>& span, const Moments& moments, int64_t j)
      : x_(span.x), moments_(moments), j_(j), centre_(load<V>(moments.centre + j)) {
    least_ = load<V>(moments.least + j);
    largest_ = load<V>(moments.largest + j);
  }
  BSQ_INLINE void step(int64_t i) {
    const V value = load<V>(x_ + i);
    const V distance = value - centre_;
    sum_ += distance;
    square_ += distance * distance;
    least_ = value < least_ ? value : least_;
    largest_ = value > largest_ ? value : largest_;
  }
  BSQ_INLINE void finish() {
    add_to(moments_.sum + j_, sum_);
    add_to(moments_.square + j_, square_);
    store(least_, moments_.least + j_);
    store(largest_, moments_.largest + j_);
  }

 private:
  const S* x_;
  const Moments& moments_;
  int64_t j_;
  V centre_, sum_{}, square_{}, least_, largest_;
};

/// y before the clamp.
template <typename V, typename S, bool kResidual>
class Value {
 public:
  BSQ_INLINE Value(const Span<S>& span, const Affine& affine, int64_t j)
      : x_(span.x),
        residual_(span.residual),
        slope_(load<V>(affine.slope + j)),
        shift_(load<V>(affine.shift + j)) {}
  BSQ_INLINE V operator()(int64_t i) const {
    const V y = load<V>(x_ + i) * slope_ + shift_;
    return kResidual ? y + load<V>(residual_ + i) : y;
  }

 private:
  const S* x_;
  const S* residual_;
  V slope_, shift_;
};

template <bool kResidual>
struct LargestOf {
  template <typename V, typename S>
  class Column {
   public:
    BSQ_INLINE Column(const Span<S>& span, const Largest& numbers, int64_t j)
        : value_(span, numbers.affine, j), target_(numbers.largest + j), largest_(load<V>(target_)) {}
    BSQ_INLINE void step(int64_t i) {
      const V y = value_(i);
      largest_ = y > largest_ ? y : largest_;
    }
    BSQ_INLINE void finish() { store(largest_, target_); }

   private:
    Value<V, S, kResidual> value_;
    float* target_;
    V largest_;
  };
};

/// out = clamp(y), quantized.
template <bool kResidual, bool kQuantize>
struct Apply {
  template <typename V, typename S>
  class Column {
   public:
    BSQ_INLINE Column(const Span<S>& span, const Quantization& numbers, int64_t j)
        : value_(span, numbers.affine, j),
          out_(span.out),
          low_(V{} + numbers.affine.low),
          high_(V{} + top(numbers)) {
      per_step_ = V{} + numbers.per_step;
      step_ = V{} + numbers.step;
      rounding_ = V{} + rounding_number(numbers.range * numbers.per_step);
    }
    BSQ_INLINE void step(int64_t i) {
      const V y = clamp(value_(i), low_, high_);
      store(kQuantize ? round_even(y * per_step_, rounding_) * step_ : y, out_ + i);
    }
    BSQ_INLINE void finish() {}

   private:
    BSQ_INLINE static float top(const Quantization& numbers) {
      return kQuantize && numbers.range < numbers.affine.high ? numbers.range : numbers.affine.high;
    }
    Value<V, S, kResidual> value_;
    S* out_;
    V low_, high_, per_step_, step_, rounding_;
  };
};

/// The gradient where y lies between the limits, else 0. Open: strictly between (ReLU, ReLU6); closed: on
/// them too (PACT).
template <bool kClosed, typename V>
BSQ_INLINE V passed(V gradient, V y, V low, V high) {
  const V above = kClosed ? (y >= low ? gradient : V{}) : (y > low ? gradient : V{});
  return kClosed ? (y <= high ? above : V{}) : (y < high ? above : V{});
}

/// With a residual or a second gradient, writes g to out.
template <bool kResidual, bool kSecond, bool kClosed>
struct GradientSum {
  template <typename V, typename S>
  class Column {
   public:
    BSQ_INLINE Column(const Span<S>& span, const GradientRow& row, int64_t j)
        : value_(span, row.affine, j), span_(span), row_(row), j_(j), mean_(load<V>(row.mean + j)) {
      low_ = V{} + row.affine.low;
      high_ = V{} + row.affine.high;
    }
    BSQ_INLINE void step(int64_t i) {
      const V y = value_(i);
      V whole = load<V>(span_.gradient + i);
      if (kSecond) {
        whole += load<V>(span_.second_gradient + i);
      }
      const V g = passed<kClosed>(whole, y, low_, high_);
      sum_ += g;
      product_ += g * (load<V>(span_.x + i) - mean_);
      if (kClosed) {
        above_ += y >= high_ ? whole : V{};
      }
      if (kResidual || kSecond) {
        store(g, span_.out + i);
      }
    }
    BSQ_INLINE void finish() {
      add_to(row_.sum + j_, sum_);
      add_to(row_.product + j_, product_);
      if (kClosed) {
        add_to(row_.above + j_, above_);
      }
    }

   private:
    Value<V, S, kResidual> value_;
    const Span<S>& span_;
    const GradientRow& row_;
    int64_t j_;
    V mean_, low_, high_, sum_{}, product_{}, above_{};
  };
};

/// Where the gradient has passed the clamp already (kPassed), or not.
template <bool kPassed, bool kClosed>
struct InputGradientOf {
  template <typename V, typename S>
  class Column {
   public:
    BSQ_INLINE Column(const Span<S>& span, const InputGradient& numbers, int64_t j)
        : value_(span, numbers.affine, j), x_(span.x), gradient_(span.gradient), out_(span.out) {
      low_ = V{} + numbers.affine.low;
      high_ = V{} + numbers.affine.high;
      gain_ = load<V>(numbers.gain + j);
      tilt_ = load<V>(numbers.tilt + j);
      level_ = load<V>(numbers.level + j) - tilt_ * load<V>(numbers.mean + j);
    }
    BSQ_INLINE void step(int64_t i) {
      const V whole = load<V>(gradient_ + i);
      const V g = kPassed ? whole : passed<kClosed>(whole, value_(i), low_, high_);
      store(gain_ * g + (tilt_ * load<V>(x_ + i) + level_), out_ + i);
    }
    BSQ_INLINE void finish() {}

   private:
    Value<V, S, /*kResidual=*/false> value_;
    const S* x_;
    const S* gradient_;
    S* out_;
    V low_, high_, gain_, tilt_, level_;
  };
};

}  // namespace bsq::norm_act
