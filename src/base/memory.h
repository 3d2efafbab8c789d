// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace base {

// Gives the system what starting and configuring took and serving does not
// need: the heap's free pages, and the pages of program text and constants,
// which come back from the page cache as they are used. Takes about a
// millisecond; for after a change of configuration, not for every one.
void give_back_memory();

}  // namespace base
