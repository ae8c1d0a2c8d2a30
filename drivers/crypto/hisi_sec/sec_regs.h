/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers of the engine (physical functions) and its capability registers (V3, any function). */
#ifndef SEC_REGS_H
#define SEC_REGS_H

#define SEC_AM_MAX_TRANS     0x300014u
#define SEC_INT_ENABLE	     0x301000u
#define SEC_INT_STATUS	     0x301008u
#define SEC_INT_SOURCE	     0x301010u
#define SEC_SHUTDOWN_SEL     0x301014u
#define SEC_RAS_CE	     0x301050u
#define SEC_RAS_FE	     0x301054u
#define SEC_RAS_NFE	     0x301058u
#define SEC_MEM_START	     0x301100u
#define SEC_MEM_DONE	     0x301104u
#define SEC_PREFETCH_CFG     0x301130u
#define SEC_CONTROL	     0x301200u
#define SEC_DYNAMIC_GATE     0x30121cu
#define SEC2_USER_CTRL0	     0x301220u
#define SEC2_USER_CTRL1	     0x301224u
#define SEC_CORES	     0x301270u
#define SEC2_BD_CHECK0	     0x301380u
#define SEC2_BD_CHECK1	     0x301384u
#define SEC2_BD_CHECK3	     0x30138cu
#define SEC_CORE_GATE	     0x30212cu
#define SEC3_USER_CTRL0	     0x302220u
#define SEC3_USER_CTRL1	     0x302224u

#define SEC_CONTROL_ENDIAN   3u
#define SEC_CONTROL_GATE     (1u << 3)
#define SEC_CONTROL_TRNG     (1u << 8)
#define SEC_CONTROL_SHUTDOWN (1u << 12)

#define SEC_PREFETCH_OPEN    0x803u /* bits 0, 1 and 11, all off */
#define SEC_PREFETCH_OFF     (1u << 1)

#define SEC_CAP_VERSION	     0x3100u
#define SEC_CAP_CORES	     0x3140u
#define SEC_CAP_ALG_LOW	     0x314cu
#define SEC_CAP_ALG_HIGH     0x3150u
#define SEC_CAP_PREFETCH     (1u << 14)

#endif
