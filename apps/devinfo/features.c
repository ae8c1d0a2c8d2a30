/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-devinfo features URI: what a port reports of itself; crypto devices: crypto.c */
#include "devinfo.h"

#include <fl_model.h>
#include <stdio.h>
#include <string.h>

struct limit {
	const char *name;
	uint64_t value;
};

#define NLIMITS 16u

static void limits(const struct fl_port_info *i, struct limit out[NLIMITS])
{
	const struct limit all[NLIMITS] = {
		{ "receive queues", i->rxq_max },
		{ "transmit queues", i->txq_max },
		{ "receive descriptors, least", i->rxd_min },
		{ "receive descriptors, most", i->rxd_max },
		{ "transmit descriptors, least", i->txd_min },
		{ "transmit descriptors, most", i->txd_max },
		{ "MTU, least", i->mtu_min },
		{ "MTU, most", i->mtu_max },
		{ "further unicast addresses", i->mac_max },
		{ "segments a packet", i->seg_max },
		{ "bytes of a TSO packet", i->tso_max },
		{ "RSS table entries", i->reta_size },
		{ "RSS key bytes", i->rss_key_size },
		{ "10 Mbit/s", !!(i->speeds & FL_SPEED_10) },
		{ "100 Mbit/s", !!(i->speeds & FL_SPEED_100) },
		{ "1000 Mbit/s", !!(i->speeds & FL_SPEED_1000) },
	};

	memcpy(out, all, sizeof(all));
}

void di_print_bits(uint64_t bits, const char *(*name)(unsigned bit), const char *fmt)
{
	for (unsigned bit = 0; bit < 64; bit++)
		if (name(bit) && *name(bit)) /* "": a gap */
			printf(fmt, name(bit), bits & 1ull << bit ? "yes" : "-");
}

static void print_text(const struct fl_port_info *i, bool md)
{
	const char *row = md ? "| %s | %s |\n" : "  %-30s %s\n";
	struct limit l[NLIMITS];
	char number[24];

	limits(i, l);
	printf(md ? "| feature | %s, %s |\n| --- | --- |\n" : "%s, %s\nFeatures\n", i->driver,
	       i->chip);
	di_print_bits(i->features, fl_feature_name, row);
	printf(md ? "\n| offload | %s |\n| --- | --- |\n" : "Offloads\n", i->chip);
	di_print_bits(i->offloads, fl_offload_name, row);
	printf(md ? "\n| limit | %s |\n| --- | --- |\n" : "Limits\n", i->chip);
	for (unsigned k = 0; k < NLIMITS; k++) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)l[k].value);
		printf(row, l[k].name, number);
	}
}

struct json_object *di_bits_json(uint64_t bits, const char *(*name)(unsigned bit))
{
	struct json_object *o = json_object_new_object();

	for (unsigned bit = 0; bit < 64; bit++)
		if (name(bit) && *name(bit)) /* "": a gap */
			di_json_bool(o, name(bit), bits & 1ull << bit);
	return o;
}

static void print_as_json(const struct fl_port_info *i)
{
	struct json_object *o = json_object_new_object(), *lim = json_object_new_object();
	struct limit l[NLIMITS];

	limits(i, l);
	for (unsigned k = 0; k < NLIMITS; k++)
		di_json_int(lim, l[k].name, (int64_t)l[k].value);
	di_json_text(o, "driver", i->driver);
	di_json_text(o, "chip", i->chip);
	json_object_object_add(o, "features", di_bits_json(i->features, fl_feature_name));
	json_object_object_add(o, "offloads", di_bits_json(i->offloads, fl_offload_name));
	json_object_object_add(o, "limits", lim);
	di_print_json(o);
}

/** Which class drives it; a device that no driver knows is a port, whose message says so. */
static int class_of(struct fl_ctx *ctx, const char *uri, enum fl_driver_class *cls)
{
	const struct fl_driver_id *match;
	const struct fl_driver *drv;
	struct fl_dev *dev;
	int ret;

	*cls = FL_CLASS_CRYPTO;
	for (unsigned i = 0; (drv = fl_driver_at(i)); i++) {
		size_t len = drv->scheme ? strlen(drv->scheme) : 0;

		if (len && !strncmp(uri, drv->scheme, len) && uri[len] == ':') {
			*cls = drv->cls;
			return 0;
		}
	}
	ret = fl_dev_open(ctx, uri, &dev);
	if (ret)
		return ret;
	if (!fl_driver_match(FL_CLASS_CRYPTO, fl_dev_id(dev), &match))
		*cls = FL_CLASS_NET;
	fl_dev_close(dev);
	return 0;
}

static int port_features(struct fl_ctx *ctx, const char *uri, bool md, bool json)
{
	struct fl_port_info info;
	struct fl_port *port;
	int ret = fl_port_open(ctx, uri, &port);

	if (ret)
		return ret;
	fl_port_info(port, &info);
	if (json)
		print_as_json(&info);
	else
		print_text(&info, md);
	fl_port_close(port);
	return 0;
}

static int crypto_features(struct fl_ctx *ctx, const char *uri, bool md, bool json)
{
	struct fl_cryptodev_info info;
	struct fl_cryptodev *d;
	int ret = fl_cryptodev_open(ctx, uri, &d);

	if (ret)
		return ret;
	fl_cryptodev_info(d, &info);
	if (json)
		di_crypto_print_json(&info);
	else
		di_crypto_print(&info, md);
	fl_cryptodev_close(d);
	return 0;
}

int di_features(const char *uri, bool md, bool json)
{
	enum fl_driver_class cls;
	struct fl_ctx *ctx;
	int ret = fl_ctx_create(NULL, &ctx), end;

	if (ret)
		return ret;
	ret = fl_model_enable(ctx, NULL);
	if (!ret)
		ret = class_of(ctx, uri, &cls);
	if (!ret)
		ret = cls == FL_CLASS_CRYPTO ? crypto_features(ctx, uri, md, json)
					     : port_features(ctx, uri, md, json);
	if (ret)
		fprintf(stderr, "fl-devinfo: %s: %s\n", uri, strerror(-ret));
	end = fl_ctx_destroy(ctx);
	return ret ? ret : end;
}

int di_models(bool json)
{
	struct json_object *list = json_object_new_array();
	const struct fl_model_ops *m;

	for (unsigned i = 0; (m = fl_model_at(i)); i++) {
		struct json_object *o = json_object_new_object();

		di_json_text(o, "name", m->name);
		di_json_text(o, "arguments", m->help);
		json_object_array_add(list, o);
		if (!json)
			printf("model:%s\n%s%s", m->name, m->help ? m->help : "",
			       m->help ? "\n" : "");
	}
	if (json)
		di_print_json(list);
	else
		json_object_put(list);
	return 0;
}
