// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

namespace base {

// Segments that are never written hold nothing but what their file holds. What the
// loader relocated stands in writable ones, though it is protected afterwards.
static int drop_pages(dl_phdr_info* object, size_t, void*) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W)) continue;
    uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~(page - 1);
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

void give_back_memory() {
  malloc_trim(0);
  dl_iterate_phdr(drop_pages, nullptr);
}

size_t slack_memory() {
  const struct mallinfo2 heap = mallinfo2();
  const size_t used = heap.uordblks + heap.hblkhd, resident = resident_memory();
  return resident > used ? resident - used : 0;
}

size_t resident_memory() {
  FILE* file = fopen("/proc/self/statm", "re");
  if (!file) return 0;
  size_t total = 0, resident = 0;
  if (fscanf(file, "%zu %zu", &total, &resident) != 2) resident = 0;
  fclose(file);
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace base
