/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers, mailbox commands and contexts of the queue manager: SEC2 datasheet, section 2. */
#ifndef HISI_QM_REGS_H
#define HISI_QM_REGS_H

#include <stdint.h>

/* ---- every function --------------------------------------------------------------------- */

#define QM_AEQ_INT_MASK	    0x0004u
#define QM_EQ_INT_MASK	    0x000cu
#define QM_IFC_INT_SOURCE_V 0x0020u
#define QM_IFC_INT_MASK	    0x0024u
#define QM_IFC_INT_STATUS   0x0028u
#define QM_IFC_INT_SET_V    0x002cu
#define QM_QUE_ISO_CFG	    0x0030u
#define QM_PAGE_SIZE	    0x0034u
#define QM_VF_STATE	    0x0060u
#define QM_CACHE_WB_START   0x0204u
#define QM_CACHE_WB_DONE    0x0208u
#define QM_MAILBOX	    0x0300u
#define QM_DB_SQ_CQ	    0x1000u
#define QM_DB_EQ_AEQ	    0x2000u
#define QM_CAP_FUNC	    0x3100u
#define QM_CAP_EQ_DEPTH	    0x3104u
#define QM_CAP_SQ_DEPTH	    0x3108u
#define QM_CAP_EQ_IRQ	    0x310cu
#define QM_CAP_AEQ_IRQ	    0x3110u
#define QM_CAP_ABNORMAL_IRQ 0x3114u
#define QM_CAP_IFC_IRQ	    0x3118u
#define QM_CAP_IRQS	    0x311cu
#define QM_CAP_NFE	    0x3124u
#define QM_CAP_RESET	    0x3128u
#define QM_CAP_CE	    0x312cu

#define QM_BAR_VF_SIZE	    0x4000u   /* what is used of a virtual function's BAR 2 */
#define QM_BAR_PF_SIZE	    0x303000u /* and of a physical one's, the engine's share included */
#define QM_DB_PAGE	    0x10000u  /* BAR 4: one a queue */

/* QM_CAP_FUNC; layout version 0 = the rest is not to be read */
#define QM_CAP_VERSION	0xffu
#define QM_CAP_QOS	(1u << 8)
#define QM_CAP_STOP_QP	(1u << 9)
#define QM_CAP_FLUSH	(1u << 10)
#define QM_CAP_MESSAGES (1u << 11)
#define QM_CAP_PREFETCH (1u << 14)
#define QM_CAP_V3	0x6f00u

/* ---- the physical function -------------------------------------------------------------- */

#define QM_ABNORMAL_SOURCE   0x100000u
#define QM_ABNORMAL_MASK     0x100004u
#define QM_ABNORMAL_STATUS   0x100008u
#define QM_ABNORMAL_INF00    0x100010u
#define QM_ABNORMAL_INF01    0x100014u
#define QM_MEM_START_INIT    0x100040u
#define QM_MEM_INIT_DONE     0x100044u
#define QM_CACHE_CTL	     0x100050u
#define QM_VFT_OP_ENABLE     0x100054u
#define QM_VFT_OP_WR	     0x100058u
#define QM_VFT_TYPE	     0x10005cu
#define QM_VFT_CFG	     0x100060u
#define QM_VFT_DATA_L	     0x100064u
#define QM_VFT_DATA_H	     0x100068u
#define QM_VFT_RDY	     0x10006cu
#define QM_DB_TIMEOUT	     0x100074u
#define QM_ARUSER	     0x100088u
#define QM_ARUSER_ENABLE     0x100090u
#define QM_AWUSER	     0x100098u
#define QM_AWUSER_ENABLE     0x1000a0u
#define QM_WUSER_ENABLE	     0x1000a8u
#define QM_AXI_CFG	     0x1000acu
#define QM_AXI_CFG_ENABLE    0x1000b0u
#define QM_PEH_AXUSER	     0x1000ccu
#define QM_PEH_AXUSER_ENABLE 0x1000d0u
#define QM_PEH_VENDOR_ID     0x1000d8u
#define QM_RAS_CE_ENABLE     0x1000ecu
#define QM_RAS_FE_ENABLE     0x1000f0u
#define QM_RAS_NFE_ENABLE    0x1000f4u
#define QM_RAS_CE_THRESHOLD  0x1000f8u
#define QM_PEH_DFX_INFO0     0x1000fcu
#define QM_PEH_DFX_INFO1     0x100100u
#define QM_IFC_READY_STATUS  0x100128u /* 64 bits */
#define QM_IFC_INT_SET_P     0x100130u
#define QM_IFC_INT_CFG	     0x100134u
#define QM_IFC_INT_SOURCE_P  0x100138u /* 64 bits */
#define QM_PM_CTRL	     0x100148u
#define QM_QP_TOTALS	     0x100158u
#define QM_SHAPER_CFG	     0x100164u
#define QM_OOO_SHUTDOWN	     0x1040f8u
#define QM_AM_PORT_WRITE     0x30001cu
#define QM_AM_ROB_ECC	     0x300104u

#define QM_ABNORMAL_ALL	     0x7fffu
#define QM_ERR_ECC	     (1u << 2)
#define QM_ERR_DB_TIMEOUT    (1u << 10)
#define QM_ERR_FIFO	     (1u << 11)

#define QM_VFT_SQC	     0u
#define QM_VFT_CQC	     1u
#define QM_VFT_SHAPER	     2u

/* ---- mailbox ---------------------------------------------------------------------------- */

enum {
	QM_MB_SQC = 0,
	QM_MB_CQC = 1,
	QM_MB_EQC = 2,
	QM_MB_AEQC = 3,
	QM_MB_SQC_BT = 4,
	QM_MB_CQC_BT = 5,
	QM_MB_SQC_VFT = 6,
	QM_MB_STOP_QP = 8,
	QM_MB_FLUSH_QM = 9,
	QM_MB_SRC = 0xc,
	QM_MB_DST = 0xd,
};

#define QM_MB_BUSY (1u << 13)
#define QM_MB_READ (1u << 14)

/* ---- messages between functions --------------------------------------------------------- */

enum {
	QM_MSG_FLR_PREPARE = 1,
	QM_MSG_RESET_PREPARE = 2,
	QM_MSG_RESET_DONE = 3,
	QM_MSG_PREPARED = 4,
	QM_MSG_PREPARE_FAILED = 5,
	QM_MSG_STARTED = 6,
	QM_MSG_START_FAILED = 7,
	QM_MSG_SET_QOS = 8,
	QM_MSG_GET_QOS = 9,
};

/* ---- doorbells and memory --------------------------------------------------------------- */

enum { QM_DB_SQ, QM_DB_CQ, QM_DB_EQ, QM_DB_AEQ };

#define QM_DB_EVENT (1ull << 48) /* CQ: an event for the next completion */

/* of either queue of a pair; EQC and AEQC: the first 28 bytes, without w8 ... w13 */
struct qm_ctx {
	uint16_t head, tail;
	uint32_t base_l, base_h;
	uint32_t dw3;
	uint16_t w8, rsvd0, pasid, w11;
	union {
		struct {
			uint16_t cq_num, w13;
		};	      /* SQC */
		uint32_t dw6; /* CQC, EQC, AEQC */
	};
	uint32_t rsvd1;
};

#define QM_SQC_ORDER	(1u << 4)
#define QM_SQC_CLOSED	(1u << 6)
#define QM_CTX_TAIL_SIG (1u << 6) /* w11 */
#define QM_CQC_PHASE	1u
#define QM_EQC_PHASE	(1u << 16)

#define QM_EQE_PHASE	16
enum { QM_AEQE_CQ_OVERFLOW, QM_AEQE_EQ_OVERFLOW, QM_AEQE_CQE_ERROR };

static inline unsigned qm_mb_status(uint64_t w)
{
	return w >> 9 & 0xf;
}

static inline uint32_t qm_ctx_depth(uint32_t depth, unsigned log2_entry)
{
	return (depth - 1) | log2_entry << 12;
}

static inline unsigned qm_aeqe_type(uint32_t e)
{
	return e >> 17 & 0xf;
}

#endif
