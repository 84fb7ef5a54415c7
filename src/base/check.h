#pragma once

#include <cstdio>
#include <cstdlib>

// CHECK(condition) ends the process when an invariant of our own is broken. It is always on, and
// never judges outside input: that is refused with an Error.
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
