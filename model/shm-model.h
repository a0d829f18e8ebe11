/* SPDX-License-Identifier: MIT */
/*
 * The operations of shm/shm.h on simulated memory: included in their place
 * where SHM_MODEL is defined. Each remembers where in the sources it stands, so
 * that its ordering can be taken away there and nowhere else.
 */
#ifndef XENCHAN_MODEL_SHM_MODEL_H
#define XENCHAN_MODEL_SHM_MODEL_H

#include "explorer.h"

#define shm_load_u8(p) ((uint8_t)model_load((p), sizeof(*(p)), 0, MODEL_SITE))
#define shm_load_u16(p) ((uint16_t)model_load((p), sizeof(*(p)), 0, MODEL_SITE))
#define shm_load_u32(p) model_load((p), sizeof(*(p)), 0, MODEL_SITE)

#define shm_load_acquire_u8(p) \
	((uint8_t)model_load((p), sizeof(*(p)), MODEL_ACQUIRE, MODEL_SITE))
#define shm_load_acquire_u32(p) \
	model_load((p), sizeof(*(p)), MODEL_ACQUIRE, MODEL_SITE)

#define shm_store_u8(p, v) model_store((p), sizeof(*(p)), (v), 0, MODEL_SITE)
#define shm_store_u16(p, v) model_store((p), sizeof(*(p)), (v), 0, MODEL_SITE)
#define shm_store_u32(p, v) model_store((p), sizeof(*(p)), (v), 0, MODEL_SITE)

#define shm_store_release_u8(p, v) \
	model_store((p), sizeof(*(p)), (v), MODEL_RELEASE, MODEL_SITE)
#define shm_store_release_u32(p, v) \
	model_store((p), sizeof(*(p)), (v), MODEL_RELEASE, MODEL_SITE)

#define shm_fence() model_fence(MODEL_SITE)

#define shm_publish_u8(p, v)                                             \
	model_store((p), sizeof(*(p)), (v), MODEL_RELEASE | MODEL_FENCE, \
		    MODEL_SITE)
#define shm_publish_u32(p, v)                                            \
	model_store((p), sizeof(*(p)), (v), MODEL_RELEASE | MODEL_FENCE, \
		    MODEL_SITE)

/* They never lose against the other end: what then happens is no ordering's. */
#define shm_try_or_u8(p, bits) \
	((void)model_rmw((p), 0xff, (bits), MODEL_FULL, MODEL_SITE), true)
#define shm_try_and_u8(p, bits, old) \
	(*(old) = model_rmw((p), (bits), 0, MODEL_FULL, MODEL_SITE), true)

#define shm_try_replace_u8(p, old, v) \
	model_replace((p), (old), (v), MODEL_FULL, MODEL_SITE)

#define shm_copy_from(dst, src, n) model_copy_from((dst), (src), (n))
#define shm_copy_to(dst, src, n) model_copy_to((dst), (src), (n))
#define shm_zero(dst, n) model_zero((dst), (n))

#endif
