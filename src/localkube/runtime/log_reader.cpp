// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/log_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/process/files.h"

namespace localkube {

static constexpr size_t kMostQueued = 16;  // pieces that the client has not taken
static constexpr size_t kPiece = 64 * 1024;
static constexpr auto kLook = std::chrono::milliseconds(40);

std::optional<LogLine> parse_log_line(std::string_view line) {
  LogLine out;
  auto time = base::cut(line, ' ');
  if (!time) return std::nullopt;
  auto stream = base::cut(time->second, ' ');
  if (!stream) return std::nullopt;
  auto tag = base::cut(stream->second, ' ');
  if (!tag) return std::nullopt;
  out.time = time->first;
  out.out = stream->first == "stdout";
  out.whole = tag->first != "P";
  out.text = tag->second;
  return out;
}

namespace {

// The lines of one file, and of what is appended to it, also across a rotation.
class LogFile {
 public:
  explicit LogFile(std::string path) : path_(std::move(path)) { open_present(); }

  // The next whole line of the file, without its end; nullopt: nothing more yet.
  std::optional<std::string> next() {
    for (;;) {
      size_t end = buffer_.find('\n', at_);
      if (end != buffer_.npos) {
        std::string line = buffer_.substr(at_, end - at_);
        at_ = end + 1;
        return line;
      }
      buffer_.erase(0, std::exchange(at_, 0));
      if (!fill() && !follow_rotation()) return std::nullopt;
    }
  }

 private:
  void open_present() { file_ = Fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC)); }

  bool fill() {
    if (!file_) open_present();
    if (!file_) return false;
    char block[kPiece];
    ssize_t n = read(file_.get(), block, sizeof block);
    if (n <= 0) return false;
    buffer_.append(block, static_cast<size_t>(n));
    return true;
  }

  bool follow_rotation() {
    struct stat mine{}, present{};
    if (!file_ || fstat(file_.get(), &mine) != 0 || stat(path_.c_str(), &present) != 0 || mine.st_ino == present.st_ino)
      return false;
    if (fill()) return true;
    open_present();
    return static_cast<bool>(file_);
  }

  std::string path_;
  Fd file_;
  std::string buffer_;
  size_t at_ = 0;
};

// With as many digits as the times of the lines, so that texts compare as times do.
std::string since_text(const PodStreams::LogOptions& options) {
  if (!options.since_seconds && !options.since_time) return {};
  timespec since{.tv_sec = options.since_time.value_or(0), .tv_nsec = 0};
  if (options.since_seconds) {
    clock_gettime(CLOCK_REALTIME, &since);
    since.tv_sec -= *options.since_seconds;
  }
  std::string text = time_text(since.tv_sec);
  text.pop_back();
  return fmt::format("{}.{:09}Z", text, since.tv_nsec);
}

std::string shown(const LogLine& line, bool timestamps) {
  std::string out = timestamps ? std::string(line.time) + " " : std::string();
  out += line.text;
  if (line.whole) out += '\n';
  return out;
}

}  // namespace

std::string tail_of_log(const std::string& path, size_t lines, size_t most_bytes) {
  LogFile file(path);
  std::deque<std::string> kept;
  while (auto line = file.next()) {
    auto parsed = parse_log_line(*line);
    if (!parsed) continue;
    kept.push_back(shown(*parsed, false));
    if (kept.size() > lines) kept.pop_front();
  }
  std::string text = base::join(kept, "");
  return text.size() > most_bytes ? text.substr(text.size() - most_bytes) : text;
}

net::Task<void> send_log(net::Loop& loop, LogOrder order, net::Queue<std::string> queue) {
  const PodStreams::LogOptions& options = order.options;
  std::string since = since_text(options);
  int64_t left = options.limit_bytes.value_or(INT64_MAX);
  // What there is already, of which only the tail may be wanted; then what comes.
  LogFile file(order.path);
  std::deque<std::string> tail;
  bool live = false, done = false;
  std::string piece;
  while (!queue.closed() && left > 0) {
    bool was_last = order.ended();
    auto line = file.next();
    if (line) {
      auto parsed = parse_log_line(*line);
      if (!parsed || (!since.empty() && parsed->time < since)) continue;
      std::string text = shown(*parsed, options.timestamps);
      if (!live && options.tail_lines) {
        tail.push_back(std::move(text));
        if (static_cast<int64_t>(tail.size()) > *options.tail_lines) tail.pop_front();
        continue;
      }
      piece += text;
      if (piece.size() < kPiece) continue;
    } else if (!live) {
      live = true;
      for (std::string& text : tail) piece += text;
      tail.clear();
    } else {
      done = !options.follow || was_last;
    }
    if (static_cast<int64_t>(piece.size()) > left) piece.resize(static_cast<size_t>(left));
    left -= static_cast<int64_t>(piece.size());
    if (!piece.empty()) queue.push(std::exchange(piece, {}));
    if (done) break;
    while (queue.size() >= kMostQueued && !queue.closed()) co_await net::sleep(loop, std::chrono::milliseconds(2));
    if (!line && live && options.follow && !was_last) co_await net::sleep(loop, kLook);
  }
  queue.close();
}

}  // namespace localkube
