// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/message.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace fuzz {

// Changes a message as its schema goes: fields are set, cleared, repeated and exchanged, at any depth and inside every
// Any, so that what is tried reaches the code behind the decoder.
class MessageMutator {
 public:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  explicit MessageMutator(unsigned seed) : random_(seed) {}

  void mutate(Message& message) {
    for (unsigned left = 1 + below(3); left > 0; --left) walk(message, 0);
  }

 private:
  size_t below(size_t most) { return most ? random_() % most : 0; }

  static constexpr int kDeepest = 40;

  // Goes down at random and changes something where it stops.
  void walk(Message& message, int depth) {
    if (auto* any = dynamic_cast<google::protobuf::Any*>(&message); any && below(8)) return within(*any, depth);
    const auto* reflection = message.GetReflection();
    std::vector<const Field*> set, inner;
    reflection->ListFields(message, &set);
    for (const Field* field : set)
      if (field->cpp_type() == Field::CPPTYPE_MESSAGE && !field->is_map()) inner.push_back(field);
    for (const Field* field : set)  // a map's entries are messages of a repeated field
      if (field->is_map()) inner.push_back(field);
    if (!inner.empty() && depth < kDeepest && below(5)) {
      const Field* field = inner[below(inner.size())];
      if (!field->is_repeated()) return walk(*reflection->MutableMessage(&message, field), depth + 1);
      const int size = reflection->FieldSize(message, field);
      return walk(*reflection->MutableRepeatedMessage(&message, field, static_cast<int>(below(size))), depth + 1);
    }
    const auto* descriptor = message.GetDescriptor();
    if (descriptor->field_count() == 0) return;
    const Field* field = !set.empty() && below(3)
                             ? set[below(set.size())]
                             : descriptor->field(static_cast<int>(below(descriptor->field_count())));
    change(message, *field, depth);
  }

  void within(google::protobuf::Any& any, int depth) {
    const size_t slash = any.type_url().rfind('/');
    const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
        slash == std::string::npos ? any.type_url() : any.type_url().substr(slash + 1));
    if (!type) return;
    std::unique_ptr<Message> inner(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
    if (!inner->ParsePartialFromString(any.value())) return;
    walk(*inner, depth + 1);
    inner->SerializePartialToString(any.mutable_value());
  }

  void change(Message& message, const Field& field, int depth) {
    const auto* reflection = message.GetReflection();
    if (!field.is_repeated()) {
      if (reflection->HasField(message, &field) && below(3) == 0) return reflection->ClearField(&message, &field);
      return set(message, field, depth);
    }
    const int size = reflection->FieldSize(message, &field);
    switch (below(size > 1 ? 4 : 2)) {
      case 0:
        return add(message, field, depth);
      case 1:
        if (size > 0 && !field.is_map()) return reflection->RemoveLast(&message, &field);
        return add(message, field, depth);
      case 2:
        return reflection->SwapElements(&message, &field, static_cast<int>(below(size)), static_cast<int>(below(size)));
      default: {  // one twice
        if (field.cpp_type() != Field::CPPTYPE_MESSAGE) return add(message, field, depth);
        const auto& one = reflection->GetRepeatedMessage(message, &field, static_cast<int>(below(size)));
        std::unique_ptr<Message> copy(one.New());
        copy->CopyFrom(one);
        return reflection->AddAllocatedMessage(&message, &field, copy.release());
      }
    }
  }

  int64_t number() {
    static constexpr int64_t kEdges[] = {0,
                                         1,
                                         2,
                                         3,
                                         5,
                                         80,
                                         100,
                                         101,
                                         255,
                                         256,
                                         443,
                                         1000,
                                         65535,
                                         65536,
                                         1000000,
                                         4294967295,
                                         2147483647,
                                         -1,
                                         -2147483648LL,
                                         4294967296,
                                         INT64_MAX,
                                         INT64_MIN,
                                         315576000000,
                                         999999999};
    return below(2) ? kEdges[below(std::size(kEdges))] : static_cast<int64_t>(random_());
  }
  double real() {
    static constexpr double kEdges[] = {0, 1, -1, 0.5, 100, 1e300, -1e-300, 4294967296.0};
    return below(2) ? kEdges[below(std::size(kEdges))] : static_cast<double>(number()) / 1000;
  }
  std::string text(std::string from, bool bytes) {
    static constexpr const char* kWords[] = {"",
                                             "*",
                                             "a",
                                             "backend",
                                             "x-a",
                                             ":path",
                                             "/",
                                             "127.0.0.1",
                                             "::1",
                                             "%REQ(x)%",
                                             "(a*)*b",
                                             "[",
                                             "10.0.0.0",
                                             "default",
                                             "{a=*}",
                                             "%",
                                             "a/b",
                                             "*.a",
                                             "a.*",
                                             "application/grpc",
                                             "spiffe://a/b",
                                             "%DYNAMIC_METADATA(a:b)%:9",
                                             "%START_TIME(%s)%"};
    if (below(3) == 0) return kWords[below(std::size(kWords))];
    const size_t size = from.size();
    from.resize(size + 16);
    from.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(from.data()), size, from.size()));
    if (!bytes)
      for (char& c : from) c = static_cast<char>(c & 0x7f);
    return from;
  }
  int enumerator(const Field& field) {
    if (below(10) == 0) return static_cast<int>(below(100));
    const auto* type = field.enum_type();
    return type->value(static_cast<int>(below(type->value_count())))->number();
  }

  void set(Message& message, const Field& field, int depth) {
    const auto* r = message.GetReflection();
    switch (field.cpp_type()) {
      case Field::CPPTYPE_INT32:
        return r->SetInt32(&message, &field, static_cast<int32_t>(number()));
      case Field::CPPTYPE_INT64:
        return r->SetInt64(&message, &field, number());
      case Field::CPPTYPE_UINT32:
        return r->SetUInt32(&message, &field, static_cast<uint32_t>(number()));
      case Field::CPPTYPE_UINT64:
        return r->SetUInt64(&message, &field, static_cast<uint64_t>(number()));
      case Field::CPPTYPE_DOUBLE:
        return r->SetDouble(&message, &field, real());
      case Field::CPPTYPE_FLOAT:
        return r->SetFloat(&message, &field, static_cast<float>(real()));
      case Field::CPPTYPE_BOOL:
        return r->SetBool(&message, &field, below(2) != 0);
      case Field::CPPTYPE_ENUM:
        return r->SetEnumValue(&message, &field, enumerator(field));
      case Field::CPPTYPE_STRING:
        return r->SetString(&message, &field, text(r->GetString(message, &field), field.type() == Field::TYPE_BYTES));
      case Field::CPPTYPE_MESSAGE: {
        Message* inner = r->MutableMessage(&message, &field);
        if (depth < kDeepest) walk(*inner, depth + 1);
      }
    }
  }
  void add(Message& message, const Field& field, int depth) {
    const auto* r = message.GetReflection();
    switch (field.cpp_type()) {
      case Field::CPPTYPE_INT32:
        return r->AddInt32(&message, &field, static_cast<int32_t>(number()));
      case Field::CPPTYPE_INT64:
        return r->AddInt64(&message, &field, number());
      case Field::CPPTYPE_UINT32:
        return r->AddUInt32(&message, &field, static_cast<uint32_t>(number()));
      case Field::CPPTYPE_UINT64:
        return r->AddUInt64(&message, &field, static_cast<uint64_t>(number()));
      case Field::CPPTYPE_DOUBLE:
        return r->AddDouble(&message, &field, real());
      case Field::CPPTYPE_FLOAT:
        return r->AddFloat(&message, &field, static_cast<float>(real()));
      case Field::CPPTYPE_BOOL:
        return r->AddBool(&message, &field, below(2) != 0);
      case Field::CPPTYPE_ENUM:
        return r->AddEnumValue(&message, &field, enumerator(field));
      case Field::CPPTYPE_STRING:
        return r->AddString(&message, &field, text({}, field.type() == Field::TYPE_BYTES));
      case Field::CPPTYPE_MESSAGE: {
        Message* inner = r->AddMessage(&message, &field);
        if (depth < kDeepest) walk(*inner, depth + 1);
      }
    }
  }

  std::minstd_rand random_;
};

}  // namespace fuzz
