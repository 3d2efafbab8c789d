// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/rootfs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <filesystem>

#include "base/file.h"
#include "base/strings.h"
#include "localkube/process/files.h"
#include "localkube/shim/sub_path.h"

namespace localkube {
namespace {

constexpr uint64_t kBound = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

base::Error failure(const std::string& what) { return base::system_error(what, errno); }

// A file system tree under construction, open as a directory. Every path is
// resolved as if it were the root already, so a link that a volume holds cannot
// lead a mount to anywhere else.
class Root {
 public:
  static base::Result<Root> make(const std::string& staging) {
    if (mount("tmpfs", staging.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1g") != 0)
      return std::unexpected(failure("mount a tmpfs on " + staging));
    Fd fd(open(staging.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return std::unexpected(failure("open " + staging));
    return Root(std::move(fd));
  }

  Fd open_path(const std::string& path, int flags = O_PATH, mode_t mode = 0) const {
    open_how how{};
    how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
    how.mode = mode;
    how.resolve = RESOLVE_IN_ROOT;
    return Fd(static_cast<int>(syscall(SYS_openat2, fd_.get(), path.empty() ? "." : path.c_str(), &how, sizeof how)));
  }

  // The directory at that path; what is missing of it is made.
  base::Result<Fd> directory(const std::string& path, mode_t mode = 0755) const {
    std::string done;
    for (std::string_view piece : base::split(path, '/')) {
      if (piece.empty()) continue;
      if (piece == "..") return base::fail(base::ErrorKind::Invalid, "path " + path + " contains ..");
      Fd parent = open_path(done);
      if (!parent) return std::unexpected(failure("open " + done));
      done += (done.empty() ? "" : "/") + std::string(piece);
      if (Fd there = open_path(done)) continue;
      if (mkdirat(parent.get(), std::string(piece).c_str(), 0755) != 0 && errno != EEXIST)
        return std::unexpected(failure("make directory /" + done + " in the container"));
    }
    Fd made = open_path(done);
    if (!made) return std::unexpected(failure("open /" + done + " in the container"));
    if (mode != 0755) fchmodat(fd_.get(), done.c_str(), mode, 0);
    return made;
  }

  base::Result<void> file(const std::string& path, std::string_view text, mode_t mode = 0644) const {
    TRY(directory(std::filesystem::path(path).parent_path().string()));
    Fd file = open_path(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (!file) return std::unexpected(failure("write /" + path + " in the container"));
    fchmod(file.get(), mode);
    return write_all(file.get(), text);
  }

  base::Result<void> link(const std::string& path, const std::string& to) const {
    TRY(directory(std::filesystem::path(path).parent_path().string()));
    if (symlinkat(to.c_str(), fd_.get(), path.c_str()) != 0) return std::unexpected(failure("link /" + path));
    return {};
  }

  base::Result<void> mount_tree(const Fd& tree, const Fd& at, uint64_t attributes, const std::string& what) const {
    mount_attr attr{};
    attr.attr_set = attributes;
    if (mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0 ||
        move_mount(tree.get(), "", at.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
      return std::unexpected(failure("mount " + what));
    return {};
  }

  // `source` of the host at `target`, made as what the source is.
  base::Result<void> bind(const Fd& source, const std::string& target, uint64_t attributes) const {
    struct stat status{};
    if (fstat(source.get(), &status) != 0) return std::unexpected(failure("stat the source of " + target));
    if (!S_ISDIR(status.st_mode) && !open_path(target)) TRY(file(target, ""));
    Fd at = S_ISDIR(status.st_mode) ? TRY(directory(target)) : open_path(target);
    if (!at) return std::unexpected(failure("open " + target));
    Fd tree(open_tree(source.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH));
    if (!tree) return std::unexpected(failure("take the source of " + target));
    return mount_tree(tree, at, attributes, target);
  }
  base::Result<void> bind(const std::string& source, const std::string& target, uint64_t attributes) const {
    Fd fd(open(source.c_str(), O_PATH | O_CLOEXEC));
    if (!fd) return std::unexpected(failure("open " + source));
    return bind(fd, target, attributes);
  }

  base::Result<void> mount_new(const char* type, const std::string& target, unsigned long flags,
                               const char* options) const {
    Fd at = TRY(directory(target));
    std::string path = "/proc/self/fd/" + std::to_string(at.get());
    if (mount(type, path.c_str(), type, flags, options) != 0) return std::unexpected(failure("mount /" + target));
    return {};
  }

  int fd() const { return fd_.get(); }

 private:
  explicit Root(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

base::Result<void> add_system(const Root& root) {
  for (const char* name : {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt"}) {
    std::filesystem::path path = std::filesystem::path("/") / name;
    std::error_code error;
    auto status = std::filesystem::symlink_status(path, error);
    if (std::filesystem::is_symlink(status)) {
      TRY(root.link(name, std::filesystem::read_symlink(path, error).string()));
    } else if (std::filesystem::is_directory(status)) {
      TRY(root.bind(path.string(), name, kBound | MOUNT_ATTR_RDONLY));
    }
  }
  for (const char* name : {"home", "mnt", "srv", "run/lock", "var/cache", "var/lib", "var/log", "var/opt", "var/spool"})
    TRY(root.directory(name));
  TRY(root.directory("root", 0700));
  TRY(root.directory("tmp", 01777));
  TRY(root.directory("var/tmp", 01777));
  return root.link("var/run", "/run");
}

constexpr std::string_view kAccounts =
    "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
    "istio-proxy:x:1337:1337:istio-proxy:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
constexpr std::string_view kGroups = "root:x:0:\nwww-data:x:33:\nistio-proxy:x:1337:\nnogroup:x:65534:\n";

base::Result<void> add_etc(const Root& root, const ContainerSpec& spec) {
  for (const char* name : {"bash.bashrc", "inputrc", "ld.so.cache", "ld.so.conf", "localtime", "mime.types", "profile",
                           "protocols", "services", "ssl/openssl.cnf", "timezone"}) {
    auto text = base::read_file(std::string("/etc/") + name);
    if (text) TRY(root.file(std::string("etc/") + name, *text));
  }
  for (const char* name : {"alternatives", "ca-certificates", "ld.so.conf.d", "ssl/certs", "terminfo"}) {
    std::string path = std::string("etc/") + name;
    if (std::filesystem::is_directory("/" + path)) TRY(root.bind("/" + path, path, kBound | MOUNT_ATTR_RDONLY));
  }
  TRY(root.file("etc/passwd", kAccounts));
  TRY(root.file("etc/group", kGroups));
  TRY(root.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"));
  for (const auto& [name, text] : spec.files) TRY(root.file("etc/" + name, text));
  if (std::filesystem::exists("/usr/lib/os-release")) TRY(root.link("etc/os-release", "../usr/lib/os-release"));
  return root.link("etc/mtab", "/proc/self/mounts");
}

base::Result<void> add_kernel(const Root& root) {
  TRY(root.mount_new("proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr));
  TRY(root.mount_new("sysfs", "sys", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, nullptr));
  // Process 0 of a container may write there even without any capability.
  for (const char* name : {"sys", "irq", "bus", "fs", "sysrq-trigger"}) {
    std::string path = std::string("proc/") + name;
    Fd there = root.open_path(path);
    if (there) TRY(root.bind(there, path, kBound | MOUNT_ATTR_RDONLY));
  }
  for (const char* name : {"kcore", "keys", "timer_list", "kmsg"}) {
    std::string path = std::string("proc/") + name;
    if (root.open_path(path)) TRY(root.bind("/dev/null", path, MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY));
  }
  return {};
}

base::Result<void> add_devices(const Root& root) {
  TRY(root.mount_new("tmpfs", "dev", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k"));
  // Read-only: the nodes are the machine's own, and keep their owners and modes. Devices take writes all the same.
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"})
    TRY(root.bind(std::string("/dev/") + name, std::string("dev/") + name, MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY));
  TRY(root.mount_new("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"));
  TRY(root.mount_new("tmpfs", "dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m"));
  TRY(root.link("dev/ptmx", "pts/ptmx"));
  TRY(root.link("dev/fd", "/proc/self/fd"));
  TRY(root.link("dev/stdin", "/proc/self/fd/0"));
  TRY(root.link("dev/stdout", "/proc/self/fd/1"));
  return root.link("dev/stderr", "/proc/self/fd/2");
}

// Names that one of Seine's programs answers to as well.
struct Alias {
  const char* name;
  const char* program;
};
constexpr Alias kAliases[] = {
    {"pilot-agent", "seine-proxy"}, {"nslookup", "seine-samples"}, {"nc", "seine-samples"}, {"ping", "seine-samples"}};

// What the machine has itself is left as it is.
bool has_program(const Root& root, const std::string& name) {
  for (const char* directory : {"usr/local/bin/", "usr/bin/", "usr/sbin/", "bin/", "sbin/"})
    if (root.open_path(directory + name)) return true;
  return false;
}

// /usr/local/bin cannot be written to, so links to the programs are laid over it.
base::Result<void> add_programs(const Root& root, const ContainerSpec& spec) {
  if (spec.programs.empty()) return {};
  TRY(root.directory("usr/local/bin"));
  for (const std::string& path : spec.programs) {
    std::string name = std::filesystem::path(path).filename().string();
    TRY(root.bind(path, ".seine/bin/" + name, kBound | MOUNT_ATTR_RDONLY));
    TRY(root.link(".seine/links/" + name, "/.seine/bin/" + name));
    for (const Alias& alias : kAliases)
      if (name == alias.program && !has_program(root, alias.name))
        TRY(root.link(".seine/links/" + std::string(alias.name), "/.seine/bin/" + name));
  }
  Fd at = root.open_path("usr/local/bin");
  std::string path = "/proc/self/fd/" + std::to_string(at.get());
  Fd before(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  bool moved = fchdir(root.fd()) == 0;
  int failed = !moved || mount("overlay", path.c_str(), "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV,
                               "lowerdir=.seine/links:usr/local/bin") != 0;
  int why = errno;
  if (fchdir(before.get()) != 0 || failed)
    return std::unexpected(base::system_error("lay programs over /usr/local/bin", why));
  return {};
}

base::Result<void> add_volume(const Root& root, const ContainerSpec::Mount& mount) {
  uint64_t attributes = kBound | (mount.read_only ? MOUNT_ATTR_RDONLY : 0);
  if (mount.sub_path.empty()) return root.bind(mount.source, mount.target, attributes);
  Fd volume(open(mount.source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!volume) return std::unexpected(failure("open volume " + mount.source));
  Fd below = TRY(mount.made ? make_sub_path(volume, mount.sub_path) : open_sub_path(volume, mount.sub_path));
  return root.bind(below, mount.target, attributes);
}

}  // namespace

base::Result<void> enter_root(const ContainerSpec& spec) {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return std::unexpected(failure("make mounts private"));
  umask(0022);
  Root root = TRY(Root::make(spec.staging));
  TRY(add_system(root));
  TRY(add_etc(root, spec));
  TRY(add_kernel(root));
  TRY(add_devices(root));
  TRY(add_programs(root, spec));
  for (const ContainerSpec::Mount& mount : spec.mounts) TRY(add_volume(root, mount));
  if (!spec.message_path.empty()) TRY(root.bind(spec.message_file, spec.message_path, kBound));
  if (spec.working_dir != "/") TRY(root.directory(spec.working_dir));
  if (spec.read_only_root) {
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    if (mount_setattr(root.fd(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
      return std::unexpected(failure("make the root read-only"));
  }
  if (fchdir(root.fd()) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
      chdir("/") != 0)
    return std::unexpected(failure("enter the container's root"));
  return {};
}

}  // namespace localkube
