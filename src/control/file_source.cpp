// SPDX-License-Identifier: Apache-2.0
#include "control/file_source.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/log.h"

namespace control {

using Objects = std::map<objects::Ref, objects::Object>;

static base::Result<Objects> objects_in(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  Objects out;
  for (base::Json& document : TRY(base::parse_yaml(text.str()))) {
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

base::Result<std::unique_ptr<FileSource>> FileSource::open(net::Loop& loop, Ingest& ingest, std::filesystem::path directory) {
  std::unique_ptr<FileSource> source(new FileSource(loop, ingest, std::move(directory)));
  source->inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (source->inotify_ < 0) return std::unexpected(base::system_error("inotify", errno));
  if (inotify_add_watch(source->inotify_, source->directory_.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) < 0)
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

void FileSource::read_all() {
  std::map<std::filesystem::path, Objects> now;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    auto extension = entry.path().extension();
    if (extension != ".yaml" && extension != ".yml" && extension != ".json") continue;
    auto read = objects_in(entry.path());
    if (read) {
      now[entry.path()] = std::move(*read);
    } else {
      base::log::warn("{}: {}; what it held before stays", entry.path().string(), base::printable(read.error().message));
      if (auto before = files_.find(entry.path()); before != files_.end()) now[entry.path()] = before->second;
    }
  }
  Objects before, after;
  for (auto& [file, objects] : files_) before.insert(objects.begin(), objects.end());
  for (auto& [file, objects] : now) after.insert(objects.begin(), objects.end());
  for (const auto& [ref, object] : before)
    if (!after.contains(ref)) ingest_.erase(ref);
  for (const auto& [ref, object] : after) {
    auto old = before.find(ref);
    if (old == before.end() || old->second.json() != object.json()) ingest_.put(object);
  }
  files_ = std::move(now);
}

}  // namespace control
