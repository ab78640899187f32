// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: choice of the engine
 *
 * The only file that names engines.  The module parameter or "auto" picks the
 * one that new VMs get; the first VM takes the processor's virtualization and
 * the last one gives it back, so that other monitors may have it meanwhile.
 */
#define pr_fmt(fmt) "umbra: " fmt

#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "umbra/engine.h"
#include "core_internal.h"

/* In the order in which "auto" tries them. */
static const struct umbra_engine *const engines[] = {
	&umbra_engine_svm,
	&umbra_engine_soft,
};

static const struct umbra_engine *current_engine;

/* Guards @users and the calls of enable and disable. */
static DEFINE_MUTEX(engine_lock);
static unsigned int users[ARRAY_SIZE(engines)];

static unsigned int engine_index(const struct umbra_engine *engine)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(engines) - 1; i++)
		if (engines[i] == engine)
			break;
	return i;
}

static const struct umbra_engine *select_auto(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(engines); i++)
		if (!engines[i]->probe())
			return engines[i];
	pr_err("no engine can run on this machine\n");
	return ERR_PTR(-ENODEV);
}

/**
 * umbra_engine_select() - choose the engine by the module parameter
 * @name: "auto" or an engine's name
 *
 * Context: process context.
 * Return: the engine, or ERR_PTR(-EINVAL) for an unknown name, ERR_PTR(-ENODEV)
 * when it cannot run here.
 */
const struct umbra_engine *umbra_engine_select(const char *name)
{
	unsigned int i;

	if (!strcmp(name, "auto"))
		return select_auto();
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		if (strcmp(name, engines[i]->name))
			continue;
		if (!engines[i]->probe())
			return engines[i];
		pr_err("engine %s cannot run on this machine\n", name);
		return ERR_PTR(-ENODEV);
	}
	pr_err("no engine is called %s\n", name);
	return ERR_PTR(-EINVAL);
}

/**
 * umbra_engine_get() - a VM begins to use @engine
 * @engine: from umbra_engine_current()
 *
 * Context: may sleep.
 * Return: 0; -EBUSY when another monitor has the processor's virtualization;
 * other errors of the engine.
 */
int umbra_engine_get(const struct umbra_engine *engine)
{
	unsigned int i = engine_index(engine);
	int err = 0;

	mutex_lock(&engine_lock);
	if (!users[i])
		err = engine->enable();
	if (!err)
		users[i]++;
	mutex_unlock(&engine_lock);
	return err;
}

/**
 * umbra_engine_put() - a VM stops using @engine
 * @engine: as given to umbra_engine_get()
 *
 * Context: may sleep.
 */
void umbra_engine_put(const struct umbra_engine *engine)
{
	unsigned int i = engine_index(engine);

	mutex_lock(&engine_lock);
	if (!--users[i])
		engine->disable();
	mutex_unlock(&engine_lock);
}

/**
 * umbra_engine_init() - fix the engine of new VMs
 * @name: module parameter
 *
 * Return: 0 or the error of umbra_engine_select().
 */
int umbra_engine_init(const char *name)
{
	current_engine = umbra_engine_select(name);
	return PTR_ERR_OR_ZERO(current_engine);
}

/**
 * umbra_engine_current() - the engine that new VMs get
 *
 * Return: never NULL once the module is loaded.
 */
const struct umbra_engine *umbra_engine_current(void)
{
	return current_engine;
}

/**
 * umbra_engine_list() - names of all engines that can run here
 * @buf: result, separated by spaces
 * @size: bytes in @buf
 */
void umbra_engine_list(char *buf, size_t size)
{
	unsigned int i;

	buf[0] = '\0';
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		if (engines[i] != current_engine && engines[i]->probe())
			continue;
		if (buf[0])
			strlcat(buf, " ", size);
		strlcat(buf, engines[i]->name, size);
	}
}
