// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "localkube/process/fd.h"

namespace localkube {

// Replaces the file at once: readers see the old text or the new one, also
// after a power cut.
enum class Durable { Yes, No };
// The draft is PATH.new; one that is there gives its room to the text.
base::Result<void> write_file(const std::filesystem::path& path, std::string_view text, mode_t mode = 0600,
                              Durable durable = Durable::No);

// Takes the file away and keeps its room for the next one, which a full disk would not have.
void retire_file(const std::filesystem::path& path);

// Directories on the way are made.
base::Result<void> make_directory(const std::filesystem::path& path, mode_t mode = 0755);

base::Result<std::pair<Fd, Fd>> make_pipe();  // read end, write end; close-on-exec
// A stream socket at a path, which only its owner may connect to; a stale one is replaced.
base::Result<Fd> listen_at(const std::string& path);
void set_blocking(int fd, bool blocking);
void keep_across_exec(int fd);
base::Result<void> write_all(int fd, std::string_view text);  // for a blocking descriptor

// When the process began, in clock ticks since boot: with its id it names one
// process, also after the id was given to another. Reads /proc.
std::optional<uint64_t> start_time(pid_t pid);

}  // namespace localkube
