#ifndef TESTBED_CHINTS_H
#define TESTBED_CHINTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

// Hints to the processor and to the system about memory. They change how fast it is, and nothing else.

/// Asks for large pages where memory begins and ends inside of some: whoever goes through a lot of it in no order spends more time on looking up
/// small ones than on reading.
static inline void testbed_prefer_large_pages(const void *start, size_t size) {
    const uintptr_t page = (uintptr_t)2 << 20;
    const uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1);
    const uintptr_t end = ((uintptr_t)start + size) & ~(page - 1);
    if (end > first) (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
}

#endif
