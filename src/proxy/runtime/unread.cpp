// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/unread.h"

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "base/strings.h"
#include "proxy/runtime/compile.h"
#include "proxy/runtime/slots.h"

namespace proxy {
namespace {

namespace pb = google::protobuf;

enum class Effect : uint8_t { Read, Refused, Warned, None };

struct Unread {
  std::string_view name;
  std::string_view number;  // empty: in the schemas here
  Effect effect = Effect::Read;
};

// The first of the message's that fits.
template <typename Fits>
Unread find_unread(std::string_view message, Fits fits) {
  auto all = unread_fields();
  auto at = std::lower_bound(all.begin(), all.end(), message,
                             [](const UnreadFields& one, std::string_view name) { return one.message < name; });
  if (at == all.end() || at->message != message) return {};
  for (std::string_view word : base::split(at->fields, ' ')) {
    const char kind = word[0];
    if (kind == '!' || kind == '-') word.remove_prefix(1);
    const size_t equals = word.find('=');
    Unread unread{.name = word.substr(0, equals),
                  .number = equals == word.npos ? "" : word.substr(equals + 1),
                  .effect = kind == '!'   ? Effect::Refused
                            : kind == '-' ? Effect::None
                                          : Effect::Warned};
    if (fits(unread)) return unread;
  }
  return {};
}

Effect effect_of(std::string_view message, const pb::FieldDescriptor& field) {
  return find_unread(message, [&](const Unread& one) { return one.number.empty() && one.name == field.name(); }).effect;
}

// Said, and to say no: as if it had not been said.
bool is_off(const pb::Message& message, const pb::FieldDescriptor& field) {
  if (field.is_repeated() || field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) return false;
  return field.message_type()->full_name() == "google.protobuf.BoolValue" &&
         message.GetReflection()->GetMessage(message, &field).ByteSizeLong() == 0;
}

bool is_duration(const pb::Message& message) {
  return message.GetDescriptor()->full_name() == "google.protobuf.Duration";
}

double seconds_of(const pb::Message& duration) {
  const pb::Reflection& reflection = *duration.GetReflection();
  const pb::Descriptor& type = *duration.GetDescriptor();
  return static_cast<double>(reflection.GetInt64(duration, type.field(0))) +
         reflection.GetInt32(duration, type.field(1)) / 1e9;
}

// The text's length, the number, the duration in seconds, or how many there are.
double size_of(const pb::Message& message, const pb::FieldDescriptor& field) {
  const pb::Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) return reflection.FieldSize(message, &field);
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return static_cast<double>(reflection.GetString(message, &field).size());
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, &field);
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<double>(reflection.GetUInt64(message, &field));
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    case pb::FieldDescriptor::CPPTYPE_MESSAGE: {
      const pb::Message& inner = reflection.GetMessage(message, &field);
      const pb::Descriptor& type = *inner.GetDescriptor();
      if (is_duration(inner)) return seconds_of(inner);
      return type.field_count() ? size_of(inner, *type.field(0)) : 0;
    }
    default:
      return 0;
  }
}

std::unexpected<base::Error> needed(const pb::OneofDescriptor& choice) {
  std::string names;
  for (int i = 0; i < choice.field_count(); ++i) names += (i ? " or " : "") + choice.field(i)->name();
  return base::fail(base::ErrorKind::Invalid, choice.containing_type()->full_name() + ": " + names + " is needed");
}

// As Envoy: a number that stands for nothing here, e.g. a status where its name belongs, says nothing that could act.
base::Result<void> check_enumerations(const pb::Message& message, const pb::FieldDescriptor& field) {
  if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_ENUM) return {};
  const pb::Reflection& reflection = *message.GetReflection();
  const int count = field.is_repeated() ? reflection.FieldSize(message, &field) : 1;
  for (int i = 0; i < count; ++i) {
    const int value = field.is_repeated() ? reflection.GetRepeatedEnumValue(message, &field, i)
                                          : reflection.GetEnumValue(message, &field);
    if (!field.enum_type()->FindValueByNumber(value))
      return base::fail(base::ErrorKind::Invalid,
                        fmt::format("{}: {} is none of its values", field.full_name(), value));
  }
  return {};
}

// Of what size_of tells.
const char* unit_of(const pb::FieldDescriptor& field) {
  if (field.is_repeated()) return " elements";
  if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING) return " bytes";
  const auto* type = field.message_type();
  return type && type->full_name() == "google.protobuf.Duration" ? " s" : "";
}

base::Result<void> check_limits(const pb::Message& message) {
  auto all = limits();
  std::string_view name = message.GetDescriptor()->full_name();
  auto at = std::lower_bound(all.begin(), all.end(), name,
                             [](const Limit& one, std::string_view wanted) { return one.message < wanted; });
  for (; at != all.end() && at->message == name; ++at) {
    const std::string called(at->field);
    if (const auto* choice = message.GetDescriptor()->FindOneofByName(called)) {
      if (!message.GetReflection()->HasOneof(message, choice)) return needed(*choice);
      continue;
    }
    const auto* field = message.GetDescriptor()->FindFieldByName(called);
    if (field && at->required && !message.GetReflection()->HasField(message, field))
      return base::fail(base::ErrorKind::Invalid, field->full_name() + " is needed");
    if (!field) continue;
    if (!at->always && !message.GetReflection()->HasField(message, field)) continue;
    double size = size_of(message, *field);
    if (size >= at->least && size <= at->most) continue;
    const char* unit = unit_of(*field);
    const bool less = size < at->least;  // or no number
    return base::fail(base::ErrorKind::Invalid,
                      fmt::format("{} has {}{}, and needs {} {}{}", field->full_name(), size, unit,
                                  less ? "at least" : "at most", less ? at->least : at->most, unit));
  }
  if (is_duration(message) && seconds_of(message) < 0)
    return base::fail(base::ErrorKind::Invalid, "a negative duration");
  return {};
}

class Look {
 public:
  explicit Look(Slots& slots) : slots_(slots) {}

  // `place`: the field in which the message stands.
  base::Result<void> at(const pb::Message& message, const pb::FieldDescriptor* place = nullptr) {
    if (message.GetDescriptor()->full_name() == "google.protobuf.Any") return inside(message);
    TRY(check_limits(message));
    const pb::Reflection& reflection = *message.GetReflection();
    TRY(check_unknown(*message.GetDescriptor(), reflection.GetUnknownFields(message)));
    std::vector<const pb::FieldDescriptor*> set;
    reflection.ListFields(message, &set);
    for (const pb::FieldDescriptor* field : set) {
      Effect effect = effect_of(message.GetDescriptor()->full_name(), *field);
      if (effect == Effect::Read && place) effect = effect_of(place->full_name(), *field);
      if (effect != Effect::Read && is_off(message, *field)) continue;
      switch (effect) {
        case Effect::Read:
          break;
        case Effect::None:
          continue;
        case Effect::Warned:
          warn(field->containing_type()->full_name() + "." + field->name());
          continue;
        case Effect::Refused:
          return not_supported(*field->containing_type(), field->name());
      }
      TRY(check_enumerations(message, *field));
      if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        TRY(named(field->name(), at(reflection.GetMessage(message, field), field)));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i)
        TRY(named(field->name() + '[' + std::to_string(i) + ']',
                  at(reflection.GetRepeatedMessage(message, field, i), field)));
    }
    return {};
  }

 private:
  // Says where, too: "routes[0].route: ...".
  static base::Result<void> named(const std::string& step, base::Result<void> result) {
    if (result) return result;
    std::string text = result.error().message;
    size_t end = std::min(text.find(' '), text.size());
    const char* between = end && text[end - 1] == ':' ? "." : ": ";
    return base::fail(result.error().kind, step + between + text);
  }

  // What the program has no schema for is refused, or left out by name, where it would be used.
  base::Result<void> inside(const pb::Message& message) {
    pb::Any any;
    any.CopyFrom(message);
    const auto* descriptor = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(type_of(any));
    const pb::Message* prototype =
        descriptor ? pb::MessageFactory::generated_factory()->GetPrototype(descriptor) : nullptr;
    if (!prototype) return {};
    std::unique_ptr<pb::Message> content(prototype->New());
    if (!unpack_quietly_into(any, *content)) return {};  // said where it is used
    if (depth_ >= 32) return base::fail(base::ErrorKind::Invalid, "Anys stand too deep in each other");
    ++depth_;
    auto fine = at(*content);
    --depth_;
    return fine;
  }

  base::Result<void> check_unknown(const pb::Descriptor& type, const pb::UnknownFieldSet& unknown) {
    for (int i = 0; i < unknown.field_count(); ++i) {
      const std::string number = std::to_string(unknown.field(i).number());
      const Unread known = find_unread(type.full_name(), [&](const Unread& one) { return one.number == number; });
      if (known.effect == Effect::Refused) return not_supported(type, known.name);
      if (known.effect == Effect::Warned) warn(type.full_name() + "." + std::string(known.name));
      if (known.effect == Effect::Read) warn(type.full_name() + ", field number " + number);
    }
    return {};
  }

  static std::unexpected<base::Error> not_supported(const pb::Descriptor& type, std::string_view field) {
    return base::fail(base::ErrorKind::Invalid, fmt::format("{}.{} is not supported", type.full_name(), field));
  }

  void warn(const std::string& what) {
    if (slots_.first_mention(what)) base::log::warn("the configuration sets {}, which has no effect", what);
  }

  Slots& slots_;
  int depth_ = 0;  // of Anys in Anys
};

}  // namespace

base::Result<void> check_unread(const pb::Message& resource, Slots& slots) { return Look(slots).at(resource); }

}  // namespace proxy
