#pragma once

#include <memory>

namespace galaxy::push {

// Handle<T> gives out references to an object that may be gone by the time they are used: work that
// a loop runs later asks first. Member of the object it refers to; all of it belongs to one loop,
// but a Ref may be carried through another thread.
template <typename T>
class Handle {
 public:
  class Ref {
   public:
    T* get() const { return object_ ? *object_ : nullptr; }  // null: gone
    bool IsOf(const Handle& handle) const { return object_ == handle.object_; }

   private:
    friend class Handle;
    explicit Ref(std::shared_ptr<T*> object) : object_(std::move(object)) {}
    std::shared_ptr<T*> object_;
  };

  explicit Handle(T* object) : object_(std::make_shared<T*>(object)) {}
  ~Handle() { *object_ = nullptr; }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  Ref ref() const { return Ref(object_); }

 private:
  std::shared_ptr<T*> object_;
};

}  // namespace galaxy::push
