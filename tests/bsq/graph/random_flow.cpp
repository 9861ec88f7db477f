#include "tests/bsq/graph/random_flow.h"

#include <random>
#include <string>

namespace bsq::test {
namespace {

class RandomFlow {
 public:
  RandomFlow(Builder& builder, Value image, uint64_t seed) : b_(builder), random_(seed) {
    add(b_.conv("conv", image, /*planes=*/8, /*kernel=*/3));
  }

  // Every value that nobody has read is pooled, and all of them together make the logits.
  Value build() {
    for (int i = 0; i < 14; ++i) {
      grow(std::to_string(i));
    }
    std::vector<Value> pooled;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (!is_read_[i]) {
        pooled.push_back(b_.global_average_pool(values_[i]));
      }
    }
    const auto features = pooled.size() == 1 ? pooled[0] : b_.concat(pooled);
    return b_.linear("fc", features, b_.description().classes);
  }

 private:
  void grow(const std::string& number) {
    const auto x = any();
    switch (below(8)) {
      case 0:
        return add(b_.conv("conv" + number, x, ConvOptions(8, 3).stride(1 + below(2)).groups(1 << below(3))));
      case 1:
        return add(b_.relu(b_.norm("norm" + number, x)));
      case 2:
        return add(b_.activation("act" + number, b_.norm("norm" + number, x)));
      case 3:
        return join(number, x);
      case 4:
        return sum(number, x);
      case 5:
        return add(b_.shape(x)[1] < 4 ? b_.relu(x) : b_.max_pool(x, {3, 2, 1}));
      case 6:
        return add(b_.shape(x)[1] < 4 ? b_.norm("norm" + number, x) : b_.average_pool(x, {2, 2, 0}));
      default:
        return add(b_.relu(b_.conv("conv" + number, x, /*planes=*/8, /*kernel=*/1)));
    }
  }

  // norm + a value of its shape, and sometimes an activation behind.
  void sum(const std::string& number, Value x) {
    const auto normal = b_.norm("norm" + number, x);
    const auto other = any_like(x);
    const auto both = below(2) == 0 ? b_.add(other, normal) : b_.add(normal, other);
    add(below(2) == 0 ? both : b_.activation("act" + number, both));
  }

  void join(const std::string& number, Value x) {
    const auto branch = b_.conv("branch" + number, x, /*planes=*/4, /*kernel=*/3);
    add(b_.conv("conv" + number, b_.concat({x, branch}), /*planes=*/8, /*kernel=*/1));
  }

  void add(Value value) {
    values_.push_back(value);
    is_read_.push_back(false);
  }
  Value any() {
    const auto index = below(static_cast<int64_t>(values_.size()));
    is_read_[index] = true;
    return values_[index];
  }
  // Of its shape; x itself is one.
  Value any_like(Value x) {
    std::vector<size_t> fitting;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (b_.shape(values_[i]) == b_.shape(x)) {
        fitting.push_back(i);
      }
    }
    const auto index = fitting[below(static_cast<int64_t>(fitting.size()))];
    is_read_[index] = true;
    return values_[index];
  }
  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }

  Builder& b_;
  std::mt19937_64 random_;
  std::vector<Value> values_;
  std::vector<bool> is_read_;
};

}  // namespace

Flow random_flow(uint64_t seed) {
  return [seed](Builder& builder, Value image) { return RandomFlow(builder, image, seed).build(); };
}

}  // namespace bsq::test
