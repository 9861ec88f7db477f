#include "tools/report/palette.h"

#include <cstdio>
#include <iterator>
#include <regex>
#include <vector>

namespace bsq::cli {
namespace {

struct Color {
  const char* name;
  const char* light;
  const char* dark;
};

constexpr Color kColors[] = {
    {"fg", "#1f2328", "#e3e6ea"},   {"muted", "#5d6670", "#a3adb8"},  {"line", "#b9b6af", "#4a525c"},
    {"grid", "#ebe8e2", "#2a3038"}, {"accent", "#c8553d", "#f0917c"}, {"c1", "#2a6f97", "#6db3d8"},
    {"c2", "#c8553d", "#f0917c"},   {"c3", "#4f8a4c", "#8cc587"},     {"c4", "#8a5fa8", "#c3a0dd"},
    {"c5", "#b98a1f", "#e0bc62"},   {"c6", "#2f9090", "#6fcaca"},     {"c7", "#b04a7a", "#e790b5"},
    {"c8", "#7a5c3e", "#c9a27e"},   {"c9", "#3d4fa3", "#93a3ee"},     {"c10", "#a3a812", "#d7db6a"},
    {"b0", "#f4f2ed", "#20252b"},   {"b1", "#e0eaf0", "#1f3440"},     {"b2", "#c6dce7", "#214358"},
    {"b3", "#a6c9db", "#265672"},   {"b4", "#82b2cc", "#2d6a8b"},     {"b5", "#5d98b9", "#3a82a5"},
    {"b6", "#407ea2", "#559cbd"},   {"b7", "#2b6488", "#7fb9d5"},     {"b8", "#184766", "#b3d8ea"},
    {"t0", "#5d6670", "#a3adb8"},   {"t1", "#1f2328", "#e3e6ea"},     {"t2", "#1f2328", "#e3e6ea"},
    {"t3", "#1f2328", "#e3e6ea"},   {"t4", "#1f2328", "#ffffff"},     {"t5", "#ffffff", "#ffffff"},
    {"t6", "#ffffff", "#10151a"},   {"t7", "#ffffff", "#10151a"},     {"t8", "#ffffff", "#10151a"}};

// Blue counts the colours; no other part of a plot is of this red and green.
constexpr int kMarkRed = 3, kMarkGreen = 251;

std::string mark_of(size_t index) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", kMarkRed, kMarkGreen,
                static_cast<unsigned>(index) & 0xff);
  return text;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace

std::string with_light_colors(const std::string& script) {
  auto text = script;
  for (const auto& color : kColors) {
    text = replaced(text, std::string("@") + color.name + "@", color.light);
  }
  return text;
}

std::string with_marked_colors(const std::string& script) {
  auto text = script;
  for (size_t i = 0; i < std::size(kColors); ++i) {
    text = replaced(text, std::string("@") + kColors[i].name + "@", mark_of(i));
  }
  return text;
}

std::string to_css_variables(const std::string& svg) {
  static const std::regex mark(R"(rgb\( *3, *251, *(\d+)\))");
  std::string text;
  auto last = svg.cbegin();
  for (std::sregex_iterator at(svg.begin(), svg.end(), mark), end; at != end; ++at) {
    const auto index = static_cast<size_t>(std::stoi((*at)[1]));
    text.append(last, (*at)[0].first);
    text += index < std::size(kColors) ? std::string("var(--") + kColors[index].name + ")" : "currentColor";
    last = (*at)[0].second;
  }
  return text.append(last, svg.cend());
}

std::string css_variables(bool is_dark) {
  std::string text;
  for (const auto& color : kColors) {
    text += std::string("--") + color.name + ":" + (is_dark ? color.dark : color.light) + ";";
  }
  return text;
}

}  // namespace bsq::cli
