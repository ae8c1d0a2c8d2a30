/* SPDX-License-Identifier: BSD-3-Clause */
/* What the SEC2 has beyond the calls of every crypto device (fl_crypto.h). Control calls. */
#ifndef FL_HISI_SEC_H
#define FL_HISI_SEC_H

#include <fl_crypto.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Physical function: gives queue pairs [base, base + n) of the device to virtual function vf (from
 * 1), whoever drives that; n = 0 takes them away. Before the function is opened, since it finds
 * its queue pairs then. Kept across a reset. SEC2 datasheet, section 2.5.
 *
 * Errors: -ENOTSUP (no SEC2), -EINVAL (no such function or queue pairs, or not a physical
 * function), -EBUSY (another function has some of them; the physical one has the first as many as
 * it was configured with), -ETIMEDOUT.
 */
FL_API FL_MUST int fl_hisi_sec_vf_qps(struct fl_cryptodev *d, unsigned vf, uint16_t base,
				      uint16_t n);

/**
 * Looks at the device's errors, and answers what its other functions ask: for a user who polls and
 * has no interrupts (else fl_ctx_dispatch() does). Some register reads; call it seldom. True:
 * something was there, and was told (fl_cryptodev_on_event()) or answered. False for a device of
 * another kind.
 */
FL_API bool fl_hisi_sec_check(struct fl_cryptodev *d);

#ifdef __cplusplus
}
#endif
#endif
