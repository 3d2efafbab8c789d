// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace base {

// Gives the system what starting and configuring took and serving does not
// need: the heap's free pages, and the pages of program text and constants,
// which come back from the page cache as they are used. Takes about a
// millisecond; for after a change of configuration, not for every one.
void give_back_memory();

// What this process has in memory beyond what its heap has in use, in bytes: free pages of the heap that were not
// given back, and the program itself. Walks the heap's free lists: not for every turn.
size_t slack_memory();

// What this process has in memory, in bytes; 0 where the system does not say.
size_t resident_memory();

}  // namespace base
