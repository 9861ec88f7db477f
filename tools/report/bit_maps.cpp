#include "tools/report/bit_maps.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "tools/report/palette.h"
#include "tools/report/plot_parts.h"

namespace bsq::cli {
namespace {

// A rectangle of one of nine colours, with a text.
struct Cell {
  double left, right;
  size_t row;
  int level;
  std::string text;
};

std::string cells_body(const std::vector<Cell>& cells, const std::vector<std::string>& rows, bool has_text) {
  std::string text = "unset grid\nset border 0\nset tics scale 0\nset key off\nset yrange [" +
                     std::to_string(rows.size()) + "-0.5:-0.5]\nset ytics (";
  for (size_t i = 0; i < rows.size(); ++i) {
    text += (i == 0 ? "" : ", ") + quoted(rows[i]) + " " + std::to_string(i);
  }
  text += ")\nset style fill solid 1 noborder\n";
  std::string plot;
  for (int level = 0; level < kScaleColors; ++level) {
    std::ostringstream data;
    for (const auto& cell : cells) {
      if (cell.level == level) {
        data << (cell.left + cell.right) / 2 << " " << cell.row << " " << cell.left << " " << cell.right
             << " " << static_cast<double>(cell.row) - 0.47 << " " << static_cast<double>(cell.row) + 0.47
             << " " << quoted(cell.text) << "\n";
      }
    }
    if (data.str().empty()) {
      continue;
    }
    const auto name = "$level" + std::to_string(level);
    text += name + " << EOD\n" + data.str() + "EOD\n";
    plot += (plot.empty() ? "plot " : ", ") + name + " using 1:2:3:4:5:6 with boxxyerror lc rgb \"@b" +
            std::to_string(level) + "@\"";
    if (has_text) {
      plot +=
          ", " + name + " using 1:2:7 with labels font \",10\" tc rgb \"@t" + std::to_string(level) + "@\"";
    }
  }
  return plot.empty() ? "" : text + plot;
}

int map_height(size_t rows, int foot) { return static_cast<int>(rows) * 19 + foot; }

int bits_level(int64_t bits) { return static_cast<int>(std::min<int64_t>(bits, kScaleColors - 1)); }

std::vector<std::string> all_rows(const std::vector<ReportPoint>& points) {
  std::vector<std::string> rows;
  for (const auto& point : points) {
    for (const auto& tensor :
         point.model() == nullptr ? std::vector<TensorRecord>() : point.model()->tensors) {
      const auto name = short_name(tensor.name);
      if (point.kind != PointKind::kFloat && std::find(rows.begin(), rows.end(), name) == rows.end()) {
        rows.push_back(name);
      }
    }
  }
  return rows;
}

}  // namespace

void add_bits_map(PlotSet& plots, const std::vector<ReportPoint>& points) {
  const auto rows = all_rows(points);
  std::vector<Cell> cells;
  std::string tics;
  int column = 0;
  for (const auto& point : points) {
    if (point.kind == PointKind::kFloat || point.model() == nullptr) {
      continue;
    }
    for (const auto& tensor : point.model()->tensors) {
      const auto row = std::find(rows.begin(), rows.end(), short_name(tensor.name)) - rows.begin();
      cells.push_back({column - 0.48, column + 0.48, static_cast<size_t>(row), bits_level(tensor.bits),
                       std::to_string(tensor.bits)});
    }
    tics += (tics.empty() ? "" : ", ") + quoted(point.label) + " " + std::to_string(column);
    ++column;
  }
  if (cells.empty()) {
    return;
  }
  const auto body = "set xlabel \"model, BSQ by alpha\"\nset xrange [-0.5:" + std::to_string(column) +
                    "-0.5]\nset xtics (" + tics + ") rotate by 40 right\n" +
                    cells_body(cells, rows, /*has_text=*/true);
  plots.add({"bits",
             "bits of every layer in every model",
             {std::min(kWide, 220 + 70 * column), map_height(rows.size(), 90)},
             {std::max(kNarrow, 130 + 24 * column), map_height(rows.size(), 90)},
             body,
             body});
}

void add_time_map(PlotSet& plots, const ReportPoint& point, size_t index) {
  if (!point.trained || point.trained->adjustments.empty()) {
    return;
  }
  const auto& adjustments = point.trained->adjustments;
  const auto epochs = static_cast<double>(
      std::max<int64_t>(static_cast<int64_t>(point.trained->history.size()), adjustments.back().epoch));
  // The final adjustment comes after the last epoch; a strip beside it shows what it left.
  const double end = epochs + std::max(0.6, epochs / 12);
  std::vector<std::string> rows;
  for (const auto& [name, bits] : adjustments.front().bits) {
    rows.push_back(short_name(name));
  }
  std::vector<Cell> cells;
  std::string marks, tics;
  for (size_t i = 0; i < adjustments.size(); ++i) {
    const auto from = static_cast<double>(adjustments[i].epoch);
    const double to = i + 1 < adjustments.size() ? static_cast<double>(adjustments[i + 1].epoch)
                      : from >= epochs           ? end
                                                 : epochs;
    for (size_t row = 0; row < std::min(rows.size(), adjustments[i].bits.size()); ++row) {
      const auto bits = adjustments[i].bits[row].second;
      cells.push_back({from, to, row, bits_level(bits), std::to_string(bits)});
    }
    const auto epoch = std::to_string(adjustments[i].epoch);
    marks += "set arrow from " + epoch + ",graph 0 to " + epoch +
             ",graph 1 nohead front lw 1.8 dt 2 lc rgb \"@accent@\"\n";
    tics += (tics.empty() ? "" : ", ") + ("\"" + epoch + "\" " + epoch);
  }
  const auto body =
      "set xlabel \"epoch; dashed: precision adjustments\"\nset xrange [0:" + std::to_string(end) +
      "]\nset xtics (" + tics + ")\n" + marks + cells_body(cells, rows, adjustments.size() <= 12);
  plots.add({point_plot(index, "time"),
             "bits of every layer over training, " + point.name,
             {kWide, map_height(rows.size(), 60)},
             {kNarrow, map_height(rows.size(), 60)},
             body,
             body});
}

void add_planes_map(PlotSet& plots, const ReportPoint& point, size_t index) {
  std::vector<Cell> cells;
  std::vector<std::string> rows;
  size_t most = 0;
  for (const auto& tensor : point.model()->tensors) {
    rows.push_back(short_name(tensor.name));
    for (size_t plane = 0; plane < tensor.ones.size(); ++plane) {
      const double percent = tensor.ones[plane];
      const int level =
          std::min(kScaleColors - 1, static_cast<int>(std::ceil(percent / 100 * (kScaleColors - 1))));
      std::ostringstream text;
      text.precision(0);
      text << std::fixed << percent;
      cells.push_back({static_cast<double>(plane) + 0.52, static_cast<double>(plane) + 1.48, rows.size() - 1,
                       level, text.str()});
    }
    most = std::max(most, tensor.ones.size());
  }
  if (cells.empty()) {
    return;
  }
  const auto body =
      "set xlabel \"plane, 1 the most significant; percent of weights with a digit\"\nset xtics 1\nset "
      "xrange [0.5:" +
      std::to_string(most) + "+0.5]\n" + cells_body(cells, rows, /*has_text=*/true);
  const auto narrow =
      "set xlabel \"plane; percent of weights with a digit\"\n" + body.substr(body.find('\n') + 1);
  plots.add({point_plot(index, "planes"),
             "percent of ones per plane, " + point.name,
             {std::min(kWide, 200 + 62 * static_cast<int>(most)), map_height(rows.size(), 60)},
             {kNarrow, map_height(rows.size(), 60)},
             body,
             narrow});
}

}  // namespace bsq::cli
