/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI config space: access, identity, capabilities. Layout: PCI Local Bus 3.0, chapter 6. */
#include "dev_internal.h"

#include <linux/pci_regs.h>

/* Capabilities are at least 4 (extended: 8) bytes each, so a longer walk goes in circles. */
#define CAPS_MAX     ((PCI_CFG_SPACE_SIZE - 0x40) / 4)
#define EXT_CAPS_MAX ((PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8)

static bool cfg_valid(const struct fl_dev *dev, unsigned off, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && off % size == 0 &&
	       off < PCI_CFG_SPACE_EXP_SIZE && off + size <= dev->cfg_size;
}

int fl_pci_read(struct fl_dev *dev, unsigned off, unsigned size, uint32_t *v)
{
	*v = 0;
	if (!cfg_valid(dev, off, size))
		return -EINVAL;
	return dev->vd->ops->region_read(dev->vd, FL_VFIO_REGION_CONFIG, off, v, size);
}

int fl_pci_write(struct fl_dev *dev, unsigned off, unsigned size, uint32_t v)
{
	if (!cfg_valid(dev, off, size))
		return -EINVAL;
	return dev->vd->ops->region_write(dev->vd, FL_VFIO_REGION_CONFIG, off, &v, size);
}

uint32_t fl_dev_cfg_read(struct fl_dev *dev, unsigned off, unsigned size)
{
	uint32_t v;

	if (fl_dev_removed(dev) || fl_pci_read(dev, off, size, &v))
		return size < 4 ? (1u << (8 * size)) - 1 : UINT32_MAX;
	return v;
}

int fl_dev_cfg_write(struct fl_dev *dev, unsigned off, unsigned size, uint32_t v)
{
	return fl_dev_removed(dev) ? -ENODEV : fl_pci_write(dev, off, size, v);
}

int fl_pci_identify(struct fl_dev *dev, struct fl_pci_id *id)
{
	uint32_t ids, class_rev, sub, type;
	int err;

	err = fl_pci_read(dev, PCI_VENDOR_ID, 4, &ids);
	if (!err)
		err = fl_pci_read(dev, PCI_CLASS_REVISION, 4, &class_rev);
	if (!err)
		err = fl_pci_read(dev, PCI_HEADER_TYPE, 1, &type);
	if (!err)
		err = fl_pci_read(dev, PCI_SUBSYSTEM_VENDOR_ID, 4, &sub);
	if (err)
		return err;
	if ((ids & 0xffff) == 0xffff || (type & 0x7f) != PCI_HEADER_TYPE_NORMAL) {
		fl_err(fl_dev_log(dev), "dev",
		       "%s: config space is not that of a PCI device (id 0x%08x, header type 0x%x)",
		       dev->uri, ids, type);
		return -ENODEV;
	}
	*id = (struct fl_pci_id){
		.vendor = (uint16_t)ids,
		.device = (uint16_t)(ids >> 16),
		.subvendor = (uint16_t)sub,
		.subdevice = (uint16_t)(sub >> 16),
		.revision = (uint8_t)class_rev,
		.class_code = class_rev >> 8,
	};
	return 0;
}

int fl_pci_command(struct fl_dev *dev, uint16_t bits, bool on)
{
	uint32_t cmd, now;
	int err = fl_pci_read(dev, PCI_COMMAND, 2, &cmd);

	if (err)
		return err;
	cmd = on ? cmd | bits : cmd & ~(uint32_t)bits;
	err = fl_pci_write(dev, PCI_COMMAND, 2, cmd);
	if (!err)
		err = fl_pci_read(dev, PCI_COMMAND, 2, &now);
	if (!err && (now & bits) != (cmd & bits)) {
		fl_err(fl_dev_log(dev), "dev",
		       "%s: command register takes 0x%04x but holds 0x%04x; the device or its "
		       "server does not let memory space or bus master be switched",
		       dev->uri, cmd, now);
		err = -EIO;
	}
	return err;
}

unsigned fl_dev_find_cap(struct fl_dev *dev, uint8_t id)
{
	uint32_t status, pos, head;

	if (fl_pci_read(dev, PCI_STATUS, 2, &status) || !(status & PCI_STATUS_CAP_LIST) ||
	    fl_pci_read(dev, PCI_CAPABILITY_LIST, 1, &pos))
		return 0;
	pos &= ~3u;
	for (unsigned n = 0; pos >= PCI_STD_HEADER_SIZEOF && n < CAPS_MAX; n++) {
		if (fl_pci_read(dev, pos, 2, &head) || (head & 0xff) == 0xff)
			break;
		if ((head & 0xff) == id)
			return pos;
		pos = head >> 8 & ~3u;
	}
	return 0;
}

unsigned fl_dev_find_ext_cap(struct fl_dev *dev, uint16_t id)
{
	uint32_t pos = PCI_CFG_SPACE_SIZE, head;

	for (unsigned n = 0; pos >= PCI_CFG_SPACE_SIZE && n < EXT_CAPS_MAX; n++) {
		if (fl_pci_read(dev, pos, 4, &head) || !head || head == UINT32_MAX)
			break;
		if (PCI_EXT_CAP_ID(head) == id)
			return pos;
		pos = PCI_EXT_CAP_NEXT(head);
	}
	return 0;
}
