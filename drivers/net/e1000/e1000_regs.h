/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers and descriptors of the Intel gigabit family under the datasheet's names; only what the
 * driver uses. Numbers in headings: sections of the 82574 datasheet (Intel 317694); the 82540 has
 * what it has in the same places, with one queue.
 */
#ifndef E1000_REGS_H
#define E1000_REGS_H

#include <stdint.h>

#define E1000_BAR_SIZE 0x20000u

/* ---- general control (10.2.2) --------------------------------------------------------- */
#define E1000_CTRL		 0x00000u
#define E1000_STATUS		 0x00008u
#define E1000_EECD		 0x00010u
#define E1000_EERD		 0x00014u
#define E1000_CTRL_EXT		 0x00018u
#define E1000_MDIC		 0x00020u
#define E1000_FCAL		 0x00028u
#define E1000_FCAH		 0x0002cu
#define E1000_FCT		 0x00030u
#define E1000_VET		 0x00038u
#define E1000_FCTTV		 0x00170u
#define E1000_LEDCTL		 0x00e00u
#define E1000_EXTCNF		 0x00f00u
#define E1000_PBA		 0x01000u
#define E1000_FCRTL		 0x02160u
#define E1000_FCRTH		 0x02168u
#define E1000_WUC		 0x05800u
#define E1000_MANC		 0x05820u
#define E1000_GCR		 0x05b00u
#define E1000_FACTPS		 0x05b30u
#define E1000_GCR2		 0x05b64u

#define CTRL_FD			 (1u << 0)
#define CTRL_GIO_MASTER_DISABLE	 (1u << 2)
#define CTRL_SLU		 (1u << 6)
#define CTRL_SPEED_MASK		 (3u << 8)
#define CTRL_SPEED_100		 (1u << 8)
#define CTRL_FRCSPD		 (1u << 11)
#define CTRL_FRCDPX		 (1u << 12)
#define CTRL_RST		 (1u << 26)
#define CTRL_RFCE		 (1u << 27)
#define CTRL_TFCE		 (1u << 28)
#define CTRL_BIT29		 (1u << 29) /* must be 0 on the 82574 */
#define CTRL_VME		 (1u << 30)

#define STATUS_FD		 (1u << 0)
#define STATUS_LU		 (1u << 1)
#define STATUS_TXOFF		 (1u << 4)
#define STATUS_SPEED(v)		 (((v) >> 6) & 3u)
#define STATUS_GIO_MASTER_ENABLE (1u << 19)

#define EECD_PRES		 (1u << 8)
#define EECD_AUTO_RD		 (1u << 9)
#define EECD_SIZE		 (1u << 9) /* 82540: 256 words, not 64 */
#define EECD_SIZE_EX(v)		 (((v) >> 11) & 15u)

#define EERD_START		 (1u << 0)

#define CTRL_EXT_BIT22		 (1u << 22) /* the 82574 wants 22 set and 23 clear */
#define CTRL_EXT_BIT23		 (1u << 23)
#define CTRL_EXT_EIAME		 (1u << 24)
#define CTRL_EXT_IAME		 (1u << 27)
#define CTRL_EXT_DRV_LOAD	 (1u << 28)
#define CTRL_EXT_PBA_CLR	 (1u << 31)

#define MDIC_REG_SHIFT		 16
#define MDIC_PHY_ADDR1		 (1u << 21)
#define MDIC_OP_WRITE		 (1u << 26)
#define MDIC_OP_READ		 (2u << 26)
#define MDIC_READY		 (1u << 28)
#define MDIC_ERROR		 (1u << 30)

#define EXTCNF_MDIO_SW		 (1u << 5)
#define MANC_ARP_EN		 (1u << 13)
#define MANC_BLK_PHY_RST	 (1u << 18)
#define GCR_BIT22		 (1u << 22)
#define GCR_BIT27		 (1u << 27)
#define GCR2_BIT0		 (1u << 0)
#define FCRTL_XONE		 (1u << 31)

/* ---- interrupts (10.2.4) -------------------------------------------------------------- */
#define E1000_ICR	 0x000c0u
#define E1000_ITR	 0x000c4u
#define E1000_IMS	 0x000d0u
#define E1000_IMC	 0x000d8u
#define E1000_EIAC	 0x000dcu
#define E1000_IAM	 0x000e0u
#define E1000_IVAR	 0x000e4u
#define E1000_EITR(n)	 (0x000e8u + 4u * (n))

#define ICR_LSC		 (1u << 2)
#define ICR_RXT0	 (1u << 7)
#define ICR_RXQ(n)	 (1u << (20 + (n)))
#define ICR_OTHER	 (1u << 24)
#define IVAR_VALID	 8u
#define IVAR_OTHER_SHIFT 16

/* ---- receive (10.2.5) ----------------------------------------------------------------- */
#define E1000_RCTL	  0x00100u
#define E1000_RDBAL(q)	  (0x02800u + 0x100u * (q))
#define E1000_RDBAH(q)	  (0x02804u + 0x100u * (q))
#define E1000_RDLEN(q)	  (0x02808u + 0x100u * (q))
#define E1000_RDH(q)	  (0x02810u + 0x100u * (q))
#define E1000_RDT(q)	  (0x02818u + 0x100u * (q))
#define E1000_RDTR	  0x02820u
#define E1000_RXDCTL(q)	  (0x02828u + 0x100u * (q))
#define E1000_RADV	  0x0282cu
#define E1000_RXCSUM	  0x05000u
#define E1000_RFCTL	  0x05008u
#define E1000_MTA(n)	  (0x05200u + 4u * (n))
#define E1000_RAL(n)	  (0x05400u + 8u * (n))
#define E1000_RAH(n)	  (0x05404u + 8u * (n))
#define E1000_VFTA(n)	  (0x05600u + 4u * (n))
#define E1000_MRQC	  0x05818u
#define E1000_RETA(n)	  (0x05c00u + 4u * (n))
#define E1000_RSSRK(n)	  (0x05c80u + 4u * (n))

#define RCTL_EN		  (1u << 1)
#define RCTL_UPE	  (1u << 3)
#define RCTL_MPE	  (1u << 4)
#define RCTL_LPE	  (1u << 5)
#define RCTL_BAM	  (1u << 15)
#define RCTL_BSIZE(v)	  ((v) << 16)
#define RCTL_VFE	  (1u << 18)
#define RCTL_BSEX	  (1u << 25)
#define RCTL_SECRC	  (1u << 26)

#define RXDCTL_GRAN	  (1u << 24)
#define RXDCTL_WTHRESH(v) ((v) << 16)

#define RXCSUM_IPOFL	  (1u << 8)
#define RXCSUM_TUOFL	  (1u << 9)
#define RXCSUM_PCSD	  (1u << 13)

#define RFCTL_ACK_DIS	  (1u << 12)
#define RFCTL_EXTEN	  (1u << 15)

#define RAH_AV		  (1u << 31)

#define MRQC_RSS	  1u
#define MRQC_TCP_IPV4	  (1u << 16)
#define MRQC_IPV4	  (1u << 17)
#define MRQC_TCP_IPV6_EX  (1u << 18)
#define MRQC_IPV6_EX	  (1u << 19)
#define MRQC_IPV6	  (1u << 20)
#define MRQC_TCP_IPV6	  (1u << 21)

/* ---- transmit (10.2.6) ---------------------------------------------------------------- */
#define E1000_TCTL	  0x00400u
#define E1000_TIPG	  0x00410u
#define E1000_TDBAL(q)	  (0x03800u + 0x100u * (q))
#define E1000_TDBAH(q)	  (0x03804u + 0x100u * (q))
#define E1000_TDLEN(q)	  (0x03808u + 0x100u * (q))
#define E1000_TDH(q)	  (0x03810u + 0x100u * (q))
#define E1000_TDT(q)	  (0x03818u + 0x100u * (q))
#define E1000_TIDV	  0x03820u
#define E1000_TXDCTL(q)	  (0x03828u + 0x100u * (q))
#define E1000_TADV	  0x0382cu
#define E1000_TARC(q)	  (0x03840u + 0x100u * (q))

#define TCTL_EN		  (1u << 1)
#define TCTL_PSP	  (1u << 3)
#define TCTL_CT(v)	  ((v) << 4)
#define TCTL_COLD(v)	  ((v) << 12)
#define TCTL_RTLC	  (1u << 24)
#define TIPG_COPPER	  (8u | 8u << 10 | 6u << 20)

#define TXDCTL_COUNT_DESC (1u << 22)
#define TXDCTL_GRAN	  (1u << 24)
#define TARC0_BIT26	  (1u << 26)
#define TARC0_TUNE	  (15u << 27)

/* ---- statistics (10.2.7): each clears when it is read --------------------------------- */
#define E1000_CRCERRS  0x04000u
#define E1000_ALGNERRC 0x04004u
#define E1000_SYMERRS  0x04008u
#define E1000_RXERRC   0x0400cu
#define E1000_MPC      0x04010u
#define E1000_SCC      0x04014u
#define E1000_ECOL     0x04018u
#define E1000_MCC      0x0401cu
#define E1000_LATECOL  0x04020u
#define E1000_COLC     0x04028u
#define E1000_DC       0x04030u
#define E1000_TNCRS    0x04034u
#define E1000_SEC      0x04038u
#define E1000_CEXTERR  0x0403cu
#define E1000_RLEC     0x04040u
#define E1000_XONRXC   0x04048u
#define E1000_XONTXC   0x0404cu
#define E1000_XOFFRXC  0x04050u
#define E1000_XOFFTXC  0x04054u
#define E1000_FCRUC    0x04058u
#define E1000_PRC64    0x0405cu
#define E1000_PRC127   0x04060u
#define E1000_PRC255   0x04064u
#define E1000_PRC511   0x04068u
#define E1000_PRC1023  0x0406cu
#define E1000_PRC1522  0x04070u
#define E1000_GPRC     0x04074u
#define E1000_BPRC     0x04078u
#define E1000_MPRC     0x0407cu
#define E1000_GPTC     0x04080u
#define E1000_GORCL    0x04088u
#define E1000_GOTCL    0x04090u
#define E1000_RNBC     0x040a0u
#define E1000_RUC      0x040a4u
#define E1000_RFC      0x040a8u
#define E1000_ROC      0x040acu
#define E1000_RJC      0x040b0u
#define E1000_MGTPRC   0x040b4u
#define E1000_MGTPDC   0x040b8u
#define E1000_MGTPTC   0x040bcu
#define E1000_TORL     0x040c0u
#define E1000_TOTL     0x040c8u
#define E1000_TPR      0x040d0u
#define E1000_TPT      0x040d4u
#define E1000_PTC64    0x040d8u
#define E1000_PTC127   0x040dcu
#define E1000_PTC255   0x040e0u
#define E1000_PTC511   0x040e4u
#define E1000_PTC1023  0x040e8u
#define E1000_PTC1522  0x040ecu
#define E1000_MPTC     0x040f0u
#define E1000_BPTC     0x040f4u
#define E1000_TSCTC    0x040f8u
#define E1000_TSCTFC   0x040fcu
#define E1000_IAC      0x04100u
#define E1000_ICRXOC   0x04124u

/* ---- time stamping --------------------------------------------------------------------- */
#define E1000_SYSTIML	      0x0b600u
#define E1000_SYSTIMH	      0x0b604u
#define E1000_TIMINCA	      0x0b608u
#define E1000_TSYNCTXCTL      0x0b614u
#define E1000_TXSTMPL	      0x0b618u
#define E1000_TXSTMPH	      0x0b61cu
#define E1000_TSYNCRXCTL      0x0b620u
#define E1000_RXSTMPL	      0x0b624u
#define E1000_RXSTMPH	      0x0b628u
#define E1000_RXCFGL	      0x0b634u
#define E1000_RXUDP	      0x0b638u

#define TIMINCA_PERIOD_SHIFT  24 /* in ticks; below it, what is added each time */
#define TSYNC_VALID	      (1u << 0)
#define TSYNC_ENABLED	      (1u << 4)
#define TSYNCRX_TYPE	      (7u << 1)
#define TSYNCRX_TYPE_EVENT_V2 (5u << 1)

/* ---- PHY registers (IEEE 802.3 clause 22), through MDIC -------------------------------- */
#define PHY_BMCR     0u
#define PHY_BMSR     1u
#define PHY_ID1	     2u
#define PHY_ID2	     3u
#define PHY_ANAR     4u
#define PHY_ANLPAR   5u
#define PHY_CTRL1000 9u

/* of the Marvell 88E1011 in the 82540 */
#define PHY_M88_CTRL	16u
#define PHY_M88_EXT	20u
#define M88_CRS_ON_TX	(1u << 11)
#define M88_TX_CLK_25	(7u << 4)

#define BMCR_FD		(1u << 8)
#define BMCR_AN_RESTART (1u << 9)
#define BMCR_POWER_DOWN (1u << 11)
#define BMCR_AN_ENABLE	(1u << 12)
#define BMCR_100	(1u << 13)
#define BMCR_RESET	(1u << 15)
#define BMCR_SPEEDS	(BMCR_100 | 1u << 6)
#define ANAR_10_HALF	(1u << 5)
#define ANAR_10_FULL	(1u << 6)
#define ANAR_100_HALF	(1u << 7)
#define ANAR_100_FULL	(1u << 8)
#define ANAR_PAUSE	(1u << 10)
#define ANAR_ASM_DIR	(1u << 11)
#define ANAR_SPEEDS	(ANAR_10_HALF | ANAR_10_FULL | ANAR_100_HALF | ANAR_100_FULL)
#define CTRL1000_HALF	(1u << 8)
#define CTRL1000_FULL	(1u << 9)

/* ---- NVM words (6.1) ------------------------------------------------------------------ */
#define NVM_VERSION   0x05u
#define NVM_SUM_WORDS 0x40u
#define NVM_SUM	      0xbabau

/* ---- descriptors ---------------------------------------------------------------------- */

/* Both kinds as two little-endian words, so that each is one load or store. */
struct fl_e1000_desc {
	uint64_t w[2];
};

/*
 * Extended receive descriptor, 7.1.6. Handed over as {address, 0}; comes back as
 * w[0] = RSS type 3:0, queue 12:8, hash 63:32; w[1] = status 19:0, errors 31:20, length 47:32,
 * VLAN tag 63:48.
 */
#define RXD_DD	       (1u << 0)
#define RXD_EOP	       (1u << 1)
#define RXD_IXSM       (1u << 2)
#define RXD_VP	       (1u << 3)
#define RXD_UDPCS      (1u << 4)
#define RXD_TCPCS      (1u << 5)
#define RXD_IPCS       (1u << 6)
#define RXD_TST	       (1u << 8) /* its time stamp was taken */
#define RXD_PTYPE(st)  (((st) >> 16) & 15u)
#define RXD_TCPE       (1u << 29)
#define RXD_IPE	       (1u << 30)
#define RXD_ERR_SHIFT  24
#define RXD_ERR_FRAME  (0x97u << 24) /* CE, SE, SEQ, CXE, RXE: the frame itself is bad */
#define RXD_ERR_ANY    (0xffu << 24)
#define RXD_LEN_SHIFT  32
#define RXD_VLAN_SHIFT 48

/*
 * Legacy receive descriptor, 7.1.4. It comes back as w[1] = length 15:0, raw checksum 31:16, status
 * 39:32, errors 47:40, VLAN tag 63:48. Its status and errors are the extended one's lowest and
 * highest eight bits.
 */
#define RXL_STATUS_SHIFT 32
#define RXL_ERRORS_SHIFT 40

/* Transmit data descriptor, 7.2.6: w[1] = command and length, then POPTS and VLAN tag. */
#define TXD_DTYP_DATA  (1ull << 20)
#define TXD_EOP	       (1ull << 24)
#define TXD_IFCS       (1ull << 25)
#define TXD_TSE	       (1ull << 26)
#define TXD_RS	       (1ull << 27)
#define TXD_DEXT       (1ull << 29)
#define TXD_VLE	       (1ull << 30)
#define TXD_DD	       (1ull << 32)
#define TXD_TS	       (1ull << 36) /* take a time stamp */
#define TXD_POPTS_IXSM (1ull << 40)
#define TXD_POPTS_TXSM (1ull << 41)
#define TXD_VLAN_SHIFT 48

/* Transmit context descriptor, 7.2.5. */
#define TXC_TUCSS_SHIFT	 32
#define TXC_TCP		 (1ull << 24)
#define TXC_IP		 (1ull << 25)
#define TXC_HDRLEN_SHIFT 40
#define TXC_MSS_SHIFT	 48

#endif
