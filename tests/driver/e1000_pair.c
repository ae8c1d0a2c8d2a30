/* SPDX-License-Identifier: BSD-3-Clause */
#include "e1000_pair.h"

#include <stdio.h>

#include <fl_model.h>

#define POOL_COUNT 4096u

int e1000_pair_make(struct pair *p, const char *args)
{
	struct fl_pool_opts o;
	char uri[128];
	int rc;

	rc = fl_ctx_create(NULL, &p->ctx);
	if (!rc)
		rc = fl_model_enable(p->ctx, NULL);
	if (rc)
		return rc;
	fl_pool_opts_init(&o);
	o.count = POOL_COUNT;
	o.space = fl_ctx_space(p->ctx);
	rc = fl_pool_create(&o, NULL, &p->pool);
	if (rc)
		return rc;
	/* the wire's name is as unique as the pair */
	snprintf(uri, sizeof(uri), "model:e1000e,wire=w%p,%s", (void *)p->ctx, args);
	rc = fl_port_open(p->ctx, uri, &p->a);
	return rc ? rc : fl_port_open(p->ctx, uri, &p->b);
}
