/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers, commands and layouts of the queue manager and the SEC engine, as the model sees them.
 */
#ifndef HISI_QM_REGS_H
#define HISI_QM_REGS_H

/* ---- a function's own, PF and VF ----------------------------------------------------------- */

#define Q_AEQ_SOURCE   0x0000u
#define Q_AEQ_MASK     0x0004u
#define Q_EQ_SOURCE    0x0008u
#define Q_EQ_MASK      0x000cu
#define Q_IFC_SOURCE_V 0x0020u
#define Q_IFC_MASK     0x0024u
#define Q_IFC_STATUS   0x0028u
#define Q_IFC_SET_V    0x002cu
#define Q_ISOLATION    0x0030u
#define Q_PAGE_SIZE    0x0034u
#define Q_VF_STATE     0x0060u
#define Q_ACTIVE       0x0200u
#define Q_WB_START     0x0204u
#define Q_WB_DONE      0x0208u
#define Q_MB	       0x0300u
#define Q_DB	       0x1000u
#define Q_DB_EVENT     0x2000u
#define Q_CAPS	       0x3100u
#define Q_CAPS_END     0x3174u
#define Q_EQC	       0x8000u /* VF, V3 */
#define Q_AEQC	       0x8020u

/* ---- the PF's ------------------------------------------------------------------------------ */

#define P_BASE	      0x100000u
#define P_ERR_SOURCE  0x100000u
#define P_ERR_MASK    0x100004u
#define P_ERR_STATUS  0x100008u
#define P_ERR_SET     0x10000cu
#define P_ERR_INF00   0x100010u
#define P_ERR_INF01   0x100014u
#define P_MEM_START   0x100040u
#define P_MEM_DONE    0x100044u
#define P_VFT_GO      0x100054u
#define P_VFT_WR      0x100058u /* 0 = write, 1 = read */
#define P_VFT_TYPE    0x10005cu
#define P_VFT_ADDR    0x100060u
#define P_VFT_DATA_L  0x100064u
#define P_VFT_DATA_H  0x100068u
#define P_VFT_RDY     0x10006cu
#define P_VENDOR      0x1000d8u
#define P_REVISION    0x1000dcu
#define P_DFX_INFO0   0x1000fcu
#define P_DFX_INFO1   0x100100u
#define P_CNT_CLR     0x100118u
#define P_IFC_READY   0x100128u /* 64 bits */
#define P_IFC_SET     0x100130u
#define P_IFC_CFG     0x100134u
#define P_IFC_SOURCE  0x100138u /* 64 bits */
#define P_QPS	      0x100158u
#define P_STAT	      0x104000u
#define P_STAT_MB_SEL 0x104010u
#define P_STAT_MB     0x104018u
#define P_STAT_DB_SEL 0x104020u
#define P_STAT_DB     0x104028u
#define P_STAT_SQ_SEL 0x104030u
#define P_STAT_SQE    0x104038u
#define P_STAT_CQ_SEL 0x104040u
#define P_STAT_CQE    0x104048u
#define P_STAT_SENT   0x104050u
#define P_STAT_WB     0x104058u
#define P_STAT_TASKS  0x104060u
#define P_IDLE	      0x1040e4u
#define P_OOO_SEL     0x1040f8u
#define P_RAS_MSI_SEL 0x1040fcu
#define P_STAT_CQES   0x104100u
#define P_STAT_EQES   0x104104u
#define P_STAT_AEQES  0x104108u
#define P_STAT_END    0x104188u
#define P_STAT_N      6u

#define A_BASE	      0x300000u
#define A_GLOBAL      0x300000u
#define A_PORT_STATE  0x300100u
#define A_ROB_ECC     0x300104u
#define A_RETURNED    0x300150u
#define A_TRANS_MAX   0x300154u
#define A_ALARM	      0x300180u

#define S_INT_ENABLE  0x301000u
#define S_INT_STATUS  0x301008u
#define S_INT_SOURCE  0x301010u
#define S_MEM_START   0x301100u
#define S_MEM_DONE    0x301104u
#define S_PREFETCH    0x301130u
#define S_CONTROL     0x301200u
#define S_CORES	      0x301270u
#define S_STAT	      0x301600u
#define S_STAT_END    0x301714u
#define S_ECC	      0x301c00u
#define S_ECC_END     0x301ee8u

#define CONTROL_GATE  (1u << 3)
#define CONTROL_AXI   (1u << 12)

/* ---- errors -------------------------------------------------------------------------------- */

#define E_AXI_READ   (1u << 0)
#define E_AXI_WRITE  (1u << 1)
#define E_BAD_CQ     (1u << 8)
#define E_BAD_SQ     (1u << 9)
#define E_DB_TIMEOUT (1u << 10)
#define E_OVERFLOW   (1u << 11)
#define E_RANDOM     (1u << 12)
#define E_ALL	     0x7fffu
#define SE_BD	     (1u << 7)
#define SE_ALL	     0x7c1ffu

/* ---- mailbox ------------------------------------------------------------------------------- */

#define MB_BUSY	  (1u << 13)
#define MB_READ	  (1u << 14)
#define MB_STATUS 9u /* first of four bits */

enum secm_mb_cmd {
	MB_SQC,
	MB_CQC,
	MB_EQC,
	MB_AEQC,
	MB_SQC_BT,
	MB_CQC_BT,
	MB_SQC_VFT,
	MB_CLOSE_QM,
	MB_STOP_QP,
	MB_FLUSH_QM,
	MB_FLUSH_QP,
	MB_SRC = 0xc,
	MB_DST,
	MB_PAUSE_QM,
};

/* ---- contexts, rings, doorbells ------------------------------------------------------------ */

#define CTX_SIZE     32u
#define EQC_SIZE     28u
#define CQE_SIZE     16u
#define W11_HEAD_SIG (1u << 5)
#define W11_TAIL_SIG (1u << 6)
#define SQC_CLOSED   (1u << 6)
#define CQC_PHASE    (1u << 0)
#define CQC_C_FLAG   (1u << 1)

enum { DB_SQ, DB_CQ, DB_EQ, DB_AEQ };

enum { AEQE_CQ_OVERFLOW, AEQE_EQ_OVERFLOW, AEQE_CQE_ERROR };

enum { VEC_EQ, VEC_AEQ, VEC_IFC, VEC_ABNORMAL };

#define VFT_SQC_VALID (1ull << 44)
#define VFT_CQC_VALID (1ull << 28)

#endif
