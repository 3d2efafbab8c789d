// SPDX-License-Identifier: Apache-2.0
#include "control/file_source.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/log.h"

namespace control {

base::Result<FileSource::Objects> FileSource::objects_in(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  std::vector<base::Json> documents;
  for (base::Json& document : TRY(base::parse_yaml(text.str()))) {
    if (auto items = document.find("items");
        base::text(document, "kind") == "List" && items != document.end() && items->is_array())
      std::ranges::move(*items, std::back_inserter(documents));
    else
      documents.push_back(std::move(document));
  }
  Objects out;
  for (base::Json& document : documents) {
    objects::Object object(std::move(document));
    if (object.kind_name().empty() || object.name().empty())
      return base::fail(base::ErrorKind::Invalid, "a document has no kind or no metadata.name");
    objects::Ref ref = object.ref();
    out.insert_or_assign(std::move(ref), std::move(object));
  }
  return out;
}

FileSource::FileSource(net::Loop& loop, Ingest& ingest, std::filesystem::path directory)
    : loop_(loop), ingest_(ingest), directory_(std::move(directory)) {}

FileSource::~FileSource() {
  if (inotify_ < 0) return;
  loop_.remove(inotify_, *this);
  close(inotify_);
}

base::Result<std::unique_ptr<FileSource>> FileSource::open(net::Loop& loop, Ingest& ingest,
                                                           std::filesystem::path directory) {
  std::unique_ptr<FileSource> source(new FileSource(loop, ingest, std::move(directory)));
  source->inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (source->inotify_ < 0) return std::unexpected(base::system_error("inotify", errno));
  if (inotify_add_watch(source->inotify_, source->directory_.c_str(),
                        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) < 0)
    return std::unexpected(base::system_error(source->directory_.string(), errno));
  TRY(loop.add(source->inotify_, EPOLLIN, *source));
  source->read_all();
  ingest.begin();
  return source;
}

void FileSource::on_io(uint32_t) {
  char events[4096];
  while (read(inotify_, events, sizeof events) > 0) {
  }
  read_all();
}

void FileSource::tell_difference(const Objects& before, const Objects& after) {
  for (const auto& [ref, object] : before)
    if (!after.contains(ref)) ingest_.erase(ref);
  for (const auto& [ref, object] : after)
    if (auto old = before.find(ref); old == before.end() || old->second.json() != object.json()) ingest_.put(object);
}

static std::string stamp_of(const std::filesystem::path& file) {
  struct stat status{};
  if (stat(file.c_str(), &status) != 0) return {};
  return std::to_string(status.st_ino) + " " + std::to_string(status.st_size) + " " +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
}

void FileSource::read_all() {
  std::map<std::filesystem::path, File> now;
  Objects before, after;  // of the files that changed, taken together: an object may move between them
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    auto extension = entry.path().extension();
    if (extension != ".yaml" && extension != ".yml" && extension != ".json") continue;
    std::string stamp = stamp_of(entry.path());
    auto old = files_.find(entry.path());
    if (old != files_.end() && old->second.stamp == stamp) {
      now.insert(files_.extract(old));
      continue;
    }
    auto read = objects_in(entry.path());
    if (!read) {
      base::log::warn("{}: {}; what it held before stays", entry.path().string(),
                      base::printable(read.error().message));
      if (old == files_.end()) continue;
      old->second.stamp = std::move(stamp);
      now.insert(files_.extract(old));
      continue;
    }
    after.insert(read->begin(), read->end());
    if (old != files_.end()) before.merge(files_.extract(old).mapped().objects);
    now[entry.path()] = {std::move(stamp), std::move(*read)};
  }
  for (auto& [file, gone] : files_) before.merge(gone.objects);
  tell_difference(before, after);
  files_ = std::move(now);
}

}  // namespace control
