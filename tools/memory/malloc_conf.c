/* How jemalloc serves training, read by jemalloc when a program starts: activations and their gradients are
   megabytes that come and go with every step, so pages are huge and stay with the process. */
const char* malloc_conf = "thp:always,dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0";
