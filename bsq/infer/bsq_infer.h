#ifndef BSQ_INFER_H_
#define BSQ_INFER_H_

/* Runs model files of bsq (best_bin.h5, final.h5) in integers, in C, without libtorch.
 *
 *     char message[256];
 *     bsq_model* model = bsq_load("best_bin.h5", message, sizeof message);
 *     bsq_run(model, pixels, 1, logits, 1, message, sizeof message);
 *     bsq_free(model);
 *
 * What fails leaves one line of text in `message`, cut to `bytes` bytes with its zero byte; `message` may be
 * null. A model may be used by several threads at once. */

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && defined(BSQ_INFER_BUILD)
#define BSQ_INFER_API __attribute__((visibility("default")))
#else
#define BSQ_INFER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bsq_model bsq_model;

/* Reads a file, of which nothing is trusted, and prepares it. Null where it fails. */
BSQ_INFER_API bsq_model* bsq_load(const char* path, char* message, size_t bytes);
/* Null is fine. */
BSQ_INFER_API void bsq_free(bsq_model* model);

BSQ_INFER_API int64_t bsq_channels(const bsq_model* model);
BSQ_INFER_API int64_t bsq_height(const bsq_model* model);
BSQ_INFER_API int64_t bsq_width(const bsq_model* model);
BSQ_INFER_API int64_t bsq_classes(const bsq_model* model);
/* "" where the file has no name for the class, and for what is no class. Lives as long as the model. */
BSQ_INFER_API const char* bsq_class_name(const bsq_model* model, int64_t index);

/* images: (count, 3, height, width), red, green and blue planes of 0 to 255, which are normalized as the file
 * says. logits: room for (count, classes). threads: 1 or more. Gives 0, or -1 where it fails. */
BSQ_INFER_API int bsq_run(const bsq_model* model, const uint8_t* images, int64_t count, float* logits,
                          int threads, char* message, size_t bytes);
/* The same of images that are normalized already, (count, channels, height, width). */
BSQ_INFER_API int bsq_run_normalized(const bsq_model* model, const float* images, int64_t count,
                                     float* logits, int threads, char* message, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* BSQ_INFER_H_ */
