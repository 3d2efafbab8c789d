// SPDX-License-Identifier: Apache-2.0
#include "config/kinds.h"
#include "config/validate/report.h"

namespace config {
namespace {

template <typename Typed>
void parse_and_check(Report& report, const objects::Object& object) {
  auto typed = parse<Typed>(object);
  if (!typed)
    report.error("SN0100", Path("spec"), typed.error().message);
  else
    check(report, **typed);
}

struct Checker {
  std::string_view kind;
  void (*run)(Report&, const objects::Object&);
};

constexpr Checker kCheckers[] = {
    {"VirtualService", parse_and_check<VirtualService>},
    {"DestinationRule", parse_and_check<DestinationRule>},
    {"Gateway", parse_and_check<Gateway>},
    {"ServiceEntry", parse_and_check<ServiceEntry>},
    {"Sidecar", parse_and_check<Sidecar>},
    {"WorkloadEntry", parse_and_check<WorkloadEntry>},
    {"WorkloadGroup", parse_and_check<WorkloadGroup>},
    {"AuthorizationPolicy", parse_and_check<AuthorizationPolicy>},
    {"PeerAuthentication", parse_and_check<PeerAuthentication>},
    {"RequestAuthentication", parse_and_check<RequestAuthentication>},
    {"Telemetry", parse_and_check<Telemetry>},
};

}  // namespace

std::vector<Finding> validate(const objects::Object& object) {
  objects::Ref ref = object.ref();
  Report report(ref);
  if (!find_kind(ref.group, ref.kind)) return {};
  for (const Checker& checker : kCheckers)
    if (checker.kind == ref.kind) {
      checker.run(report, object);
      return report.take();
    }
  report.not_acting(Path("spec"), ref.kind);
  return report.take();
}

std::string admission_message(const std::vector<Finding>& findings) {
  std::vector<const Finding*> errors;
  for (const Finding& finding : findings)
    if (finding.severity == Severity::Error) errors.push_back(&finding);
  if (errors.empty()) return "";
  std::string out = "configuration is invalid: ";
  if (errors.size() == 1) return out + errors.front()->message;
  out += std::to_string(errors.size()) + " errors occurred:\n";
  for (const Finding* error : errors) out += "\t* " + error->message + "\n";
  return out + "\n";
}

}  // namespace config
