#pragma once

namespace bsq {

/// How far a step of a weight goes that is a scale times trained integers, W = s Q.
enum class StepRule {
  /// W moves as a float weight would: by the learning rate times dL/dW. So the gradient of q is divided by
  /// s^2, that of log s by |W|^2. Where a batch norm follows, |W| stays what it was when the run began, and
  /// the scale is what that makes it. Weight decay acts on log s, not on q.
  kRelative,
  /// dL/dq and dL/ds as they are: steps relative to W depend on the size of s, and grow without bound as W
  /// shrinks.
  kPublished
};

/// With kRelative the gradient of log s, divided by |W|^2, is clamped to plus and minus this.
constexpr double kMostScaleStep = 0.02;

}  // namespace bsq
