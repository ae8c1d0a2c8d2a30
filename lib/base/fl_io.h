/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device registers and ordering.
 *
 * Four needs, four names. All of them are about memory that a device also reads or writes by
 * DMA (coherent on every machine that we support: x86-64, and Arm behind a coherent SMMU).
 *
 *  fl_dma_wmb()   descriptors written, then the doorbell. Stores before it are seen by the
 *                 device before stores after it.
 *  fl_dma_rmb()   "done" bit read, then the rest of the descriptor. Loads after it are not
 *                 answered from before it.
 *  fl_mmio_write32()  a register write that is ordered after every earlier store to memory:
 *                 the doorbell. Contains the barrier.
 *  fl_mmio_write32_relaxed() / fl_mmio_read32()  no ordering against memory; in order against
 *                 other accesses to the same device.
 *
 * x86 keeps stores in order and loads in order, for write-back memory and for uncached
 * registers alike, so there the two barriers only stop the compiler. Arm does neither:
 * a `dmb oshst` (outer shareable: devices take part) stands before a doorbell and a
 * `dmb oshld` after a done bit. The peer may also be a thread of another process that polls
 * the "register" in shared memory (our models): the same barriers serve it.
 *
 * Registers are little-endian, and so is every machine that we support.
 */
#ifndef FL_IO_H
#define FL_IO_H

#include <fl_base.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline void fl_compiler_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

static inline void fl_dma_wmb(void)
{
#if defined(__aarch64__)
	__asm__ volatile("dmb oshst" ::: "memory");
#else
	fl_compiler_barrier();
#endif
}

static inline void fl_dma_rmb(void)
{
#if defined(__aarch64__)
	__asm__ volatile("dmb oshld" ::: "memory");
#else
	fl_compiler_barrier();
#endif
}

static inline uint32_t fl_mmio_read32(const volatile uint32_t *reg)
{
	uint32_t v = __atomic_load_n(reg, __ATOMIC_RELAXED);

	fl_dma_rmb();
	return v;
}

static inline void fl_mmio_write32_relaxed(volatile uint32_t *reg, uint32_t v)
{
	__atomic_store_n(reg, v, __ATOMIC_RELAXED);
}

static inline void fl_mmio_write32(volatile uint32_t *reg, uint32_t v)
{
	fl_dma_wmb();
	/* release: free on x86, and tells ThreadSanitizer what a model thread relies on */
	__atomic_store_n(reg, v, __ATOMIC_RELEASE);
}

#ifdef __cplusplus
}
#endif
#endif
