#include "bsq/pickle/pickle_machine.h"

#include <limits>
#include <optional>
#include <utility>

#include "bsq/pickle/pickle_builder.h"
#include "bsq/pickle/pickle_cursor.h"
#include "bsq/pickle/pickle_id.h"
#include "bsq/pickle/pickle_opcodes.h"
#include "bsq/pickle/pickle_text.h"

namespace bsq::pickle {
namespace {

constexpr Ref kNothing = std::numeric_limits<Ref>::max();
// Of a number as text, and of a persistent id.
constexpr size_t kMaxNumberLength = 64;
constexpr size_t kMaxIdLength = 4 * kMaxNameLength;
constexpr size_t kMaxTextLength = kMaxPickleBytes;

class Machine {
 public:
  Machine(std::string_view bytes, size_t position, const std::string& file, const KeyedObjects* keyed)
      : cursor_(bytes, position, file), document_(file), builder_(document_, keyed) {}

  Document run();
  size_t position() const { return cursor_.position(); }

 private:
  bool run_constant(Opcode opcode);
  bool run_text(Opcode opcode);
  bool run_line(Opcode opcode);
  bool run_container(Opcode opcode);
  bool run_memo(Opcode opcode);
  bool run_call(Opcode opcode);

  void push(Ref ref);
  void push_new(Kind kind, int64_t integer = 0);
  template <typename Literal>
  Literal take_literal(const char* what, size_t most, std::optional<Literal> (*decode)(std::string_view));
  void push_integer_text();
  uint64_t take_place();
  void push_long(std::optional<int64_t> number);
  void push_real(double real);
  void push_text(std::string_view text);
  void push_items(Kind kind, std::vector<Ref> items);
  void push_dict(const std::vector<Ref>& items);
  Ref top() const;
  Ref pop();
  std::vector<Ref> pop(int count);
  std::vector<Ref> pop_to_mark();
  void pop_or_close();
  void append(Kind kind, const std::vector<Ref>& items);
  void remember(uint64_t place);
  void recall(uint64_t place);

  Cursor cursor_;
  Document document_;
  Builder builder_;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::vector<Ref> memo_;
};

Document Machine::run() {
  while (true) {
    const size_t start = cursor_.position();
    const auto opcode = static_cast<Opcode>(cursor_.take_unsigned(1));
    if (opcode == Opcode::kStop) {
      break;
    }
    if (!run_constant(opcode) && !run_text(opcode) && !run_line(opcode) && !run_container(opcode) &&
        !run_memo(opcode) && !run_call(opcode)) {
      document_.fail("pickle has opcode " + std::to_string(static_cast<int>(opcode)) + " at byte " +
                     std::to_string(start) + ", which is not in the list of what a checkpoint may hold");
    }
  }
  document_.root = pop();
  if (!stack_.empty() || !marks_.empty()) {
    document_.fail("pickle leaves " + std::to_string(stack_.size() + marks_.size()) +
                   " objects or marks behind, expected none");
  }
  return std::move(document_);
}

bool Machine::run_constant(Opcode opcode) {
  switch (opcode) {
    case Opcode::kProtocol:
      if (const uint64_t version = cursor_.take_unsigned(1); version > 5) {
        document_.fail("pickle has protocol " + std::to_string(version) + ", expected at most 5");
      }
      return true;
    case Opcode::kFrame:
      if (const uint64_t size = cursor_.take_unsigned(8); size > cursor_.left()) {
        document_.fail("pickle is cut short: a frame of " + std::to_string(size) + " bytes at byte " +
                       std::to_string(cursor_.position()));
      }
      return true;
    case Opcode::kNone:
      push_new(Kind::kNone);
      return true;
    case Opcode::kTrue:
    case Opcode::kFalse:
      push_new(Kind::kBool, opcode == Opcode::kTrue);
      return true;
    case Opcode::kInt1:
      push_new(Kind::kInteger, static_cast<int64_t>(cursor_.take_unsigned(1)));
      return true;
    case Opcode::kInt2:
      push_new(Kind::kInteger, static_cast<int64_t>(cursor_.take_unsigned(2)));
      return true;
    case Opcode::kInt4:
      push_new(Kind::kInteger, static_cast<int32_t>(cursor_.take_unsigned(4)));
      return true;
    case Opcode::kLong1:
    case Opcode::kLong4:
      push_long(cursor_.take_long(opcode == Opcode::kLong1 ? 1 : 4));
      return true;
    case Opcode::kFloat:
      push_real(cursor_.take_real());
      return true;
    default:
      return false;
  }
}

bool Machine::run_text(Opcode opcode) {
  switch (opcode) {
    case Opcode::kShortUnicode:
    case Opcode::kShortString:
    case Opcode::kShortBytes:
      push_text(cursor_.take(cursor_.take_unsigned(1)));
      return true;
    case Opcode::kUnicode:
    case Opcode::kString:
    case Opcode::kBytes:
      push_text(cursor_.take(cursor_.take_unsigned(4)));
      return true;
    case Opcode::kUnicode8:
    case Opcode::kBytes8:
    case Opcode::kByteArray8:
      push_text(cursor_.take(cursor_.take_unsigned(8)));
      return true;
    default:
      return false;
  }
}

// The opcodes of protocols 0 and 1 that a line of text follows.
bool Machine::run_line(Opcode opcode) {
  switch (opcode) {
    case Opcode::kIntegerText:
      push_integer_text();
      return true;
    case Opcode::kLongText:
      stack_.push_back(document_.add(take_literal("an integer", kMaxTextLength, decode_integer_text)));
      return true;
    case Opcode::kFloatText:
      push_real(take_literal("a float", kMaxNumberLength, decode_real_text));
      return true;
    case Opcode::kQuotedText:
      push_text(take_literal("a string", kMaxTextLength, decode_quoted_text));
      return true;
    case Opcode::kRawUnicode:
      push_text(take_literal("a unicode string", kMaxTextLength, decode_raw_unicode));
      return true;
    case Opcode::kPersistentIdText:
      push(builder_.persistent(read_id_text(cursor_.take_line(kMaxIdLength), document_, builder_)));
      return true;
    default:
      return false;
  }
}

bool Machine::run_container(Opcode opcode) {
  switch (opcode) {
    case Opcode::kMark:
      if (marks_.size() >= 4 * kMaxDepth) {
        document_.fail("pickle has more than " + std::to_string(4 * kMaxDepth) + " open marks");
      }
      marks_.push_back(stack_.size());
      return true;
    case Opcode::kEmptyDict:
      push_items(Kind::kDict, {});
      return true;
    case Opcode::kEmptyList:
      push_items(Kind::kList, {});
      return true;
    case Opcode::kEmptyTuple:
      push_items(Kind::kTuple, {});
      return true;
    case Opcode::kTuple:
      push_items(Kind::kTuple, pop_to_mark());
      return true;
    case Opcode::kTuple1:
      push_items(Kind::kTuple, pop(1));
      return true;
    case Opcode::kTuple2:
      push_items(Kind::kTuple, pop(2));
      return true;
    case Opcode::kTuple3:
      push_items(Kind::kTuple, pop(3));
      return true;
    case Opcode::kList:
      push_items(Kind::kList, pop_to_mark());
      return true;
    case Opcode::kDict:
      push_dict(pop_to_mark());
      return true;
    case Opcode::kSetItem:
      append(Kind::kDict, pop(2));
      return true;
    case Opcode::kSetItems:
      append(Kind::kDict, pop_to_mark());
      return true;
    case Opcode::kAppend:
      append(Kind::kList, pop(1));
      return true;
    case Opcode::kAppends:
      append(Kind::kList, pop_to_mark());
      return true;
    case Opcode::kEmptySet:
      stack_.push_back(builder_.opaque("set"));
      return true;
    case Opcode::kAddItems:
      append(Kind::kOpaque, pop_to_mark());
      return true;
    case Opcode::kFrozenSet:
      pop_to_mark();
      stack_.push_back(builder_.opaque("frozenset"));
      return true;
    case Opcode::kPop:
      pop_or_close();
      return true;
    case Opcode::kPopMark:
      pop_to_mark();
      return true;
    case Opcode::kDuplicate:
      push(top());
      return true;
    default:
      return false;
  }
}

bool Machine::run_memo(Opcode opcode) {
  switch (opcode) {
    case Opcode::kPut1:
      remember(cursor_.take_unsigned(1));
      return true;
    case Opcode::kPut4:
      remember(cursor_.take_unsigned(4));
      return true;
    case Opcode::kPutText:
      remember(take_place());
      return true;
    case Opcode::kGetText:
      recall(take_place());
      return true;
    case Opcode::kMemoize:
      remember(memo_.size());
      return true;
    case Opcode::kGet1:
      recall(cursor_.take_unsigned(1));
      return true;
    case Opcode::kGet4:
      recall(cursor_.take_unsigned(4));
      return true;
    default:
      return false;
  }
}

bool Machine::run_call(Opcode opcode) {
  switch (opcode) {
    case Opcode::kGlobal: {
      const std::string_view module = cursor_.take_line();
      stack_.push_back(builder_.global(module, cursor_.take_line()));
      return true;
    }
    case Opcode::kStackGlobal: {
      const std::vector<Ref> names = pop(2);
      const Value& module = document_.at(names[0]);
      const Value& name = document_.at(names[1]);
      if (module.kind != Kind::kString || name.kind != Kind::kString) {
        document_.fail("pickle names a global by " + std::string(describe(name.kind)) + ", expected strings");
      }
      stack_.push_back(builder_.global(module.text, name.text));
      return true;
    }
    case Opcode::kReduce: {
      const std::vector<Ref> call = pop(2);
      push(builder_.reduce(call[0], call[1]));
      return true;
    }
    case Opcode::kNewObject: {
      const std::vector<Ref> call = pop(2);
      push(builder_.reduce(call[0], call[1]));
      return true;
    }
    case Opcode::kNewObjectNamed: {
      const std::vector<Ref> call = pop(3);
      push(builder_.object(call[0]));
      return true;
    }
    case Opcode::kObject: {
      const std::vector<Ref> call = pop_to_mark();
      if (call.empty()) {
        document_.fail("pickle makes an object of no class");
      }
      push(builder_.object(call[0]));
      return true;
    }
    case Opcode::kInstance: {
      const std::string_view module = cursor_.take_line();
      const Ref type = builder_.global(module, cursor_.take_line());
      pop_to_mark();
      push(builder_.object(type));
      return true;
    }
    case Opcode::kPersistentId:
      push(builder_.persistent(pop()));
      return true;
    case Opcode::kBuild: {
      const Ref state = pop();
      builder_.build(top(), state);
      return true;
    }
    default:
      return false;
  }
}

void Machine::push(Ref ref) {
  document_.spend(1);
  stack_.push_back(ref);
}

void Machine::push_new(Kind kind, int64_t integer) {
  Value value;
  value.kind = kind;
  value.integer = integer;
  stack_.push_back(document_.add(std::move(value)));
}

// What the line at hand says in a literal's form.
template <typename Literal>
Literal Machine::take_literal(const char* what, size_t most,
                              std::optional<Literal> (*decode)(std::string_view)) {
  const std::string_view line = cursor_.take_line(most);
  auto literal = decode(line);
  if (!literal) {
    document_.fail("pickle has '" + printable(line) + "' before byte " + std::to_string(cursor_.position()) +
                   ", expected " + what);
  }
  return *std::move(literal);
}

// Protocols 0 and 1 have no other way to write True and False than 01 and 00.
void Machine::push_integer_text() {
  constexpr auto kDecode = +[](std::string_view text) {
    auto value = decode_integer_text(text);
    if (text == "00" || text == "01") {
      value->kind = Kind::kBool;
    }
    return value;
  };
  stack_.push_back(document_.add(take_literal("an integer", kMaxNumberLength, kDecode)));
}

uint64_t Machine::take_place() {
  const Value place = take_literal("an integer", kMaxNumberLength, decode_integer_text);
  return place.kind == Kind::kInteger ? static_cast<uint64_t>(place.integer) : kNothing;
}

void Machine::push_dict(const std::vector<Ref>& items) {
  push_items(Kind::kDict, {});
  append(Kind::kDict, items);
}

void Machine::push_long(std::optional<int64_t> number) {
  push_new(number ? Kind::kInteger : Kind::kBigInteger, number.value_or(0));
}

void Machine::push_real(double real) {
  Value value;
  value.kind = Kind::kFloat;
  value.real = real;
  stack_.push_back(document_.add(std::move(value)));
}

void Machine::push_text(std::string_view text) {
  Value value;
  value.kind = Kind::kString;
  value.text = std::string(text);
  stack_.push_back(document_.add(std::move(value)));
}

void Machine::push_items(Kind kind, std::vector<Ref> items) {
  Value value;
  value.kind = kind;
  value.items = std::move(items);
  stack_.push_back(document_.add(std::move(value)));
}

Ref Machine::top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    document_.fail("pickle takes from an empty stack at byte " + std::to_string(cursor_.position()));
  }
  return stack_.back();
}

Ref Machine::pop() {
  const Ref ref = top();
  stack_.pop_back();
  return ref;
}

std::vector<Ref> Machine::pop(int count) {
  std::vector<Ref> items(count);
  for (int i = count - 1; i >= 0; --i) {
    items[i] = pop();
  }
  return items;
}

std::vector<Ref> Machine::pop_to_mark() {
  if (marks_.empty()) {
    document_.fail("pickle closes a container that it did not open at byte " +
                   std::to_string(cursor_.position()));
  }
  const auto first = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
  std::vector<Ref> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

// The POP opcode takes away the mark where nothing lies above it.
void Machine::pop_or_close() {
  if (!marks_.empty() && marks_.back() == stack_.size()) {
    marks_.pop_back();
  } else {
    pop();
  }
}

// What an opaque object holds is dropped.
void Machine::append(Kind kind, const std::vector<Ref>& items) {
  const Kind found = document_.at(top()).kind;
  if (found == Kind::kOpaque) {
    return;
  }
  if (found != kind || (kind == Kind::kDict && items.size() % 2 != 0)) {
    document_.fail("pickle adds " + std::to_string(items.size()) + " items to " + describe(found) +
                   ", expected " + describe(kind) + (kind == Kind::kDict ? " and pairs" : ""));
  }
  document_.append(top(), items);
}

void Machine::remember(uint64_t place) {
  if (place >= static_cast<uint64_t>(kMaxObjects)) {
    document_.fail("pickle remembers at place " + std::to_string(place) + ", expected less than " +
                   std::to_string(kMaxObjects));
  }
  if (place >= memo_.size()) {
    memo_.resize(place + 1, kNothing);
  }
  memo_[place] = top();
}

void Machine::recall(uint64_t place) {
  if (place >= memo_.size() || memo_[place] == kNothing) {
    document_.fail("pickle recalls place " + std::to_string(place) + ", where nothing was remembered");
  }
  push(memo_[place]);
}

}  // namespace

Document parse(std::string_view bytes, size_t& position, const std::string& file, const KeyedObjects* keyed) {
  Machine machine(bytes, position, file, keyed);
  Document document = machine.run();
  position = machine.position();
  return document;
}

}  // namespace bsq::pickle
