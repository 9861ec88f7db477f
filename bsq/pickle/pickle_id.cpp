#include "bsq/pickle/pickle_id.h"

#include <algorithm>
#include <string>
#include <utility>

#include "bsq/pickle/pickle_text.h"

namespace bsq::pickle {
namespace {

constexpr std::string_view kClassStart = "<class ";

class IdReader {
 public:
  IdReader(std::string_view text, Document& document, Builder& builder)
      : text_(text), left_(text), document_(document), builder_(builder) {}

  Ref read() {
    const Ref ref = item(0);
    if (!left_.empty()) {
      fail();
    }
    return ref;
  }

 private:
  [[noreturn]] void fail() const {
    document_.fail("pickle has the persistent id \"" + printable(text_) +
                   "\", expected a tuple such as ('storage', class, key, location, size)");
  }

  bool take(std::string_view start) {
    if (left_.substr(0, start.size()) != start) {
      return false;
    }
    left_.remove_prefix(start.size());
    return true;
  }

  Ref item(int depth) {
    if (depth > kMaxDepth) {
      fail();
    }
    if (take("(")) {
      return tuple(depth);
    }
    if (take(kClassStart)) {
      const Ref type = class_named(quoted());
      if (!take(">")) {
        fail();
      }
      return type;
    }
    if (take("None")) {
      return document_.add({});
    }
    take("u");  // of Python 2's unicode strings
    return left_.substr(0, 1) == "'" || left_.substr(0, 1) == "\"" ? string(quoted()) : integer();
  }

  Ref tuple(int depth) {
    Value value;
    value.kind = Kind::kTuple;
    while (!take(")")) {
      value.items.push_back(item(depth + 1));
      if (!take(", ") && !take(",") && left_.substr(0, 1) != ")") {
        fail();
      }
    }
    return document_.add(std::move(value));
  }

  std::string quoted() {
    const auto length = quoted_length(left_);
    const auto text = length ? decode_quoted_text(left_.substr(0, *length)) : std::nullopt;
    if (!text) {
      fail();
    }
    left_.remove_prefix(*length);
    return *text;
  }

  Ref class_named(const std::string& name) {
    const size_t dot = name.rfind('.');
    if (dot == std::string::npos) {
      fail();
    }
    return builder_.global(name.substr(0, dot), name.substr(dot + 1));
  }

  Ref string(std::string text) {
    Value value;
    value.kind = Kind::kString;
    value.text = std::move(text);
    return document_.add(std::move(value));
  }

  Ref integer() {
    const auto number = decode_integer_text(left_.substr(0, left_.find_first_of(",)")));
    if (!number) {
      fail();
    }
    left_.remove_prefix(std::min(left_.size(), left_.find_first_of(",)")));
    return document_.add(*number);
  }

  std::string_view text_;
  std::string_view left_;
  Document& document_;
  Builder& builder_;
};

}  // namespace

Ref read_id_text(std::string_view text, Document& document, Builder& builder) {
  if (text.substr(0, 1) == "(") {
    return IdReader(text, document, builder).read();
  }
  Value value;
  value.kind = Kind::kString;
  value.text = std::string(text);
  return document.add(std::move(value));
}

}  // namespace bsq::pickle
