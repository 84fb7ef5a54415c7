#include "envelope/strict_json.h"

#include <unordered_set>
#include <vector>

namespace galaxy::push {
namespace {

using nlohmann::json;

// Stands between the parser and the builder of values and refuses what nlohmann json lets pass.
// The parser does not recurse, so depth costs memory only, and is cut here.
class Guard {
 public:
  Guard(json& root, int depth_max) : builder_(root, false), depth_max_(depth_max) {}

  bool null() { return builder_.null(); }
  bool boolean(bool value) { return builder_.boolean(value); }
  bool number_integer(json::number_integer_t value) { return builder_.number_integer(value); }
  bool number_unsigned(json::number_unsigned_t value) { return builder_.number_unsigned(value); }
  bool number_float(json::number_float_t value, const std::string& text) {
    return builder_.number_float(value, text);
  }
  bool string(std::string& value) { return builder_.string(value); }
  bool binary(json::binary_t& value) { return builder_.binary(value); }
  bool start_object(size_t size) {
    objects_.emplace_back();
    return Enter() && builder_.start_object(size);
  }
  bool end_object() {
    objects_.pop_back();
    --depth_;
    return builder_.end_object();
  }
  bool start_array(size_t size) { return Enter() && builder_.start_array(size); }
  bool end_array() {
    --depth_;
    return builder_.end_array();
  }
  bool key(std::string& name) {
    if (!IsNew(name)) {
      problem_ = "a member stands twice";
      return false;
    }
    return builder_.key(name);
  }
  bool parse_error(size_t, const std::string&, const json::exception&) { return false; }

  const char* problem() const { return problem_; }

 private:
  bool Enter() {
    if (++depth_ <= depth_max_) return true;
    problem_ = "nested too deep";
    return false;
  }
  // Few names are compared one by one; many are kept in a set, so that no input is quadratic.
  bool IsNew(const std::string& name) {
    Names& names = objects_.back();
    if (!names.many.empty()) return names.many.insert(name).second;
    for (const std::string& other : names.few) {
      if (other == name) return false;
    }
    names.few.push_back(name);
    if (names.few.size() == 32) names.many.insert(names.few.begin(), names.few.end());
    return true;
  }

  struct Names {
    std::vector<std::string> few;
    std::unordered_set<std::string> many;
  };
  nlohmann::detail::json_sax_dom_parser<json> builder_;
  int depth_max_;
  int depth_ = 0;
  std::vector<Names> objects_;
  const char* problem_ = "not valid JSON";
};

}  // namespace

Result<json> ParseStrictObject(std::string_view text, int depth_max) {
  // nlohmann json skips a byte order mark and takes a zero byte for the end of the text.
  if (text.starts_with("\xef\xbb\xbf") || text.contains('\0')) {
    return Fail(Code::kInvalidArgument, "not valid JSON");
  }
  json value;
  Guard guard(value, depth_max);
  if (!json::sax_parse(text.begin(), text.end(), &guard)) {
    return Fail(Code::kInvalidArgument, guard.problem());
  }
  if (!value.is_object()) return Fail(Code::kInvalidArgument, "not a JSON object");
  return value;
}

const std::string* FindString(const json& object, const char* name) {
  auto it = object.find(name);
  return it == object.end() ? nullptr : it->get_ptr<const std::string*>();
}

}  // namespace galaxy::push
