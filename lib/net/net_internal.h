/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this room share. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include <fl_net_driver.h>

#define FL_ETHER_HDR_LEN  14u
#define FL_ETHER_CRC_LEN  4u
#define FL_ETHER_VLAN_LEN 4u

/** Sets every entry that is NULL to one that answers -EOPNOTSUPP. */
void fl_net_ops_complete(struct fl_net_ops *ops);

/** Name of the lowest bit set in `bits`, for messages. */
const char *fl_net_first_offload(uint64_t bits);

/** What control calls that a user repeats end with: tells of a device that hangs. */
void fl_net_watch(struct fl_port *p);

/** Remembers the port's clock before the device stops; carries it on once it runs again. */
void fl_net_clock_save(struct fl_port *p);
int fl_net_clock_restore(struct fl_port *p);

/** Whether a port can be told these FL_SPEED_*; -errno after a message. */
int fl_net_check_speeds(const struct fl_port *p, const struct fl_port_info *info, uint32_t speeds);

static inline const char *fl_net_uri(const struct fl_port *p)
{
	return fl_dev_uri(p->dev);
}

#endif
