/* SPDX-License-Identifier: BSD-3-Clause */
/* 82574L and 82540EM as their datasheets have them: register offsets, bits, descriptor fields that
 * the model uses. */
#ifndef E1000_HW_H
#define E1000_HW_H

enum e1000_off {
	R_CTRL = 0x0000,
	R_CTRL_DUP = 0x0004,
	R_STATUS = 0x0008,
	R_EECD = 0x0010,
	R_EERD = 0x0014,
	R_CTRL_EXT = 0x0018,
	R_FLA = 0x001c,
	R_MDIC = 0x0020,
	R_FCAL = 0x0028,
	R_FCAH = 0x002c,
	R_FCT = 0x0030,
	R_VET = 0x0038,
	R_ICR = 0x00c0,
	R_ITR = 0x00c4,
	R_ICS = 0x00c8,
	R_IMS = 0x00d0,
	R_IMC = 0x00d8,
	R_EIAC = 0x00dc,
	R_IAM = 0x00e0,
	R_IVAR = 0x00e4,
	R_EITR = 0x00e8,
	R_RCTL = 0x0100,
	R_FCTTV = 0x0170,
	R_TXCW = 0x0178,
	R_TCTL = 0x0400,
	R_TIPG = 0x0410,
	R_AIT = 0x0458,
	R_LEDCTL = 0x0e00,
	R_EXTCNF_CTRL = 0x0f00,
	R_EXTCNF_SIZE = 0x0f08,
	R_POEMB = 0x0f10,
	R_PBA = 0x1000,
	R_PBS = 0x1008,
	R_EEMNGCTL = 0x1010,
	R_FLASHT = 0x1028,
	R_EEWR = 0x102c,
	R_FLSWCTL = 0x1030,
	R_FLSWDATA = 0x1034,
	R_FLSWCNT = 0x1038,
	R_FLOP = 0x103c,
	R_FLOL = 0x1050,
	/* shared page: receive */
	R_RDFH = 0x2410,
	R_FCRTL = 0x2160,
	R_FCRTH = 0x2168,
	R_PSRCTL = 0x2170,
	R_RDBAL = 0x2800,
	R_RDBAH = 0x2804,
	R_RDLEN = 0x2808,
	R_RDH = 0x2810,
	R_RDT = 0x2818,
	R_RDTR = 0x2820,
	R_RXDCTL = 0x2828,
	R_RADV = 0x282c,
	R_RSRPD = 0x2c00,
	R_RAID = 0x2c08,
	/* shared page: transmit */
	R_TDFH = 0x3410,
	R_TDBAL = 0x3800,
	R_TDBAH = 0x3804,
	R_TDLEN = 0x3808,
	R_TDH = 0x3810,
	R_TDT = 0x3818,
	R_TIDV = 0x3820,
	R_TXDCTL = 0x3828,
	R_TADV = 0x382c,
	R_TSPMT = 0x3830,
	R_TARC = 0x3840,
	R_QUEUE_STRIDE = 0x100,

	R_STATS = 0x4000,
	R_STATS_END = 0x4130,
	R_RXCSUM = 0x5000,
	R_RFCTL = 0x5008,
	R_MTA = 0x5200,
	R_RAL = 0x5400,
	R_VFTA = 0x5600,
	R_WUC = 0x5800,
	R_WUFC = 0x5808,
	R_WUS = 0x5810,
	R_MRQC = 0x5818,
	R_MANC = 0x5820,
	R_IPAV = 0x5838,
	R_IP4AT = 0x5840,
	R_IP6AT = 0x5880,
	R_WUPM = 0x5a00,
	R_GCR = 0x5b00,
	R_FACTPS = 0x5b30,
	R_SWSM = 0x5b50,
	R_GCR2 = 0x5b64,
	R_PBACLR = 0x5b68,
	R_RETA = 0x5c00,
	R_RSSRK = 0x5c80,
	R_FFLT = 0x5f00,
	R_FCRTV = 0x5f40,
	R_FFMT = 0x9000,
	R_FFVT = 0x9800,
	R_SYSTIML = 0xb600,
	R_SYSTIMH = 0xb604,
	R_TIMINCA = 0xb608,
	R_TIMADJL = 0xb60c,
	R_TIMADJH = 0xb610,
	R_TSYNCTXCTL = 0xb614,
	R_TXSTMPL = 0xb618,
	R_TXSTMPH = 0xb61c,
	R_TSYNCRXCTL = 0xb620,
	R_RXSTMPL = 0xb624,
	R_RXSTMPH = 0xb628,
	R_RXSATRL = 0xb62c,
	R_RXSATRH = 0xb630,
	R_RXCFGL = 0xb634,
	R_RXUDP = 0xb638,
	R_END = 0xc000,
};

/* what a PHY of 5.1 and the MAC share of CTRL, STATUS, CTRL_EXT */
#define CTRL_FD		  (1u << 0)
#define CTRL_GIO_DISABLE  (1u << 2)
#define CTRL_SLU	  (1u << 6)
#define CTRL_SPD(v)	  (((v) >> 8) & 3u)
#define CTRL_FRCSPD	  (1u << 11)
#define CTRL_FRCDPX	  (1u << 12)
#define CTRL_RST	  (1u << 26)
#define CTRL_RFCE	  (1u << 27)
#define CTRL_TFCE	  (1u << 28)
#define CTRL_VME	  (1u << 30)
#define CTRL_PHY_RST	  (1u << 31)
#define STATUS_FD	  (1u << 0)
#define STATUS_LU	  (1u << 1)
#define STATUS_TXOFF	  (1u << 4)
#define STATUS_PHYRA	  (1u << 10)
#define STATUS_MTXCKOK	  (1u << 10) /* 82540 */
#define STATUS_GIO_MASTER (1u << 19)
#define CTRL_EXT_SPD_BYPS (1u << 15)
#define CTRL_EXT_EIAME	  (1u << 24)
#define CTRL_EXT_IAME	  (1u << 27)
#define CTRL_EXT_TIMERS	  (1u << 29)
#define EECD_SK		  (1u << 0)
#define EECD_CS		  (1u << 1)
#define EECD_DI		  (1u << 2)
#define EECD_DO		  (1u << 3)
#define EECD_REQ	  (1u << 6)
#define EECD_GNT	  (1u << 7)
#define EECD_PRES	  (1u << 8)
#define EECD_AUTO_RD	  (1u << 9)

#define ICR_TXDW	  (1u << 0)
#define ICR_TXQE	  (1u << 1)
#define ICR_LSC		  (1u << 2)
#define ICR_RXDMT0	  (1u << 4)
#define ICR_RXO		  (1u << 6)
#define ICR_RXT0	  (1u << 7)
#define ICR_MDAC	  (1u << 9)
#define ICR_TXD_LOW	  (1u << 15)
#define ICR_SRPD	  (1u << 16)
#define ICR_ACK		  (1u << 17)
#define ICR_MNG		  (1u << 18)
#define ICR_RXQ0	  (1u << 20)
#define ICR_TXQ0	  (1u << 22)
#define ICR_OTHER	  (1u << 24)
#define ICR_ASSERT	  (1u << 31)
/* those that OTHER stands for */
#define ICR_OTHERS	    (ICR_LSC | ICR_RXO | ICR_MDAC | ICR_SRPD | ICR_ACK | ICR_MNG)

#define RCTL_EN		    (1u << 1)
#define RCTL_SBP	    (1u << 2)
#define RCTL_UPE	    (1u << 3)
#define RCTL_MPE	    (1u << 4)
#define RCTL_LPE	    (1u << 5)
#define RCTL_LBM(v)	    (((v) >> 6) & 3u)
#define RCTL_RDMTS(v)	    (((v) >> 8) & 3u)
#define RCTL_DTYP_PS	    (1u << 10)
#define RCTL_MO(v)	    (((v) >> 12) & 3u)
#define RCTL_BAM	    (1u << 15)
#define RCTL_BSIZE(v)	    (((v) >> 16) & 3u)
#define RCTL_VFE	    (1u << 18)
#define RCTL_CFIEN	    (1u << 19)
#define RCTL_CFI	    (1u << 20)
#define RCTL_PMCF	    (1u << 23)
#define RCTL_BSEX	    (1u << 25)
#define RCTL_SECRC	    (1u << 26)
#define RCTL_FLXBUF(v)	    (((v) >> 27) & 15u)

#define RXCSUM_PCSS(v)	    ((v)&0xffu)
#define RXCSUM_IPOFL	    (1u << 8)
#define RXCSUM_TUOFL	    (1u << 9)
#define RXCSUM_PCSD	    (1u << 13)
#define RFCTL_IPV6_DIS	    (1u << 10)
#define RFCTL_IPV6_XSUM_DIS (1u << 11)
#define RFCTL_ACK_DIS	    (1u << 12)
#define RFCTL_ACKD_DIS	    (1u << 13)
#define RFCTL_IPFRSP_DIS    (1u << 14)
#define RFCTL_EXTEN	    (1u << 15)
#define RFCTL_IPV6_EX_DIS   (1u << 16)

#define TCTL_EN		    (1u << 1)
#define TCTL_PSP	    (1u << 3)
#define TARC_EN		    (1u << 10)
#define DELAY_FPD	    (1u << 31)
#define FCRTL_XONE	    (1u << 31)

/* legacy and extended receive descriptors: status word; the legacy one holds its low byte and
 * its top byte (errors) */
#define RXD_DD		(1u << 0)
#define RXD_EOP		(1u << 1)
#define RXD_IXSM	(1u << 2)
#define RXD_VP		(1u << 3)
#define RXD_UDPCS	(1u << 4)
#define RXD_TCPCS	(1u << 5)
#define RXD_IPCS	(1u << 6)
#define RXD_PIF		(1u << 7)
#define RXD_TST		(1u << 8)
#define RXD_IPIDV	(1u << 9)
#define RXD_ACK		(1u << 15)
#define RXD_PTYPE_SHIFT 16
#define RXD_CE		(1u << 24)
#define RXD_TCPE	(1u << 29)
#define RXD_IPE		(1u << 30)
#define RXD_RXE		(1u << 31)

/* transmit descriptors: dword 2, then dword 3 */
#define TSYNC_VALID   (1u << 0)
#define TSYNC_ENABLED (1u << 4)

#define TXD_EOP	      (1u << 24)
#define TXD_IFCS      (1u << 25)
#define TXD_IC	      (1u << 26) /* legacy */
#define TXD_TSE	      (1u << 26) /* extended */
#define TXD_RS	      (1u << 27)
#define TXD_RPS	      (1u << 28) /* 82540 */
#define TXD_DEXT      (1u << 29)
#define TXD_VLE	      (1u << 30)
#define TXD_IDE	      (1u << 31)
#define TXD_DTYP(v)   (((v) >> 20) & 15u)
#define TXD_TUCMD_TCP (1u << 24)
#define TXD_TUCMD_IP4 (1u << 25)
#define TXD_DD	      (1u << 0)
#define TXD_TS	      (1u << 4)
#define TXD_IXSM      (1u << 8)
#define TXD_TXSM      (1u << 9)

/* statistics, as offsets from R_STATS; the 64-bit ones are named by their low half */
enum e1000_stat {
	S_CRCERRS = 0x00,
	S_MPC = 0x10,
	S_XONRXC = 0x48,
	S_XONTXC = 0x4c,
	S_XOFFRXC = 0x50,
	S_XOFFTXC = 0x54,
	S_PRC64 = 0x5c,
	S_GPRC = 0x74,
	S_BPRC = 0x78,
	S_MPRC = 0x7c,
	S_GPTC = 0x80,
	S_GORC = 0x88,
	S_GOTC = 0x90,
	S_RNBC = 0xa0,
	S_RUC = 0xa4,
	S_ROC = 0xac,
	S_TOR = 0xc0,
	S_TOT = 0xc8,
	S_TPR = 0xd0,
	S_TPT = 0xd4,
	S_PTC64 = 0xd8,
	S_MPTC = 0xf0,
	S_BPTC = 0xf4,
	S_TSCTC = 0xf8,
	S_TSCTFC = 0xfc,
	S_IAC = 0x100,
	S_ICRXDMTC = 0x120,
	S_ICRXOC = 0x124,
};

#endif
