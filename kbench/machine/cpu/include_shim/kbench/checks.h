// Undefined behaviour without libubsan: built with -fsanitize=alignment,bounds,… these are the functions that the
// compiler calls. Their names and the layout of what they get are the compilers' common ABI.
#pragma once
#include "errors.h"

#if defined(KB_CHECK)
namespace kb {
struct Place {
    const char* file;
    uint32_t line, column;
};
struct Type {
    uint16_t kind, info;  // integers: kind 0, info = 2 * log2(bits) + signed
    char name[1];
};
struct Mismatch {
    Place place;
    Type* type;
    unsigned char log_align, kind;
};
struct Overflow {
    Place place;
    Type* type;
};
struct BadShift {
    Place place;
    Type *left, *right;
};
struct BadIndex {
    Place place;
    Type *array, *index;
};
KB_COLD static void undefined(const Place& p, const char* format, ...)
{
    char b[800];
    const char* name = p.file ? strrchr(p.file, '/') : nullptr;
    int k = snprintf(b, sizeof b, "%s:%u:%u: ", name ? name + 1 : p.file ? p.file : "?", p.line, p.column);
    va_list rest;
    va_start(rest, format);
    vsnprintf(b + k, sizeof b - (size_t)k, format, rest);
    va_end(rest);
    leave(worker(), E_UB, 0, 0, 0, b);
}
// An operand as a number: narrow ones arrive zero-extended.
KB_INLINE long long number(const Type* t, uintptr_t x)
{
    const unsigned bits = 1u << (t->info >> 1);
    return t->kind == 0 && t->info & 1 && bits < 64 ? (long long)((uint64_t)x << (64 - bits)) >> (64 - bits) : (long long)x;
}
}  // namespace kb
#define KB_HANDLER(name, ...) \
    extern "C" __attribute__((visibility("hidden"), used, noinline, cold)) void __ubsan_handle_##name##_abort(__VA_ARGS__)
KB_HANDLER(type_mismatch_v1, kb::Mismatch* d, uintptr_t p)
{
    if (!p) kb::undefined(d->place, "null pointer used as %s", d->type->name);
    kb::undefined(d->place, "misaligned access: address %p used as %s, which needs %u-byte alignment", (void*)p, d->type->name,
                  1u << d->log_align);
}
KB_HANDLER(out_of_bounds, kb::BadIndex* d, uintptr_t i)
{
    kb::undefined(d->place, "index %lld out of bounds for type %s", kb::number(d->index, i), d->array->name);
}
#define KB_OVERFLOW(what, sign)                                                                                       \
    KB_HANDLER(what##_overflow, kb::Overflow* d, uintptr_t a, uintptr_t b)                                            \
    {                                                                                                                 \
        kb::undefined(d->place, "signed overflow: %lld " sign " %lld in %s", kb::number(d->type, a), kb::number(d->type, b), \
                      d->type->name);                                                                                 \
    }
KB_OVERFLOW(add, "+")
KB_OVERFLOW(sub, "-")
KB_OVERFLOW(mul, "*")
KB_HANDLER(negate_overflow, kb::Overflow* d, uintptr_t a)
{
    kb::undefined(d->place, "signed overflow: -(%lld) in %s", kb::number(d->type, a), d->type->name);
}
KB_HANDLER(divrem_overflow, kb::Overflow* d, uintptr_t, uintptr_t b)
{
    kb::undefined(d->place, b ? "division overflow in %s" : "division by zero in %s", d->type->name);
}
KB_HANDLER(shift_out_of_bounds, kb::BadShift* d, uintptr_t a, uintptr_t b)
{
    kb::undefined(d->place, "shift of %lld by %lld in %s", kb::number(d->left, a), kb::number(d->right, b), d->left->name);
}
KB_HANDLER(builtin_unreachable, kb::Place* place) { kb::undefined(*place, "unreachable code reached"); }
#endif
