/* What adbd's sources expect of Android's build and of clang, for a build with g++ on Debian.
 * Included before every file of adbd by emulation/adbd_build.py. */
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>

/* clang's static checks of locks: g++ has no such attributes. */
#include <android-base/thread_annotations.h>
#undef THREAD_ANNOTATION_ATTRIBUTE__
#define THREAD_ANNOTATION_ATTRIBUTE__(x)

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#ifndef __unused
#define __unused __attribute__((unused))
#endif
