#include "bsq/data/jpeg_file.h"

#include <jpeglib.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstring>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include "bsq/base/error.h"

namespace bsq {
namespace {

// Beside the part: what smooth upsampling of colours looks at.
constexpr int64_t kMargin = 16;

struct Faults {
  jpeg_error_mgr manager;  // first: libjpeg knows this address alone
  std::jmp_buf place;
  char text[JMSG_LENGTH_MAX];
};

void jump_out(j_common_ptr jpeg) {
  auto* faults = reinterpret_cast<Faults*>(jpeg->err);
  jpeg->err->format_message(jpeg, faults->text);
  std::longjmp(faults->place, 1);
}

// Of libjpeg's warnings those that say that pixels are wrong.
bool is_damage(int code) {
  return code == JWRN_HIT_MARKER || code == JWRN_JPEG_EOF || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

void hear(j_common_ptr jpeg, int level) {
  if (level < 0 && is_damage(jpeg->err->msg_code)) {
    jump_out(jpeg);
  }
}

// The part in pixels of the decoder's scale, within its image.
struct Range {
  int64_t first, last;
};

Range range_of(double begin, double length, double scale, int64_t pixels) {
  const auto first = static_cast<int64_t>(std::floor(begin * scale)) - kMargin;
  const auto last = static_cast<int64_t>(std::ceil((begin + length) * scale)) + kMargin;
  return {std::clamp<int64_t>(first, 0, pixels - 1), std::clamp<int64_t>(last, 1, pixels)};
}

// CMYK as Adobe writes it, inverted, to red, green, blue.
void colours_of_cmyk(const uint8_t* cmyk, int64_t count, uint8_t* colours) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t channel = 0; channel < 3; ++channel) {
      colours[3 * i + channel] = static_cast<uint8_t>((cmyk[4 * i + channel] * cmyk[4 * i + 3] + 127) / 255);
    }
  }
}

// Nothing with a destructor is made between setjmp and a jump back to it.
class JpegReader {
 public:
  JpegReader(const std::string& file, const std::vector<uint8_t>& bytes) : file_(file) {
    jpeg_.err = jpeg_std_error(&faults_.manager);
    faults_.manager.error_exit = jump_out;
    faults_.manager.emit_message = hear;
    faults_.text[0] = '\0';
    if (setjmp(faults_.place) != 0) {
      fail();
    }
    jpeg_create_decompress(&jpeg_);
    jpeg_mem_src(&jpeg_, bytes.data(), bytes.size());
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  void read_head() {
    if (setjmp(faults_.place) != 0) {
      fail();
    }
    jpeg_read_header(&jpeg_, TRUE);
  }

  ImageSize size() const { return {jpeg_.image_height, jpeg_.image_width}; }

  Picture decode(const Box& part, int eighths) {
    begin(eighths);
    Picture picture;
    picture.scale = eighths / 8.0;
    const auto rows = range_of(part.top, part.height, picture.scale, jpeg_.output_height);
    const auto columns = range_of(part.left, part.width, picture.scale, jpeg_.output_width);
    left_ = static_cast<JDIMENSION>(columns.first);
    width_ = static_cast<JDIMENSION>(columns.last - columns.first);
    cut(static_cast<JDIMENSION>(rows.first));
    picture.top = rows.first;
    picture.left = left_;
    picture.size = {rows.last - rows.first, width_};
    picture.pixels.resize(static_cast<size_t>(3 * picture.size.height * picture.size.width));
    const bool is_cmyk = jpeg_.out_color_space == JCS_CMYK;
    std::vector<uint8_t> row(static_cast<size_t>(4 * width_));
    for (int64_t y = 0; y < picture.size.height; ++y) {
      auto* const out = picture.pixels.data() + 3 * y * picture.size.width;
      read_row(is_cmyk ? row.data() : out);
      if (is_cmyk) {
        colours_of_cmyk(row.data(), picture.size.width, out);
      }
    }
    return picture;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(file_ + ": not decoded (" + faults_.text + "), expected a JPEG or PNG image");
  }

  void begin(int eighths) {
    if (setjmp(faults_.place) != 0) {
      fail();
    }
    const bool is_cmyk = jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK;
    jpeg_.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_.dct_method = JDCT_ISLOW;
    jpeg_.scale_num = static_cast<unsigned>(eighths);
    jpeg_.scale_denom = 8;
    jpeg_start_decompress(&jpeg_);
  }

  // libjpeg-turbo moves left_ to where a block begins, and width_ with it.
  void cut(JDIMENSION first_row) {
    if (setjmp(faults_.place) != 0) {
      fail();
    }
    if (width_ < jpeg_.output_width) {
      jpeg_crop_scanline(&jpeg_, &left_, &width_);
    }
    if (first_row > 0) {
      jpeg_skip_scanlines(&jpeg_, first_row);
    }
  }

  void read_row(uint8_t* row) {
    if (setjmp(faults_.place) != 0) {
      fail();
    }
    JSAMPROW rows[1] = {row};
    jpeg_read_scanlines(&jpeg_, rows, 1);
  }

  const std::string& file_;
  Faults faults_{};
  jpeg_decompress_struct jpeg_{};
  JDIMENSION left_ = 0, width_ = 0;
};

}  // namespace

bool is_jpeg(const std::vector<uint8_t>& bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

ImageSize jpeg_size(const std::string& file, const std::vector<uint8_t>& bytes) {
  JpegReader reader(file, bytes);
  reader.read_head();
  return reader.size();
}

Picture decode_jpeg(const std::string& file, const std::vector<uint8_t>& bytes, const Box& part,
                    int eighths) {
  JpegReader reader(file, bytes);
  reader.read_head();
  return reader.decode(part, eighths);
}

}  // namespace bsq
