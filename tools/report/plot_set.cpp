#include "tools/report/plot_set.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "bsq/base/error.h"
#include "tools/report/html_text.h"
#include "tools/report/palette.h"
#include "tools/report/slim_svg.h"
#include "tools/report/text_file.h"
#include "tools/sweep/process.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLook =
    "set encoding utf8\n"
    "set border 3 lc rgb \"@line@\"\n"
    "set tics nomirror scale 0.4 textcolor rgb \"@muted@\"\n"
    "set grid lt 1 lw 0.6 lc rgb \"@grid@\"\n"
    "set key textcolor rgb \"@fg@\" below samplen 2 height 0.8\n"
    "set title textcolor rgb \"@fg@\"\n"
    "set xlabel textcolor rgb \"@muted@\"\n"
    "set ylabel textcolor rgb \"@muted@\"\n";

std::string size_text(const PlotSize& size) {
  return std::to_string(size.width) + "," + std::to_string(size.height);
}

std::string svg_script(const std::string& file, const PlotSize& size, const std::string& body) {
  return "reset\nset term svg size " + size_text(size) + " font \"sans-serif,12\" noenhanced\nset output \"" +
         file + "\"\n" + kLook + body + "\nunset output\n";
}

std::string png_script(const std::string& file, const PlotSize& size, const std::string& body) {
  return "reset\nset term pngcairo size " + size_text({2 * size.width, 2 * size.height}) +
         " fontscale 2 linewidth 2 pointscale 2 font \"sans-serif,12\" noenhanced background "
         "\"#ffffff\"\nset output \"" +
         file + "\"\n" + kLook + body + "\nunset output\n";
}

// Where gnuplot works; goes away with the object.
struct WorkFolder {
  explicit WorkFolder(const std::string& plots) : path(plots + "/.work." + std::to_string(getpid())) {
    std::error_code error;
    fs::create_directories(path, error);
    if (!fs::is_directory(path)) {
      throw Error(plots + ": cannot be made; expected a folder to write to");
    }
  }
  ~WorkFolder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const std::string path;
};

void run_gnuplot(const std::string& folder, const std::string& script) {
  const auto file = folder + "/plots.gp";
  std::ofstream(file) << script;
  Process process({"gnuplot", file}, folder + "/gnuplot.txt", folder + "/gnuplot.err");
  while (!process.poll()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const int status = *process.poll();
  if (status == 0) {
    return;
  }
  std::ifstream in(folder + "/gnuplot.err");
  std::string text = status > 128 ? "ended by signal " + std::to_string(status - 128) : "";
  for (std::string line; std::getline(in, line);) {
    const bool is_said = line.find_first_not_of(" ^") != std::string::npos;
    text = is_said && status <= 128 ? line : text;
  }
  throw Error("gnuplot: " + text + "; expected gnuplot with its svg and pngcairo terminals");
}

}  // namespace

std::string plot_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    const bool is_plain = static_cast<unsigned char>(c) >= 0x80 ||
                          std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                          std::string(" ._+-/=%,():#").find(c) != std::string::npos;
    safe += is_plain ? c : '_';
  }
  return safe;
}

bool PlotSet::has(const std::string& name) const { return figures_.count(name) != 0; }

void PlotSet::render(const std::string& folder) {
  const WorkFolder made(folder);
  const auto& work = made.path;
  std::string script;
  for (const auto& plot : plots_) {
    const auto base = work + "/" + plot.name;
    script += with_marked_colors(svg_script(base + ".wide.svg", plot.wide_size, plot.wide));
    script += with_marked_colors(svg_script(base + ".narrow.svg", plot.narrow_size, plot.narrow));
    script += with_light_colors(svg_script(folder + "/" + plot.name + ".svg", plot.wide_size, plot.wide));
    script += with_light_colors(png_script(folder + "/" + plot.name + ".png", plot.wide_size, plot.wide));
  }
  run_gnuplot(work, script);
  for (const auto& plot : plots_) {
    const auto base = work + "/" + plot.name;
    figures_[plot.name] = "<div class=\"wide\">" + inline_svg(base + ".wide.svg", plot.name + "-w", plot) +
                          "</div><div class=\"narrow\">" +
                          inline_svg(base + ".narrow.svg", plot.name + "-n", plot) + "</div>";
  }
}

// Only the drawing; ids are made unique on the page.
std::string PlotSet::inline_svg(const std::string& file, const std::string& id, const Plot& plot) const {
  static const std::regex head(R"re(^[\s\S]*?<svg[^>]*viewBox="([^"]*)"[^>]*>)re");
  static const std::regex described(R"re(<(title|desc)>[\s\S]*?</(title|desc)>)re");
  static const std::regex named(R"re(id=(['"]))re");
  static const std::regex used(R"re(href=(['"])#)re");
  static const std::regex nothing(R"re(<g [^>]*>\s*</g>\n?)re");
  static const std::regex blanks(R"re([ \t]*\n\s*)re");
  auto text = read_text(file);
  std::smatch match;
  if (!std::regex_search(text, match, head)) {
    throw Error(file + ": gnuplot made no SVG");
  }
  const std::string box = match[1];
  text = match.suffix();
  text = std::regex_replace(text, described, "");
  text = std::regex_replace(text, named, "id=$1" + id + "-");
  text = std::regex_replace(text, used, "href=$1#" + id + "-");
  text = std::regex_replace(text, nothing, "");
  text = std::regex_replace(text, blanks, "\n");
  const auto width = box.substr(4, box.find(' ', 4) - 4);
  return "<svg role=\"img\" aria-label=\"" + html_text(plot.title) + "\" viewBox=\"" + box +
         "\" style=\"max-width:" + width + "px\"" + kSvgDefaults + ">" + to_css_variables(slim_svg(text));
}

std::string PlotSet::figure(const std::string& name, const std::string& caption) const {
  const auto at = figures_.find(name);
  return at == figures_.end()
             ? ""
             : "<figure>" + at->second + "<figcaption>" + html_text(caption) + "</figcaption></figure>\n";
}

}  // namespace bsq::cli
