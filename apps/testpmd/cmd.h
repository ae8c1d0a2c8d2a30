/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands. One table (cmd_table.c) holds them all; matching, bounds, help, completion and the
 * message about a bad command come from it.
 *
 * A pattern is words: plain ones, alternatives (`on|off`), and typed arguments in angle brackets:
 *   <port>    a port in use                   <ports>   one, or all of them
 *   <mac>     an Ethernet address             <file> <uri> <list> <name> <hex>  one word
 *   <n:1-32>  any other name: a number, with its bounds where they follow
 * The handler gets one struct tp_arg for each word that is not plain, in order.
 */
#ifndef TESTPMD_CMD_H
#define TESTPMD_CMD_H

#include "testpmd.h"

#define TP_MAX_WORDS 32

struct tp_arg {
	uint64_t num;	 /* number, port, position of an alternative */
	uint64_t ports;	 /* <port>, <ports>: bit mask */
	const char *str; /* the word */
	struct fl_mac mac;
};

#define CMD_PAUSE   1u /* touches queues: no worker runs meanwhile */
#define CMD_STOPPED 2u /* forwarding has to be stopped first */

struct tp_cmd {
	const char *pattern, *help;
	int (*run)(struct tp *tp, const struct tp_arg *a);
	unsigned flags;
};
extern const struct tp_cmd tp_cmds[]; /* ends with pattern NULL */

/**
 * Splits a line in place; '#' begins a comment. Returns the words, -E2BIG when too many.
 */
int tp_cmd_split(char *line, char **words);
/** Length of the next word of a pattern; *p moves on to it. 0 at the end. */
size_t tp_cmd_token(const char **p);
/** Whether a word fits a pattern's word; fills *a, or may say in why why not. */
bool tp_cmd_fits(const struct tp *tp, const char *tok, size_t len, const char *word,
		 struct tp_arg *a, char why[128]);

/** Runs fn for each port of the mask and prints which failed; returns the first error. */
int tp_each(struct tp *tp, const struct tp_arg *ports, const char *what,
	    int (*fn)(struct tp *tp, unsigned id, const struct tp_arg *a), const struct tp_arg *a);
/** Prints "WHAT: reason" for an error; returns it. */
int tp_fail(const char *what, int err);

#define TP_CMD(name) int tp_cmd_##name(struct tp *tp, const struct tp_arg *a)

/* cmd_fwd.c */
TP_CMD(start);
TP_CMD(start_tx_first);
TP_CMD(start_tx_first_n);
TP_CMD(stop);
TP_CMD(quit);
TP_CMD(set_fwd);
TP_CMD(set_burst);
TP_CMD(set_nbcore);
TP_CMD(set_corelist);
TP_CMD(set_coremask);
TP_CMD(set_nbport);
TP_CMD(set_portmask);
TP_CMD(set_portlist);
TP_CMD(set_txpkts);
TP_CMD(set_topology);
TP_CMD(set_peer);
TP_CMD(set_verbose);
TP_CMD(set_log);
TP_CMD(set_period);
TP_CMD(show_config);
TP_CMD(show_fwd);
TP_CMD(clear_fwd);
TP_CMD(load);
TP_CMD(sleep);
TP_CMD(help);
TP_CMD(help_word);
TP_CMD(csum_set);
TP_CMD(csum_show);
TP_CMD(tso_set);
TP_CMD(tso_show);
/* cmd_port.c */
TP_CMD(port_life);
TP_CMD(port_attach);
TP_CMD(port_detach);
TP_CMD(config_all);
TP_CMD(config_max_len);
TP_CMD(config_mtu);
TP_CMD(config_speed);
TP_CMD(config_offload);
TP_CMD(config_rss);
TP_CMD(rss_key);
TP_CMD(rss_reta);
TP_CMD(port_cleanup);
TP_CMD(set_promisc);
TP_CMD(set_allmulti);
TP_CMD(set_link);
TP_CMD(set_led);
TP_CMD(set_fc);
TP_CMD(set_fc_full);
TP_CMD(mac_addr);
TP_CMD(mcast_addr);
TP_CMD(vlan_set);
TP_CMD(rx_vlan);
TP_CMD(rx_vlan_all);
TP_CMD(tx_vlan_set);
TP_CMD(tx_vlan_reset);
/* cmd_show.c */
TP_CMD(show_port);
TP_CMD(show_device);
TP_CMD(clear_port);
TP_CMD(show_cap);
TP_CMD(show_offload);
TP_CMD(show_queue);
TP_CMD(show_desc);
TP_CMD(show_rss);
TP_CMD(show_rss_key);
TP_CMD(show_reta);
TP_CMD(show_fc);
TP_CMD(show_eeprom);
TP_CMD(show_regs);
TP_CMD(read_reg);
TP_CMD(write_reg);
TP_CMD(read_desc);
TP_CMD(show_residency);
TP_CMD(set_residency);
TP_CMD(set_budget);
TP_CMD(dump_physmem);
TP_CMD(dump_mempool);
TP_CMD(dump_memzone);

#endif
