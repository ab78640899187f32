/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what is measured
 *
 * A line of the benchmark is a row of a table: something done again and again.
 */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct bench_line - one thing that is measured
 * @name: how it is asked for
 * @count: how often it is done in counted instructions
 * @scale: times as often in real time
 * @processes: how many do so at once
 * @prepare: before the clock starts; NULL: nothing.  False: cannot be done here
 * @run: do it @n times
 */
struct bench_line {
	const char *name;
	unsigned int count;
	unsigned int scale;
	unsigned int processes;
	bool (*prepare)(void);
	void (*run)(unsigned int n);
};

extern const struct bench_line bench_lines[];
extern const size_t bench_nr_lines;

/* This program's own file, for execve(); set by main(). */
extern const char *bench_self;

#endif
