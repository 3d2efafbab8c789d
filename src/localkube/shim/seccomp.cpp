// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <vector>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

namespace localkube {
namespace {

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
constexpr unsigned kForeign = 0x40000000;  // x32's calls have this bit
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
constexpr unsigned kForeign = 0;
#else
#error "no table of system calls for this processor"
#endif

constexpr unsigned kNewNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC;

// As Docker's default profile refuses them to a container without CAP_SYS_ADMIN and its like.
constexpr unsigned kBarred[] = {
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_fanotify_init,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_reboot,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_syslog,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_vhangup,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_lookup_dcookie,
    SYS_migrate_pages,
    SYS_move_pages,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
#endif
};

constexpr unsigned kAllow = SECCOMP_RET_ALLOW;
constexpr unsigned refuse(int error) { return SECCOMP_RET_ERRNO | static_cast<unsigned>(error); }

class Filter {
 public:
  void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)); }
  void end(unsigned verdict) { add(BPF_RET | BPF_K, verdict); }
  // The comparison with `value`, and the verdict where it is (or is not) so.
  void end_if(int comparison, unsigned value, unsigned verdict, bool so = true) {
    add(BPF_JMP | BPF_K | comparison, value, so ? 0 : 1, so ? 1 : 0);
    end(verdict);
  }
  // The first argument's low half decides: the flags of clone and unshare.
  void end_if_call_with_flags(unsigned call, unsigned flags) {
    add(BPF_JMP | BPF_K | BPF_JEQ, call, 0, 4);
    load(offsetof(seccomp_data, args[0]));
    end_if(BPF_JSET, flags, refuse(EPERM));
    end(kAllow);
  }
  std::vector<sock_filter>& code() { return code_; }

 private:
  void add(int what, unsigned value, unsigned char so = 0, unsigned char not_so = 0) {
    code_.push_back({.code = static_cast<unsigned short>(what), .jt = so, .jf = not_so, .k = value});
  }
  std::vector<sock_filter> code_;
};

}  // namespace

base::Result<void> bar_system_calls() {
  Filter filter;
  filter.load(offsetof(seccomp_data, arch));
  filter.end_if(BPF_JEQ, kArchitecture, refuse(ENOSYS), false);
  filter.load(offsetof(seccomp_data, nr));
  if (kForeign) filter.end_if(BPF_JGE, kForeign, refuse(ENOSYS));
  filter.end_if(BPF_JEQ, SYS_clone3, refuse(ENOSYS));
  for (unsigned call : kBarred) filter.end_if(BPF_JEQ, call, refuse(EPERM));
  filter.end_if_call_with_flags(SYS_clone, kNewNamespaces);
  filter.end_if_call_with_flags(SYS_unshare, kNewNamespaces | CLONE_NEWTIME);
  filter.end(kAllow);
  sock_fprog program{.len = static_cast<unsigned short>(filter.code().size()), .filter = filter.code().data()};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
    return std::unexpected(base::system_error("bar system calls", errno));
  return {};
}

}  // namespace localkube
