// What Python calls: the launcher of one instantiation, its parameters as text, new workers, a loop of memcpy.
#pragma once
#include "launch.h"

namespace kb {
constexpr size_t length(const char* s)
{
    size_t n = 0;
    while (s[n]) ++n;
    return n;
}
// A type's name without RTTI (so without the C++ runtime library): "… [with T = float]" or "… [T = float]".
template <class T> constexpr const char* type_text() { return __PRETTY_FUNCTION__; }
template <class T> constexpr unsigned element_size()
{
    if constexpr (std::is_void_v<T>) return 1;
    else return sizeof(T);
}

// "kbench-params{" then a line for each parameter: P (pointer), p (pointer to const) or v (value), ten digits of size,
// the type's text. A constant of the library, so that it can be read off the file without running it.
template <class... A> struct Signature {
    static constexpr size_t size = 14 + ((11 + length(type_text<std::remove_cv_t<std::remove_pointer_t<A>>>()) + 1) + ... + 0) + 2;
    struct Text { char s[size]; };
    template <class T> static constexpr void line(Text& t, size_t& k)
    {
        using E = std::remove_pointer_t<T>;
        t.s[k++] = std::is_pointer_v<T> ? (std::is_const_v<E> ? 'p' : 'P') : 'v';
        unsigned n = std::is_pointer_v<T> ? element_size<E>() : sizeof(T);
        for (size_t d = 10; d-- > 0; n /= 10) t.s[k + d] = (char)('0' + n % 10);
        k += 10;
        for (const char* c = type_text<std::remove_cv_t<E>>(); *c; ++c) t.s[k++] = *c;
        t.s[k++] = '\n';
    }
    static constexpr Text make()
    {
        Text t{};
        size_t k = 0;
        for (char c : {'k', 'b', 'e', 'n', 'c', 'h', '-', 'p', 'a', 'r', 'a', 'm', 's', '{'}) t.s[k++] = c;
        (line<A>(t, k), ...);
        t.s[k] = '}';
        return t;
    }
};
// The kernel is a template argument, so it is inlined into the loop over threads.
template <auto K> struct Kernel;
template <class... A, void (*K)(A...)> struct Kernel<K> {
    using Params = Signature<A...>;
    template <size_t... I> static inline void call_with(void** a, std::index_sequence<I...>)
    {
        K(*static_cast<std::remove_const_t<A>*>(a[I])...);
    }
    static inline void call(void** a) { call_with(a, std::index_sequence_for<A...>{}); }
};
}  // namespace kb
KB_EXPORTED int kbench_launch(kb::Launch*, void**);
#define KB_EXPORT(...)                                                                                    \
    static constexpr auto kbench_entry = &__VA_ARGS__;                                                    \
    extern "C" __attribute__((visibility("default"), used)) constexpr auto kbench_params =                \
        kb::Kernel<kbench_entry>::Params::make();                                                         \
    int kbench_launch(kb::Launch* kbench_this, void** kbench_args)                                        \
    {                                                                                                     \
        return kb::launch(kbench_this, kbench_args, &kb::run_threads<kb::Kernel<kbench_entry>>);          \
    }
KB_EXPORTED kb::Worker* kbench_worker() { return kb::new_worker(); }
KB_EXPORTED uint64_t kbench_copies(uint64_t n, void* const* dst, const void* const* src, const uint64_t* bytes)
{
    const uint64_t start = kb::now_ns();
    for (uint64_t i = 0; i < n; ++i) memcpy(dst[i], src[i], bytes[i]);
    return kb::now_ns() - start;
}
