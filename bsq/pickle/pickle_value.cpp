#include "bsq/pickle/pickle_value.h"

#include <algorithm>

#include "bsq/base/error.h"

namespace bsq::pickle {

Ref Document::add(Value value) {
  spend(1);
  if (value.kind == Kind::kTuple || value.kind == Kind::kList || value.kind == Kind::kDict) {
    value.depth = depth_above(value.items);
  }
  values.push_back(std::move(value));
  return static_cast<Ref>(values.size() - 1);
}

void Document::append(Ref container, const std::vector<Ref>& items) {
  Value& value = values[container];
  value.depth = std::max(value.depth, depth_above(items));
  value.items.insert(value.items.end(), items.begin(), items.end());
}

void Document::make_opaque(Ref ref, const std::string& name) {
  values[ref] = {};
  values[ref].kind = Kind::kOpaque;
  values[ref].text = name;
}

void Document::spend(int64_t objects) {
  spent_ += objects;
  if (spent_ > kMaxObjects) {
    fail("pickle makes more than " + std::to_string(kMaxObjects) + " objects");
  }
}

uint8_t Document::depth_above(const std::vector<Ref>& items) const {
  int depth = 0;
  for (Ref item : items) {
    depth = std::max<int>(depth, values[item].depth);
  }
  if (depth >= kMaxDepth) {
    fail("pickle nests containers more than " + std::to_string(kMaxDepth) + " deep");
  }
  return static_cast<uint8_t>(depth + 1);
}

const Value* Document::find(const Value& dict, std::string_view key) const {
  const Value* found = nullptr;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& candidate = at(dict.items[i]);
    if (candidate.kind != Kind::kString || candidate.text != key) {
      continue;
    }
    if (found != nullptr) {
      fail("holds two entries '" + printable(key) + "', expected one");
    }
    found = &at(dict.items[i + 1]);
  }
  return found;
}

void Document::fail(const std::string& what) const { throw Error(file + ": " + what); }

std::string printable(std::string_view text) {
  constexpr size_t kLongest = 80;
  constexpr char kHex[] = "0123456789abcdef";
  std::string line;
  for (char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      line += c;
    } else {
      line += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return text.size() > kLongest ? line + "..." : line;
}

const char* describe(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "a bool";
    case Kind::kInteger:
    case Kind::kBigInteger:
      return "an integer";
    case Kind::kFloat:
      return "a float";
    case Kind::kString:
      return "a string";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kList:
      return "a list";
    case Kind::kDict:
      return "a dict";
    case Kind::kGlobal:
      return "a class or function";
    case Kind::kNumpyType:
      return "a numpy type";
    case Kind::kNumpyArray:
      return "a numpy array";
    case Kind::kStorage:
      return "a storage";
    case Kind::kTensor:
      return "a tensor";
    case Kind::kOpaque:
      return "an object";
  }
  return "an unknown value";
}

std::string describe(const Value& value) {
  switch (value.kind) {
    case Kind::kGlobal:
      return "the class or function " + printable(value.text);
    case Kind::kOpaque:
      return "an object of " + printable(value.text);
    default:
      return describe(value.kind);
  }
}

}  // namespace bsq::pickle
