/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every other room stands on: attributes, the IOVA type, small arithmetic, time.
 *
 * Conventions of the whole library
 *  - A control-plane function returns 0 (or a count) or a negative errno; it undoes all of a
 *    half-done step and logs the cause and the remedy.
 *  - A data-plane function (bursts, pool, ring, post) makes no system call, takes no lock and
 *    allocates nothing; it returns the length of the prefix that it took.
 *  - Unless its comment says otherwise, a function may be called from any thread, but one
 *    object by one thread at a time.
 */
#ifndef FL_BASE_H
#define FL_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what the shared library exports; all else is hidden. */
#define FL_API __attribute__((visibility("default")))
/** A result that must not be dropped. */
#define FL_MUST		      __attribute__((warn_unused_result))
#define FL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/**
 * Data-plane functions live in headers as C99 `inline`; one .c file of their room repeats the
 * declaration with `extern`, so that a real symbol exists for other languages and for -O0.
 */
#ifdef __cplusplus
#define FL_INLINE inline
#else
#define FL_INLINE inline FL_API
#endif

#define fl_likely(x)   __builtin_expect(!!(x), 1)
#define fl_unlikely(x) __builtin_expect(!!(x), 0)

/** Bytes of a cache line on every machine that we support. */
#define FL_CACHE_LINE	 64
#define FL_CACHE_ALIGNED __attribute__((aligned(FL_CACHE_LINE)))

#define FL_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * An I/O virtual address: what a device uses to reach memory. Its own type, so that it cannot
 * be mistaken for a pointer or for a physical address; `.v` is the one legal way in and out.
 */
typedef struct {
	uint64_t v;
} fl_iova_t;

/** "no IOVA", and the answer to a look-up that found none. */
#define FL_IOVA_BAD_V UINT64_MAX

static inline fl_iova_t fl_iova(uint64_t v)
{
	fl_iova_t i;

	i.v = v;
	return i;
}

static inline fl_iova_t fl_iova_add(fl_iova_t i, uint64_t bytes)
{
	return fl_iova(i.v + bytes);
}

static inline bool fl_is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/** Rounds v up to a multiple of a, a power of two; wraps to 0 where that does not fit. */
static inline uint64_t fl_align_up(uint64_t v, uint64_t a)
{
	return (v + a - 1) & ~(a - 1);
}

static inline uint64_t fl_align_down(uint64_t v, uint64_t a)
{
	return v & ~(a - 1);
}

/** The least power of two that is >= v; v in 1..2^63. */
static inline uint64_t fl_pow2_up(uint64_t v)
{
	return v <= 1 ? 1 : 1ull << (64 - __builtin_clzll(v - 1));
}

/** The cycle counter: TSC ticks on x86, the virtual counter on Arm. For differences only. */
static inline uint64_t fl_cycles(void)
{
#if defined(__x86_64__)
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((uint64_t)hi << 32) | lo;
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
#error "fl_cycles() is not written for this machine"
#endif
}

/** Statistics: one thread counts, any may read meanwhile, and a number is whole. */
static inline void fl_stat_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/** A struct of such counters, of that many bytes. */
static inline void fl_stats_read(void *out, const void *counters, size_t bytes)
{
	const uint64_t *from = (const uint64_t *)counters;
	uint64_t *to = (uint64_t *)out;

	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/** Tells the core that this is a spin loop. */
static inline void fl_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

/** CLOCK_MONOTONIC in nanoseconds. */
FL_API uint64_t fl_now_ns(void);

/** Ticks of fl_cycles() in a second, measured over about 2 ms at each call; keep the answer. */
FL_API uint64_t fl_cycles_hz(void);

/** Version of the library, "major.minor.patch". */
FL_API const char *fl_version(void);

#ifdef __cplusplus
}
#endif
#endif
