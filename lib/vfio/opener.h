/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is said to an opener, which holds the right to open device nodes and hands the open files
 * to those who may use them. A SOCK_SEQPACKET socket, a question and an answer, then it is closed:
 *
 *   open 0000:01:00.0 iommufd\n     ok\n and two files: the device's cdev, /dev/iommu
 *   open 0000:01:00.0 container\n   ok\n and two files: its group, /dev/vfio/vfio
 *                                   error ERRNO TEXT\n
 */
#ifndef FL_OPENER_H
#define FL_OPENER_H

#define FL_OPENER_CONTAINER "container"
#define FL_OPENER_IOMMUFD   "iommufd"
#define FL_OPENER_FDS	    2u
/** Bytes of a question, and of an answer, at most. */
#define FL_OPENER_ASK_MAX    64u
#define FL_OPENER_ANSWER_MAX 640u

#endif
